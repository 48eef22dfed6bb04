"""What is seen of a run while it goes on: how late alerts are, how many frames capture drops, how busy the machine is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from monitor.errors import BusError
from monitor.kafka import KafkaBus
from monitor.messages import Alert, Phase, Topic
from workers.bench.chaos.plant import Dropped, Worker, dropped
from workers.lifecycle import ended

GROUP: Final = "chaos"
EVERY_S: Final = 1.0


class Told(NamedTuple):
    """An alert that could be read from the topic."""

    at: float
    """Wall clock."""
    camera: str
    until: float
    """Event time: the end of the window, or of the words, that it tells of."""


@dataclass(slots=True)
class Watched:
    """What was seen."""

    told: list[Told] = field(default_factory=list)
    """Of alerts; an incident's end tells of nothing new: it comes a number of calm windows after the last."""
    dropped: Dropped = field(default_factory=Dropped)
    busy: float = 0.0
    """The share of all processors' time that something ran."""

    def delay_s(self, offsets: Mapping[str, float], share: float = 0.95) -> float:
        """So many of the alerts came sooner after the end of what they tell of; 0 without any.

        `offsets`: by camera, the wall clock less event time.
        """
        ordered = sorted(told.at - told.until - offsets[told.camera] for told in self.told if told.camera in offsets)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


async def alerts(bus: KafkaBus, watched: Watched) -> None:
    """Read alerts as they come, however often the broker goes away."""
    seen: set[tuple[str, int]] = set()
    while True:
        try:
            async with bus.subscribe(Topic.ALERTS, group=GROUP) as batches:
                async for batch in batches:
                    fresh = [record.message for record in batch if isinstance(record.message, Alert)]
                    new = [alert for alert in fresh if (alert.id, alert.sequence) not in seen]
                    watched.told += [Told(time.time(), alert.camera, alert.until) for alert in new if alert.phase is not Phase.END]
                    seen |= {(alert.id, alert.sequence) for alert in new}
        except BusError:
            await asyncio.sleep(EVERY_S)


async def frames(capture: Worker, watched: Watched) -> None:
    """Ask capture what it has dropped, for as long as it lives."""
    async with httpx.AsyncClient(timeout=2.0) as client:
        while True:
            watched.dropped = await dropped(client, capture) or watched.dropped
            await asyncio.sleep(EVERY_S)


@asynccontextmanager
async def watching(bus: KafkaBus, capture: Worker) -> AsyncIterator[Watched]:
    """Watch while the body runs."""
    watched = Watched()
    tasks = [asyncio.ensure_future(alerts(bus, watched)), asyncio.ensure_future(frames(capture, watched))]
    begin = ran()
    try:
        yield watched
    finally:
        watched.busy = (ran()[0] - begin[0]) / max(ran()[1] - begin[1], 1e-9)
        await ended(*tasks)


def ran() -> tuple[float, float]:
    """How long all processors have run, and that with their idle time, since the machine began (proc(5), /proc/stat)."""
    ticks = [float(tick) for tick in Path("/proc/stat").read_text("utf-8").partition("\n")[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)
