"""The rows of the table: what is done to a plant while it watches its cameras."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from monitor.kafka import KafkaBus
from workers.bench.chaos.plant import BEHIND, Plant
from workers.stage import Stage

POLL_S: Final = 0.1
LOOK_S: Final = 30.0
"""A stage that has not processed anything so long after its death has not recovered."""


@dataclass(slots=True)
class Done:
    """What was done, and how long each thing took to get over."""

    faults: int = 0
    recovered_s: list[float] = field(default_factory=list)


Fault = Callable[[Plant, KafkaBus, Done], Awaitable[None]]


async def nothing(_plant: Plant, _bus: KafkaBus, _done: Done) -> None:
    """Let it run: what the others are held against."""


async def kill(plant: Plant, bus: KafkaBus, done: Done, *, times: int) -> None:
    """Kill each stage's process, one at a time, at random moments (SIGKILL)."""
    chance = random.Random(1)  # noqa: S311 - the moments need to be arbitrary, not secret
    for stage in [stage for _ in range(times) for stage in BEHIND]:
        await asyncio.sleep(chance.uniform(0.5, 3.0))
        before = await bus.reached(stage.value)
        plant.one(stage).process.kill()
        begun = time.monotonic()
        done.faults += 1
        while await bus.reached(stage.value) <= before and time.monotonic() < begun + LOOK_S:
            await asyncio.sleep(POLL_S)
        done.recovered_s.append(time.monotonic() - begun)


async def scale(plant: Plant, _bus: KafkaBus, done: Done) -> None:
    """Let a second process of each stage join, and leave again."""
    for stage in (Stage.ENCODE, Stage.TRANSCRIBE, Stage.FUSE, Stage.ALERT):
        second = plant.start(stage, 2)
        await asyncio.sleep(8)
        second.wanted = False
        second.process.terminate()
        await asyncio.to_thread(second.process.wait, 30)
        plant.workers.remove(second)
        done.faults += 1
        await asyncio.sleep(4)
