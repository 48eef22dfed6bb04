"""The encode stage on a real bus; where the models themselves don't matter, encoders that count stand in their place."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
from saying import Read

from monitor.bus import Record
from monitor.config import Models
from monitor.jpeg import Image, encode_jpeg
from monitor.memory import MemoryBus
from monitor.messages import DeadLetter, Embedding, Frame, Mark, Message, Modality, Sound, Topic, Transcript, floats
from monitor.metrics import Metrics
from monitor.prosody import NUMBERS
from monitor.vision import PictureFeatures
from workers.encode import Encoders, load, run

BOTH = (Modality.PICTURE, Modality.SOUND, Modality.TEXT)
GROUPS = {"encode": (Topic.VIDEO, Topic.AUDIO, Topic.TRANSCRIPTS), "test": (Topic.EMBEDDINGS, Topic.DEAD_LETTER)}


class Pictures:
    """Vectors of zeros; `meet` is waited for before it answers."""

    name = "pictures"
    at_once = 64

    def __init__(self, meet: threading.Barrier | None = None) -> None:
        self.meet = meet
        self.batches: list[int] = []

    def __call__(self, images: Sequence[Image]) -> PictureFeatures:
        if self.meet:
            self.meet.wait(10)
        self.batches.append(len(images))
        return PictureFeatures(np.zeros((len(images), 1280), np.float32), np.zeros((len(images), 7, 7, 112), np.float32))


class Seconds:
    """The mean of each second; `meet` is waited for before it answers."""

    name = "seconds"

    def __init__(self, meet: threading.Barrier | None = None) -> None:
        self.meet = meet

    def __call__(self, sounds: np.ndarray) -> np.ndarray:
        if self.meet:
            self.meet.wait(10)
        return sounds.mean(1, keepdims=True)


class Words(Read):
    """The length of each text."""

    name = "words"

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[len(text)] for text in texts], np.float32).reshape(-1, 1)


class Broken:
    """A model that fails, as one does that finds no memory."""

    name = "broken"

    def __call__(self, sounds: np.ndarray) -> np.ndarray:
        raise MemoryError("no room for the batch")


def stand_ins(meet: threading.Barrier | None = None) -> Encoders:
    return Encoders(picture=Pictures(meet), sound=Seconds(meet), text=Words())


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def bus(metrics: Metrics) -> AsyncIterator[MemoryBus]:
    bus = MemoryBus(metrics, groups=GROUPS, encoded=True)
    yield bus
    await bus.close()


@asynccontextmanager
async def stage(bus: MemoryBus, encoders: Encoders, metrics: Metrics) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(run(bus, encoders, metrics))
        yield
        running.cancel()


async def received(bus: MemoryBus, count: int) -> list[Message]:
    """The first records of what the stage publishes."""
    messages: list[Message] = []
    async with asyncio.timeout(60), bus.subscribe(*GROUPS["test"], group="test") as batches:
        batch: list[Record[Message]]
        async for batch in batches:
            messages += [record.message for record in batch]
            if len(messages) >= count:
                break
    return messages


def frame(seq: int, camera: str = "door", jpeg: bytes | None = None) -> Frame:
    data = encode_jpeg(np.full((36, 64, 3), 10 * seq, np.uint8)) if jpeg is None else jpeg
    at = seq / 2
    return Frame(camera=camera, at=at, until=at + 0.5, captured=at, modalities=BOTH, seq=seq, jpeg=data, width=64, height=36)


def sound(seq: int, camera: str = "door") -> Sound:
    at, pcm = seq / 2, np.full(8_000, 1_000 * seq, "<i2").tobytes()
    return Sound(camera=camera, at=at, until=at + 0.5, captured=at, modalities=BOTH, seq=seq, pcm=pcm)


def said(seq: int, camera: str = "door") -> Transcript:
    return Transcript(
        camera=camera,
        at=seq / 2,
        until=seq / 2 + 1,
        captured=seq,
        modalities=BOTH,
        text="help " * seq,
        language="en",
        confidence=0.9,
        no_speech=0.0,
    )


def mark(seq: int, modality: Modality, camera: str = "door", *, last: bool = False) -> Mark:
    at = seq / 2
    return Mark(camera=camera, at=at, until=at, captured=at, modalities=BOTH, modality=modality, last=last)


def line(messages: Sequence[Message], camera: str, modality: Modality) -> list[tuple[str, float]]:
    """What was published for one camera and modality, in order."""
    mine = [m for m in messages if isinstance(m, Embedding | Mark) and (m.camera, m.modality) == (camera, modality)]
    return [(type(m).__name__, m.until) for m in mine]


async def test_each_camera_and_modality_keeps_its_order_and_its_marks(bus: MemoryBus, metrics: Metrics):
    async with stage(bus, stand_ins(), metrics):
        for seq in range(20):
            for camera in ("door", "gate"):
                await bus.publish(Topic.VIDEO, [frame(seq, camera), mark(seq + 1, Modality.PICTURE, camera)])
                await bus.publish(Topic.AUDIO, [sound(seq, camera)])
        await bus.publish(Topic.AUDIO, [mark(20, Modality.SOUND, last=True)])
        await bus.publish(Topic.TRANSCRIPTS, [mark(1, Modality.TEXT), said(1), mark(20, Modality.TEXT, last=True)])
        messages = await received(bus, 2 * 60 + 4)
    for camera in ("door", "gate"):
        expected = [(kind, seq / 2) for seq in range(1, 21) for kind in ("Embedding", "Mark")]
        assert line(messages, camera, Modality.PICTURE) == expected
    assert line(messages, "door", Modality.SOUND) == [*(("Embedding", seq / 2) for seq in range(1, 21)), ("Mark", 10.0)]
    assert line(messages, "door", Modality.TEXT) == [("Mark", 0.5), ("Embedding", 1.5), ("Mark", 10.0)]


async def test_a_corrupt_picture_is_a_dead_letter_and_the_counters_add_up(bus: MemoryBus, metrics: Metrics):
    corrupt = encode_jpeg(np.zeros((36, 64, 3), np.uint8))[:-40]
    async with stage(bus, stand_ins(), metrics):
        await bus.publish(Topic.VIDEO, [frame(0), frame(1, jpeg=corrupt), frame(2), frame(3, jpeg=b"no picture")])
        messages = await received(bus, 6)
        await bus.drain()
    assert line(messages, "door", Modality.PICTURE) == [("Embedding", 0.5), ("Mark", 1.0), ("Embedding", 1.5), ("Mark", 2.0)]
    letters = [message for message in messages if isinstance(message, DeadLetter)]
    assert [letter.ref.offset for letter in letters] == [1, 3]
    assert letters[0].data == corrupt
    assert "cut short" in letters[0].reason
    value = metrics.registry.get_sample_value
    assert value("scenewatch_encoded_total", {"modality": "picture"}) == 2
    assert value("scenewatch_frames_dropped_total", {"camera": "door", "reason": "undecodable"}) == 2
    assert value("scenewatch_dead_letters_total", {"topic": "video", "reason": "undecodable"}) == 2
    assert value("scenewatch_records_received_total", {"stage": "encode", "topic": "video"}) == 4


async def test_sound_that_is_all_judged_counts_as_none_unheard(bus: MemoryBus, metrics: Metrics):
    async with stage(bus, stand_ins(), metrics):
        await bus.publish(Topic.AUDIO, [sound(0)])
        await received(bus, 1)
    assert metrics.registry.get_sample_value("scenewatch_sound_unheard_seconds_total", {"camera": "door"}) == 0


async def test_pictures_and_sounds_are_encoded_at_the_same_time(bus: MemoryBus, metrics: Metrics):
    await bus.publish(Topic.VIDEO, [frame(0)])
    await bus.publish(Topic.AUDIO, [sound(0)])
    async with stage(bus, stand_ins(threading.Barrier(2)), metrics):
        assert len(await received(bus, 2)) == 2


async def test_a_backlog_of_many_cameras_is_encoded_in_batches(bus: MemoryBus, metrics: Metrics):
    encoders = stand_ins()
    await bus.publish(Topic.VIDEO, [frame(seq, f"camera-{number}") for seq in range(5) for number in range(8)])
    async with stage(bus, encoders, metrics):
        await received(bus, 40)
    assert isinstance(encoders.picture, Pictures)
    assert encoders.picture.batches == [40]


async def test_what_a_failing_model_did_not_finish_comes_again(bus: MemoryBus, metrics: Metrics):
    await bus.publish(Topic.AUDIO, [sound(0), sound(1)])
    with pytest.raises(ExceptionGroup) as failure:
        await run(bus, Encoders(picture=Pictures(), sound=Broken(), text=Words()), metrics)
    assert failure.group_contains(MemoryError, match="no room")
    async with stage(bus, stand_ins(), metrics):
        assert line(await received(bus, 2), "door", Modality.SOUND) == [("Embedding", 0.5), ("Embedding", 1.0)]


async def test_the_real_encoders_fill_the_embeddings(bus: MemoryBus, metrics: Metrics):
    await bus.publish(Topic.VIDEO, [frame(1)])
    await bus.publish(Topic.AUDIO, [sound(0), sound(1)])
    await bus.publish(Topic.TRANSCRIPTS, [said(1)])
    async with stage(bus, load(Models(threads=1)), metrics):
        messages = await received(bus, 4)
    widths = {(m.modality, floats(m.vector).size, floats(m.grid).size) for m in messages if isinstance(m, Embedding)}
    assert widths == {(Modality.PICTURE, 1280, 7 * 7 * 112), (Modality.SOUND, 1024, 5 * 2 * 384 + NUMBERS), (Modality.TEXT, 768, 2 * 768)}
    assert all(np.isfinite(floats(m.vector)).all() for m in messages if isinstance(m, Embedding))


def test_a_process_that_encodes_on_the_cpu_starts_without_torch():
    """Importing torch and transformers takes longer than all the rest of its start."""
    load(Models())  # what has to be converted is kept from here on
    program = (
        "import sys, workers.build, workers.encode, monitor.config;"
        "workers.encode.load(monitor.config.Models());"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
