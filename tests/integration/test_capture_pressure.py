"""Capture under pressure, and without its broker."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from clips import make
from conftest import Outages
from watching import QUICK, M, until

from monitor.brokers import brokers
from monitor.bus import Record
from monitor.config import Camera, Capture, Pressure
from monitor.follow import follow
from monitor.kafka import KafkaBus
from monitor.memory import MemoryBus
from monitor.messages import CameraState, Frame, Mark, Message, Modality, Ref, Sound, State, Topic
from monitor.messages import Pressure as Told
from monitor.metrics import Metrics
from monitor.pressure import Step
from workers.capture import CaptureWorker
from workers.governor import Governor, govern, listen, tell
from workers.lifecycle import ended

pytestmark = pytest.mark.filterwarnings("ignore")  # aiokafka leaves sockets behind when its broker dies; whoever is next collects them
QUICKLY = Pressure(lag_s=2, clear_lag_s=1, down_after_s=0.5, up_after_s=0.5, sound_lag_s=300)


@dataclass
class Taken:
    """A bus, and what it took."""

    bus: MemoryBus | KafkaBus
    messages: list[Message] = field(default_factory=list)

    async def publish(self, topic: Topic, messages: Sequence[Message]) -> None:
        await self.bus.publish(topic, messages)
        self.messages += messages

    def of(self, kind: type[M]) -> list[M]:
        return [message for message in self.messages if isinstance(message, kind)]


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    """Collect the sockets that aiokafka leaves behind while the test's own filter holds, after its event loop is gone."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clips") / "clip.mp4", 8.0)


def count(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"scenewatch_{name}", {"camera": "a"} | labels) or 0.0


def slow(metrics: Metrics, seconds: float) -> None:
    """A stage of this process works on something that was captured so long ago."""
    message = Mark(camera="a", at=0, until=0, captured=time.time() - seconds, modalities=(), modality=Modality.SOUND)
    metrics.board.member("encode").takes([Record(message=message, ref=Ref(topic=Topic.AUDIO, partition=0, offset=0))], time.time())


async def test_a_stage_that_falls_behind_makes_capture_take_less_and_every_frame_is_counted(clip: Path) -> None:
    metrics, taken = Metrics(), Taken(MemoryBus())
    slow(metrics, 30)
    governor = Governor(QUICKLY, metrics)
    async with CaptureWorker(taken, QUICK, metrics, governor=governor) as worker:  # type: ignore[arg-type]
        await worker.apply({"a": Camera(source=str(clip), fps=10, decode="all")})
        await until(lambda: governor.valve.step is Step.NO_PICTURE)
        seen = len(taken.of(Frame))
        await worker.wait()
    assert len(taken.of(Frame)) - seen <= 2
    assert count(metrics, "frames_dropped_total", reason="pressure") > 20
    assert count(metrics, "frames_captured_total") == len(taken.of(Frame)) + count(metrics, "frames_dropped_total", reason="pressure")
    assert 75 <= count(metrics, "frames_captured_total") <= 82  # to a few frames where the step changes
    heard = sum(sound.until - sound.at for sound in taken.of(Sound))
    assert heard == pytest.approx(count(metrics, "sound_captured_seconds_total"))
    assert [told.step for told in taken.of(Told)] == [1, 2, 3]
    assert metrics.pressure_step._value.get() == 3


async def test_when_the_stage_has_caught_up_everything_is_taken_again(clip: Path) -> None:
    metrics, taken = Metrics(), Taken(MemoryBus())
    slow(metrics, 30)
    governor = Governor(QUICKLY, metrics)
    async with CaptureWorker(taken, QUICK, metrics, governor=governor) as worker:  # type: ignore[arg-type]
        await worker.apply({"a": Camera(source=str(clip), fps=10)})
        await until(lambda: governor.valve.step is Step.KEY)
        metrics.board.member("encode").waits(time.time())
        await until(lambda: governor.valve.step is Step.ALL)
        seen = len(taken.of(Frame))
        await until(lambda: len(taken.of(Frame)) > seen)
        await worker.wait()
    assert [told.step for told in taken.of(Told)][-1] == 0


