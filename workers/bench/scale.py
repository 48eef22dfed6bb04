"""More processes of a stage are faster in proportion: 1, 2 and 4 of one that sleeps COST_S a record instead of computing.

The processes join first, each with its share of the partitions. Then the records are published, the same number in every
partition, and the clock runs from when all are there until the last is processed: the lag falls from all of them to none.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import msgspec

from monitor import logs
from monitor.brokers import brokers
from monitor.config import Kafka
from monitor.errors import BusError
from monitor.kafka import KafkaBus
from monitor.messages import Score, Topic
from monitor.metrics import Metrics
from workers.bench import load

COST_S: Final = 0.005
PROCESSES: Final = (1, 2, 4)
PARTITIONS: Final = 8
GROUP: Final = "scale"
BATCH: Final = 16
IDLE_S: Final = 0.2
NAMES: Final = 200
"""Cameras among which one is found for each partition."""
WAIT_S: Final = 120.0
LOOK_S: Final = 0.005


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a process says after each batch."""

    held: tuple[int, ...]
    """Its partitions."""
    done: int
    """Records since it began."""


@dataclass(slots=True)
class Member:
    """One process, and what it said last."""

    process: asyncio.subprocess.Process
    told: Told = field(default_factory=lambda: Told(held=(), done=0))
    ended: bool = False

    async def listen(self) -> None:
        """Take what it says, until it ends."""
        assert self.process.stdout
        async for line in self.process.stdout:
            self.told = msgspec.json.decode(line, type=Told)
        self.ended = True


async def measure(url: str, records: int, processes: Sequence[int] = PROCESSES) -> dict[str, float]:
    """Records a second by number of processes, and how many times the first number's that is."""
    cameras = await spread(url)
    rates = {count: await _rate(url, cameras, count, records) for count in processes}
    first = rates[processes[0]]
    ratios = {f"scale_ratio_{count}": rate / first for count, rate in rates.items() if count != processes[0]}
    return {f"scale_{count}": rate for count, rate in rates.items()} | ratios


async def spread(url: str) -> list[str]:
    """One camera for each partition, found out by publishing for many. Raises BusError."""
    found: list[str] = []
    async with _bus(url, "scale.names.") as bus:
        await bus.publish(Topic.SCORES, [load.score(f"camera-{number}", 0) for number in range(NAMES)])
        found += [record.message.camera for record in await bus.newest(Topic.SCORES, range(PARTITIONS), 1)]
    if len(found) < PARTITIONS:
        raise BusError(f"Only {len(found)} of {PARTITIONS} partitions were hit by {NAMES} cameras; raise NAMES")
    return found


async def _rate(url: str, cameras: Sequence[str], count: int, records: int) -> float:
    """Records a second with so many processes."""
    prefix = f"scale.{count}."
    scores = [load.score(camera, number) for number in range(records // PARTITIONS) for camera in cameras]
    async with _bus(url, prefix) as bus, _members(url, prefix, count) as members:
        await _until(lambda: settled([member.told for member in members]), members)
        await bus.publish(Topic.SCORES, scores)
        begun, before = time.monotonic(), _done(members)
        await _until(lambda: _done(members) >= len(scores), members)
        return (len(scores) - before) / (time.monotonic() - begun)


def settled(told: Sequence[Told]) -> bool:
    """Whether each process has its share of the partitions, and none is shared."""
    held = sorted(partition for one in told for partition in one.held)
    return held == list(range(PARTITIONS)) and {len(one.held) for one in told} == {PARTITIONS // len(told)}


def _done(members: Sequence[Member]) -> int:
    return sum(member.told.done for member in members)


@asynccontextmanager
async def _members(url: str, prefix: str, count: int) -> AsyncIterator[list[Member]]:
    """Start processes, and end them."""
    command = (sys.executable, "-m", __name__, url, prefix)
    members = [Member(await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)) for _ in range(count)]
    listening = [asyncio.create_task(member.listen()) for member in members]
    try:
        yield members
    finally:
        for member in members:
            if member.process.returncode is None:
                member.process.kill()
            await member.process.wait()
        await asyncio.gather(*listening)


async def _until(true: Callable[[], bool], members: Sequence[Member]) -> None:
    """Wait until something is true. Raises BusError when it takes longer than WAIT_S, or a process ends."""
    until = time.monotonic() + WAIT_S
    while not true():
        if any(member.ended for member in members):
            raise BusError("A process of the benchmark ended too early; what it wrote above says why")
        if time.monotonic() > until:
            raise BusError(f"The processes of the benchmark did not come so far within {WAIT_S:g} s; is the machine very busy?")
        await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def _bus(url: str, prefix: str) -> AsyncIterator[KafkaBus]:
    async with AsyncExitStack() as stack:
        bus = KafkaBus(brokers(url), Metrics(), prefix=prefix, kafka=Kafka(partitions=PARTITIONS))
        stack.push_async_callback(bus.close)
        await bus.start()
        yield bus


async def work(url: str, prefix: str) -> None:
    """Be one process of the stage: a record costs COST_S of sleep."""
    held: set[int] = set()
    done = 0
    async with _bus(url, prefix) as bus, bus.subscribe(Topic.SCORES, group=GROUP, limit=BATCH, idle_s=IDLE_S) as batches:
        async for batch in batches:
            held = (held - batch.lost) | batch.gained
            for record in batch:
                assert isinstance(record.message, Score)
                await asyncio.sleep(COST_S)
            done += len(batch)
            sys.stdout.buffer.write(msgspec.json.encode(Told(held=tuple(sorted(held)), done=done)) + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    logs.configure("error", json=False)
    asyncio.run(work(*sys.argv[1:]))
