"""Writes the JSON Schemas of what other programs read: `python -m workers.schema [DIRECTORY]`."""

from __future__ import annotations

import sys
from pathlib import Path

from monitor import events


def write(folder: Path) -> None:
    """Write `NAME.schema.json` for each schema."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in events.SCHEMAS:
        (folder / f"{name}.schema.json").write_bytes(events.schema(name))


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schema"))
