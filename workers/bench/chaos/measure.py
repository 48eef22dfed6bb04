"""Runs the rows, and gives their figures and the page."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from monitor.errors import ConfigError
from workers.bench import stream
from workers.bench.chaos import page, table

SIZE: Final = (640, 360)
SENTENCES: Final = stream.SENTENCES[:1]
"""In half a minute: on an ordinary camera, too, nobody speaks most of the time."""
FILMS: Final = Path(tempfile.gettempdir()) / "scenewatch-bench" / "360p-1-sentence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run."""

    data: Path
    cameras: int = 8
    kills: int = 4
    """Of each stage."""
    rows: Sequence[str] = ()
    """All of them, if none is named."""
    page: Path | None = None
    """The table is written there."""
    before: Mapping[str, float] = field(default_factory=dict)
    """Figures of rows that are not run again."""


def measure(order: Order) -> dict[str, float]:
    """What was lost, doubled, and how long it took to recover. Raises SourceError without data, Java or Maven."""
    plans = table.plans(order.kills)
    if unknown := set(order.rows) - {plan.name for plan in plans}:
        raise ConfigError(f"bench chaos: no such row: {', '.join(sorted(unknown))}; there are {', '.join(plan.name for plan in plans)}")
    beside = {plan.beside for plan in plans if plan.name in order.rows}
    wanted = [plan for plan in plans if plan.name in {*order.rows, *beside, table.CALM} or not order.rows]
    variants = stream.variants(order.data, FILMS, SIZE, SENTENCES)
    films = {times: longer(variants, times) for times in {plan.times for plan in wanted}}
    folder = Path(tempfile.mkdtemp(prefix="scenewatch-chaos-"))  # is kept: its logs say why something was lost
    found = dict(order.before) if order.rows else {}

    def write(rows: Sequence[table.Row], replayed: Mapping[str, float]) -> None:
        found.update({**table.figures(rows), **replayed, "cameras": float(order.cameras)})
        if order.page:
            order.page.write_text(page.page(found), "utf-8")

    bench = table.Bench(films=films, cameras=order.cameras, folder=folder, tell=write)
    asyncio.run(bench.rows(wanted))
    return found


def longer(films: Sequence[Path], times: int) -> list[Path]:
    """Folders in which each film lies so many times, to be played one after the other."""
    folders = []
    for film in films:
        folder = film.parent / f"{film.stem}-{times}-times"
        folder.mkdir(exist_ok=True)
        for number in range(times):
            link = folder / f"{number}.mp4"
            link.unlink(missing_ok=True)
            os.link(film, link)
        folders.append(folder)
    return folders
