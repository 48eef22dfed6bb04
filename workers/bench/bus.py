"""What the bus costs: frames and scores through memory://, Tansu and Apache Kafka, each beside the same without our code.

Publisher and reader run at once in this process; LANES publish chunks of CHUNK records and wait for each to be acknowledged.
Both sides stay connected, and take turns. `overhead_…` is the ratio of this process's processor time (so without the broker's),
less 1, the median over the pairs of rounds; `…_wall` is the same of wall clock. The bare side sends bytes that were made
beforehand and decodes nothing, so encoding, validation and decoding count as ours.

`overhead_memory`: both sides read the pictures (JPEG to pixels, what every reader of a frame does first), beside an asyncio.Queue that
holds as many. A queue alone passes a reference, without checking, groups, positions, or a second reader: what one record
costs in each, and nothing read, is `memory_us_per_frame` and `queue_us_per_frame`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final, NamedTuple

import cv2
import numpy as np
from rich.console import Console

from monitor.brokers import brokers
from monitor.kafka import KafkaBus
from monitor.memory import MemoryBus
from monitor.messages import Frame, Message, Topic
from monitor.metrics import Metrics
from workers.bench import load, scale, servers
from workers.bench.ways import GROUP, Bare, Ours, Queue, Use, Way, bare, encoded

LANES: Final = 4
CHUNK: Final = 16
POOL: Final = 128
"""So many different messages there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured."""

    rounds: int = 25
    memory_rounds: int = 11
    frames: int = 256
    scores: int = 1024
    references: int = 4096
    """Frames through memory, which copies none."""
    read: int = 256
    """Frames through memory whose pictures are read."""
    waiting: int = 2400
    """Scores for the processes of `scale`."""


class Cost(NamedTuple):
    """Of one round."""

    cpu_s: float
    wall_s: float


class Pairs(NamedTuple):
    """Rounds of both sides, in turn."""

    ours: Sequence[Cost]
    bare: Sequence[Cost]

    def overhead(self) -> float:
        """By processor time."""
        return median(ours.cpu_s / bare.cpu_s for ours, bare in zip(self.ours, self.bare, strict=True)) - 1

    def overhead_wall(self) -> float:
        """By wall clock."""
        return median(ours.wall_s / bare.wall_s for ours, bare in zip(self.ours, self.bare, strict=True)) - 1


Broker = Callable[[], AbstractContextManager[str]]


def measure(sizes: Sizes | None = None, started: Mapping[str, Broker] | None = None) -> dict[str, float]:
    """All figures; what can't be had here is left out, and said."""
    sizes = sizes or Sizes()
    console = Console(stderr=True)
    frames = load.frames(POOL)
    figures = {"frame_kb": sum(len(frame.jpeg) for frame in frames) / len(frames) / 1000}
    figures |= asyncio.run(_memory(frames, sizes))
    for name, start in (started or {"tansu": servers.tansu, "kafka": servers.apache}).items():
        console.print(f"{name}: starting")
        try:
            with start() as url:
                figures |= asyncio.run(_broker(name, url, frames, sizes))
                if name == "kafka":
                    console.print("processes of a stage")
                    figures |= asyncio.run(scale.measure(url, sizes.waiting))
        except servers.MissingError as error:
            console.print(f"{name} is left out: {error}")
    return figures


