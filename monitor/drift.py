"""Whether a camera has been moved, or its scene has changed for good: a lasting shift of how far its moments are from what it knows.

A CUSUM (Page 1954) on the logarithm of a moment's median distance over all places of the picture, against a slow mean and deviation
that are learned only while nothing is wrong. What somebody does fills some places and not most of them, and is over sooner: a shift is
told when it has lasted for TOLD_S, and accepted, so that what is usual is learned anew, after ACCEPTED_S. Time counts while it is seen:
neither gaps of the stream nor moments that say nothing (`monitor.watchers`) count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

LEARNED: Final = 120
"""Moments before it judges: two minutes."""
EVERY_S: Final = 1.0
"""No more than one moment in so many seconds is taken."""
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
GAP_S: Final = 5.0
"""From one moment to the next no more time counts than this."""
TOLD_S: Final = 180.0
"""A shift is told when it has lasted so long, …"""
ACCEPTED_S: Final = 600.0
"""… and accepted after so long: before single moments of it become usual (`monitor.normality.LATER_S`)."""
NEAR: Final = 3.0
"""A moment that deviates by less is one of those that are known."""


@dataclass(slots=True)
class Drift:
    """One view of one camera; deterministic in event time, a few numbers of state."""

    mean: float = 0.0
    variance: float = 0.0
    count: int = 0
    high: float = 0.0
    lasted: float = 0.0
    """Seconds of the present shift."""
    newest: float = -math.inf

    @property
    def shifted(self) -> bool:
        """There is a shift now, however short."""
        return self.high >= RAISED

    @property
    def told(self) -> bool:
        """It has lasted long enough to be told."""
        return self.lasted >= TOLD_S

    @property
    def accepted(self) -> bool:
        """It has lasted so long that it is no incident."""
        return self.lasted >= ACCEPTED_S

    def due(self, time: float) -> bool:
        """Whether a moment's turn has come; a clock that was set back begins anew."""
        return not self.newest <= time < self.newest + EVERY_S

    def update(self, time: float, distance: float) -> None:
        """Take a moment's median distance (> 0)."""
        span, self.newest = min(max(time - self.newest, 0.0), GAP_S), time
        if self.count < LEARNED:
            self._learn(_logarithm(distance), 1 / (self.count + 1))
            return
        deviations = min(self._deviations(distance), MOST)
        self.high = min(max(self.high + deviations - SLACK, 0.0), 2 * RAISED)
        if self.shifted:
            self.lasted += span
            return
        self.lasted = 0.0
        if abs(deviations) < MOST:
            self._learn(_logarithm(distance), SLOWLY)

    def knows(self, distance: float) -> bool:
        """Whether a moment is no farther than those that it has learned."""
        return self.count >= LEARNED and self._deviations(distance) < NEAR

    def rest(self) -> None:
        """Forget the present shift."""
        self.high = self.lasted = 0.0
        self.newest = -math.inf

    def _deviations(self, distance: float) -> float:
        return (_logarithm(distance) - self.mean) / max(math.sqrt(self.variance), LEAST)

    def _learn(self, value: float, rate: float) -> None:
        """Exponentially weighted mean and variance (West 1979)."""
        step = value - self.mean
        self.count += 1
        self.mean += rate * step
        self.variance = (1 - rate) * (self.variance + rate * step * step)


def _logarithm(distance: float) -> float:
    return math.log(max(distance, 1e-9))
