"""Embeddings on a real bus become scores, and scores, words and states become alerts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np

from monitor.align import Aligner, Window
from monitor.bus import Bus
from monitor.config import Alerts, Fusion, Phrase, Rule
from monitor.decide import Decider
from monitor.memory import MemoryBus
from monitor.messages import (
    Alert,
    CameraState,
    Embedding,
    Judgement,
    Mark,
    Message,
    Modality,
    Phase,
    Score,
    State,
    Topic,
    Transcript,
    pack,
)
from monitor.metrics import Metrics
from workers import alert, fuse
from workers.stage import READS, Stage

HAS = (Modality.PICTURE, Modality.SOUND, Modality.TEXT)
GROUPS = {"fuse": (Topic.EMBEDDINGS,), "alert": READS[Stage.ALERT], "see": (Topic.SCORES, Topic.ALERTS)}
ALERTS = Alerts(
    rules={"fight": Rule(clear_after=2), "distress": Rule(enabled=True, clear_after=2)},
    watch={"help": Phrase(phrases=("help me",))},
    offline_after_s=5,
)


class Loud:
    """A network that takes the last picture's first number for a fight, and words for distress."""

    name = "loud-1"

    def __call__(self, windows: Sequence[Window], /) -> list[tuple[Judgement, ...]]:
        return [self._one(window) for window in windows]

    def _one(self, window: Window) -> tuple[Judgement, ...]:
        fight = float(window.pictures[-1].vector == LOUD) if window.pictures else 0.0
        return Judgement(kind="fight", probability=fight), Judgement(kind="distress", probability=float(bool(window.texts)))


LOUD, STILL = pack(np.ones(4)), pack(np.zeros(4))


def embedding(modality: Modality, at: float, until: float, vector: bytes = STILL, said: Transcript | None = None) -> Embedding:
    return Embedding(
        camera="hall", at=at, until=until, captured=at, modalities=HAS, modality=modality, vector=vector, transcript=said, model="m"
    )


def scene() -> list[Message]:
    """Twenty seconds: a fight from 5 to 8, words from 10 to 12, one modality after the other."""
    said = Transcript(
        camera="hall", at=10, until=12, captured=12, modalities=HAS, text="Help me!", language="en", confidence=0.9, no_speech=0
    )
    halves = [index / 2 for index in range(40)]
    pictures = [embedding(Modality.PICTURE, at, at + 0.5, LOUD if 5 <= at < 8 else STILL) for at in halves]
    sounds = [embedding(Modality.SOUND, at, at + 0.5) for at in halves]
    ends = [Mark(camera="hall", at=20, until=20, captured=20, modalities=HAS, modality=modality, last=True) for modality in HAS]
    return [*pictures, *sounds, embedding(Modality.TEXT, 10, 12, said=said), *ends]


@asynccontextmanager
async def stages(metrics: Metrics, *, live: bool = False, now: float = 0.0) -> AsyncIterator[MemoryBus]:
    bus = MemoryBus(metrics, groups=GROUPS)
    aligner, judges = Aligner(Fusion(), live=live), fuse.Judges(Loud(), lambda: None)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fuse.run(bus, aligner, judges, metrics))
        tasks.create_task(alert.run(bus, Decider(ALERTS), metrics, live=live, clock=lambda: now))
        yield bus
        await bus.close()


async def seen(bus: Bus, count: int) -> list[Message]:
    messages: list[Message] = []
    async with bus.subscribe(Topic.SCORES, Topic.ALERTS, group="see") as batches:
        async for batch in batches:
            messages += [record.message for record in batch]
            if len(messages) >= count:
                return messages
    return messages


async def test_a_scene_becomes_alerts() -> None:
    metrics = Metrics()
    async with stages(metrics) as bus:
        await bus.publish(Topic.EMBEDDINGS, scene())
        messages = await seen(bus, 40 + 40 + 1 + 4)
    scores = [message for message in messages if isinstance(message, Score)]
    alerts = [message for message in messages if isinstance(message, Alert)]
    assert [score.until for score in scores if score.revision == 0] == [index / 2 for index in range(1, 41)]
    assert [score.until for score in scores if score.final] == [index / 2 for index in range(1, 41)]
    assert [(alert.kind, alert.phase) for alert in sorted(alerts, key=lambda alert: (alert.kind, alert.sequence))] == [
        ("distress", Phase.NEW),
        ("distress", Phase.END),
        ("fight", Phase.NEW),
        ("fight", Phase.END),
    ]
    assert metrics.registry.get_sample_value("scenewatch_windows_scored_total", {"camera": "hall", "revision": "1"}) == 40
    assert metrics.registry.get_sample_value("scenewatch_embeddings_late_total") == 0


async def test_the_order_of_modalities_changes_no_alert() -> None:
    found = []
    for order in (scene(), sorted(scene(), key=lambda message: (isinstance(message, Mark), getattr(message, "at", 0.0)))):
        async with stages(Metrics()) as bus:
            await bus.publish(Topic.EMBEDDINGS, order)
            messages = await seen(bus, 40 + 40 + 1 + 4)
        alerts = [message for message in messages if isinstance(message, Alert)]
        found.append(sorted(alerts, key=lambda alert: (alert.kind, alert.sequence)))
    assert found[0] == found[1]


async def test_words_and_states_become_alerts() -> None:
    metrics = Metrics()
    said = Transcript(
        camera="hall", at=10, until=12, captured=12, modalities=HAS, text="Help me!", language="en", confidence=0.9, no_speech=0
    )
    async with stages(metrics) as bus:
        await bus.publish(Topic.TRANSCRIPTS, [said])
        await bus.publish(Topic.CAMERAS, [CameraState(camera="hall", at=10, states=(State.BLIND,))])
        alerts = await seen(bus, 2)
    assert {alert.kind for alert in alerts if isinstance(alert, Alert)} == {"phrase:help", "camera:blind"}


async def test_the_clock_tells_of_a_camera_that_stays_away() -> None:
    metrics = Metrics()
    async with stages(metrics, live=True, now=1000.0) as bus:
        await bus.publish(Topic.CAMERAS, [CameraState(camera="hall", at=990, captured=996, states=(State.STALLED,), detail="refused")])
        await bus.drain()
        assert not metrics.registry.get_sample_value(
            "scenewatch_alerts_total", {"kind": "camera:offline", "severity": "warning", "phase": "new"}
        )
        await bus.publish(Topic.CAMERAS, [CameraState(camera="hall", at=990, captured=994, states=(State.LIVE,))])
        await bus.publish(Topic.CAMERAS, [CameraState(camera="hall", at=991, captured=994, states=(State.STALLED,))])
        (alert_,) = await seen(bus, 1)
    assert isinstance(alert_, Alert)
    assert (alert_.kind, alert_.captured) == ("camera:offline", 1000)
    assert metrics.registry.get_sample_value("scenewatch_capture_to_alert_seconds_count", {"kind": "camera"}) == 1
