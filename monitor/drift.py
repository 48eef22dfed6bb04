"""Whether a camera has been moved, or its scene has changed for good: a lasting shift of how far its moments are from what it knows.

Two tests on the logarithm of a moment's median distance over all places of the picture (or of a sound's): a two-sided CUSUM (Page 1954)
against a slow mean and deviation, which are learned only while nothing is wrong; what lasts less than `lasting_s` is an incident, no drift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

LEARNED: Final = 120
"""Moments before it judges."""
SLOWLY: Final = 1 / 2000
"""The rate at which what is usual follows afterwards: a season passes unnoticed, a push doesn't."""
SLACK: Final = 1.0
"""Deviations that don't count …"""
RAISED: Final = 30.0
"""… and how many, added up, are a shift."""
MOST: Final = 4.0
"""No moment adds more deviations than this: one flash is no shift."""
LEAST: Final = 0.05
"""The deviation is at least this (of the logarithm)."""


@dataclass(slots=True)
class Drift:
    """One modality of one camera; deterministic in event time, a few numbers of state."""

    lasting_s: float = 180.0
    """A shift is drift when it has lasted so long."""
    mean: float = 0.0
    variance: float = 0.0
    count: int = 0
    high: float = 0.0
    low: float = 0.0
    since: float = math.inf
    """When the present shift began."""

    def update(self, time: float, distance: float) -> bool:
        """Take a moment's median distance (> 0); true once, when a shift has lasted, and then what is usual is learned anew."""
        value = math.log(max(distance, 1e-9))
        if self.count < LEARNED:
            self._learn(value, 1 / (self.count + 1))
            return False
        deviations = (value - self.mean) / max(math.sqrt(self.variance), LEAST)
        deviations = min(max(deviations, -MOST), MOST)
        cap = 2 * RAISED
        self.high = min(max(self.high + deviations - SLACK, 0.0), cap)
        self.low = min(max(self.low - deviations - SLACK, 0.0), cap)
        if max(self.high, self.low) < RAISED:
            self.since = math.inf
            if abs(deviations) < MOST:
                self._learn(value, SLOWLY)
            return False
        self.since = min(self.since, time)
        if time - self.since < self.lasting_s:
            return False
        self.mean = self.variance = self.high = self.low = 0.0
        self.count, self.since = 0, math.inf
        return True

    def _learn(self, value: float, rate: float) -> None:
        """Exponentially weighted mean and variance (West 1979)."""
        step = value - self.mean
        self.count += 1
        self.mean += rate * step
        self.variance = (1 - rate) * (self.variance + rate * step * step)
