"""How a figure gets along its path: setting out, pausing, falling and getting up again, as a function of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from workers.scene.figures import BUCKLED, DROPPING, KNEELING, LYING, ON_ALL_FOURS, STANDING, Look, Pose, Stance, blend, walking

Track = npt.NDArray[np.float64]

STRIDE: Final = 0.74
"""A whole cycle of the gait, as share of the figure's height."""
EASE_S: Final = 0.6
"""To stop, or to set out again."""
FALL: Final = ((0.3, BUCKLED), (0.32, DROPPING), (0.3, LYING))
"""Postures of a fall, and the seconds each takes to be reached."""
RISE: Final = ((1.5, ON_ALL_FOURS), (1.3, KNEELING), (1.3, STANDING))
FALL_S: Final = sum(seconds for seconds, _ in FALL)
RISE_S: Final = sum(seconds for seconds, _ in RISE)


@dataclass(frozen=True, slots=True)
class Walk:
    """One figure's way through the hall."""

    look: Look
    begins: float
    """Seconds from the scene's begin."""
    track: Track
    """The path, a point every 5 cm: [n, 2] metres."""
    speed: float
    """Metres a second."""
    stop_at: float | None = None
    """Metres along the path where it stops, …"""
    stop_s: float = 0.0
    """… and for how long it stands (or lies) there."""
    falls: bool = False
    """It does not stop there: it falls, lies, and gets up."""

    @property
    def stops(self) -> float:
        """When it begins to stop, seconds from the scene's begin; infinite if it never does."""
        return math.inf if self.stop_at is None else self.begins + self.stop_at / self.speed

    @property
    def goes_on(self) -> float:
        """When it sets out again."""
        return self.stops + self.stop_s + (FALL_S + RISE_S if self.falls else EASE_S)

    @property
    def ends(self) -> float:
        """When it has reached the end of its path."""
        length = (len(self.track) - 1) * 0.05
        late = 0.0 if self.stop_at is None else self.goes_on - self.stops + EASE_S
        return self.begins + length / self.speed + late


def smooth_track(points: Sequence[tuple[float, float]]) -> Track:
    """A path through some points (Catmull-Rom), sampled every 5 cm: [n, 2] metres."""
    p = np.array([points[0], *points, points[-1]])
    t = np.linspace(0, 1, 60, endpoint=False)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    line = np.concatenate([*pieces, p[-1:]])
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.arange(0, length[-1], 0.05)
    return np.stack([np.interp(at, length, line[:, 0]), np.interp(at, length, line[:, 1])], axis=1)


def travelled(walk: Walk, time: float) -> tuple[float, float]:
    """Metres along the path at a time, and how much of its full pace the figure then has, 0 to 1."""
    ease = 0.0 if walk.falls else EASE_S
    if time < walk.stops:
        return (time - walk.begins) * walk.speed, 1.0
    assert walk.stop_at is not None
    since = time - walk.stops
    if since < ease:
        return walk.stop_at + walk.speed * (since - since**2 / (2 * ease)), 1 - since / ease
    halt = walk.stop_at + walk.speed * ease / 2
    since = time - walk.goes_on
    if since < 0:
        return halt, 0.0
    if since < EASE_S:
        return halt + walk.speed * since**2 / (2 * EASE_S), since / EASE_S
    return halt + walk.speed * (since - EASE_S / 2), 1.0


def stance(walk: Walk, time: float) -> Stance | None:
    """Where a figure is and how it holds itself; None before and after its walk."""
    if not walk.begins <= time < walk.ends:
        return None
    metres, vigour = travelled(walk, time)
    index = min(int(metres / 0.05), len(walk.track) - 2)
    share = min(metres / 0.05 - index, 1.0)
    x, y = walk.track[index] * (1 - share) + walk.track[index + 1] * share
    ahead = walk.track[min(index + 6, len(walk.track) - 1)] - walk.track[max(index - 6, 0)]
    pose = _pose(walk, time, metres, vigour)
    return Stance(walk.look, float(x), float(y), math.atan2(ahead[1], ahead[0]), pose)


def _pose(walk: Walk, time: float, metres: float, vigour: float) -> Pose:
    gait = walking(metres / (STRIDE * walk.look.height) % 1, STRIDE, vigour)
    if not walk.falls or time < walk.stops or time >= walk.goes_on:
        return _breathe(gait, time, 1 - vigour)
    since = time - walk.stops
    if since < FALL_S + walk.stop_s:
        return _breathe(_through(gait, FALL, since), time, 0.6)
    return _through(LYING, RISE, since - FALL_S - walk.stop_s)


def _through(start: Pose, steps: tuple[tuple[float, Pose], ...], since: float) -> Pose:
    for seconds, target in steps:
        if since < seconds:
            return blend(start, target, since / seconds)
        start, since = target, since - seconds
    return start


def _breathe(pose: Pose, time: float, share: float) -> Pose:
    """The small movements of somebody who stays where he is."""
    sway = share * math.sin(time * 1.9)
    turn = share * math.sin(time * 0.53)
    return pose._replace(
        lean=pose.lean + 0.012 * sway,
        nod=pose.nod + 0.06 * turn,
        arm_right=pose.arm_right + 0.05 * turn,
        forearm_right=pose.forearm_right + 0.12 * max(sway, 0) * share,
        twist=pose.twist + 0.05 * turn,
    )


def footfalls(walk: Walk) -> list[tuple[float, float, float]]:
    """When and where each foot comes down: (time, x, y)."""
    times = np.arange(walk.begins, walk.ends, 0.01)
    steps = np.array([travelled(walk, float(t))[0] for t in times]) / (STRIDE * walk.look.height / 2)
    landed = np.flatnonzero(np.diff(np.floor(steps)) > 0)
    places = [stance(walk, float(times[i])) for i in landed]
    return [(float(times[i]), place.x, place.y) for i, place in zip(landed, places, strict=True) if place is not None]
