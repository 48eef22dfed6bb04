"""How the liveliest part of the picture moves: people who are small in it hardly change the whole, however they fight.

Luma is taken on a raster finer than `monitor.motion`'s. What changed in the last BACK_S seconds, without the moments at which all
of it did (a cut, a lamp), is summed up and blurred; the smallest square of SIDES that can hold half of it is where to look. What
moved there since the last sample, if that is no longer ago, on the other raster, gives CLOSEUP numbers:

    0-15   numbers 16 to 31 of `monitor.motion`, of the square alone
    16     side of the square, of the picture's height; 1.3 is all of the picture
    17     share of all change that it holds, 0 to 1; 0 if nothing moves
    18     all change: ln(1 + the sum over the raster, in levels)
    19-20  the square's centre, 0 to 1 from the left and from the top
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from monitor import motion
from monitor.messages import pack
from monitor.motion import change, summary

CLOSEUP: Final = 21
"""Width of `Frame.closeup`."""
HOW: Final = 19
"""So many of them say how it moves; the others, where that is."""
ROWS: Final = 120
COLUMNS: Final = 160
BACK_S: Final = 1.0
"""So far back what moved says where to look."""
NOISE: Final = 8
"""Levels of luma (of 256) that a point changes by itself."""
BLUR: Final = 2.0
"""Points."""
SUDDEN: Final = 4.0
"""A change so many times as large as the median one is none of something that moves."""
SIDES: Final = (0.25, 0.35, 0.5, 0.7, 1.0)
WHOLE: Final = 1.3
HELD: Final = 0.5
LEAST: Final = 1e-3
"""Below this sum of changes nothing moves."""

Fine = npt.NDArray[np.uint8]
"""uint8 [ROWS, COLUMNS]"""
Floats = npt.NDArray[np.float32]


class Square(NamedTuple):
    """A part of the raster."""

    top: int
    left: int
    rows: int
    columns: int
    side: float
    held: float
    total: float


@dataclass(slots=True)
class Closeup:
    """One camera's last second on the fine raster."""

    _frames: deque[tuple[float, Fine]] = field(default_factory=deque)
    _sampled: float = -math.inf

    def push(self, at: float, luma: Fine) -> None:
        """Take in the next decoded frame; nothing is compared with one that is not later, or much later, than the one before."""
        if self._frames and not 0 < at - self._frames[-1][0] < motion.LONGEST_S:
            self._frames.clear()
        self._frames.append((at, luma))
        while self._frames[0][0] < at - BACK_S:  # also while nobody takes anything
            self._frames.popleft()

    def take(self) -> bytes:
        """The numbers since the last call, packed for `Frame.closeup`, and begin anew."""
        numbers = measured(list(self._frames), self._sampled)
        if self._frames:
            self._sampled = self._frames[-1][0]
        return pack(numbers)


def measured(frames: list[tuple[float, Fine]], since: float) -> Floats:
    """The CLOSEUP numbers of the module's docstring, of the frames from `since` on; zeros where nothing was measured."""
    out = np.zeros(CLOSEUP, np.float32)
    recent = [luma for at, luma in frames if at > frames[-1][0] - BACK_S]
    if len(recent) < 2:
        return out
    where = liveliest(changes(np.stack(recent)))
    rows, columns = slice(where.top, where.top + where.rows), slice(where.left, where.left + where.columns)
    close = [(at, motion.scaled(luma[rows, columns])) for at, luma in frames if at >= since]
    moved = [change(before, after, then - at) for (at, before), (then, after) in pairwise(close)]
    out[:16] = summary(moved, close[-1][1])[16:]
    out[16:HOW] = where.side, where.held, math.log1p(where.total)
    out[HOW:] = (where.left + where.columns / 2) / COLUMNS, (where.top + where.rows / 2) / ROWS
    return out


def changes(lumas: npt.NDArray[np.uint8]) -> Floats:
    """Where it changed [ROWS, COLUMNS], mean over time in levels, of frames [t > 1, ROWS, COLUMNS]."""
    sizes = np.stack([cv2.absdiff(before, after) for before, after in pairwise(lumas)])
    means = sizes.mean(axis=(1, 2))
    steady = sizes[means <= max(SUDDEN * float(np.median(means)), 1.0)]
    beyond = cv2.subtract(steady, np.full_like(steady, NOISE)).mean(axis=0, dtype=np.float32)
    return np.asarray(cv2.GaussianBlur(beyond, (0, 0), BLUR), np.float32)


def liveliest(sizes: Floats) -> Square:
    """The smallest square that holds HELD of all change [ROWS, COLUMNS]; all of the picture if none does."""
    total = float(sizes.sum())
    if total < LEAST:
        return Square(0, 0, ROWS, COLUMNS, WHOLE, 0.0, total)
    sums: npt.NDArray[Any] = cv2.integral(sizes)
    for side in SIDES:
        size = int(ROWS * side)
        held = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
        top, left = divmod(int(held.argmax()), held.shape[1])
        if held[top, left] >= HELD * total:
            return Square(top, left, size, size, side, float(held[top, left]) / total, total)
    return Square(0, 0, ROWS, COLUMNS, WHOLE, 1.0, total)
