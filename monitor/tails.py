"""How rare a score is among a camera's own ordinary ones.

Above their upper quartile u, scores are taken to fall off exponentially, the middle case of what tails can do (Pickands
1975; a generalised Pareto distribution of shape 0): P(score >= s) = 1/4 exp(-(s - u) / b), with b the mean excess over u. So it is a
number, too, where nothing was ever seen.
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
WEIGHT: Final = 16.0
"""… counting as much as this many excesses."""
REFIT: Final = 64
"""Scores between two fits, once there are many."""


@dataclass(slots=True)
class Tail:
    """The ordinary scores of one kind, of one camera."""

    share: float
    """The mean excess that is assumed is at least this share of u, …"""
    least: float = 0.0
    """… and at least so much."""
    _scores: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(KEPT))
    _count: int = 0
    _fitted: int = 0
    _begin: float = 0.0
    _scale: float = 1.0

    def add(self, score: float) -> None:
        """Take in the score of an ordinary moment."""
        self._scores[self._count % KEPT] = score
        self._count += 1

    @property
    def begin(self) -> float:
        """Their upper quartile, where the tail begins."""
        return self._begin

    def rarity(self, score: float) -> float:
        """The share of ordinary moments that score so high (extrapolated; below the upper quartile it may exceed 1)."""
        if self._count - self._fitted >= min(REFIT, max(self._fitted // 4, 1)):
            self._fit()
        excess = (score - self._begin) / self._scale
        return SHARE * math.exp(max(min(-excess, 50.0), -50.0))

    def _fit(self) -> None:
        scores = self._scores[: min(self._count, KEPT)]
        lower, begin = np.quantile(scores, (SHARE, 1 - SHARE))
        excesses = scores[scores > begin] - begin
        assumed = max(BODY * float(begin - lower), self.share * float(begin), self.least, 1e-9)
        self._begin = float(begin)
        self._scale = (float(excesses.sum()) + WEIGHT * assumed) / (len(excesses) + WEIGHT)
        self._fitted = self._count


def probability(odds: float) -> float:
    """Odds to probability."""
    return odds / (1 + odds)
