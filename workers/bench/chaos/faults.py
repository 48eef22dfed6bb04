"""The rows of the table: what is done to a plant while it watches its cameras."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

import httpx

from monitor import codec
from monitor.errors import BusError
from monitor.kafka import KafkaBus
from monitor.messages import MAX_BYTES, CameraState, Frame, Sound, State, Topic
from workers.bench.chaos import clock
from workers.bench.chaos.cluster import Site
from workers.bench.chaos.counted import Counted
from workers.bench.chaos.plant import BEHIND, Plant, is_ready
from workers.stage import READS, Stage

POLL_S: Final = 0.1
KILL_S: Final = (3.0, 9.0)
"""From the recovery of one stage to the death of the next."""
LOOK_S: Final = 30.0
"""A stage that has not processed anything so long after its death has not recovered."""
CAUGHT_UP: Final = 60
"""Records that all stages together are behind when they keep up: what comes in about half a second …"""
STEADY_S: Final = 2.0
"""… and that for so long."""
BAD_SHARE: Final = 0.01
BAD_LEAST: Final = 3
"""Each topic gets one of every kind at least."""
NEWEST: Final = 48
"""A partition's newest records, in which each of its cameras has some."""
TURN_S: Final = 0.01
"""In so short turns a process that stands still is one that is slow, and none that freezes."""
SLOWER: Final = 10
ALL: Final = "all"
SLOW_S: Final = 50.0
READ: Final = tuple(dict.fromkeys(topic for stage in BEHIND for topic in READS[stage]))


