"""How a picture moves, point by point: dense optical flow, and FLOW numbers that tell a brawl from a stroll.

DIS flow (Kroeger et al. 2016, arXiv 1603.03590). What a fight looks like without knowing what is in the picture: magnitudes and
how they change (ViF, Hassner et al. 2012), how little the directions agree (OViF, Gao et al. 2016), and how flow tears apart.
Lengths are picture widths, so that resolution and frame rate do not count:

    0-5    quantiles of the speed, widths a second: 0.5, 0.75, 0.9, 0.95, 0.99, and the mean
    6-9    share of points faster than each of FASTER
    10-11  change of the velocity since the moment before, widths a second: mean, 0.95 quantile
    12     share of points whose speed changed by more than the mean change (ViF's indicator)
    13     entropy of the directions, weighted by speed, 0 to 1
    14     agreement: length of the mean velocity over the mean speed, 0 to 1
    15-16  size of divergence and curl, 1/s: means
    17     shear: size of the flow's gradient over the speed, mean over what moves
    18     entropy of the speed over an 8 x 8 raster, 0 (in one place) to 1 (everywhere)
    19     speed of the fastest cell of that raster
    20     speed of the whole picture, widths a second: a camera that moves, taken away from the rest
"""

from __future__ import annotations

from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Luma: TypeAlias = npt.NDArray[np.uint8]

FLOW: Final = 21
"""Width of `statistics`."""
FASTER: Final = (0.05, 0.15, 0.4, 1.0)
"""Widths a second: a stroll, a run, an arm, a blow."""
DIRECTIONS: Final = 12
RASTER: Final = 8
QUANTILES: Final = (0.5, 0.75, 0.9, 0.95, 0.99)
TINY: Final = 1e-6


class FlowField:
    """Dense flow from one picture of a camera to the next; not to be called from two threads at once."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def __call__(self, before: Luma, after: Luma, seconds: float) -> Floats:
        """Velocities float32 [h, w, 2], right and down, in picture widths a second; pictures uint8 [h, w]."""
        pixels = self._dis.calc(before, after, np.empty(0, np.float32))
        return np.asarray(pixels / np.float32(before.shape[1] * seconds), np.float32)


def steadied(velocity: Floats) -> tuple[Floats, float]:
    """Velocities [h, w, 2] without what the whole picture does (its median), and how fast that was."""
    whole = np.median(velocity[::4, ::4].reshape(-1, 2), axis=0).astype(np.float32)
    return velocity - whole, float(np.hypot(*whole))


def statistics(velocity: Floats, before: Floats | None) -> Floats:
    """The FLOW numbers of the module's docstring, of velocities [h, w, 2] and those of the moment before."""
    flow, camera = steadied(velocity)
    speed = np.hypot(flow[..., 0], flow[..., 1])  # [h, w]
    out = np.zeros(FLOW, np.float32)
    out[:5], out[5] = np.quantile(speed, QUANTILES), speed.mean()
    out[6:10] = [(speed > limit).mean() for limit in FASTER]
    if before is not None:
        out[10:13] = _change(flow, speed, steadied(before)[0])
    total = float(speed.sum())
    if total > TINY * speed.size:
        out[13] = _entropy(_directions(flow, speed))
        out[14] = float(np.hypot(*flow.reshape(-1, 2).sum(axis=0))) / total
    out[15:18] = _deformation(flow, speed)
    cells = np.asarray(cv2.resize(speed, (RASTER, RASTER), interpolation=cv2.INTER_AREA), np.float32)
    out[18:20] = _entropy(cells.ravel()), cells.max()
    out[20] = camera
    return out


def _change(flow: Floats, speed: Floats, before: Floats) -> tuple[float, float, float]:
    """Mean and 0.95 quantile of the change of velocity, and the share of points whose speed changed by more than the mean."""
    jerk = np.hypot(*np.moveaxis(flow - before, -1, 0))
    change = np.abs(speed - np.hypot(before[..., 0], before[..., 1]))
    return float(jerk.mean()), float(np.quantile(jerk, 0.95)), float((change > change.mean()).mean())


def _directions(flow: Floats, speed: Floats) -> Floats:
    """Speed by direction [DIRECTIONS]."""
    turn = (np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) + 0.5) * DIRECTIONS
    return np.bincount(turn.astype(int).ravel() % DIRECTIONS, weights=speed.ravel(), minlength=DIRECTIONS).astype(np.float32)


def _entropy(weights: Floats) -> float:
    """Shannon's, over its maximum: 0 where one has all, 1 where all have the same; 0 of nothing."""
    total = float(weights.sum())
    if total <= TINY:
        return 0.0
    shares = weights / total
    return float(-(shares * np.log(np.maximum(shares, TINY))).sum() / np.log(len(weights)))


def _deformation(flow: Floats, speed: Floats) -> tuple[float, float, float]:
    """Divergence, curl and shear, as the module's docstring has them."""
    width = flow.shape[1]
    down, right = np.gradient(flow, axis=0), np.gradient(flow, axis=1)  # [h, w, 2] a pixel
    divergence = np.abs(right[..., 0] + down[..., 1]).mean() * width
    curl = np.abs(right[..., 1] - down[..., 0]).mean() * width
    moving = speed > FASTER[0]
    if not moving.any():
        return float(divergence), float(curl), 0.0
    gradient = np.sqrt((right**2 + down**2).sum(axis=-1)) * width
    return float(divergence), float(curl), float((gradient[moving] / speed[moving]).mean())
