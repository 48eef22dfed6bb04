"""Measuring how fast it is, on this machine; ratios and medians, for machines are shared and noisy."""

from __future__ import annotations

import tempfile
from pathlib import Path

from workers.bench import cameras, stages, stream

CACHE = Path(tempfile.gettempdir()) / "scenewatch-bench" / f"{len(stream.SENTENCES)}-sentences-interleaved"


def run(name: str, data: Path) -> dict[str, float]:
    """The figures of one benchmark. Raises SourceError if the data is not there."""
    streams = stream.variants(data, CACHE)
    return stages.measure(streams) if name == "stages" else cameras.measure(streams)
