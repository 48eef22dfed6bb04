"""The capture stage: a thread per camera reads its source, and the event loop publishes what it gives.

`CaptureWorker` is told which cameras there are as often as they change; `run` has the same ones from begin to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import structlog

from monitor import admission, config
from monitor.bus import Bus
from monitor.capture import Capture
from monitor.errors import ScenewatchError
from monitor.feed import Item
from monitor.messages import CameraState, Frame, Mark, Modality, Sound, State, Topic
from monitor.metrics import Metrics
from workers.governor import Follow, Governor, govern, listen
from workers.lifecycle import ended
from workers.outlet import Outlet

log: Any = structlog.get_logger()

STAGE: Final = "capture"
TOPICS: Final = (Topic.VIDEO, Topic.AUDIO, Topic.CAMERAS)
GRACE_S: Final = 2.0
"""A thread that has not ended so long after it was told to is left alone: it waits for a dead source, and will end by itself."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A camera that was given up."""

    camera: str
    error: ScenewatchError


def _overflow() -> str:
    return "overflow"


def topic_of(item: Item) -> Topic:
    """Where an item is published."""
    if isinstance(item, CameraState):
        return Topic.CAMERAS
    sound = isinstance(item, Sound) or (isinstance(item, Mark) and item.modality is Modality.SOUND)
    return Topic.AUDIO if sound else Topic.VIDEO


class Lane:
    """Items of one topic of one camera on their way from its thread to the event loop, in order.

    It holds at most `frames_buffer` frames or `sound_buffer_s` seconds of sound. Beyond, the oldest of them is dropped and counted;
    or with `wait`, `put` waits for room. `why` gives the reason that is counted.
    """

    def __init__(self, settings: config.Capture, metrics: Metrics, label: str, *, wait: bool, why: Callable[[], str] = _overflow) -> None:
        self.newest: Frame | Sound | Mark | None = None
        self._settings = settings
        self._metrics = metrics
        self._label = label
        self.wait = wait
        self._why = why
        self._items: deque[Item] = deque()
        self._frames = 0
        self._seconds = 0.0
        self._room = threading.Condition()
        self._loop = asyncio.get_running_loop()
        self._filled = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item) -> None:
        """Append from the camera's thread; what comes after `close` is thrown away."""
        with self._room:
            if self.wait:
                self._room.wait_for(lambda: self._closed or not self._full())
            if self._closed:
                return
            self._append(item)
            while self._full() and not self.wait:
                self._drop_oldest()
        self._wake()

    def close(self, *last: Item) -> None:
        """Let nothing in after these; from any thread, any number of times."""
        with self._room:
            if not self._closed:
                self._items.extend(last)
            self._closed = True
            self._room.notify_all()
        self._wake()

    async def take(self) -> list[Item]:
        """Wait for items, and take all there are; none means that the lane is closed."""
        while True:
            await self._filled.wait()
            with self._room:
                taken = list(self._items)
                self._items.clear()
                self._frames, self._seconds = 0, 0.0
                if not self._closed:
                    self._filled.clear()
                self._room.notify_all()
            if taken or self._closed:
                return taken

    def leave(self) -> list[Item]:
        """Take what nobody waits for any more."""
        with self._room:
            left = list(self._items)
            self._items.clear()
        return left

    def _full(self) -> bool:
        return self._frames > self._settings.frames_buffer or self._seconds > self._settings.sound_buffer_s

    def _append(self, item: Item) -> None:
        if isinstance(item, Mark) and self._items and _says_less(self._items[-1]):
            self._items.pop()
        self._items.append(item)
        if isinstance(item, Frame):
            self._frames += 1
            self._metrics.frames_captured.labels(self._label).inc()
        elif isinstance(item, Sound):
            self._seconds += item.until - item.at
            self._metrics.sound_captured.labels(self._label).inc(item.until - item.at)
        if not isinstance(item, CameraState):
            self.newest = item

    def _drop_oldest(self) -> None:
        """Drop the oldest frame or sound; marks and states stay."""
        index = next(index for index, item in enumerate(self._items) if isinstance(item, Frame | Sound))
        item = self._items[index]
        del self._items[index]
        if index and isinstance(self._items[index], Mark) and _says_less(self._items[index - 1]):
            del self._items[index - 1]
        if isinstance(item, Frame):
            self._frames -= 1
            self._metrics.frames_dropped.labels(self._label, self._why()).inc()
        elif isinstance(item, Sound):
            self._seconds -= item.until - item.at
            self._metrics.sound_dropped.labels(self._label, self._why()).inc(item.until - item.at)

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._filled.set)


