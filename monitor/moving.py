"""Whether people fight, by what a window's movement is like: a linear head on its distribution over the pictures.

Mean, deviation and quartiles of each of the numbers of `monitor.motion` and `monitor.closeup` say how fast, how unsteady and where, in
the picture and in its liveliest part; which second was when does not matter. Of so few clips a linear model learns more than attention
over the same pictures does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from monitor.align import Window
from monitor.anomaly import CERTAIN, sigmoid
from monitor.closeup import HOW
from monitor.heads import Head, load
from monitor.messages import floats
from monitor.models import locate
from monitor.motion import MOTION, STILL

KIND: Final = "fight"
NONE: Final = "none"
CLASSES: Final = (KIND, NONE)
QUANTILES: Final = (0.25, 0.5, 0.75, 0.9)
CHANGE: Final = 17
"""The picture's largest change since the one before; below STILL in all of them, nobody moves, let alone fights."""
MOVES: Final = MOTION + HOW
"""Numbers of a picture's movement that are read; where the liveliest part is, is not."""
WHOLE: Final = (2 + len(QUANTILES)) * MOTION
"""Of what the head reads, so much is of the whole picture."""
FEWEST: Final = 2
"""Pictures with their movement, below which nothing is said."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Moving:
    """Judges the movement of windows."""

    head: Head
    calibration: tuple[float, ...]
    """Slope and offset of the log odds (Platt 1999)."""
    name: str

    @classmethod
    def load(cls, model: str = "moving-default") -> Moving:
        """Read the shipped head. Raises ModelError if it is missing or wrong."""
        located = locate(model)
        head, config = load(located)
        return cls(head, config.calibration[KIND], located.version)

    def probabilities(self, windows: Sequence[Window]) -> Floats:
        """Of windows, how probable a fight is [n]; 0 where no movement was measured."""
        judge = cache(self._probability)  # many of the variants by which a window is explained move alike
        return np.array([judge(_moves(window)) for window in windows], np.float32)

    def _probability(self, moves: tuple[tuple[bytes, bytes], ...]) -> float:
        numbers = _numbers(moves)
        if len(numbers) < FEWEST:
            return 0.0
        if numbers[:, CHANGE].max() < STILL:
            return CERTAIN
        slope, offset = self.calibration
        return float(sigmoid(slope * self.head.log_odds(features(numbers)[None], KIND)[0] + offset))


def measured(window: Window) -> Floats:
    """The movement of a window's pictures [t, MOVES], of those of which it was measured."""
    return _numbers(_moves(window))


def _moves(window: Window) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((item.motion, item.closeup) for item in window.pictures if item.motion and item.at < window.until)


def _numbers(moves: tuple[tuple[bytes, bytes], ...]) -> Floats:
    """What was not measured closely counts as still there."""
    out = np.zeros((len(moves), MOVES), np.float32)
    for row, (whole, close) in zip(out, moves, strict=True):
        row[:MOTION] = floats(whole)[:MOTION]
        if close:
            row[MOTION:] = floats(close)[:HOW]
    return out


def features(numbers: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """What the head reads of a window's movement [t, MOVES]: first of the whole picture, [WHOLE] numbers, then of its liveliest part."""
    return np.concatenate([pooled(numbers[:, :MOTION]), pooled(numbers[:, MOTION:])])


def pooled(numbers: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """What numbers [t, features] are like over time: [6 * features]; of their roots, for most are small and a few very large."""
    given = np.asarray(numbers, np.float64)
    roots = np.sign(given) * np.sqrt(np.abs(given))
    return np.concatenate([roots.mean(axis=0), roots.std(axis=0), *np.quantile(roots, QUANTILES, axis=0)])
