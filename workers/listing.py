"""`scenewatch models` and `scenewatch schema`: what there is."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.table import Table

from monitor.models import Status, listing

COLOURS: Final = {Status.INSTALLED: "green", Status.MISSING: "yellow", Status.WRONG: "red"}


def models() -> int:
    """Print every model, its source and whether it is genuine; 1 if one that is installed is wrong."""
    table = Table("model", "for", "from", "licence", "status", "where, or what to do")
    listed = listing()
    for item in listed:
        status = f"[{COLOURS[item.status]}]{item.status.value}[/]"
        table.add_row(item.model.name, item.model.kind.value, ", ".join(item.model.packages), item.model.licence, status, item.detail)
    Console().print(table)
    return int(any(item.status is Status.WRONG for item in listed))
