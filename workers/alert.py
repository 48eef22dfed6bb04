"""The alert stage: scores, words and camera states become alerts."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import structlog

from monitor.bus import Batch, Bus, Record
from monitor.decide import TOLD, Decider
from monitor.errors import MessageError
from monitor.feedback import Feedback
from monitor.holding import Holding
from monitor.messages import Alert, CameraState, Learned, Mark, Message, Score, Stamped, Topic, Transcript
from monitor.metrics import Metrics
from workers.shown import Shown
from workers.stage import READS, Stage

STAGE: Final = "alert"
TICK_S: Final = 1.0
NEWEST: Final = 10_000
"""Records of thresholds that are read back; compaction leaves about one a camera."""

log: Any = structlog.get_logger()

Clock = Callable[[], float]
News = Callable[[], Sequence[Feedback] | None]
"""All that people have said, if there is more of it than before."""


async def run(bus: Bus, decider: Decider, metrics: Metrics, *, live: bool, clock: Clock = time.time, feedback: News | None = None) -> None:
    """Decide on what arrives, and publish the alerts; for live cameras, also on what does not arrive."""
    holding, shown = Holding(), Shown(decider, metrics)
    async with bus.subscribe(*READS[Stage.ALERT], group=STAGE, once=True, idle_s=TICK_S if live else None) as batches:
        async for batch in batches:
            with metrics.working(STAGE, batch):
                shown.forget(await _hand_over(bus, batch, decider, holding))
                if feedback is not None and (said := feedback()) is not None:
                    decider.budgets.heed(said)
                    shown.heed(said)
                alerts = [alert for record in batch for alert in _decide(decider, record)]
                for record in batch:
                    holding.saw(record)
                await _keep(bus, batch, decider, metrics)
                batches.keep(holding.keep(decider.needed))
                if live and not batch.again:
                    alerts += decider.tick(_now(batch, clock))
                if alerts and not batch.again:
                    await batches.answer(Topic.ALERTS, alerts)
                    _count(alerts, metrics, clock if live else None)
                shown.after(batch, alerts)


async def _hand_over(bus: Bus, batch: Batch, decider: Decider, holding: Holding) -> Collection[str]:
    """Forget the cameras of partitions that were lost, which it gives, and learn what was told of those that were gained."""
    lost = holding.forget(batch.lost)
    for camera in lost:
        decider.forget(camera)
    records = await bus.newest(Topic.ALERTS, batch.gained, TOLD)
    decider.told(record.message for record in records if isinstance(record.message, Alert))
    for partition in batch.gained:
        newest = {record.message.camera: record.message for record in await bus.newest(Topic.BUDGET, [partition], NEWEST)}
        for learned in newest.values():
            _resume(decider, learned)
    return lost


def _resume(decider: Decider, learned: Message) -> None:
    """Go on from what thresholds were; what can't be read is learned anew."""
    if isinstance(learned, Learned) and learned.data:
        try:
            decider.budgets.resume(learned)
        except MessageError as error:
            log.warning("thresholds are learned anew", camera=learned.camera, error=str(error))


async def _keep(bus: Bus, batch: Batch, decider: Decider, metrics: Metrics) -> None:
    """Keep what thresholds have become, where it is time for it, before the scores that they came of are let go."""
    learned = decider.budgets.to_keep()
    if learned and not batch.again:
        await bus.publish(Topic.BUDGET, learned)
        for camera, expected in decider.budgets.expected_alarms_per_day().items():
            metrics.show(metrics.alarms_expected, camera, expected)


def _now(batch: Batch, clock: Clock) -> float:
    """The time that this batch has come to; only when nothing more waits, the clock's: a backlog may hold a camera's return."""
    return max((record.message.captured for record in batch if isinstance(record.message, Stamped | CameraState)), default=clock())


def _decide(decider: Decider, record: Record[Message]) -> list[Alert]:
    match record.message:
        case Score() as score:
            return decider.score(score)
        case Transcript() as transcript:
            return decider.transcript(transcript)
        case CameraState() as state:
            return decider.state(state)
        case Mark(last=last) as mark:
            if record.ref.topic is Topic.TRANSCRIPTS:
                return decider.heard(mark)
            return decider.ended(mark.camera) if last else []
        case _:
            return []


def _count(alerts: Sequence[Alert], metrics: Metrics, clock: Clock | None) -> None:
    """Count; how late alerts are means something for live cameras only."""
    metrics.published(STAGE, Topic.ALERTS, alerts)
    now = None if clock is None else clock()
    for alert in alerts:
        metrics.alerted(alert, now)
