"""Runs the capture stage on a bus and keeps what it published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import cv2
import numpy as np

from monitor.config import Camera, Capture
from monitor.memory import MemoryBus
from monitor.messages import CameraState, Frame, Mark, Message, Modality, Sound, Stamped, State, Topic
from monitor.metrics import Metrics
from workers.capture import CaptureWorker, Failure, run

TOPICS = (Topic.VIDEO, Topic.AUDIO, Topic.CAMERAS)
M = TypeVar("M", bound=Message)
QUICK = Capture(retry_s=0.1, retry_max_s=0.5, stall_s=2.0, open_timeout_s=3.0)


@dataclass
class Watched:
    """Everything that was published, in order."""

    metrics: Metrics = field(default_factory=Metrics)
    messages: list[Message] = field(default_factory=list)
    failures: tuple[Failure, ...] = ()

    def of(self, kind: type[M], camera: str | None = None) -> list[M]:
        return [item for item in self.messages if isinstance(item, kind) and camera in (None, item.camera)]

    @property
    def frames(self) -> list[Frame]:
        return self.of(Frame)

    @property
    def sounds(self) -> list[Sound]:
        return self.of(Sound)

    @property
    def states(self) -> list[tuple[State, ...]]:
        return [item.states for item in self.of(CameraState)]

    def lasts(self, camera: str | None = None) -> list[Modality]:
        return [item.modality for item in self.of(Mark, camera) if item.last]

    def check_order(self) -> None:
        """Within a camera and topic, time never falls and promises are kept."""
        promised: dict[tuple[str, bool], float] = {}
        for item in self.messages:
            if isinstance(item, Stamped):
                key = (item.camera, isinstance(item, Sound) or (isinstance(item, Mark) and item.modality is Modality.SOUND))
                if not isinstance(item, Mark):
                    assert item.at >= promised.get(key, 0.0) - 1e-6, (item.at, promised[key])
                assert item.until >= item.at
                promised[key] = max(item.until, promised.get(key, 0.0))


@asynccontextmanager
async def watching(settings: Capture = QUICK, *, fast: bool = False) -> AsyncIterator[tuple[Watched, CaptureWorker]]:
    """A capture stage whose cameras the test sets."""
    watched = Watched()
    bus = MemoryBus(watched.metrics, groups={"test": TOPICS})
    reader = asyncio.create_task(_read(bus, watched))
    try:
        async with CaptureWorker(bus, settings, watched.metrics, fast=fast) as worker:
            yield watched, worker
        await bus.drain()
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        await bus.close()
    watched.check_order()


async def watch(source: str, *, settings: Capture = QUICK, fast: bool = True, slowly: float = 0.0, **camera: object) -> Watched:
    """Watch one recording to its end; `slowly` is how long the reader takes for each batch."""
    watched = Watched()
    bus = MemoryBus(watched.metrics, groups={"test": TOPICS}, capacity=8 if slowly else 512)
    reader = asyncio.create_task(_read(bus, watched, slowly))
    cameras = {"a": Camera.model_validate({"source": source, **camera})}
    watched.failures = await run(bus, cameras, settings, watched.metrics, fast=fast)
    await bus.drain()
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    await bus.close()
    watched.check_order()
    return watched


async def _read(bus: MemoryBus, watched: Watched, slowly: float = 0.0) -> None:
    async with bus.subscribe(*TOPICS, group="test", limit=8 if slowly else 256) as batches:
        async for batch in batches:
            watched.messages += [record.message for record in batch]
            await asyncio.sleep(slowly)


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (the condition is anything)
            await asyncio.sleep(0.02)


def image(frame: Frame) -> np.ndarray:
    decoded = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (frame.height, frame.width, 3)
    return decoded


def flashes(frames: list[Frame]) -> list[float]:
    """Times of the first frame of each flash of `clips.picture`."""
    lit = [image(frame)[: frame.height // 4, : frame.width // 8].mean() > 128 for frame in frames]
    return [frame.at for before, now, frame in zip([True, *lit], lit, frames, strict=False) if now and not before]


def clicks(sounds: list[Sound]) -> list[float]:
    """Times at which the noise of `clips.sound` begins."""
    found: list[float] = []
    for piece in sounds:
        loud = np.abs(piece.samples()) > 0.2
        for index in np.flatnonzero(loud):
            at = piece.at + index / 16_000
            if not found or at - found[-1] > 0.5:
                found.append(at)
    return found
