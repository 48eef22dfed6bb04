"""How many cameras run in real time on this machine, and how late alerts are at half that load.

Copies of one 1080p25 H.264 stream with sound, played at real time by one process, begun one after the other. A number of
cameras runs in real time when every stream was played within LATE_S of its length, nothing was dropped, and nothing was
left waiting at the end. Alerts for the delay come from the network's answers, which a probe replaces by certainty on every
other window after it has worked them out, and from phrases in the streams' speech; they pass through every stage to a sink.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console

from monitor.align import Window
from monitor.config import Alerts, Camera, Capture, Config, Models, Phrase, Rule
from monitor.memory import MemoryBus
from monitor.messages import Alert, Judgement, Phase
from monitor.metrics import Metrics
from workers import build, capture, fuse
from workers.bench.stream import PHRASES, duration_s
from workers.lifecycle import first
from workers.stage import Stage
from workers.summary import totals

LATE_S: Final = 1.0
PROBE: Final = Rule(raise_at=0.5, clear_at=0.5, raise_after=1, clear_after=1, cool_down_s=0.0)
"""With the probe's certainties, fires on one window and ends on the next: a steady stream of alerts to be timed."""
HALVES: Final = 4
"""So often is half the load run, for enough speech alerts."""
START: Final = 8
KIND: Final = "fight"
PHRASE_RULE: Final = Rule(cool_down_s=1.0)
ALERTS: Final = Alerts(rules={KIND: PROBE, "phrase:said": PHRASE_RULE}, watch={"said": Phrase(phrases=PHRASES)}, cameras=False)
FRAME_S: Final = 1 / Camera(source="-").fps
APART_S: Final = 8.0
"""All cameras begin within this: their key frames and sentences do not coincide."""
WARM_S: Final = 5.0
"""Alerts of the first seconds are not counted: every camera is opening."""


@dataclass(frozen=True, slots=True)
class Timed:
    """An alert and when it reached the sink (wall clock)."""

    alert: Alert
    at: float


class Stopwatch:
    """A sink that notes when alerts arrive."""

    name = "stopwatch"

    def __init__(self) -> None:
        self.timed: list[Timed] = []

    async def send(self, alert: Alert) -> None:
        """Note it."""
        if alert.phase is Phase.NEW:
            self.timed.append(Timed(alert, time.time()))

    async def close(self) -> None:
        """Nothing to let go of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One run with some number of cameras."""

    cameras: int
    late_s: float
    """How much longer than the streams it took until every alert was delivered."""
    dropped: float
    timed: tuple[Timed, ...]

    @property
    def real_time(self) -> bool:
        """Whether it kept up."""
        return self.late_s <= LATE_S and not self.dropped


