"""How what the cameras give gets onto the bus: straight, or past a broker that may be away."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

from monitor import config
from monitor.bus import Bus
from monitor.feed import Item
from monitor.messages import Frame, Message, Sound, Topic
from monitor.metrics import Metrics
from monitor.spool import Spool
from workers.courier import Courier, Link

KEPT: Final = {Topic.AUDIO: 1.0, Topic.CAMERAS: 1 / 64}
"""What is kept for a broker that is away, with its share of the spool; frames are dropped."""
LEAVE_S: Final = 5.0
MEGABYTE: Final = 10**6


class Outlet:
    """Publishes for all cameras of a process. With a `folder` to spool in, no lost broker stops it, and sound waits in there."""

    def __init__(self, bus: Bus, stage: str, metrics: Metrics, spool: config.Spool, folder: Path | None) -> None:
        self._bus = bus
        self._stage = stage
        self._metrics = metrics
        self.link = Link(bus, stage, metrics) if folder else None
        self._couriers: dict[Topic, Courier] = {}
        if folder and self.link:
            for topic, share in KEPT.items():
                memory, disk = int(spool.memory_mb * MEGABYTE * share), int(spool.disk_mb * MEGABYTE * share)
                self._couriers[topic] = Courier(self.link, Spool(topic, folder, memory, disk, metrics, self._lost))

    @property
    def tasks(self) -> Collection[asyncio.Future[None]]:
        """What must not end before this is closed."""
        return [courier.task for courier in self._couriers.values()]

    def why_dropped(self) -> str:
        """Why there is no room for frames now; from any thread."""
        return "broker" if (self.link and self.link.away) or self._sound_is_behind() else "overflow"

    async def put(self, topic: Topic, items: Sequence[Item], *, wait: bool) -> None:
        """Publish; with `wait`, and for frames always, return when the bus has them."""
        if self.link is None:
            with self._metrics.carrying(self._stage, len(items)):
                await self._bus.publish(topic, items)
            self._metrics.published(self._stage, topic, items)
        elif topic in self._couriers and not wait:
            self._couriers[topic].send(items)
        else:
            try:
                if Topic.AUDIO in self._couriers:  # or its windows would be closed by pictures that overtake it
                    await self._couriers[Topic.AUDIO].level.wait()
                await self.link.publish(topic, items)
            except asyncio.CancelledError:
                self.drop(items)
                raise

    def _sound_is_behind(self) -> bool:
        """Whether the sound of an outage is still on its way."""
        return Topic.AUDIO in self._couriers and not self._couriers[Topic.AUDIO].level.is_set()

    def drop(self, items: Sequence[Item]) -> None:
        """Count frames and sounds that the broker never took."""
        for item in items:
            self._lose(item, "broker")

    async def settle(self, tasks: Collection[asyncio.Future[Any]]) -> None:
        """Await publishers that end by themselves, but not for ever when the broker is away."""
        pending = set(tasks)
        while pending:
            _, pending = await asyncio.wait(pending, timeout=LEAVE_S)
            if self.link and self.link.away:
                for task in pending:
                    task.cancel()

    async def close(self) -> None:
        """Carry away or write down what is kept."""
        await asyncio.gather(*(courier.close() for courier in self._couriers.values()))

    def _lost(self, message: Message) -> None:
        self._lose(message, "spool")

    def _lose(self, message: Message, reason: str) -> None:
        label = self._metrics.camera(message.camera)
        if isinstance(message, Frame):
            self._metrics.frames_dropped.labels(label, reason).inc()
        elif isinstance(message, Sound):
            self._metrics.sound_dropped.labels(label, reason).inc(message.until - message.at)
