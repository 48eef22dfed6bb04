"""How often a series exceeds a level that it has hardly ever reached: a generalised Pareto tail, and how exceedances come in clusters.

Peaks over threshold (Pickands 1975; Siffer et al. 2017 for streams), fitted by probability-weighted moments, which are better than
maximum likelihood below a few hundred peaks (Hosking & Wallis 1987).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating[Any]]

BOUND: Final = 0.5
"""Shapes beyond this have no finite variance, and moments don't tell them."""
PRIOR: Final = 50.0
"""The shape is drawn to 0, an exponential tail, as if so many peaks said so (compare Coles & Dixon 1999)."""
LEAST: Final = 0.05
"""No tail falls off more steeply, in the values' unit: of values that hardly differ nothing is known."""


@dataclass(frozen=True, slots=True)
class Pareto:
    """The tail above `begin`, which a `share` of all values exceeds."""

    begin: float
    scale: float
    shape: float
    share: float

    def level(self, share: float) -> float:
        """The level that this share (0 < share <= `self.share`) of all values exceeds."""
        ratio = self.share / share
        if abs(self.shape) < 1e-6:
            return self.begin + self.scale * math.log(ratio)
        return self.begin + self.scale * math.expm1(self.shape * math.log(ratio)) / self.shape

    def share_above(self, level: float) -> float:
        """The share of all values that exceeds a level; of levels below `begin`, `self.share`."""
        excess = max(level - self.begin, 0.0) / self.scale
        if abs(self.shape) < 1e-6:
            return self.share * math.exp(-excess)
        return self.share * float(max(1 + self.shape * excess, 0.0) ** (-1 / self.shape))

    def mean_excess(self, level: float) -> float:
        """By how much those that exceed a level exceed it, on average."""
        return max(self.scale + self.shape * max(level - self.begin, 0.0), LEAST) / (1 - self.shape)


def fit(values: Values, share: float) -> Pareto:
    """Fit the tail that this share of the values [n > 1] makes up."""
    begin = float(np.quantile(values, 1 - share))
    excesses = np.sort(values[values > begin].astype(np.float64)) - begin
    count = len(excesses)
    if count < 2:
        return Pareto(begin, LEAST, 0.0, share)
    first = float(excesses.mean())
    second = float((excesses * (count - 1 - np.arange(count)) / (count - 1)).mean())
    spread = first - 2 * second
    shape = (2 - first / spread if spread > 1e-12 else -BOUND) * count / (count + PRIOR)
    shape = min(max(shape, -BOUND), BOUND)
    return Pareto(begin, max(first * (1 - shape), LEAST), shape, share)


def extremal_index(series: Values, level: float) -> float:
    """Clusters an exceedance: how many of those above a level follow none (runs estimator, run length 1: Smith & Weissman 1994).

    series: [n] in order of time, NaN where nothing is known. 1 where nothing exceeds the level.
    """
    above = series > level
    exceedances = int(above.sum())
    begins = int(above[0]) + int((above[1:] & ~above[:-1]).sum()) if exceedances else 1
    return begins / max(exceedances, 1)
