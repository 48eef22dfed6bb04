"""Time of day: how often a camera's scores are high at each hour, from the days before today.

`monitor.tails` says how rare a score is among the newest ordinary ones. Of those a SHARE is above its upper quartile; at three in the
morning it may be a hundredth of that, and at noon three times as much. A score's rarity at an hour is that of the tail times the hour's
own share over SHARE: the tail beyond the quartile keeps its form, and how often it is reached depends on the hour. Before the first
midnight nothing is known, and nothing is changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from monitor.tails import SHARE

HOURS: Final = 24
FADES: Final = 0.9
"""What a day before counts, a day later: about ten days are remembered."""
WEIGHT: Final = 720.0
"""The usual share counts as much as so many moments of an hour: one in five seconds, an hour long."""
MOST: Final = 8.0
"""No hour makes anything so many times rarer or more frequent, at most."""

Counts = npt.NDArray[np.float64]


def _none() -> Counts:
    return np.zeros((HOURS, 0, 2))


@dataclass(slots=True)
class Hours:
    """One modality of one camera."""

    day: int = 0
    """The day that is counted, from the calendar's first."""
    past: Counts = field(default_factory=_none)
    """[24, ways, 2]: moments of the days before with a score, and those with a high one."""
    today: Counts = field(default_factory=_none)

    def count(self, time: float, zone: tzinfo, high: tuple[bool | None, ...]) -> None:
        """Take in a moment: of each way to be unusual whether its score was high, None where there was none."""
        day, hour = _local(time, zone)
        if self.today.shape[1] != len(high):
            self.past, self.today = np.zeros((2, HOURS, len(high), 2))
        if day != self.day:
            self.past = self.past * FADES + self.today if self.day else self.past
            self.day, self.today = day, np.zeros_like(self.past)
        for way, is_high in enumerate(high):
            if is_high is not None:
                self.today[hour, way] += 1.0, float(is_high)

    def factors(self, time: float, zone: tzinfo, ways: int) -> tuple[float, ...]:
        """By how much more a score of each way speaks against a moment at this hour; 1.0 where nothing is known."""
        if self.past.shape[1] != ways:
            return (1.0,) * ways
        seen, high = self.past[_local(time, zone)[1]].T
        factors = SHARE * (seen + WEIGHT) / (high + SHARE * WEIGHT)
        return tuple(np.clip(factors, 1 / MOST, MOST).tolist())


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name. Raises ValueError for what is none."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, KeyError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"{name!r} is no time zone that this machine knows; write it like Europe/Berlin, or UTC") from error


def _local(time: float, zone: tzinfo) -> tuple[int, int]:
    """The day and the hour."""
    local = datetime.fromtimestamp(time, zone)
    return local.toordinal(), local.hour