@dataclass(slots=True)
class Done:
    """What was done, and how long each thing took to get over."""

    faults: int = 0
    late: int = 0
    """Those of them that came after the cameras' end."""
    recovered_s: dict[str, list[float]] = field(default_factory=dict)
    """By stage, or `ALL` of them together."""
    bad: int = 0
    """Records that no stage can read."""

    def took(self, what: str, seconds: float) -> None:
        """Note how long something took to recover."""
        self.recovered_s.setdefault(what, []).append(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What can be broken, and what is noted of it."""

    plant: Plant
    bus: KafkaBus
    site: Site
    calm: Counted | None
    """The run in which nothing was broken."""
    done: Done


Fault = Callable[[Scene], Awaitable[None]]


async def nothing(_scene: Scene) -> None:
    """Let it run: what the others are held against."""


async def kill(scene: Scene, *, times: int, stages: Sequence[Stage] = BEHIND) -> None:
    """Kill each stage's process, one at a time, at random moments (SIGKILL)."""
    chance = random.Random(1)  # noqa: S311 - the moments need to be arbitrary, not secret
    for stage in [stage for _ in range(times) for stage in stages]:
        await asyncio.sleep(chance.uniform(*KILL_S))
        scene.plant.one(stage).process.kill()
        scene.done.took(stage.value, await _goes_on(scene, stage, time.monotonic()))
        scene.done.faults += 1


async def kill_capture(scene: Scene, *, times: int) -> None:
    """Kill what watches the cameras, at random moments (SIGKILL); the cameras go on."""
    chance = random.Random(1)  # noqa: S311
    await asyncio.sleep(8)
    for _ in range(times):
        await asyncio.sleep(chance.uniform(3, 6))
        scene.plant.one(Stage.CAPTURE).process.kill()
        begun, wall = time.monotonic(), time.time()
        while time.monotonic() < begun + LOOK_S and not await _all_seen(scene, wall):  # noqa: ASYNC110 - a broker is asked
            await asyncio.sleep(POLL_S)
        scene.done.took(Stage.CAPTURE.value, time.monotonic() - begun)
        scene.done.faults += 1
    await asyncio.sleep(8)


async def _all_seen(scene: Scene, since: float) -> bool:
    """Whether there is a frame and sound of every camera that was captured after a time."""
    partitions = range(scene.plant.config.kafka.partitions)
    for topic in (Topic.VIDEO, Topic.AUDIO):
        newest = [record.message for record in await scene.bus.newest(topic, partitions, NEWEST)]
        seen = {message.camera for message in newest if isinstance(message, Frame | Sound) and message.captured > since}
        if seen != scene.plant.config.cameras.keys():
            return False
    return True


async def scale(scene: Scene) -> None:
    """Let a second process of each stage join, and leave again in good order."""
    for stage in BEHIND:
        second = scene.plant.start(stage, 2)
        await asyncio.sleep(9)
        second.wanted = False
        second.process.terminate()
        await asyncio.to_thread(second.process.wait, 30)
        scene.plant.workers.remove(second)
        scene.done.faults += 1
        await asyncio.sleep(3)


async def broker(scene: Scene, *, away_s: float) -> None:
    """Kill the first broker, and start it again."""
    await asyncio.sleep(8)
    scene.site.brokers.kill(1)
    scene.done.faults += 1
    if len(scene.site.brokers.nodes) > 1:
        await asyncio.gather(asyncio.sleep(away_s), _caught_up(scene))
        await asyncio.to_thread(scene.site.brokers.start, 1)
    else:
        await asyncio.sleep(away_s)
        await asyncio.to_thread(scene.site.brokers.start, 1)
        await _caught_up(scene)


async def cut(scene: Scene, *, away_s: float) -> None:
    """Cut the network between the brokers and all who use them, with connections open."""
    await asyncio.sleep(8)
    scene.site.cut()
    try:
        await asyncio.sleep(away_s)
    finally:
        scene.site.mend()
    scene.done.faults += 1
    await _caught_up(scene)


async def wrong_clocks(scene: Scene, *, by_s: float, for_s: float) -> None:
    """Set the clock of every stage forward, and back again after a while."""
    for seconds in (by_s, 0.0):
        await asyncio.sleep(for_s)
        clock.set_by(scene.plant.path.parent, seconds)
        scene.done.faults += 1


async def corrupt(scene: Scene, *, over_s: float) -> None:
    """Put records that no stage can read on every topic that stages read: one in a hundred."""
    assert scene.calm is not None
    kinds = cycle([b"\x00alien", truncated(), bytes(MAX_BYTES + 1), b'{"type":"alien"}'])
    plan = [topic for topic in READ for _ in range(max(BAD_LEAST, int(scene.calm.records[topic] * BAD_SHARE)))]
    random.Random(1).shuffle(plan)  # noqa: S311
    names = cycle(scene.plant.config.cameras)
    for topic in plan:
        await scene.bus.publish_bytes(topic, next(names), next(kinds))
        scene.done.bad += 1
        await asyncio.sleep(over_s / len(plan))
    scene.done.faults = scene.done.bad


def truncated() -> bytes:
    """Half of a record."""
    state = CameraState(camera="camera-0", at=1.0, states=(State.LIVE,), source="film", captured=1.0)
    whole = codec.encode(Topic.CAMERAS, state)
    return whole[: len(whole) // 2]


async def slow(scene: Scene, *, stage: Stage, pause_s: float = 15.0) -> None:
    """Let a stage's process take SLOWER times as long for all it does: after it ran, it stands still for the rest (SIGSTOP)."""
    await asyncio.sleep(pause_s)
    process = scene.plant.one(stage).process
    until = time.monotonic() + SLOW_S
    scene.done.faults += 1
    try:
        while time.monotonic() < until:
            before = ran(process.pid)
            await asyncio.sleep(TURN_S)
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep((ran(process.pid) - before) * (SLOWER - 1))
            process.send_signal(signal.SIGCONT)
    finally:
        process.send_signal(signal.SIGCONT)


def ran(pid: int) -> float:
    """Seconds of processor time of a process, all its threads together (clock_getcpuclockid(3), whose ids Linux forms so)."""
    return time.clock_gettime((~pid << 3) | 2)


async def _goes_on(scene: Scene, stage: Stage, begun: float) -> float:
    """Seconds until a stage's position has moved, or it is ready and has nothing to do."""
    before: int | None = None
    async with httpx.AsyncClient(timeout=1.0) as client:
        while time.monotonic() < begun + LOOK_S:
            with suppress(BusError):
                reached = await scene.bus.reached(stage.value)
                if before is not None and reached > before:
                    break
                before = reached if before is None else before
                if await is_ready(client, scene.plant.one(stage)) and not await scene.bus.lag(stage.value):
                    break
            await asyncio.sleep(POLL_S)
    return time.monotonic() - begun


async def _caught_up(scene: Scene) -> None:
    """Note how long it takes from now until every stage has moved on and has caught up, and stays so for a moment."""
    begun = time.monotonic()
    await asyncio.gather(*(_goes_on(scene, stage, begun) for stage in BEHIND))
    since = time.monotonic()
    while (now := time.monotonic()) < since + STEADY_S and now < begun + LOOK_S:
        try:
            behind = sum([await scene.bus.lag(stage.value) for stage in BEHIND])
        except BusError:
            behind = CAUGHT_UP + 1
        if behind > CAUGHT_UP:
            since = time.monotonic()
        await asyncio.sleep(POLL_S)
    scene.done.took(ALL, since - begun)
