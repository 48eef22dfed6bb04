"""Opens the bus that a configuration names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

from monitor.brokers import brokers
from monitor.bus import Bus
from monitor.config import Config, Tracing
from monitor.errors import ConfigError
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
        async with followed(bus, config.tracing) as seen:
            yield seen
    finally:
        await bus.close()


@asynccontextmanager
async def followed(bus: Bus, settings: Tracing) -> AsyncIterator[Bus]:
    """Follow what goes over a bus, where that is wanted: nothing is loaded, and nothing in its way, where it is not.

    Raises ConfigError saying what to install.
    """
    if not settings.endpoint:
        yield bus
        return
    try:
        from monitor import tracing  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigError(f"tracing: {error.name} is missing; install scenewatch[otel], or leave tracing.endpoint out") from error
    provider = tracing.provider(settings)
    try:
        yield tracing.TracedBus(bus, provider.get_tracer("scenewatch"))
    finally:
        await asyncio.to_thread(provider.shutdown)  # sends what is left
