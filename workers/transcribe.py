"""The transcribe stage: sound becomes utterances, utterances become transcripts, in batches over the cameras."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from monitor.bus import Bus
from monitor.guard import Outcome
from monitor.holding import Holding
from monitor.logs import named
from monitor.messages import Mark, Topic, Transcript
from monitor.metrics import Metrics
from monitor.speech import Heard
from monitor.voice import Ears, Segmenter, Utterance

STAGE: Final = "transcribe"
LIMIT: Final = 64
"""Records a batch: a backlog of many cameras is transcribed together, and half a minute of one camera at most."""

Transcribe = Callable[[Sequence[Utterance]], Sequence[Heard]]


async def run(bus: Bus, segmenter: Callable[[str], Segmenter], transcribe: Transcribe, metrics: Metrics) -> None:
    """Transcribe what is said; a camera's marks never pass an utterance that is still being transcribed."""
    _expect(metrics)
    ears = Ears(segmenter)
    loop = asyncio.get_running_loop()
    holding = Holding(grain_s=0.0)
    with ThreadPoolExecutor(1, STAGE, named(STAGE)) as thread:
        async with bus.subscribe(Topic.AUDIO, group=STAGE, limit=LIMIT) as batches:
            async for batch in batches:
                with metrics.working(STAGE, batch):
                    for camera in holding.forget(batch.lost):
                        ears.forget(camera)
                        metrics.forget(camera, metrics.of_speech)
                    items = await loop.run_in_executor(thread, ears, batch)
                    for record in batch:
                        holding.saw(record)
                    batches.keep(holding.keep(lambda _, camera: ears.needed(camera)))
                    if batch.again:
                        continue
                    ready, rest = at_once(items)
                    await _publish(bus, ready, metrics)
                    spoken = [item for item in rest if isinstance(item, Utterance)]
                    if spoken:
                        heard = await loop.run_in_executor(thread, _timed, transcribe, spoken, metrics)
                        await _publish(bus, written(rest, heard), metrics)


def at_once(items: Sequence[Utterance | Mark]) -> tuple[list[Mark], list[Utterance | Mark]]:
    """Part the marks before a camera's first utterance, which need not wait for it, from the rest; both in order."""
    speaking: set[str] = set()
    ready, rest = [], []
    for item in items:
        if isinstance(item, Mark) and item.camera not in speaking:
            ready.append(item)
        else:
            speaking.add(item.camera)
            rest.append(item)
    return ready, rest


def written(items: Sequence[Utterance | Mark], heard: Sequence[Heard]) -> list[Transcript | Mark]:
    """Put each utterance's transcript, if it was believed, in its place between the marks."""
    results = iter(heard)
    texts = (item if isinstance(item, Mark) else next(results).transcript for item in items)
    return [text for text in texts if text is not None]


def _timed(transcribe: Transcribe, spoken: Sequence[Utterance], metrics: Metrics) -> Sequence[Heard]:
    begun = time.perf_counter()
    heard = transcribe(spoken)
    took, sound = time.perf_counter() - begun, sum(utterance.seconds for utterance in spoken)
    metrics.speech_seconds.inc(sound)
    metrics.transcription_seconds.inc(took)
    metrics.realtime_factor.set(took / sound)
    for item in heard:
        metrics.utterances.labels(item.outcome.value).inc()
        if item.outcome is not Outcome.ACCEPTED:
            metrics.rejected.labels(item.outcome.value).inc()
    return heard


def _expect(metrics: Metrics) -> None:
    """Begin the counters of all outcomes at 0."""
    for outcome in Outcome:
        metrics.utterances.labels(outcome.value)
        if outcome is not Outcome.ACCEPTED:
            metrics.rejected.labels(outcome.value)


async def _publish(bus: Bus, messages: Sequence[Transcript | Mark], metrics: Metrics) -> None:
    if messages:
        await bus.publish(Topic.TRANSCRIPTS, messages)
        metrics.published(STAGE, Topic.TRANSCRIPTS, messages)
        for message in messages:
            if isinstance(message, Transcript):
                metrics.show(metrics.spoke, message.camera, message.captured)
            elif message.last:
                metrics.forget(message.camera, metrics.of_speech)
