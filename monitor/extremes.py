"""How often a series exceeds a level that it has hardly ever reached: a generalised Pareto tail, and how exceedances come in clusters.

Peaks over threshold (Pickands 1975; Siffer et al. 2017 for streams), fitted by probability-weighted moments, which are better than
maximum likelihood below a few hundred peaks (Hosking & Wallis 1987). A level that is expected once in far more than was seen is exceeded
more often than a fitted tail says, for the tail may as well be longer than shorter, and the longer ones count for more: what is
predicted is the mean over the tails that the peaks leave possible (Smith 1999, "Bayesian and frequentist approaches to parametric
predictive inference").
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating[Any]]

BOUND: Final = 0.5
"""Shapes beyond this have no finite variance, and moments don't tell them."""
PRIOR: Final = 50.0
"""The shape is drawn to 0, an exponential tail, as if so many peaks said so (compare Coles & Dixon 1999)."""
NODES: Final = (9, 3)
"""Of the quadrature over possible tails: shapes, and scales for each."""
PRECISE: Final = 1e-3
"""To which a level is found, in the values' unit."""
LEAST: Final = 0.05
"""No tail falls off more steeply, in the values' unit: of values that hardly differ nothing is known."""


@dataclass(frozen=True, slots=True)
class Pareto:
    """The tail above `begin`, which a `share` of all values exceeds."""

    begin: float
    scale: float
    shape: float
    share: float
    peaks: int = 0
    """How many it was fitted to."""

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


@dataclass(frozen=True, slots=True)
class Predicted:
    """The tails that the peaks leave possible, and how probable each is."""

    tails: tuple[Pareto, ...]
    weights: tuple[float, ...]

    def share_above(self, level: float) -> float:
        """The share of all values that is expected to exceed a level."""
        return sum(weight * tail.share_above(level) for weight, tail in zip(self.weights, self.tails, strict=True))

    def level(self, share: float) -> float:
        """The level that this share of all values, up to the tails' own, is expected to exceed."""
        low = self.tails[0].begin
        high = max(tail.level(share) for tail in self.tails)
        while high - low > PRECISE:
            middle = (low + high) / 2
            low, high = (middle, high) if self.share_above(middle) > share else (low, middle)
        return high


def predicted(tail: Pareto) -> Predicted:
    """What a fitted tail may really be: the estimates are spread as those of probability-weighted moments at a shape of 0.

    Asymptotic variances (Hosking & Wallis 1987, eq. 10): of the shape 4/3, of the scale's logarithm 7/3, and -4/3 between them.
    """
    known = math.sqrt(tail.peaks + PRIOR)
    tails, weights = [], []
    for each, of_shape in _normal(NODES[0]):
        off = math.sqrt(4 / 3) * each / known
        shape = min(max(tail.shape + off, -BOUND), BOUND)
        for other, of_scale in _normal(NODES[1]):
            scale = max(tail.scale * math.exp(other / known - off), LEAST)  # a longer tail is less wide at its begin
            tails.append(replace(tail, scale=scale, shape=shape))
            weights.append(of_shape * of_scale)
    return Predicted(tuple(tails), tuple(weights))


@cache
def _normal(nodes: int) -> tuple[tuple[float, float], ...]:
    """Nodes and weights of the Gauss-Hermite quadrature for a standard normal distribution."""
    at, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return tuple(zip(at.tolist(), (weights / weights.sum()).tolist(), strict=True))


def fit(values: Values, share: float) -> Pareto:
    """Fit the tail that this share of the values [n > 1] makes up."""
    begin = float(np.quantile(values, 1 - share))
    excesses = np.sort(values[values > begin].astype(np.float64)) - begin
    count = len(excesses)
    if count < 2:
        return Pareto(begin, LEAST, 0.0, share, count)
    first = float(excesses.mean())
    second = float((excesses * (count - 1 - np.arange(count)) / (count - 1)).mean())
    spread = first - 2 * second
    shape = (2 - first / spread if spread > 1e-12 else -BOUND) * count / (count + PRIOR)
    shape = min(max(shape, -BOUND), BOUND)
    return Pareto(begin, max(first * (1 - shape), LEAST), shape, share, count)


def extremal_index(series: Values, level: float) -> float:
    """Clusters an exceedance: how many of those above a level follow none (runs estimator, run length 1: Smith & Weissman 1994).

    series: [n] in order of time, NaN where nothing is known. 1 where nothing exceeds the level.
    """
    above = series > level
    exceedances = int(above.sum())
    begins = int(above[0]) + int((above[1:] & ~above[:-1]).sum()) if exceedances else 1
    return begins / max(exceedances, 1)
