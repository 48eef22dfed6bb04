"""What measures writes one object: command, date, machine, figures."""

from __future__ import annotations

import json
import math
import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from monitor.errors import ConfigError


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where figures were measured."""

    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str
    scenewatch: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Figures, and what they are worth."""

    command: str
    date: str
    machine: Machine
    figures: dict[str, float]


def machine() -> Machine:
    """Describe this machine, without its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(memory, 1),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        scenewatch=version("scenewatch"),
    )


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def report(figures: Mapping[str, float]) -> Report:
    """Wrap figures with the command that is running, the date and the machine."""
    command = " ".join(["scenewatch", *sys.argv[1:]])
    rounded = {name: round(float(value), 4) for name, value in figures.items() if math.isfinite(value)}
    return Report(command=command, date=datetime.now(UTC).strftime("%Y-%m-%d"), machine=machine(), figures=rounded)


def figures(path: Path | None) -> dict[str, float]:
    """What was published before; nothing where there is no such file. Raises ConfigError for one that holds no figures."""
    if path is None or not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report).figures
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: no figures are in it: {error}. Name another file, or remove it") from error


def publish(figures: Mapping[str, float], path: Path | None) -> None:
    """Print figures as a table, and write them to a file if one is named."""
    done = report(figures)
    table = Table(title=done.command)
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in done.figures.items():
        table.add_row(name, f"{value:g}")
    Console().print(table)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(msgspec.to_builtins(done), indent=1) + "\n", "utf-8")
