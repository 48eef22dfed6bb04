"""The thing that is broken: a cluster, and a process for each stage, which is started again whenever it dies."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from monitor.brokers import brokers
from monitor.config import Config
from monitor.kafka import KafkaBus
from monitor.metrics import Metrics
from workers import build
from workers.stage import Stage

BEHIND: Final = tuple(stage for stage in Stage if stage is not Stage.CAPTURE)
RESTART_S: Final = 0.2
STOP_S: Final = 60.0


@dataclass(slots=True)
class Worker:
    """One process."""

    stage: Stage
    number: int
    process: subprocess.Popen[bytes]
    wanted: bool = True
    """It is started again when it dies."""


@dataclass(slots=True)
class Plant:
    """One run: its configuration, and its processes."""

    config: Config
    path: Path
    workers: list[Worker] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where the processes write their logs."""
        return self.path.parent

    def start(self, stage: Stage, number: int = 1) -> Worker:
        """Start a process."""
        worker = Worker(stage, number, self._launch(stage, number))
        self.workers.append(worker)
        return worker

    def one(self, stage: Stage) -> Worker:
        """The first process of a stage."""
        return next(worker for worker in self.workers if worker.stage is stage)

    async def keep(self) -> None:
        """Start again what dies, as systemd or Kubernetes would."""
        while True:
            for worker in self.workers:
                if worker.wanted and worker.process.poll() is not None:
                    worker.process = self._launch(worker.stage, worker.number)
            await asyncio.sleep(RESTART_S)

    def close(self) -> None:
        """End every process, in order."""
        for worker in self.workers:
            worker.wanted = False
            worker.process.terminate()
        for worker in self.workers:
            try:
                worker.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()

    def _launch(self, stage: Stage, number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "workers", "worker", stage.value, "--config", str(self.path)]
        instance = [] if stage is Stage.CAPTURE else ["--instance", f"{stage}-{number}"]
        with (self.folder / f"{stage}-{number}.log").open("ab") as log:
            return subprocess.Popen([*command, *instance], stderr=log, stdout=log, env=os.environ | {"OMP_NUM_THREADS": "1"})


@asynccontextmanager
async def plant(folder: Path, settings: Mapping[str, Any]) -> AsyncIterator[Plant]:
    """Write the configuration, start the stages behind capture, and end them all."""
    folder.mkdir(parents=True)
    path = folder / "chaos.yaml"
    path.write_text(yaml.safe_dump(dict(settings)))
    made = Plant(Config.model_validate(settings), path)
    for stage in BEHIND:
        made.start(stage)
    keeping = asyncio.ensure_future(made.keep())
    try:
        yield made
    finally:
        keeping.cancel()
        await asyncio.to_thread(made.close)


@asynccontextmanager
async def looking(config: Config) -> AsyncIterator[KafkaBus]:
    """A bus that knows every group, to see how far they are and what lies on the topics."""
    groups = build.groups(BEHIND, ())
    at = brokers(config.bus, config.kafka.security)
    bus = KafkaBus(at, Metrics(), prefix=config.topic_prefix, groups=groups, kafka=config.kafka)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.close()


def cameras(films: Sequence[Path], count: int, starts_at: float) -> dict[str, dict[str, Any]]:
    """So many cameras that play the films at real time, with the same event times in every run."""
    return {f"camera-{n}": {"source": str(films[n % len(films)]), "starts_at": starts_at} for n in range(count)}
