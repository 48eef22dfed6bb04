"""The thing that is broken: a cluster, and a process for each stage, which is started again whenever it dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from monitor.brokers import brokers
from monitor.config import Config
from monitor.errors import BusError
from monitor.kafka import KafkaBus
from monitor.metrics import Metrics
from workers import build
from workers.bench.chaos import clock
from workers.bench.chaos.cluster import ROOT
from workers.stage import Stage

BEHIND: Final = tuple(stage for stage in Stage if stage is not Stage.CAPTURE)
FPS: Final = 0.25
"""Frames a second that are sampled of a camera: the machine has to carry the brokers, too."""
RESTART_S: Final = 0.2
"""What dies is started again so soon …"""
AGAIN_S: Final = 3.0
"""… unless it had been started less than this ago, as without a broker: then it is waited for this long."""
STOP_S: Final = 60.0
READY_S: Final = 60.0


@dataclass(slots=True)
class Worker:
    """One process."""

    stage: Stage
    number: int
    process: subprocess.Popen[bytes]
    log: Path
    begun: float
    wanted: bool = True
    """It is started again when it dies."""
    spare: Worker | None = None
    """Waits with everything loaded, and takes over."""
    starts: int = 1
    peak_mb: float = 0.0
    """The most memory that its processes had."""

    def look(self) -> None:
        """Note how much memory it has (VmRSS of proc(5))."""
        try:
            lines = Path(f"/proc/{self.process.pid}/status").read_text("utf-8").splitlines()
        except (FileNotFoundError, ProcessLookupError):
            return
        sizes = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")]
        self.peak_mb = max([self.peak_mb, *sizes])


@dataclass(slots=True)
class Plant:
    """One run: its configuration, and its processes."""

    config: Config
    path: Path
    env: Mapping[str, str] = field(default_factory=dict)
    """What its processes are started with, besides."""
    spares: bool = False
    """Each stage has a second process of the same name."""
    workers: list[Worker] = field(default_factory=list)

    def start(self, stage: Stage, number: int = 1) -> Worker:
        """Start a process."""
        worker = self._launched(stage, number)
        self.workers.append(worker)
        return worker

    async def back(self) -> None:
        """Give each stage its spare, if it is to have one, and wait until they wait."""
        for worker in self.workers if self.spares else ():
            worker.spare = self._launched(worker.stage, worker.number)
        until = time.monotonic() + READY_S
        while late := [spare.log for worker in self.workers if (spare := worker.spare) and not _waits(spare)]:
            if time.monotonic() > until:
                raise BusError(f"bench chaos: spares that are not ready after {READY_S:g} s: {', '.join(map(str, late))}")
            await asyncio.sleep(RESTART_S)

    def one(self, stage: Stage) -> Worker:
        """The first process of a stage."""
        return next(worker for worker in self.workers if worker.stage is stage)

    async def keep(self) -> None:
        """Start again what dies, as systemd or Kubernetes would."""
        while True:
            for worker in self.workers:
                worker.look()
                if worker.wanted and worker.process.poll() is not None and time.monotonic() > worker.begun + AGAIN_S:
                    self._again(worker)
            await asyncio.sleep(RESTART_S)

    def _again(self, worker: Worker) -> None:
        """Start a process: in the place of one that died, or of its spare, which is in its place already."""
        new = self._launched(worker.stage, worker.number, worker.starts)
        worker.starts += 1
        if worker.spare:
            worker.process, worker.log, worker.spare = worker.spare.process, worker.spare.log, new
        else:
            worker.process, worker.log, worker.begun = new.process, new.log, new.begun

    async def ready(self, within_s: float = READY_S) -> None:
        """Wait until every process says that it is. Raises BusError when that takes too long."""
        until = time.monotonic() + within_s
        async with httpx.AsyncClient(timeout=2.0) as client:
            while late := [worker for worker in self.workers if not await is_ready(client, worker)]:
                if time.monotonic() > until:
                    names = ", ".join(f"{worker.stage} ({worker.log})" for worker in late)
                    raise BusError(f"bench chaos: not ready after {within_s:g} s: {names}")
                await asyncio.sleep(RESTART_S)

    def close(self) -> None:
        """End every process, in order."""
        ending = [*(worker.spare for worker in self.workers if worker.spare), *self.workers]
        for worker in ending:
            worker.wanted = False
            worker.process.send_signal(signal.SIGCONT)
            worker.process.terminate()
        for worker in ending:
            try:
                worker.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()

    def _launched(self, stage: Stage, number: int, again: int = 0) -> Worker:
        log = self.path.parent / f"{stage}-{number}{f'-{again}' if again else ''}.log"
        return Worker(stage, number, self._launch(stage, number, log), log, time.monotonic())

    def _launch(self, stage: Stage, number: int, log: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "workers", "worker", stage.value, "--config", str(self.path)]
        instance = [] if stage is Stage.CAPTURE else ["--instance", f"{stage}-{number}"]
        with log.open("ab") as out:
            return subprocess.Popen([*command, *instance], stdout=out, stderr=out, env={**alone(), **self.env}, cwd=ROOT)  # noqa: S603 (our own program)


def alone() -> dict[str, str]:
    """The environment of a process among many on a small machine: its networks take one thread each."""
    return os.environ | {"OMP_NUM_THREADS": "1"}


def _address(log: Path) -> str:
    """Where the newest process that writes a log serves its metrics; empty until it says so."""
    lines = [line for line in log.read_text("utf-8", errors="replace").splitlines() if '"event": "metrics"' in line]
    return str(json.loads(lines[-1])["url"]).removesuffix("/metrics") if lines else ""


def _waits(spare: Worker) -> bool:
    return "waiting as a spare" in spare.log.read_text("utf-8", errors="replace")


async def is_ready(client: httpx.AsyncClient, worker: Worker) -> bool:
    """Whether a process is up, has its models, and was given its partitions or cameras."""
    try:
        address = _address(worker.log)
        return bool(address) and (await client.get(f"{address}/readyz")).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


@dataclass(frozen=True, slots=True)
class Dropped:
    """What capture says that it has dropped."""

    frames: float = 0.0
    sound_s: float = 0.0


async def dropped(client: httpx.AsyncClient, worker: Worker) -> Dropped | None:
    """What a capture process has dropped, for whatever reason; None when it does not answer."""
    try:
        told = await client.get(f"{_address(worker.log)}/metrics")
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    totals: Counter[str] = Counter()
    for family in text_string_to_metric_families(told.text):
        for sample in family.samples:
            totals[sample.name] += sample.value  # type: ignore[assignment]  # counts of seconds are no integers
    return Dropped(totals["scenewatch_frames_dropped_total"], totals["scenewatch_sound_dropped_seconds_total"])


@asynccontextmanager
async def plant(folder: Path, settings: Mapping[str, Any], *, clocked: bool = False, spares: bool = False) -> AsyncIterator[Plant]:
    """Write the configuration, start the stages behind capture, and end them all; `clocked`: with a clock that `clock.set_by` moves."""
    path = _written(folder, settings)
    made = Plant(Config.model_validate(settings), path, clock.environment(folder) if clocked else {}, spares)
    for stage in BEHIND:
        made.start(stage)
    keeping = asyncio.ensure_future(made.keep())
    try:
        yield made
    finally:
        keeping.cancel()
        await asyncio.to_thread(made.close)


def _written(folder: Path, settings: Mapping[str, Any]) -> Path:
    folder.mkdir(parents=True)
    path = folder / "chaos.yaml"
    path.write_text(yaml.safe_dump(dict(settings)), "utf-8")
    return path


@asynccontextmanager
async def looking(config: Config) -> AsyncIterator[KafkaBus]:
    """A bus that knows every group, to see how far they are and what lies on the topics."""
    at = brokers(config.bus, config.kafka.security)
    bus = KafkaBus(at, Metrics(), prefix=config.topic_prefix, groups=build.groups(BEHIND, ()), kafka=config.kafka)
    try:
        await bus.start()
        yield bus
    finally:
        await bus.close()


def cameras(sources: Sequence[str], count: int, starts_at: float | None) -> dict[str, dict[str, Any]]:
    """So many cameras; with `starts_at`, films that are played at real time, with the same event times in every run."""
    shared = {"starts_at": starts_at, "fps": FPS, "decode": "key"}
    return {f"camera-{n}": {"source": sources[n % len(sources)], **shared} for n in range(count)}
