"""How rare a score is among a camera's own ordinary ones: the tail of their logarithms, and the odds that follow from it.

Above their upper quartile u, logarithms of distances fall off about exponentially (a score is Pareto there: Hill, 1975):
P(score >= s) = 1/4 exp(-(ln s - u) / b), with b the mean excess over u. So far out that nothing was ever seen there,
this is still a number, and it errs to the side of calling a score ordinary (a lighter tail would be surprised sooner).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

KEPT: Final = 4096
"""So many of the newest ordinary scores are kept: half an hour at two a second."""
SHARE: Final = 0.25
"""The tail begins where this share of the scores is above."""
BODY: Final = 0.45
"""The mean excess over the upper quartile of a normal distribution, in interquartile ranges: what is assumed before much was seen, …"""
WEIGHT: Final = 8.0
"""… counting as much as this many excesses."""
REFIT: Final = 64
"""Scores between two fits, once there are many."""


@dataclass(slots=True)
class Tail:
    """The ordinary scores of one kind, of one camera."""

    _logs: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(KEPT))
    _count: int = 0
    _fitted: int = 0
    _begin: float = 0.0
    _scale: float = 1.0

    def add(self, score: float) -> None:
        """Take in the score of an ordinary moment."""
        self._logs[self._count % KEPT] = math.log(max(score, 1e-6))
        self._count += 1

    def rarity(self, score: float) -> float:
        """The share of ordinary moments that score so high (extrapolated; below the upper quartile it may exceed 1)."""
        if self._count - self._fitted >= min(REFIT, max(self._fitted // 4, 1)):
            self._fit()
        excess = (math.log(max(score, 1e-6)) - self._begin) / self._scale
        return SHARE * math.exp(max(min(-excess, 50.0), -50.0))

    def _fit(self) -> None:
        logs = self._logs[: min(self._count, KEPT)]
        lower, begin = np.quantile(logs, (SHARE, 1 - SHARE))
        excesses = logs[logs > begin] - begin
        assumed = max(BODY * float(begin - lower), 1e-3)
        self._begin = float(begin)
        self._scale = (float(excesses.sum()) + WEIGHT * assumed) / (len(excesses) + WEIGHT)
        self._fitted = self._count


def probability(odds: float) -> float:
    """Odds to probability."""
    return odds / (1 + odds)