async def test_a_camera_beyond_capacity_waits_and_begins_when_there_is_some(clip: Path) -> None:
    metrics, taken = Metrics(), Taken(MemoryBus())
    governor = Governor(Pressure(enabled=False), metrics)
    ladder = governor._ladder
    async with CaptureWorker(taken, QUICK, metrics, governor=governor) as worker:  # type: ignore[arg-type]
        first = {"a": Camera(source=str(clip))}
        await worker.apply(first)
        ladder.step, ladder.since = Step.HALF, time.monotonic() - 60
        await worker.apply(first | {"b": Camera(source=str(clip))})
        waiting = [item for item in taken.of(CameraState) if item.camera == "b"]
        assert [item.states for item in waiting] == [(State.CONNECTING,)]
        assert "not admitted: the stages behind have not kept up" in waiting[0].detail
        assert metrics.cameras_waiting._value.get() == 1
        governor._clear_since = time.monotonic() - 60
        ladder.step, ladder.since = Step.ALL, None
        await until(lambda: any(frame.camera == "b" for frame in taken.of(Frame)))
        assert metrics.cameras_waiting._value.get() == 0


@asynccontextmanager
async def kafka(port: int) -> AsyncIterator[KafkaBus]:
    bus = KafkaBus(brokers(f"kafka://127.0.0.1:{port}?session_s=2"), Metrics())
    await bus.start()
    try:
        yield bus
    finally:
        await bus.close()


def spooled(folder: Path) -> list[Path]:
    return list(folder.rglob("*.spool"))


async def test_without_its_broker_sound_is_kept_and_frames_are_dropped_and_counted(clip: Path, tmp_path: Path, outages: Outages) -> None:
    await lose_the_broker(clip, tmp_path, outages)


async def lose_the_broker(clip: Path, tmp_path: Path, outages: Outages) -> None:
    metrics = Metrics()
    settings = Capture(frames_buffer=5)
    async with kafka(outages.port) as bus:
        taken = Taken(bus)
        async with CaptureWorker(taken, settings, metrics, folder=tmp_path) as worker:  # type: ignore[arg-type]
            await worker.apply({"a": Camera(source=str(clip), fps=10, decode="all")})
            await until(lambda: len(taken.of(Sound)) >= 2)
            outages.begin()
            await until(lambda: not worker.connected)
            await until(lambda: count(metrics, "frames_dropped_total", reason="broker") > 5)
            outages.end()
            await worker.wait()
        sounds = taken.of(Sound)
        assert [sound.seq for sound in sounds] == list(range(len(sounds)))
        assert sum(sound.until - sound.at for sound in sounds) == pytest.approx(8.0, abs=0.2)
        dropped = sum(count(metrics, "frames_dropped_total", reason=reason) for reason in ("broker", "overflow"))
        assert count(metrics, "frames_captured_total") == 80 == len(taken.of(Frame)) + dropped
        assert count(metrics, "sound_dropped_seconds_total", reason="broker") == 0
    assert not spooled(tmp_path)


async def test_what_a_process_could_not_publish_the_next_one_does(clip: Path, tmp_path: Path, outages: Outages) -> None:
    await leave_without_a_broker(clip, tmp_path, outages)


async def leave_without_a_broker(clip: Path, tmp_path: Path, outages: Outages) -> None:
    metrics = Metrics()
    async with kafka(outages.port) as bus:
        taken = Taken(bus)
        async with CaptureWorker(taken, QUICK, metrics, folder=tmp_path) as worker:  # type: ignore[arg-type]
            await worker.apply({"a": Camera(source=str(clip))})
            await until(lambda: len(taken.of(Sound)) >= 2)
            outages.begin()
            await until(lambda: not worker.connected)
        first = [sound.seq for sound in taken.of(Sound)]
    assert spooled(tmp_path)
    outages.end()
    async with kafka(outages.port) as bus:
        taken = Taken(bus)
        async with CaptureWorker(taken, QUICK, Metrics(), folder=tmp_path):  # type: ignore[arg-type]
            await until(lambda: Modality.SOUND in {mark.modality for mark in taken.of(Mark) if mark.last})
    after = [sound.seq for sound in taken.of(Sound)]
    assert len(after) >= 4
    assert [*first, *after] == list(range(len(first) + len(after)))


async def test_capture_hears_what_stages_of_other_processes_tell(kafka_url: str) -> None:
    behind, here = Metrics(), Metrics()
    slow(behind, 30)
    bus = KafkaBus(brokers(kafka_url), behind, prefix="heard.")
    await bus.start()
    governor = Governor(QUICKLY, here)
    tasks = [
        asyncio.ensure_future(tell(bus, behind)),
        asyncio.ensure_future(listen(governor, lambda: follow(brokers(kafka_url), "heard.", Topic.PRESSURE, here))),
        asyncio.ensure_future(govern(governor, bus, None, here)),
    ]
    try:
        await until(lambda: governor.valve.step is Step.NO_PICTURE)
    finally:
        await ended(*tasks)
        await bus.close()
    assert behind.registry.get_sample_value("scenewatch_lag_seconds", {"stage": "encode", "partition": "0"}) >= 30
