"""How people move and what they do to each other: INTERACTION numbers of a picture, from the poses of it and of the two before.

Lengths are body sizes (the longer side of a person's box), speeds body sizes a second, so that neither distance to the camera
nor resolution counts. Several people are summed up by their largest and their mean; pairs by the nearest.

    0      people: log(1 + number)
    1-2    body size in picture heights: largest, mean
    3-5    pairs: distance of the nearest (at most FAR), largest overlap (of the smaller box), log(1 + pairs nearer than CLOSE)
    6      speed at which the nearest pair's distance changes
    7-8    limbs: fastest of a person against his own hips: largest, mean over people
    9-10   fastest wrist, fastest ankle
    11-12  limbs' acceleration, body sizes a second squared: largest, mean over people
    13-14  body: speed of the box's middle: largest, mean
    15-17  flow in a person's box, body sizes a second: 0.9 quantile, largest and mean over people; its spread, largest
    18-19  reach: a wrist's distance to the nearest other person's head or hips (at most FAR); speed of a wrist that is near (a blow)
    20-21  tilt of the trunk, 0 upright to 1 lying (2: upside down): largest; the widest box, width over height
    22-23  share of people with a wrist above the shoulders; farthest wrist from its shoulder
    24     share of the picture's movement that is in people's boxes
    25     difference of two near people's mean flow, body sizes a second, largest
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from monitor.objects import KEY_POINTS, Box, KeyPoint, overlaps

Floats: TypeAlias = npt.NDArray[np.float32]

INTERACTION: Final = 26
"""Width of `interaction`."""
SURE: Final = 0.2
"""A point that is less probable than this is not read."""
SAME: Final = 0.2
"""From this intersection over union on, a person is the one of the picture before."""
FAR: Final = 3.0
CLOSE: Final = 0.6
MOST: Final = 5
"""People that are looked at, the surest ones: the rest of a crowd changes little."""

NOSE: Final = KEY_POINTS.index("nose")
SHOULDERS, WRISTS, HIPS, ANKLES = (
    [KEY_POINTS.index(f"{side} {part}") for side in ("left", "right")] for part in ("shoulder", "wrist", "hip", "ankle")
)
LIMBS: Final = [n for n, name in enumerate(KEY_POINTS) if name.split()[-1] in ("elbow", "wrist", "knee", "ankle")]


@dataclass(frozen=True, slots=True)
class Person:
    """A person of a picture; lengths are picture heights."""

    box: Floats
    """[4]: left, top, right, bottom."""
    points: Floats
    """[17, 2]: x and y, NaN where the network is not sure."""

    @property
    def size(self) -> float:
        """The box's longer side."""
        return max(float((self.box[2:] - self.box[:2]).max()), 1e-3)

    @property
    def middle(self) -> Floats:
        """[2]."""
        return np.asarray((self.box[:2] + self.box[2:]) / 2, np.float32)

    @property
    def hips(self) -> Floats:
        """[2]: between the hips; the box's middle where they are not seen."""
        return _mean(self.points[HIPS], self.middle)


@dataclass(frozen=True, slots=True)
class Moment:
    """One picture: its people, and how it moves."""

    at: float
    people: tuple[Person, ...]
    velocity: Floats | None = None
    """Velocities [h, w, 2] since the picture before, in picture widths a second (`monitor.flowfield`)."""


def person(box: Box, points: Sequence[KeyPoint], aspect: float) -> Person:
    """A person from what the networks give, in shares of a picture `aspect` times as wide as high."""
    scale = np.array([aspect, 1], np.float32)
    sure = [(point.x, point.y) if point.confidence >= SURE else (np.nan, np.nan) for point in points]
    return Person(np.asarray(box, np.float32) * np.tile(scale, 2), np.asarray(sure, np.float32) * scale)


