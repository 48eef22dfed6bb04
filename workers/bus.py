"""Opens the bus that a configuration names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

from monitor.brokers import brokers
from monitor.bus import Bus
from monitor.config import Config
from monitor.follow import follow
from monitor.kafka import KafkaBus
from monitor.memory import MemoryBus
from monitor.messages import Topic
from monitor.metrics import Metrics
from workers.governor import Follow


def following(config: Config, metrics: Metrics) -> Follow | None:
    """Give what opens the stream of what stages tell of themselves; on memory:// there are no other processes."""
    if config.bus == "memory://":
        return None
    return partial(follow, brokers(config.bus, config.kafka.security), config.topic_prefix, Topic.PRESSURE, metrics)


@asynccontextmanager
async def open_bus(
    config: Config, metrics: Metrics, groups: Mapping[str, Sequence[Topic]], instance: str | None = None
) -> AsyncIterator[Bus]:
    """Open the bus, and close it at the end; `groups` are those that will subscribe in this process, `instance` its lasting name in them.

    Raises ConfigError for an address that is none, BusError for a broker that can't be reached.
    """
    if config.bus == "memory://":
        bus: MemoryBus | KafkaBus = MemoryBus(metrics, groups=groups)
    else:
        at = brokers(config.bus, config.kafka.security)
        bus = KafkaBus(at, metrics, prefix=config.topic_prefix, kafka=config.kafka, groups=groups, instance=instance)
    try:
        if isinstance(bus, KafkaBus):
            await bus.start()
        yield bus
    finally:
        await bus.close()
