"""`scenewatch models` and `scenewatch schema`: what there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from monitor.config import Config
from monitor.metrics import Metrics
from monitor.models import MODELS, Status, listing, model
from workers import build
from workers.fetch import fetch as fetch_missing

COLOURS: Final = {Status.INSTALLED: "green", Status.MISSING: "yellow", Status.WRONG: "red"}


def models(names: Sequence[str] = (), *, fetch: bool = False, warm: bool = False) -> int:
    """Print every model, or those that are named, its source and whether it is genuine; 1 if one that is installed is wrong.

    With `fetch`, those of no installed package are fetched first where they are missing or wrong; with `warm`, every stage's are then
    loaded, so that what is joined or converted once is in the cache. Raises ModelError where that fails.
    """
    wanted = [model(name) for name in names] or MODELS
    if fetch:
        fetch_missing(listing(wanted))
    if warm:
        load_all(Config())
    table = Table("model", "for", "from", "licence", "status", "where, or what to do")
    listed = listing(wanted)
    for item in listed:
        status = f"[{COLOURS[item.status]}]{item.status.value}[/]"
        table.add_row(item.model.name, item.model.kind.value, ", ".join(item.model.sources), item.model.licence, status, item.detail)
    Console().print(table)
    return int(any(item.status is Status.WRONG for item in listed))


def load_all(config: Config) -> None:
    """Load what every stage of a configuration needs, and let go of it. Raises ModelError."""
    for stage in build.consumers(config):
        build.consumer(stage, config, Metrics(), (), fast=True)