def _says_less(item: Item) -> bool:
    """Whether an item says nothing that a mark behind it does not: so marks that nobody takes do not pile up."""
    return isinstance(item, Mark) and not item.last


class Tap:
    """One camera's thread and lanes."""

    def __init__(self, capture: Capture, camera: config.Camera, lanes: Mapping[Topic, Lane]) -> None:
        self.camera = camera
        self.lanes = lanes
        self.failure: ScenewatchError | None = None
        self.crash: BaseException | None = None
        self._capture = capture
        self._thread = threading.Thread(target=self._read, name=f"capture-{capture.feed.name}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    async def stop(self) -> None:
        """End its topics, at once even if its source hangs."""
        self._capture.stop()
        await asyncio.to_thread(self._thread.join, GRACE_S)
        for topic, lane in self.lanes.items():
            lane.close(*self._farewell(topic))

    @property
    def end(self) -> float:
        """Nothing that this camera gives later is before this."""
        return max((lane.newest.until for lane in self.lanes.values() if lane.newest), default=-math.inf)

    def _read(self) -> None:
        """Run in the thread: hand over what the camera gives."""
        structlog.contextvars.bind_contextvars(stage=STAGE, camera=self._capture.feed.name)
        try:
            for item in self._capture.items():
                self.lanes[topic_of(item)].put(item)
        except ScenewatchError as error:
            self.failure = error
        finally:
            crash = sys.exc_info()[1]
            self.crash = crash
            for lane in self.lanes.values():
                lane.close()

    def _farewell(self, topic: Topic) -> list[Item]:
        """What ends a topic in place of the thread that hangs."""
        name = self._capture.feed.name
        if topic is Topic.CAMERAS:
            at = self.end if math.isfinite(self.end) else time.time()
            return [CameraState(camera=name, at=at, states=(State.ENDED,), source=self._capture.feed.shown, captured=time.time())]
        newest = self.lanes[topic].newest
        if newest is None:
            return []
        modality = Modality.SOUND if topic is Topic.AUDIO else Modality.PICTURE
        until, modalities = newest.until, newest.modalities
        return [Mark(camera=name, at=until, until=until, captured=time.time(), modalities=modalities, modality=modality, last=True)]


class CaptureWorker:
    """All cameras of this process; use it as an async context manager, which stops them all at its end."""

    def __init__(
        self,
        bus: Bus,
        settings: config.Capture,
        metrics: Metrics,
        *,
        fast: bool = False,
        governor: Governor | None = None,
        follow: Follow | None = None,
        folder: Path | None = None,
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._metrics = metrics
        self._fast = fast
        self._governor = governor
        self._follow = follow
        self._outlet = Outlet(bus, STAGE, metrics, settings.spool, folder)
        self._waiting: dict[str, config.Camera] = {}
        self._background: list[asyncio.Future[None]] = []
        self.begun = False
        self._taps: dict[str, tuple[Tap, asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()
        self._failures: list[Failure] = []

    async def __aenter__(self) -> Self:
        if self._governor is not None:
            self._background = [
                asyncio.ensure_future(govern(self._governor, self._bus, self._outlet.link, self._metrics)),
                asyncio.ensure_future(self._admit_later(self._governor)),
                *((asyncio.ensure_future(listen(self._governor, self._follow)),) if self._follow else ()),
            ]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop every camera; if all went well, what they gave is published to its end."""
        async with self._turn:
            await asyncio.gather(*(tap.stop() for tap, _ in self._taps.values()))
            tasks = [task for _, task in self._taps.values()]
            await ended(*self._background, *(tasks if error else ()))
            try:
                await self._outlet.settle(tasks)
                for tap, _ in self._taps.values():
                    for lane in tap.lanes.values():
                        self._outlet.drop(lane.leave())
            finally:
                await self._outlet.close()
            for task in tasks if error is None else ():
                if not task.cancelled():
                    task.result()

    async def apply(self, cameras: Mapping[str, config.Camera]) -> None:
        """Watch exactly these cameras from now on: new ones begin, those that are gone end, those that changed begin anew."""
        async with self._turn:
            gone = {name: tap for name, (tap, _) in self._taps.items() if cameras.get(name) != tap.camera}
            await asyncio.gather(*(self._end(name) for name in gone))
            waiting = {name: camera for name, camera in self._waiting.items() if cameras.get(name) == camera}
            for name in (*gone, *(self._waiting.keys() - waiting.keys())):
                self._metrics.forget(name, self._metrics.of_source)
            self._waiting = waiting
            for name, camera in cameras.items():
                if name in gone:
                    self._begin(name, camera, after=gone[name].end)
                elif name not in self._taps and name not in self._waiting and await self._admits(name, camera):
                    self._begin(name, camera, after=-math.inf)
            self.begun = True
            self._changed.set()

    @property
    def connected(self) -> bool:
        """Whether the bus takes what is published."""
        return not (self._outlet.link and self._outlet.link.away)

    async def wait(self) -> tuple[Failure, ...]:
        """Return when every camera has ended, and say which were given up. Raises what a camera's thread or the bus raised."""
        while (tasks := [task for _, task in self._taps.values() if not task.done()]) or self._waiting:
            self._changed.clear()
            changed = asyncio.ensure_future(self._changed.wait())
            watched: list[asyncio.Future[Any]] = [changed, *tasks, *self._background, *self._outlet.tasks]
            try:
                done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
            for task in done - {changed}:
                await task
        return tuple(self._failures)

    async def _admits(self, name: str, camera: config.Camera, *, waited: bool = False) -> bool:
        """Whether there is capacity for one more camera; the first ones are all taken, for nothing was measured before them."""
        if self._governor is None or not self._settings.admission or self._fast or not self.begun:
            return True
        why = admission.refusal(self._governor.load(len(self._taps), time.monotonic()), waited=waited or bool(self._waiting))
        if not why:
            return True
        if not waited:
            self._waiting[name] = camera
            self._metrics.cameras_waiting.set(len(self._waiting))
            log.warning("camera not admitted; it begins when there is capacity", camera=name, reason=why)
            now, detail = time.time(), f"not admitted: {why}"
            await self._publish_states(name, [CameraState(camera=name, at=now, states=(State.CONNECTING,), detail=detail, captured=now)])
        return False

    async def _admit_later(self, governor: Governor) -> None:
        """Try the cameras that wait, one at a time: what one takes must be measured before the next."""
        while True:
            await asyncio.sleep(admission.MEASURED_S)
            async with self._turn:
                for name, camera in list(self._waiting.items())[:1]:
                    if await self._admits(name, camera, waited=True):
                        log.info("camera admitted", camera=name, load=governor.load(len(self._taps), time.monotonic())._asdict())
                        del self._waiting[name]
                        self._begin(name, camera, after=-math.inf)
                        self._changed.set()
                self._metrics.cameras_waiting.set(len(self._waiting))

    def _begin(self, name: str, camera: config.Camera, *, after: float) -> None:
        valve = self._governor.valve if self._governor else None
        capture = Capture(name, camera, self._settings, self._metrics, fast=self._fast, after=after, valve=valve)
        label, wait = self._metrics.camera(name), self._fast and not capture.live
        self._metrics.begin(name, camera.site, camera.fps if camera.picture else 0.0)
        lanes = {topic: Lane(self._settings, self._metrics, label, wait=wait, why=self._outlet.why_dropped) for topic in TOPICS}
        tap = Tap(capture, camera, lanes)
        self._taps[name] = (tap, asyncio.create_task(self._publish(name, tap)))
        tap.start()

    async def _end(self, name: str) -> None:
        """Stop a camera, and wait until the rest of what it gave is published."""
        tap, task = self._taps[name]
        await tap.stop()
        await task
        del self._taps[name]

    async def _publish(self, name: str, tap: Tap) -> None:
        """Publish what a camera gives until it ends. Raises what its thread died of."""
        async with asyncio.TaskGroup() as lanes:
            for topic, lane in tap.lanes.items():
                lanes.create_task(self._publish_lane(name, topic, lane))
        if tap.failure is not None:
            self._failures.append(Failure(name, tap.failure))
        elif tap.crash is not None:
            raise tap.crash

    async def _publish_lane(self, name: str, topic: Topic, lane: Lane) -> None:
        while items := await lane.take():
            if topic is Topic.CAMERAS:
                await self._publish_states(name, items, wait=lane.wait)
            else:
                await self._outlet.put(topic, items, wait=lane.wait)
            self._metrics.queue.labels(STAGE).set(sum(len(lane) for tap, _ in self._taps.values() for lane in tap.lanes.values()))

    async def _publish_states(self, name: str, items: Sequence[Item], *, wait: bool = False) -> None:
        for item in items:
            if isinstance(item, CameraState):
                self._metrics.set_states(name, item.states)
                log.debug("camera", camera=name, states=[state.value for state in item.states], detail=item.detail)
        await self._outlet.put(Topic.CAMERAS, items, wait=wait)


async def run(
    bus: Bus, cameras: Mapping[str, config.Camera], settings: config.Capture, metrics: Metrics, *, fast: bool = False
) -> tuple[Failure, ...]:
    """Watch cameras until all have ended, which live ones never do; gives those that were given up."""
    async with CaptureWorker(bus, settings, metrics, fast=fast) as worker:
        await worker.apply(cameras)
        return await worker.wait()