def measure(streams: Sequence[Path]) -> dict[str, float]:
    """Find the most cameras that run in real time, then the delay of alerts with half of them."""
    runner = Runner(streams)
    most = runner.most()
    halves = [runner.trial(max(1, most // 2)) for _ in range(HALVES)]
    timed = [delays(half.timed) for half in halves]
    picture = [delay for pictures, _ in timed for delay in pictures]
    speech = [delay for _, spoken in timed for delay in spoken]
    dropped = sum(half.dropped for half in halves)
    figures = {"cameras": float(most), "half_load_cameras": float(halves[0].cameras), "half_load_dropped": dropped}
    return figures | _percentiles("picture", picture) | _percentiles("speech", speech)


def _percentiles(name: str, delays_s: Sequence[float]) -> dict[str, float]:
    values = {f"{name}_p{q}_s": float(np.percentile(delays_s, q)) if delays_s else float("nan") for q in (50, 95, 99)}
    return values | {f"{name}_alerts": float(len(delays_s))}


def delays(timed: Sequence[Timed]) -> tuple[list[float], list[float]]:
    """Seconds from capture of the newest frame in an alert's window, and from the end of an utterance, to the sink.

    A camera's event time and the wall clock differ by a constant, which the earliest capture stamps tell.
    """
    probes = [one for one in timed if one.alert.kind == KIND]
    offsets: dict[str, float] = {}
    for one in probes:
        offset = one.alert.captured - one.alert.until
        offsets[one.alert.camera] = min(offset, offsets.get(one.alert.camera, offset))
    begins = {camera: min(one.at for one in probes if one.alert.camera == camera) for camera in offsets}
    steady = [one for one in timed if one.alert.camera in begins and one.at > begins[one.alert.camera] + WARM_S]
    picture = [one.at - offsets[one.alert.camera] - (one.alert.until - FRAME_S) for one in steady if one.alert.kind == KIND]
    speech = [one.at - offsets[one.alert.camera] - one.alert.until for one in steady if one.alert.kind.startswith("phrase:")]
    return picture, speech


class Probe:
    """The network, asked as always; its answer of KIND is replaced by 1 on every other window and 0 between."""

    def __init__(self, network: fuse.Network, hop_s: float) -> None:
        self.name = network.name
        self._network = network
        self._hop_s = hop_s

    def __call__(self, windows: Sequence[Window], /) -> list[fuse.Judged]:
        """Judge each window."""
        return [self._probed(window, judged) for window, judged in zip(windows, self._network(windows), strict=True)]

    def _probed(self, window: Window, judged: fuse.Judged) -> fuse.Judged:
        certain = Judgement(kind=KIND, probability=float(round(window.until / self._hop_s) % 2))
        return (certain, *(judgement for judgement in judged if judgement.kind != KIND))


def _run(stage: Stage, settings: Config, metrics: Metrics, watch: Stopwatch) -> build.Run:
    """Load a stage as a process would, with the probe in it."""
    if stage is not Stage.FUSE:
        return build.consumer(stage, settings, metrics, [watch], fast=False)
    judges = build.judges(settings)
    judges.network = Probe(judges.network, settings.fusion.hop_s)
    return lambda bus: fuse.run(bus, build.aligner(settings, fast=False), judges, metrics)


class Runner:
    """Runs trials; the models are loaded for each, as a process would."""

    def __init__(self, streams: Sequence[Path]) -> None:
        self._streams = streams
        self._seconds = duration_s(streams[0])
        self._console = Console(stderr=True)

    def most(self) -> int:
        """Double until it does not keep up, then halve the interval."""
        good, bad = 0, START
        while self.trial(bad).real_time:
            good, bad = bad, bad * 2
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if self.trial(middle).real_time else (good, middle)
        return good

    def trial(self, cameras: int) -> Trial:
        """Play so many cameras."""
        watch, metrics = Stopwatch(), Metrics()
        late = asyncio.run(self._play(cameras, watch, metrics))
        total = totals(metrics)
        dropped = sum(total["frames_dropped"].values()) + sum(total["sound_dropped_seconds"].values())
        trial = Trial(cameras=cameras, late_s=late, dropped=dropped, timed=tuple(watch.timed))
        verdict = "keeps up" if trial.real_time else "does not keep up"
        self._console.print(f"{cameras} cameras: {verdict} ({late:.2f} s late, {dropped:g} dropped, {len(trial.timed)} alerts)")
        return trial

    async def _play(self, cameras: int, watch: Stopwatch, metrics: Metrics) -> float:
        """Play the streams through all stages; seconds by which it ended late."""
        settings = Config(alerts=ALERTS, models=Models(objects="off"))
        runs = {stage: _run(stage, settings, metrics, watch) for stage in build.consumers(settings)}
        bus = MemoryBus(metrics, groups=build.groups(runs, [watch]))
        capturing = asyncio.ensure_future(self._capture(bus, cameras, metrics))
        await first(capturing, *(run(bus) for run in runs.values()))
        return capturing.result()

    async def _capture(self, bus: MemoryBus, cameras: int, metrics: Metrics) -> float:
        loop = asyncio.get_running_loop()
        async with capture.CaptureWorker(bus, Capture(), metrics) as worker:
            chosen: dict[str, Camera] = {}
            for number in range(cameras):
                chosen[f"camera-{number}"] = Camera(source=str(self._streams[number % len(self._streams)]))
                await worker.apply(chosen)
                begun = loop.time()
                await asyncio.sleep(APART_S / cameras)
            await worker.wait()
        await bus.drain()
        return loop.time() - begun - self._seconds
