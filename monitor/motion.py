"""How the picture moved between two samples, measured on the decoded frames in between at next to no cost.

Their luma (of every one that is STEP_S after the one before) is taken on a coarse raster (`monitor.pictures.luma`). The change
from one to the next, per second, without what changed everywhere at once (exposure, lamps), is gathered per cell of a
4 x 4 raster, and the changes since the last sample are summed up into MOTION numbers, in units of the full scale per second:

    0-15   mean change of each cell, row by row from the top left
    16     mean change of the picture: mean over time
    17         maximum over time
    18         deviation over time
    19     the strongest cell at any time
    20     share of moving points (over MOVING): mean over time
    21         maximum over time
    22     root mean square change over points: mean over time
    23         maximum over time
    24     unsteadiness: how much the picture's change differs from one moment to the next, mean
    25         the same per cell, mean over the cells
    26         the same per cell, the largest
    27     concentration: the strongest cell's share in all change, 1/16 to 1; 0 if nothing moves
    28     path of the centre of movement, in picture sizes per second, mean
    29     change of the brightness of the whole picture (what the rest leaves out), mean of its size
    30     brightness of the newest frame, 0 to 1
    31     contrast of the newest frame: deviation over the points
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from monitor.messages import pack

MOTION: Final = 32
"""Width of `Frame.motion`."""
ROWS: Final = 36
COLUMNS: Final = 64
CELLS: Final = 4
"""Cells of the raster in each direction."""
MOVING: Final = 12
"""Levels of luma (of 256) by which a point changes from frame to frame when it counts as moving: above codec and sensor noise."""
STEP_S: Final = 0.06
"""Frames nearer to the one before than this need not be looked at: 25 and 30 frames a second then give every second one."""
LONGEST_S: Final = 5.0
"""Frames further apart than this are not compared."""
STILL: Final = 0.004
"""Below this change (full scale per second, of the whole picture) there is no movement to have a centre or a concentration."""

Luma = npt.NDArray[np.uint8]
"""uint8 [ROWS, COLUMNS]"""
Floats = npt.NDArray[np.float32]

_MEANS_OF_ROWS: Final = np.repeat(np.eye(CELLS, dtype=np.float32), ROWS // CELLS, axis=1) * (CELLS / ROWS)
_MEANS_OF_COLUMNS: Final = np.repeat(np.eye(CELLS, dtype=np.float32), COLUMNS // CELLS, axis=0) * (CELLS / COLUMNS)
_CENTRES: Final = (np.arange(CELLS, dtype=np.float32) + 0.5) / CELLS


class Change(NamedTuple):
    """From one decoded frame to the next, per second."""

    cells: Floats
    """float32 [CELLS, CELLS]"""
    rms: float
    moving: float
    brightness: float
    seconds: float


@dataclass(slots=True)
class Motion:
    """Gathers the changes since the last sample of one camera."""

    _previous: Luma | None = None
    _at: float = 0.0
    _changes: list[Change] = field(default_factory=list)

    def wants(self, at: float) -> bool:
        """Whether a frame is far enough from the one before to be looked at."""
        return self._previous is None or at - self._at >= STEP_S

    def push(self, at: float, luma: Luma) -> None:
        """Take in the next decoded frame; one that is not later, or much later, than the one before is not compared."""
        seconds = at - self._at
        if self._previous is not None and 0 < seconds < LONGEST_S:
            self._changes.append(change(self._previous, luma, seconds))
        if self._previous is None or seconds > 0:
            self._previous, self._at = luma, at

    def take(self) -> bytes:
        """The numbers since the last call, packed for `Frame.motion`, and begin anew."""
        numbers = summary(self._changes, self._previous)
        self._changes = []
        return pack(numbers)


def scaled(luma: npt.NDArray[np.uint8], rows: int = ROWS, columns: int = COLUMNS) -> Luma:
    """A picture's luma [h, w], or a part of it, on the raster."""
    return np.asarray(cv2.resize(luma, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


def change(before: Luma, after: Luma, seconds: float) -> Change:
    """What changed between two frames that are `seconds` apart."""
    size = np.subtract(after, before, dtype=np.float32)
    of_cells = np.sort((_MEANS_OF_ROWS @ size @ _MEANS_OF_COLUMNS).ravel())
    shift = float(of_cells[7] + of_cells[8]) / 2  # the median cell's: what moves in a few cells does not count as a lamp
    size -= np.float32(shift)
    np.abs(size, out=size)
    flat = size.ravel()
    per_second = 1 / (255 * seconds)
    return Change(
        cells=_MEANS_OF_ROWS @ size @ _MEANS_OF_COLUMNS * np.float32(per_second),
        rms=math.sqrt(float(flat @ flat) / flat.size) * per_second,
        moving=np.count_nonzero(flat > MOVING) / flat.size,
        brightness=abs(shift) * per_second,
        seconds=seconds,
    )


def summary(changes: list[Change], newest: Luma | None) -> Floats:
    """The MOTION numbers of the module's docstring; zeros where nothing was measured."""
    out = np.zeros(MOTION, np.float32)
    if newest is not None:
        brightness, contrast = cv2.meanStdDev(newest)
        out[30:32] = float(brightness[0, 0]) / 255, float(contrast[0, 0]) / 255
    if not changes:
        return out
    count = len(changes)
    cells = np.stack([item.cells for item in changes])  # [t, CELLS, CELLS]
    mean = cells.sum(axis=0) / count
    whole = [float(value) for value in cells.sum(axis=(1, 2)) / CELLS**2]
    total = sum(whole) / count
    rms = [item.rms for item in changes]
    moving = [item.moving for item in changes]
    out[:16] = mean.ravel()
    out[16:20] = total, max(whole), math.sqrt(sum((value - total) ** 2 for value in whole) / count), float(cells.max())
    out[20:24] = sum(moving) / count, max(moving), sum(rms) / count, max(rms)
    if count > 1:
        jerk = np.abs(cells[1:] - cells[:-1]).sum(axis=0) / (count - 1)
        out[24] = sum(abs(after - before) for before, after in pairwise(whole)) / (count - 1)
        out[25:27] = float(jerk.sum()) / CELLS**2, float(jerk.max())
        out[28] = centre_speed(cells, [item.seconds for item in changes])
    out[27] = float(mean.max()) / (CELLS**2 * total) if total > STILL else 0
    out[29] = sum(item.brightness for item in changes) / count
    return out


def centre_speed(cells: Floats, seconds: list[float]) -> float:
    """How fast the centre of movement travels: picture sizes per second, mean over the moments with movement.

    cells: float32 [t, CELLS, CELLS]; seconds: how long each moment lasted.
    """
    weight = cells.sum(axis=(1, 2))  # [t]
    active = weight > STILL * CELLS * CELLS
    both = active[1:] & active[:-1]
    if not both.any():
        return 0.0
    weight = np.maximum(weight, 1e-6)
    x = (cells.sum(axis=1) @ _CENTRES) / weight
    y = (cells.sum(axis=2) @ _CENTRES) / weight
    path = np.hypot(np.diff(x), np.diff(y)) / np.asarray(seconds[1:], np.float32)
    return float(path[both].mean())