async def _memory(frames: Sequence[Frame], sizes: Sizes) -> dict[str, float]:
    passed = await _in_memory(load.chunks(frames, sizes.references // CHUNK, CHUNK), sizes.memory_rounds)
    read = await _in_memory(load.chunks(frames, sizes.read // CHUNK, CHUNK), sizes.memory_rounds, pixels)
    figures = _rates("memory", "frames", passed.ours, sizes.references, _megabytes(Topic.VIDEO, frames))
    return figures | {
        "memory_us_per_frame": _each_us(passed.ours, sizes.references),
        "queue_us_per_frame": _each_us(passed.bare, sizes.references),
        "overhead_memory": read.overhead(),
        "overhead_memory_wall": read.overhead_wall(),
    }


async def _in_memory(chunks: Sequence[Sequence[Message]], rounds: int, use: Use | None = None) -> Pairs:
    bus = MemoryBus(Metrics(), groups={GROUP: [Topic.VIDEO]})
    async with bus.subscribe(Topic.VIDEO, group=GROUP) as reader:
        return await _pairs(Ours(bus, reader, Topic.VIDEO, chunks, use), Queue(chunks, use), chunks, rounds)


def pixels(message: Message) -> object:
    """Read a frame's picture."""
    assert isinstance(message, Frame)
    return cv2.imdecode(np.frombuffer(message.jpeg, np.uint8), cv2.IMREAD_COLOR)


async def _broker(name: str, url: str, frames: Sequence[Frame], sizes: Sizes) -> dict[str, float]:
    """Frames, then scores, both ways through a broker."""
    figures: dict[str, float] = {}
    scores = load.scores(POOL)
    trials: Sequence[tuple[str, Topic, Sequence[Message], int]] = (
        ("frames", Topic.VIDEO, frames, sizes.frames),
        ("scores", Topic.SCORES, scores, sizes.scores),
    )
    for what, topic, pool, count in trials:
        chunks, megabytes = load.chunks(pool, count // CHUNK, CHUNK), _megabytes(topic, pool)
        async with _both(url, topic, chunks) as (ours, alone):
            pairs = await _pairs(ours, alone, chunks, sizes.rounds)
        figures |= _rates(name, what, pairs.ours, count, megabytes)
        figures |= _rates(f"{name}_bare", what, pairs.bare, count, megabytes)
        suffix = "" if what == "frames" else f"_{what}"
        figures |= {f"overhead_{name}{suffix}": pairs.overhead(), f"overhead_{name}{suffix}_wall": pairs.overhead_wall()}
    return figures


@asynccontextmanager
async def _both(url: str, topic: Topic, chunks: Sequence[Sequence[Message]]) -> AsyncIterator[tuple[Ours, Bare]]:
    """Connect both ways, each to topics of its own that were made alike."""
    at = brokers(url)
    async with AsyncExitStack() as clients:
        bus, other = (KafkaBus(at, Metrics(), prefix=f"{side}.{topic.value}.") for side in ("ours", "bare"))
        for one in (bus, other):
            clients.push_async_callback(one.close)
            await one.start()
        await other.close()
        reader = await clients.enter_async_context(bus.subscribe(topic, group=GROUP))
        alone = await clients.enter_async_context(bare(at, f"bare.{topic.value}.{topic.value}", encoded(topic, chunks)))
        yield Ours(bus, reader, topic, chunks), alone


async def _pairs(ours: Way, alone: Way, chunks: Sequence[Sequence[Message]], rounds: int) -> Pairs:
    """Let the sides take turns, each first as often as the other, after a round that does not count."""
    costs: dict[Way, list[Cost]] = {ours: [], alone: []}
    for number in range(rounds + 1):
        for way in (ours, alone) if number % 2 else (alone, ours):
            costs[way].append(await _round(way, chunks))
    return Pairs(costs[ours][1:], costs[alone][1:])


async def _round(way: Way, chunks: Sequence[Sequence[Message]]) -> Cost:
    """Publish all chunks and read all records."""
    cpu, wall = time.process_time(), time.monotonic()

    async def lane(first: int) -> None:
        for chunk in range(first, len(chunks), LANES):
            await way.publish(chunk)

    await asyncio.gather(way.read(sum(map(len, chunks))), *map(lane, range(LANES)))
    return Cost(time.process_time() - cpu, time.monotonic() - wall)


def _rates(name: str, what: str, costs: Sequence[Cost], count: int, megabytes: float) -> dict[str, float]:
    """Records and 10^6 bytes a second of wall clock; `megabytes` of one record."""
    each = count / median(cost.wall_s for cost in costs)
    mine = "mb_per_s" if what == "frames" else f"{what}_mb_per_s"
    return {f"{what}_per_s_{name}": each, f"{mine}_{name}": each * megabytes}


def _each_us(costs: Sequence[Cost], count: int) -> float:
    return median(cost.cpu_s for cost in costs) / count * 1e6


def _megabytes(topic: Topic, pool: Sequence[Message]) -> float:
    values = [record.value for chunk in encoded(topic, [pool]) for record in chunk]
    return sum(map(len, values)) / len(values) / 1e6
