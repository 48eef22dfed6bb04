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

from monitor import config
from monitor.config import Camera, Config
from monitor.messages import Message, Topic
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