def interaction(moments: Sequence[Moment]) -> Floats:
    """The INTERACTION numbers of the newest of up to three moments; zeros, and FAR, where there is nothing to measure."""
    newest, earlier = moments[-1], moments[-2::-1][:2]
    out = np.zeros(INTERACTION, np.float32)
    out[3] = out[18] = FAR
    people = newest.people
    if not people:
        return out
    out[0], out[1], out[2] = np.log1p(len(people)), max(one.size for one in people), np.mean([one.size for one in people])
    out[3:7] = _pairs(newest, earlier)
    out[7:15], speeds = _movement(newest, earlier)
    out[15:18], out[24:26] = _flow(newest)
    out[18:20] = _reach(people, speeds)
    out[20:24] = _posture(people)
    return out


def before(one: Person, people: Sequence[Person]) -> Person | None:
    """Who of an earlier picture is this person: the largest overlap, from SAME on."""
    if not people:
        return None
    shared = overlaps(np.stack([one.box, *(other.box for other in people)]))[0, 1:]
    best = int(shared.argmax())
    return people[best] if shared[best] >= SAME else None


def _pairs(newest: Moment, earlier: Sequence[Moment]) -> tuple[float, float, float, float]:
    """Numbers 3 to 6."""
    pairs = list(combinations(newest.people, 2))
    if not pairs:
        return FAR, 0.0, 0.0, 0.0
    gaps = [_gap(*pair) for pair in pairs]
    nearest = pairs[int(np.argmin(gaps))]
    closing = 0.0
    if earlier:
        first, second = (before(one, earlier[0].people) for one in nearest)
        if first is not None and second is not None and first is not second:
            closing = abs(min(gaps) - _gap(first, second)) / (newest.at - earlier[0].at)
    return min(FAR, *gaps), max(_shared(*pair) for pair in pairs), float(np.log1p(sum(gap < CLOSE for gap in gaps))), closing


def _gap(one: Person, other: Person) -> float:
    """Distance of two people's middles, in their mean body size; at most FAR."""
    return min(FAR, float(np.hypot(*(one.middle - other.middle))) / ((one.size + other.size) / 2))


def _shared(one: Person, other: Person) -> float:
    """How much of the smaller box both cover."""
    sides = (np.minimum(one.box[2:], other.box[2:]) - np.maximum(one.box[:2], other.box[:2])).clip(0)
    areas = [float((each.box[2:] - each.box[:2]).prod()) for each in (one, other)]
    return float(sides.prod()) / max(min(areas), 1e-6)


def _movement(newest: Moment, earlier: Sequence[Moment]) -> tuple[Floats, list[Floats]]:
    """Numbers 7 to 14, and the speed of each person's points [17]."""
    speeds, bodies, jerks = [], [], []
    for one in newest.people:
        speed, body, jerk = _moved(one, newest.at, earlier)
        speeds.append(speed)
        bodies.append(body)
        jerks.append(jerk)
    limbs = [_max(speed[LIMBS]) for speed in speeds]
    wrists, ankles = (max(_max(speed[those]) for speed in speeds) for those in (WRISTS, ANKLES))
    numbers = (max(limbs), np.mean(limbs), wrists, ankles, max(jerks), np.mean(jerks), max(bodies), np.mean(bodies))
    return np.array(numbers, np.float32), speeds


def _moved(one: Person, at: float, earlier: Sequence[Moment]) -> tuple[Floats, float, float]:
    """Speeds of a person's points against his hips [17] (NaN where not known), of his box, and his limbs' largest acceleration."""
    unknown = np.full(len(KEY_POINTS), np.nan, np.float32)
    last = before(one, earlier[0].people) if earlier else None
    if last is None:
        return unknown, 0.0, 0.0
    seconds = at - earlier[0].at
    velocity = ((one.points - one.hips) - (last.points - last.hips)) / (one.size * seconds)  # [17, 2]
    body = float(np.hypot(*(one.middle - last.middle))) / (one.size * seconds)
    first = before(last, earlier[1].people) if len(earlier) > 1 else None
    jerk = 0.0
    if first is not None:
        was = ((last.points - last.hips) - (first.points - first.hips)) / (one.size * (earlier[0].at - earlier[1].at))
        jerk = _max(np.hypot(*(velocity - was)[LIMBS].T) / seconds)
    return np.asarray(np.hypot(*velocity.T), np.float32), body, jerk


