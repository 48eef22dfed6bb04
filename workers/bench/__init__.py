"""Measuring how fast it is, on this machine; ratios and medians, for machines are shared and noisy."""

from __future__ import annotations

import tempfile
from pathlib import Path

CACHE = Path(tempfile.gettempdir()) / "scenewatch-bench"


def run(name: str, data: Path) -> dict[str, float]:
    """The figures of one benchmark. Raises SourceError if the data is not there."""
    if name == "bus":
        from workers.bench import bus  # noqa: PLC0415 (each loads what it needs: the processes of `bus` need no models)

        return bus.measure()
    if name == "scrape":
        from workers.bench import scrape  # noqa: PLC0415

        return scrape.measure()
    from workers.bench import cameras, stages, stream  # noqa: PLC0415

    streams = stream.variants(data, CACHE / f"{len(stream.SENTENCES)}-sentences-interleaved")
    ways = {"stages": stages.measure, "more": stages.measure_more, "cameras": cameras.measure}
    return ways[name](streams)
