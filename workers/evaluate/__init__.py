"""Measuring how good it is, on real data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from monitor.config import Config

Evaluation = Callable[[Path, Config], dict[str, float]]


def run(name: str, data: Path) -> dict[str, float]:
    """The figures of one evaluation, with the default configuration. Raises SourceError if the data is not there."""
    return _evaluation(name)(data, Config())


def _evaluation(name: str) -> Evaluation:
    """Load what the evaluation needs, and no other's models."""
    if name == "speech":
        from workers.evaluate.speech import speech  # noqa: PLC0415

        return speech
    if name == "fusion":
        from workers.evaluate.fusion import fusion  # noqa: PLC0415

        return fusion
    if name == "normality":
        from workers.evaluate.normality import normality  # noqa: PLC0415

        return normality
    raise ValueError(f"there is no evaluation {name!r}")
