"""Running stages: all of them in this process, or one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import start_http_server

from monitor import logs, sinks
from monitor.bus import Bus
from monitor.config import Config
from monitor.errors import ConfigError
from monitor.metrics import Metrics
from monitor.sinks import Sink
from workers import build, capture, summary, watch
from workers.bus import open_bus
from workers.lifecycle import first, stop_on_signal, supervise
from workers.stage import Stage

log = structlog.get_logger()

DRAIN_S: Final = 30.0
"""After a signal, what is under way may take so long to reach the sinks."""
LAG_EVERY_S: Final = 1.0


async def main(config: Config, paths: Sequence[Path], *, fast: bool) -> int:
    """Run every stage until the sources have ended or a signal comes; 1 if a camera was given up."""
    if not config.cameras and not paths:
        raise ConfigError("nothing to watch: name a configuration file or a video")
    logs.configure(config.log_level, json=False)
    metrics = Metrics(max_cameras=config.metrics.max_cameras)
    begun = time.perf_counter()
    failures = await everything(config, metrics, sinks.sinks(config.sinks), paths=paths, fast=fast)
    summary.show(metrics, time.perf_counter() - begun)
    for failure in failures:
        log.error("camera given up", camera=failure.camera, error=str(failure.error))
    return 1 if failures else 0


async def everything(
    config: Config, metrics: Metrics, out: Sequence[Sink], *, paths: Sequence[Path] = (), fast: bool = False
) -> tuple[capture.Failure, ...]:
    """Run all stages on one bus until the sources have ended and every alert is delivered; return the cameras that were given up."""
    begun = time.perf_counter()
    runs = {stage: build.consumer(stage, config, metrics, out, fast=fast) for stage in build.consumers(config)}
    log.info("models loaded", seconds=round(time.perf_counter() - begun, 1))
    with served(config, metrics):
        async with stop_on_signal() as stop, open_bus(config, metrics, build.groups(runs, out)) as bus:
            cameras = capture.CaptureWorker(bus, config.capture, metrics, fast=fast)
            watching = asyncio.ensure_future(_watch_then_drain(cameras, config, bus, stop, paths))
            stages = [supervise(stage, partial(run, bus)) for stage, run in runs.items()]
            await first(watching, depth(bus, metrics, tuple(build.groups(runs, out))), *stages)
    for sink in out:
        await sink.close()
    return watching.result()


async def _watch_then_drain(
    cameras: capture.CaptureWorker, config: Config, bus: Bus, stop: asyncio.Event, paths: Sequence[Path]
) -> tuple[capture.Failure, ...]:
    """Capture until every source has ended or a signal comes; then let what is under way reach the sinks."""
    async with cameras:
        await cameras.apply(config.cameras)
        following = [watch.cameras(paths, cameras.apply)] if paths else []
        await first(cameras.wait() if config.cameras else stop.wait(), stop.wait(), *following)
    if stop.is_set():
        log.info("stopping: what is under way is delivered first", at_most_s=DRAIN_S)
    try:
        await asyncio.wait_for(bus.drain(), DRAIN_S if stop.is_set() else None)
    except TimeoutError:
        log.warning("stopped before everything was processed", after_s=DRAIN_S)
    return await cameras.wait()


async def depth(bus: Bus, metrics: Metrics, groups: Sequence[str]) -> None:
    """Measure how much waits for each stage."""
    while True:
        for group in groups:
            metrics.queue.labels(group).set(await bus.lag(group))
        await asyncio.sleep(LAG_EVERY_S)


async def one(stage: Stage, config: Config, paths: Sequence[Path]) -> int:
    """Run one stage on a shared bus until a signal comes; files that capture reads end it."""
    if config.bus == "memory://":
        raise ConfigError(f"`worker {stage}` needs a bus that processes share: set `bus: kafka://host:port`")
    logs.configure(config.log_level, json=True)
    metrics = Metrics(max_cameras=config.metrics.max_cameras)
    out = sinks.sinks(config.sinks) if stage is Stage.DELIVER else ()
    run = None if stage is Stage.CAPTURE else build.consumer(stage, config, metrics, out, fast=False)
    with served(config, metrics):
        async with stop_on_signal() as stop, open_bus(config, metrics, build.groups([stage], out)) as bus:
            if run is None:
                await _watch_then_drain(capture.CaptureWorker(bus, config.capture, metrics), config, bus, stop, paths)
            else:
                await first(supervise(stage, partial(run, bus)), stop.wait())
    for sink in out:
        await sink.close()
    return 0


@contextmanager
def served(config: Config, metrics: Metrics) -> Iterator[None]:
    """Serve /metrics; a port that is taken is a clear error."""
    if not config.metrics.enabled:
        yield
        return
    where = f"{config.metrics.host}:{config.metrics.port}"
    try:
        server, thread = start_http_server(config.metrics.port, config.metrics.host, metrics.registry)
    except OSError as error:
        raise ConfigError(f"metrics: can't listen on {where}: {error.strerror}: set metrics.port, or metrics.enabled: false") from error
    log.info("metrics", url=f"http://{config.metrics.host}:{server.server_port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        assert isinstance(thread, threading.Thread)
        thread.join()
