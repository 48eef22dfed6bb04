"""The deliver stage: alerts go to every sink, in order, each at its own pace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import structlog
from structlog.contextvars import bound_contextvars

from monitor import codec, events
from monitor.bus import Bus, Record, trace_id
from monitor.errors import MessageError, SinkError
from monitor.messages import Alert, Message, Topic
from monitor.metrics import Metrics

if TYPE_CHECKING:
    from monitor.sinks import Sink

STAGE: Final = "deliver"

LIMIT: Final = 16
"""Alerts a batch: after a crash, so many may be delivered twice."""

log = structlog.get_logger()


async def run(bus: Bus, sinks: Sequence[Sink], metrics: Metrics) -> None:
    """Deliver to all sinks at once; each is a group of its own, so that one that is down holds up no other and misses nothing."""
    async with asyncio.TaskGroup() as tasks:
        for sink, group in zip(sinks or (Nowhere(),), groups(sinks), strict=True):
            tasks.create_task(_deliver(bus, sink, group, metrics))


def groups(sinks: Sequence[Sink]) -> tuple[str, ...]:
    """The consumer group of each sink; one if there is none."""
    return (STAGE, *(f"{STAGE}-{number}" for number in range(2, len(sinks) + 1)))


class Nowhere:
    """The sink of a configuration that has none."""

    name = "none"

    async def send(self, alert: Alert) -> None:
        """Take the alert and do nothing."""

    async def close(self) -> None:
        """Nothing to let go of."""


async def _deliver(bus: Bus, sink: Sink, group: str, metrics: Metrics) -> None:
    for outcome in ("delivered", "failed"):
        metrics.delivered.labels(sink.name, outcome)
    metrics.delivery_seconds.labels(sink.name)
    async with bus.subscribe(Topic.ALERTS, group=group, limit=LIMIT) as batches:
        async for batch in batches:
            with metrics.working(STAGE, batch):
                for record in batch:
                    with bound_contextvars(camera=record.message.camera, **_trace(record)), events.traced(record.trace):
                        await _send(bus, sink, record, metrics)


def _trace(record: Record[Message]) -> dict[str, str]:
    """What log lines say of a record's trace."""
    return {"trace": trace_id(record.trace)} if record.trace else {}


async def _send(bus: Bus, sink: Sink, record: Record[Message], metrics: Metrics) -> None:
    """Deliver one alert, or put it on the dead-letter topic when the sink gave up."""
    alert = record.message
    assert isinstance(alert, Alert)
    try:
        await sink.send(alert)
    except SinkError as error:
        metrics.delivered.labels(sink.name, "failed").inc()
        metrics.dead_letters.labels(Topic.ALERTS.value, "undeliverable").inc()
        log.warning("an alert was not delivered", sink=sink.name, alert=alert.id, sequence=alert.sequence, error=str(error))
        why = MessageError(f"{sink.name}: {error}", "undeliverable")
        await bus.publish(Topic.DEAD_LETTER, [codec.dead_letter(alert.camera, record.ref, events.to_json(alert), why, time.time())])
    else:
        metrics.arrived(sink.name, alert, record.published)
