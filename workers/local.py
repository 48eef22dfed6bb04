"""Running stages: all of them in this process, or one.

What a stage alone needs is imported where it is used: a process that was killed is back the sooner.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars

from monitor import cache, logs
from monitor.bus import Bus
from monitor.config import Config
from monitor.errors import BusError, ConfigError
from monitor.metrics import Metrics
from workers import build
from workers.bus import following, open_bus
from workers.governor import Follow, Governor, measure, see_brokers, tell
from workers.lifecycle import first, stop_on_signal, supervise, until_stopped
from workers.serve import Condition, Vitals, served
from workers.stage import Stage
from workers.turn import turn

if TYPE_CHECKING:
    from monitor.sinks import Sink
    from workers import capture

log = structlog.get_logger()

DRAIN_S: Final = 30.0
"""After a signal, what is under way may take so long to reach the sinks."""
FINISH_S: Final = 20.0
"""A stage may take so long for its last batch; Kubernetes kills after 30 s."""
LAG_EVERY_S: Final = 1.0


async def main(config: Config, paths: Sequence[Path], *, fast: bool) -> int:
    """Run every stage until the sources have ended or a signal comes; 1 if a camera was given up."""
    from workers import summary  # noqa: PLC0415

    if not config.cameras and not paths:
        raise ConfigError("nothing to watch: name a configuration file or a video")
    logs.configure(config.log_level, json=config.log_format == "json")
    metrics = Metrics(max_cameras=config.metrics.max_cameras)
    begun = time.perf_counter()
    failures = await everything(config, metrics, _sinks(config), paths=paths, fast=fast)
    summary.show(metrics, time.perf_counter() - begun)
    for failure in failures:
        log.error("camera given up", camera=failure.camera, error=str(failure.error))
    return 1 if failures else 0


async def everything(
    config: Config, metrics: Metrics, out: Sequence[Sink], *, paths: Sequence[Path] = (), fast: bool = False
) -> tuple[capture.Failure, ...]:
    """Run all stages on one bus until the sources have ended and every alert is delivered; return the cameras that were given up."""
    vitals = Vitals()
    async with stop_on_signal() as stop:
        with served(config.metrics, metrics, vitals):
            begun = time.perf_counter()
            runs = {stage: build.consumer(stage, config, metrics, out, fast=fast) for stage in build.consumers(config)}
            log.info("models loaded", seconds=round(time.perf_counter() - begun, 1))
            groups = build.groups(runs, out)
            async with open_bus(config, metrics, groups) as bus:
                cameras = _capture(config, bus, metrics, fast=fast)
                vitals.conditions = {**_watches(cameras), "assigned": lambda: metrics.board.joined(tuple(groups))}
                watching = asyncio.ensure_future(_watch_then_drain(cameras, config, bus, stop, paths))
                stages = [supervise(stage, partial(run, bus)) for stage, run in runs.items()]
                await first(watching, vitals.beat(), depth(metrics), see_brokers(bus, metrics), *stages)
    for sink in out:
        await sink.close()
    return watching.result()


def _capture(config: Config, bus: Bus, metrics: Metrics, *, fast: bool = False, follow: Follow | None = None) -> capture.CaptureWorker:
    """Make what watches the cameras; only whoever waits for the stages takes all there is, whatever happens."""
    from workers import capture  # noqa: PLC0415

    governor, folder = None if fast else Governor(config.capture.pressure, metrics), spool_folder(config)
    with bound_contextvars(stage=Stage.CAPTURE.value):
        return capture.CaptureWorker(bus, config.capture, metrics, fast=fast, governor=governor, follow=follow, folder=folder)


def spool_folder(config: Config) -> Path | None:
    """Where this process keeps what a broker does not take: one folder a bus, so that nothing is taken to another's."""
    if config.bus == "memory://":
        return None
    parent = Path(config.capture.spool.folder).expanduser() if config.capture.spool.folder else cache.cache_dir() / "spool"
    return parent / hashlib.sha256(f"{config.bus.partition('?')[0]} {config.topic_prefix}".encode()).hexdigest()[:12]


def _watches(cameras: capture.CaptureWorker) -> dict[str, Condition]:
    return {"cameras": lambda: cameras.begun, "bus": lambda: cameras.connected}


async def _watch_then_drain(
    cameras: capture.CaptureWorker, config: Config, bus: Bus, stop: asyncio.Event, paths: Sequence[Path]
) -> tuple[capture.Failure, ...]:
    """Capture until every source has ended or a signal comes; then let what is under way reach the sinks."""
    from workers import watch  # noqa: PLC0415

    bind_contextvars(stage=Stage.CAPTURE.value)
    async with cameras:
        await cameras.apply(config.cameras)
        following = [watch.cameras(paths, cameras.apply)] if paths else []
        await first(cameras.wait() if config.cameras else stop.wait(), stop.wait(), *following)
    if stop.is_set():
        log.info("stopping: what is under way is delivered first", at_most_s=DRAIN_S)
    try:
        async with asyncio.timeout(DRAIN_S if stop.is_set() else None):
            await bus.drain()
    except TimeoutError:
        log.warning("stopped before everything was processed", after_s=DRAIN_S)
    except BusError as error:
        if not stop.is_set():
            raise
        log.warning("stopped without its broker: what is under way is processed when it is back", error=str(error))
    return await cameras.wait()


def _sinks(config: Config) -> Sequence[Sink]:
    from monitor import sinks  # noqa: PLC0415

    return sinks.sinks(config.sinks)


async def depth(metrics: Metrics) -> None:
    """Measure for ever how much waits for each stage."""
    while True:
        measure(metrics, time.time())
        await asyncio.sleep(LAG_EVERY_S)


async def one(stage: Stage, config: Config, paths: Sequence[Path], instance: str | None = None) -> int:
    """Run one stage on a shared bus until a signal comes; files that capture reads end it.

    A process that comes back with the same `instance` gets its partitions back at once, and no other has to stop for it (KIP-345);
    a second one beside it waits as its spare.
    """
    if config.bus == "memory://":
        raise ConfigError(f"`worker {stage}` needs a bus that processes share: set `bus: kafka://host:port`")
    logs.configure(config.log_level, json=config.log_format != "console")
    metrics = Metrics(max_cameras=config.metrics.max_cameras)
    out = _sinks(config) if stage is Stage.DELIVER else ()
    vitals = Vitals()
    groups = build.groups([stage], out)
    async with stop_on_signal() as stop:
        with served(config.metrics, metrics, vitals):
            run = None if stage is Stage.CAPTURE else build.consumer(stage, config, metrics, out, fast=False)
            async with open_bus(config, metrics, groups, instance) as bus:
                if run is None:
                    cameras = _capture(config, bus, metrics, follow=following(config, metrics))
                    vitals.conditions = _watches(cameras)
                    await first(_watch_then_drain(cameras, config, bus, stop, paths), vitals.beat(), see_brokers(bus, metrics))
                else:
                    ours = turn(config, stage, instance)
                    assigned = {"assigned": lambda: metrics.board.joined(tuple(groups))}
                    vitals.conditions = {"bus": lambda: True, "turn": ours.held} | assigned
                    await first(ours.taken(), stop.wait(), vitals.beat())
                    if not stop.is_set():
                        serving = until_stopped(supervise(stage, partial(run, bus)), stop, bus.end, within_s=FINISH_S)
                        await first(serving, tell(bus, metrics), vitals.beat(), see_brokers(bus, metrics))
    for sink in out:
        await sink.close()
    return 0
