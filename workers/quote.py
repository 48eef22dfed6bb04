"""Puts measured figures into the documents: `python -m workers.quote README.md …`.

A document says `0.11<!--speech.wer:.2f-->`: the figure `wer` of docs/figures/speech.json, formatted so; what has spaces
stands in brackets. Nothing is typed in by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

FIGURES: Final = Path("docs/figures")
QUOTE: Final = re.compile(r"(?:\[(?P<long>[^\]]*)\]|(?P<shown>[^\s|(\[]*))<!--(?P<file>\w+)\.(?P<name>\w+):(?P<format>[^>]+?)-->")


def quoted(text: str, reports: Mapping[str, Mapping[str, Any]]) -> str:
    """A document with every figure as it was measured; a figure that was not is shown as `?`."""

    def fresh(match: re.Match[str]) -> str:
        report = reports.get(match["file"], {})
        value = report.get("figures", {}).get(match["name"], report.get(match["name"]))
        shown = "?" if value is None else format(value, match["format"])
        shown = shown if match["long"] is None else f"[{shown}]"
        return f"{shown}<!--{match['file']}.{match['name']}:{match['format']}-->"

    return QUOTE.sub(fresh, text)


def reports(folder: Path = FIGURES) -> dict[str, dict[str, Any]]:
    """What the measuring commands wrote, by file name."""
    read = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}
    return {name: report | {"where": _where(report)} for name, report in read.items()}


def _where(report: Mapping[str, Any]) -> str:
    """The machine and the day, as a sentence says them."""
    machine = report["machine"]
    return f"{machine['cores']} cores of an {machine['cpu']} with {machine['memory_gb']:.0f} GB, {report['date']}"


def main(documents: list[str]) -> None:
    """Rewrite documents in place."""
    for document in map(Path, documents):
        document.write_text(quoted(document.read_text("utf-8"), reports()), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
