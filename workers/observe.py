"""`scenewatch observe`: two live cameras, the whole system, Prometheus and Alertmanager, on loopback, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console

from monitor import cache
from monitor.errors import ConfigError
from workers import demo, monitoring
from workers.bench.chaos import live
from workers.monitoring import HERE, Notification, Program

SEEDS: Final = (1, 2)
"""The scenes of the two cameras."""
NAMES: Final = (("hall", "north"), ("lobby", "south"))
"""Their names and sites."""
EVERY_S: Final = 5.0
STOP_S: Final = 60.0
PORTS: Final = {"prometheus": 9090, "alertmanager": 9093, "metrics": 9108}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where things listen on loopback; None is the usual port, or a free one if that is taken."""

    prometheus: int | None = None
    alertmanager: int | None = None
    metrics: int | None = None

    def chosen(self) -> dict[str, int]:
        """A port for each. Raises ConfigError for one that was asked for and is taken."""
        return {name: _port(name, getattr(self, name)) for name in PORTS}


def _port(name: str, asked: int | None) -> int:
    if asked and monitoring.is_taken(asked):
        raise ConfigError(f"{name}: something listens at port {asked} already. Stop it, or give another port (0: any that is free)")
    if asked == 0 or (asked is None and monitoring.is_taken(PORTS[name])):
        return monitoring.free_port()
    return PORTS[name] if asked is None else asked


def observe(ports: Ports, film: Path | None, keep: Path | None) -> int:
    """Start everything, say where it is, and end it on Ctrl-C or SIGTERM."""
    console = Console(stderr=True)
    monitoring.programs()
    chosen = ports.chosen()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        try:
            folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scenewatch-observe-")))
            folder.mkdir(parents=True, exist_ok=True)
            urls = stack.enter_context(live.served([film] * len(NAMES) if film else films(console)))
            heard = stack.enter_context(monitoring.listening(lambda receiver, told: show(console, receiver, told)))
            order = monitoring.Order(
                folder=folder.resolve(),
                prometheus=chosen["prometheus"],
                alertmanager=chosen["alertmanager"],
                notifications=heard,
                targets=[f"{HERE}:{chosen['metrics']}"],
                every_s=EVERY_S,
            )
            both = stack.enter_context(monitoring.started(order))
            run = stack.enter_context(running(folder, urls, chosen["metrics"]))
            introduce(console, both, chosen["metrics"], folder)
            wait(run, both)
        except KeyboardInterrupt:
            console.print("stopping")
    return 0


def films(console: Console) -> list[Path]:
    """The scenes, rendered once."""
    folder = cache.cache_dir() / "observe"
    folder.mkdir(parents=True, exist_ok=True)
    made = [folder / f"scene-{seed}.mp4" for seed in SEEDS]
    for seed, film in zip(SEEDS, made, strict=True):
        if not film.exists():
            rendered = film.with_suffix(".new.mp4")
            demo.render(rendered, seed, console)
            rendered.replace(film)
    return made


def settings(folder: Path, urls: Sequence[str], port: int) -> dict[str, Any]:
    """Lay two live cameras, the metrics' port and a file of alerts over configs/demo.yaml."""
    cameras = {name: {"source": url, "site": site} for (name, site), url in zip(NAMES, urls, strict=True)}
    sinks = [{"type": "console"}, {"type": "jsonl", "path": str(folder / "alerts.jsonl")}]
    return {"cameras": cameras, "sinks": sinks, "metrics": {"host": HERE, "port": port}, "alerts": {"budget": "20/day"}}


@contextmanager
def running(folder: Path, urls: Sequence[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the whole system as a process while the body runs: its alerts go to the terminal, its log into the folder."""
    path = folder / "observe.yaml"
    path.write_text(yaml.safe_dump(settings(folder, urls, port)), "utf-8")
    command = [sys.executable, "-m", "workers", "run", str(demo.CONFIG), str(path)]
    with (folder / "scenewatch.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 (our own program)
            command,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            cwd=demo.CONFIG.parent.parent,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def introduce(console: Console, both: tuple[Program, Program], port: int, folder: Path) -> None:
    """Say where everything is."""
    prometheus, alertmanager = both
    console.print(
        f"Prometheus     {prometheus.url}/alerts   (rules: {prometheus.url}/rules)\n"
        f"Alertmanager   {alertmanager.url}   (amtool --alertmanager.url={alertmanager.url} alert)\n"
        f"metrics        http://{HERE}:{port}/metrics\n"
        f"log, alerts    {folder}\n"
        f"Grafana        is not started; where you have one, let it provision deploy/grafana/provisioning, with a Prometheus\n"
        f"               data source at {prometheus.url} (docs/alerting.md says how)\n"
        "What Alertmanager would send is shown here. Models are loaded for some seconds; Ctrl-C ends everything.",
        highlight=False,
        soft_wrap=True,
    )


def show(console: Console, receiver: str, told: Notification) -> None:
    """Show one notification: a line an alert."""
    for alert in told["alerts"]:
        if alert["labels"]["alertname"] != "Watchdog":
            at = datetime.now(UTC).astimezone()
            state = "[red]firing  [/]" if alert["status"] == "firing" else "[green]resolved[/]"
            console.print(
                f"{at:%H:%M:%S} {receiver:5} {state} {alert['labels']['alertname']}: {alert['annotations']['summary']}", soft_wrap=True
            )


def wait(run: subprocess.Popen[bytes], both: Sequence[Program]) -> None:
    """Return never. Raises ConfigError when a program ends by itself."""
    while True:
        for name, process in [("scenewatch run", run), *((program.name, program.process) for program in both)]:
            if process.poll() is not None:
                raise ConfigError(f"{name} ended with status {process.returncode}; its log says why (--keep FOLDER keeps it)")
        time.sleep(1)
