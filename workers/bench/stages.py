"""What each stage costs for one camera-second, beside the bare library calls for the same work.

Processor seconds of the whole process (all threads), the median of RUNS. The bare side does the same work with the
libraries alone: PyAV decodes and samples, OpenCV writes and reads JPEG, the models run on batches of the same size, and
faster-whisper transcribes the same sound with its own voice detection. Fusion and decision are ours: nothing stands beside them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from rich.progress import track

from monitor import codec, config
from monitor.config import Camera, Config
from monitor.messages import Frame, Message, Topic
from monitor.metrics import Metrics
from workers import build, capture
from workers.bench import bare
from workers.bench.stream import duration_s
from workers.bench.tape import Tape
from workers.build import Run
from workers.stage import Stage

RUNS: Final = 3
Recorded = list[tuple[Topic, Message]]


def measure(streams: Sequence[Path]) -> dict[str, float]:
    """Milliseconds of processor for one camera-second, ours and bare, by stage; and the overhead of the sum."""
    film = streams[0]
    seconds = duration_s(film)
    ours = _ours(film, seconds)
    alone = {name: _median_ms(call, seconds) for name, call in track(bare.calls(film).items(), "bare library calls")}
    total, bare_total = sum(ours.values()), sum(alone.values())
    figures = {f"{name}_ms": value for name, value in ours.items()} | {f"{name}_bare_ms": value for name, value in alone.items()}
    return figures | {"camera_second_ms": total, "camera_second_bare_ms": bare_total, "overhead_ratio": total / bare_total - 1}


def measure_more(streams: Sequence[Path]) -> dict[str, float]:
    """What sizing needs beside that: encode by what it encodes, people and things, tone, and the bytes of each topic, a camera-second.

    One thread a model: threads that wait for each other on a busy machine take processor time, too.
    """
    film = streams[0]
    seconds = duration_s(film)
    plain, toned = config.Models(objects="off", tone=False, threads=1), config.Models(objects="off", threads=1)
    settings = Config(cameras={"bench": Camera(source=str(film), starts_at=0)}, models=plain)
    recorded = _capture(settings)
    seen = [each for each in recorded if each[0] is Topic.VIDEO]
    heard = [each for each in recorded if each[0] is Topic.AUDIO]
    picture, sound = _encoding(plain, seen, seconds), _encoding(plain, heard, seconds)
    tone = _encoding(toned, heard, seconds) - sound
    frames = sum(isinstance(message, Frame) for _, message in seen) / seconds
    things = _encoding(config.Models(objects="on", tone=False, threads=1), seen, seconds) - picture
    made = {"encode_picture_ms": picture / frames, "encode_sound_ms": sound, "tone_ms": tone, "things_ms": things / frames}
    return made | {f"{topic}_bytes": size / seconds for topic, size in _sizes(settings, recorded).items()}


def _encoding(models: config.Models, recorded: Recorded, seconds: float) -> float:
    """Milliseconds of processor for a camera-second of the encode stage, with such models."""
    run = build.consumer(Stage.ENCODE, Config(models=models), Metrics(), (), fast=True)
    return _median_ms(partial(_play, run, recorded), seconds)


def _sizes(settings: Config, recorded: Recorded) -> dict[str, int]:
    """The bytes of all records of each topic, once every stage has added its own."""
    for stage in (Stage.TRANSCRIBE, Stage.ENCODE, Stage.FUSE):
        recorded = recorded + _play(build.consumer(stage, settings, Metrics(), (), fast=True), recorded)
    sizes: dict[str, int] = {}
    for topic, message in recorded:
        sizes[topic.value] = sizes.get(topic.value, 0) + len(codec.encode(topic, message))
    return sizes


def _median_ms(call: Callable[[], object], seconds: float) -> float:
    call()
    return median(_cost(call) for _ in range(RUNS)) / seconds * 1000


def _cost(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


def _ours(film: Path, seconds: float) -> dict[str, float]:
    """Run stage after stage on what the one before it published."""
    bare = config.Models(objects="off", tone=False)  # the libraries do neither
    settings = Config(cameras={"bench": Camera(source=str(film), starts_at=0)}, models=bare)
    recorded = _capture(settings)
    costs = {"capture": _median_ms(lambda: _capture(settings), seconds)}
    for stage in track((Stage.TRANSCRIBE, Stage.ENCODE, Stage.FUSE, Stage.ALERT, Stage.DELIVER), "our stages"):
        run = build.consumer(stage, settings, Metrics(), (), fast=True)
        made = _play(run, recorded)
        costs[stage.value] = _median_ms(partial(_play, run, tuple(recorded)), seconds)
        recorded += made
    return costs


def _capture(settings: Config) -> Recorded:
    tape = Tape()
    asyncio.run(capture.run(tape, settings.cameras, config.Capture(), Metrics(), fast=True))
    return tape.published


def _play(run: Run, recorded: Sequence[tuple[Topic, Message]]) -> Recorded:
    tape = Tape(recorded)

    async def play() -> None:
        await run(tape)

    asyncio.run(play())
    return tape.published
