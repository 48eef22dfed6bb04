"""Opens the bus that a configuration names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from monitor.bus import Bus
from monitor.config import Config
from monitor.kafka import KafkaBus, brokers
from monitor.memory import MemoryBus
from monitor.messages import Topic
from monitor.metrics import Metrics


@asynccontextmanager
async def open_bus(config: Config, metrics: Metrics, groups: Mapping[str, Sequence[Topic]]) -> AsyncIterator[Bus]:
    """Open the bus, and close it at the end; `groups` are those that will subscribe in this process.

    Raises ConfigError for an address that is none, BusError for a broker that can't be reached.
    """
    if config.bus == "memory://":
        bus: MemoryBus | KafkaBus = MemoryBus(metrics, groups=groups)
    else:
        bus = KafkaBus(brokers(config.bus), metrics, prefix=config.topic_prefix, groups=groups)
    try:
        if isinstance(bus, KafkaBus):
            await bus.start()
        yield bus
    finally:
        await bus.close()
