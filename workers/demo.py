"""`scenewatch demo`: a scene of our own, from its pixels and samples to alerts, held against what was planted in it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from monitor import logs
from monitor.config import Camera, Config
from monitor.configfile import load
from monitor.messages import Alert
from monitor.metrics import Metrics
from monitor.sinks import ConsoleSink, JsonlSink, Sink, terminal
from workers import local, scene, summary, verdict

CONFIG: Final = Path(__file__).parent.parent / "configs" / "demo.yaml"


class Collected:
    """A sink that keeps the alerts, to be judged."""

    name = "collected"

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    async def send(self, alert: Alert) -> None:
        """Keep it."""
        self.alerts.append(alert)

    async def close(self) -> None:
        """Keep them."""


async def planted(seed: int, *, fast: bool, keep: Path | None) -> int:
    """Render the scene, watch it, and say what should have been found and what was; 1 if they differ."""
    console = Console(stderr=True)
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scenewatch-")))
        folder.mkdir(parents=True, exist_ok=True)
        film = folder / "scene.mp4"
        truth = render(film, seed, console)
        starts_at = float(int(time.time()))
        collected = Collected()
        kept = (JsonlSink(folder / "alerts.jsonl"),) if keep else ()
        await watch(film, starts_at, (collected, *kept), fast=fast, console=console)
    judged = verdict.judge(truth, collected.alerts, starts_at)
    verdict.show(judged, starts_at, console)
    return 0 if judged.good else 1


def render(film: Path, seed: int, console: Console) -> tuple[scene.Incident, ...]:
    """Render the scene, showing how far it is."""
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("painting and speaking a scene", total=1.0)
        report: Callable[[float], None] = lambda share: progress.update(task, completed=share)  # noqa: E731
        return scene.render(film, seed, report)


def keep_film(film: Path, seed: int) -> None:
    """Render the scene into a file, unless it is there; nobody ever finds half of it."""
    console = Console(stderr=True)
    if film.exists():
        console.print(f"{film} is there already")
        return
    film.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=film.parent, prefix=f".{film.stem}-") as scratch:
        made = Path(scratch, film.name)
        render(made, seed, console)
        made.with_suffix(".json").replace(film.with_suffix(".json"))
        made.replace(film)


async def watch(film: Path, starts_at: float | None, also: tuple[Sink, ...], *, fast: bool, console: Console) -> None:
    """Run the whole pipeline on a film, alerts to the terminal and to the other sinks."""
    config = with_film(load([CONFIG]), film, starts_at)
    logs.configure(config.log_level, json=False)
    metrics = Metrics()
    begun = time.perf_counter()
    console.print(f"watching {film} {'as quickly as it goes' if fast else 'at real time'}")
    failures = await local.everything(config, metrics, (ConsoleSink(terminal("auto")), *also), fast=fast)
    summary.show(metrics, time.perf_counter() - begun, console)
    for failure in failures:
        raise failure.error


def with_film(config: Config, film: Path, starts_at: float | None) -> Config:
    """Make the film the only camera."""
    camera = Camera(source=str(film), starts_at=starts_at)
    return config.model_copy(update={"cameras": {"demo": camera}})


async def video(film: Path) -> int:
    """Watch anybody's video, at its own pace."""
    await watch(film, None, (), fast=False, console=Console(stderr=True))
    return 0
