"""Writes the boards: `python deploy/grafana/generate.py [--runbooks URL] [--console URL] [--out FOLDER]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from boards import alerts, camera, cameras, kafka, models, overview, pipeline, speech
from boards.board import Addresses

BOARDS = (overview.BOARD, cameras.BOARD, camera.BOARD, alerts.BOARD, pipeline.BOARD, speech.BOARD, models.BOARD, kafka.BOARD)


def generated(addresses: Addresses) -> dict[str, str]:
    """Each board's file name and text."""
    return {f"{board.name}.json": board.json(addresses) for board in BOARDS}


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runbooks", default=Addresses().runbooks, help="where docs/runbooks is published (default: %(default)s)")
    parser.add_argument("--console", default=Addresses().console, help="what shows alerts and their evidence (default: no link)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "dashboards", help="the folder (default: %(default)s)")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for name, text in generated(Addresses(runbooks=asked.runbooks, console=asked.console)).items():
        (asked.out / name).write_text(text)
        sys.stdout.write(f"{asked.out / name}\n")


if __name__ == "__main__":
    main()
