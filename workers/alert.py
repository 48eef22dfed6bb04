"""The alert stage: scores, words and camera states become alerts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from monitor.bus import Bus, Record
from monitor.decide import Decider
from monitor.messages import Alert, CameraState, Mark, Message, Phase, Score, Topic, Transcript
from monitor.metrics import Metrics
from workers.lifecycle import first

STAGE: Final = "alert"
TOPICS: Final = (Topic.SCORES, Topic.TRANSCRIPTS, Topic.CAMERAS)
TICK_S: Final = 1.0

Clock = Callable[[], float]


async def run(bus: Bus, decider: Decider, metrics: Metrics, *, live: bool, clock: Clock = time.time) -> None:
    """Decide on what arrives, and publish the alerts; for live cameras, also on what does not arrive."""
    if live:
        await first(_arrivals(bus, decider, metrics, clock), _ticks(bus, decider, metrics, clock))
    else:
        await _arrivals(bus, decider, metrics, None)


async def _arrivals(bus: Bus, decider: Decider, metrics: Metrics, clock: Clock | None) -> None:
    async with bus.subscribe(*TOPICS, group=STAGE) as batches:
        async for batch in batches:
            metrics.batch.labels(STAGE).observe(len(batch))
            with metrics.stage_seconds.labels(STAGE).time():
                alerts = [alert for record in batch for alert in _decide(decider, record, metrics)]
                await _publish(bus, alerts, metrics, clock)


def _decide(decider: Decider, record: Record[Message], metrics: Metrics) -> list[Alert]:
    metrics.records_in.labels(STAGE, record.ref.topic.value).inc()
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


async def _ticks(bus: Bus, decider: Decider, metrics: Metrics, clock: Clock) -> None:
    """Let the wall clock tell of cameras that stay away."""
    while True:
        await asyncio.sleep(TICK_S)
        await _publish(bus, decider.tick(clock()), metrics, clock)


async def _publish(bus: Bus, alerts: Sequence[Alert], metrics: Metrics, clock: Clock | None) -> None:
    """Publish and count; how late alerts are means something for live cameras only."""
    if not alerts:
        return
    await bus.publish(Topic.ALERTS, alerts)
    metrics.records_out.labels(STAGE, Topic.ALERTS.value).inc(len(alerts))
    for alert in alerts:
        kind = alert.kind.partition(":")[0]
        metrics.alerts.labels(alert.kind, alert.severity.value, alert.phase.value).inc()
        if clock is not None and alert.phase is Phase.NEW:
            metrics.alert_seconds.labels(kind).observe(max(0.0, clock() - alert.captured))