def _flow(moment: Moment) -> tuple[tuple[float, float, float], tuple[float, float]]:
    """Numbers 15 to 17, and 24 and 25."""
    if moment.velocity is None:
        return (0.0, 0.0, 0.0), (0.0, 0.0)
    height, width = moment.velocity.shape[:2]
    velocity = moment.velocity * np.float32(width / height)  # in picture heights a second
    inside = np.zeros((height, width), np.bool_)
    quick, spread, means = [], [], []
    for one in moment.people:
        left, top, right, bottom = np.clip(np.round(one.box * height).astype(int), 0, [width, height, width, height])
        inside[top:bottom, left:right] = True
        part = velocity[top : max(bottom, top + 1), left : max(right, left + 1)].reshape(-1, 2) / one.size
        speed = np.hypot(part[:, 0], part[:, 1]) if len(part) else np.zeros(1, np.float32)
        quick.append(float(np.quantile(speed, 0.9)))
        spread.append(float(speed.std()))
        means.append(part.mean(axis=0) if len(part) else np.zeros(2, np.float32))
    near = [
        float(np.hypot(*(means[i] - means[j])))
        for i, j in combinations(range(len(means)), 2)
        if _gap(moment.people[i], moment.people[j]) < CLOSE
    ]
    speed = np.hypot(velocity[..., 0], velocity[..., 1])
    share = float(speed[inside].sum() / max(float(speed.sum()), 1e-6))
    return (max(quick), float(np.mean(quick)), max(spread)), (share, max(near, default=0.0))


def _reach(people: Sequence[Person], speeds: Sequence[Floats]) -> tuple[float, float]:
    """Numbers 18 and 19."""
    nearest, blow = FAR, 0.0
    for (one, speed), (other, _) in permutations(zip(people, speeds, strict=True), 2):
        targets = np.stack([other.points[NOSE], other.hips])  # [2, 2]
        apart = np.hypot(*np.moveaxis(one.points[WRISTS][:, None] - targets, -1, 0)) / other.size  # [2, 2]
        known = apart[~np.isnan(apart)]
        if known.size:
            nearest = min(nearest, float(known.min()))
            blow = max(blow, _max(speed[WRISTS][(np.nan_to_num(apart, nan=FAR) < CLOSE).any(axis=1)]))
    return nearest, blow


def _posture(people: Sequence[Person]) -> tuple[float, float, float, float]:
    """Numbers 20 to 23."""
    tilts, wide, raised, arms = [], [], [], []
    for one in people:
        trunk = one.hips - _mean(one.points[SHOULDERS], one.hips)  # from the shoulders down to the hips
        length = float(np.hypot(*trunk))
        tilts.append(1 - float(trunk[1]) / length if length > 1e-3 else 0.0)
        sides = one.box[2:] - one.box[:2]
        wide.append(float(sides[0] / max(float(sides[1]), 1e-3)))
        lift = one.points[SHOULDERS, 1] - one.points[WRISTS, 1]  # [2]
        raised.append(bool((np.nan_to_num(lift) > 0).any()))
        arms.append(_max(np.hypot(*(one.points[WRISTS] - one.points[SHOULDERS]).T) / one.size))
    return max(tilts), max(wide), float(np.mean(raised)), max(arms)


def _max(values: npt.NDArray[np.floating]) -> float:
    """The largest that is known; 0 if none is."""
    known = values[~np.isnan(values)]
    return float(known.max()) if known.size else 0.0


def _mean(points: Floats, otherwise: Floats) -> Floats:
    """The middle of the points [n, 2] that are known."""
    known = points[~np.isnan(points).any(axis=1)]
    return np.asarray(known.mean(axis=0), np.float32) if len(known) else otherwise
