"""Figures: what they look like, how a body walks, stands, falls and gets up, and where its limbs then are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Colour = tuple[float, float, float]

THIGH: Final = 0.245
SHIN: Final = 0.246
ANKLE: Final = 0.045
SIDES: Final = (1.0, -1.0)
"""Left and right, as seen by the figure."""


@dataclass(frozen=True, slots=True)
class Look:
    """A figure's build and clothes; colours are linear RGB."""

    height: float
    """Metres."""
    build: float
    """1 is average."""
    skin: Colour
    hair: Colour
    top: Colour
    legs: Colour
    shoes: Colour
    coat: bool
    """The top hangs down over the thighs."""
    long_hair: bool
    bag: Colour | None


class Pose(NamedTuple):
    """A body's posture: angles in radians, forward positive from hanging down (from upright, for lean); lengths as shares of its height."""

    hips: float = 0.53
    lean: float = 0.04
    thigh_left: float = 0.0
    thigh_right: float = 0.0
    shin_left: float = -0.03
    shin_right: float = -0.03
    arm_left: float = 0.05
    arm_right: float = 0.05
    forearm_left: float = 0.2
    forearm_right: float = 0.2
    arm_out: float = 0.1
    """How far the arms are spread sideways."""
    legs_out: float = 0.04
    nod: float = 0.0
    """The head's pitch beyond the trunk's."""
    ahead: float = 0.0
    """The hips' place before (or behind) the figure's own."""
    twist: float = 0.0
    """The trunk's turn about its own axis, left positive."""


STANDING: Final = Pose()
BUCKLED: Final = Pose(
    hips=0.40, lean=0.55, thigh_left=0.75, thigh_right=0.35, shin_left=-0.75, shin_right=-0.95, arm_left=1.1, arm_right=-0.5,
    forearm_left=1.6, forearm_right=0.3, arm_out=0.5, nod=0.2, ahead=0.12,
)  # fmt: skip
DROPPING: Final = Pose(
    hips=0.24, lean=1.15, thigh_left=0.15, thigh_right=-0.1, shin_left=-1.45, shin_right=-1.4, arm_left=1.9, arm_right=1.4,
    forearm_left=2.1, forearm_right=1.8, arm_out=0.45, nod=-0.2, ahead=0.28,
)  # fmt: skip
LYING: Final = Pose(
    hips=0.075, lean=1.56, thigh_left=-1.35, thigh_right=-1.55, shin_left=-1.62, shin_right=-1.5, arm_left=2.55, arm_right=0.55,
    forearm_left=1.75, forearm_right=1.45, arm_out=0.75, legs_out=0.2, nod=0.05, ahead=0.42, twist=0.25,
)  # fmt: skip
ON_ALL_FOURS: Final = Pose(
    hips=0.29, lean=1.35, thigh_left=0.1, thigh_right=-0.05, shin_left=-1.5, shin_right=-1.5, arm_left=0.12, arm_right=0.0,
    forearm_left=0.2, forearm_right=0.1, arm_out=0.12, nod=-0.5, ahead=0.25,
)  # fmt: skip
KNEELING: Final = Pose(
    hips=0.31, lean=0.35, thigh_left=1.45, thigh_right=-0.05, shin_left=0.0, shin_right=-1.45, arm_left=0.7, arm_right=0.1,
    forearm_left=1.0, forearm_right=0.5, arm_out=0.15, ahead=0.15,
)  # fmt: skip


def blend(first: Pose, second: Pose, share: float) -> Pose:
    """The posture `share` of the way from one to the other, eased at both ends."""
    w = min(max(share, 0.0), 1.0)
    w = w * w * (3 - 2 * w)
    return Pose(*(a + (b - a) * w for a, b in zip(first, second, strict=True)))


def leg_angles(hips: float, forward: float, lift: float) -> tuple[float, float]:
    """Thigh and shin angle that put an ankle `forward` of the hip and `lift` above its place on the floor (shares of height)."""
    down = hips - 0.01 - ANKLE - lift
    reach = min(math.hypot(forward, down), THIGH + SHIN - 1e-4)
    knee = math.acos(max(min((THIGH**2 + SHIN**2 - reach**2) / (2 * THIGH * SHIN), 1), -1))
    inner = math.acos(max(min((THIGH**2 + reach**2 - SHIN**2) / (2 * THIGH * reach), 1), -1))
    thigh = math.atan2(forward, down) + inner
    return thigh, thigh - (math.pi - knee)


def walking(phase: float, stride: float, vigour: float) -> Pose:
    """Posture at a phase of the gait (1 a whole stride); `stride` as share of height, `vigour` 0 (standing) to 1.

    A foot stands for 60 % of the cycle while the body passes over it, then swings forward in an arc, as people do.
    """
    hips = 0.53 - vigour * (0.012 + 0.010 * math.cos(4 * math.pi * phase))
    angles = [_leg(hips, (phase + offset) % 1, stride * vigour, vigour) for offset in (0.0, 0.5)]
    swing = 0.42 * vigour * math.cos(2 * math.pi * phase)
    return Pose(
        hips=hips, lean=0.03 + 0.05 * vigour, thigh_left=angles[0][0], shin_left=angles[0][1], thigh_right=angles[1][0],
        shin_right=angles[1][1], arm_left=0.03 - swing, arm_right=0.03 + swing, forearm_left=0.22 - swing + 0.3 * vigour,
        forearm_right=0.22 + swing + 0.3 * vigour, twist=0.10 * swing,
    )  # fmt: skip


def _leg(hips: float, phase: float, stride: float, vigour: float) -> tuple[float, float]:
    stance = 0.6
    if phase < stance:
        forward, lift = stride * (0.3 - phase), 0.0
    else:
        share = (phase - stance) / (1 - stance)
        eased = share * share * (3 - 2 * share)
        forward, lift = stride * (-0.3 + 0.6 * eased), 0.055 * vigour * math.sin(math.pi * share)
    return leg_angles(hips, forward, lift)


@dataclass(frozen=True, slots=True)
class Limb:
    """A tapered capsule between two places (metres), its radii and its colour."""

    begin: Floats
    end: Floats
    radius_begin: float
    radius_end: float
    colour: Colour
    cloth: float = 1.0
    """How coarse its texture is: 0 smooth."""


@dataclass(frozen=True, slots=True)
class Stance:
    """A figure at a moment: where it is, which way it faces, how it holds itself."""

    look: Look
    x: float
    y: float
    heading: float
    """Radians; 0 faces right (+x), a quarter turn faces away (+y)."""
    pose: Pose


class _Frame(NamedTuple):
    """Unit vectors of a body: ahead, to its left, up; all [3]."""

    ahead: Floats
    left: Floats
    up: Floats

    def swing(self, angle: float, out: float) -> Floats:
        """The direction of a limb that hangs down, swung forward by `angle` and sideways by `out`."""
        down = math.cos(angle) * math.cos(out)
        return self.ahead * math.sin(angle) * math.cos(out) - self.up * down + self.left * math.sin(out)


def _cross(a: Floats, b: Floats) -> Floats:
    """Vector product of two [3] (numpy's own is made for large arrays)."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], np.float32)


def limbs(stance: Stance) -> list[Limb]:
    """Where all the capsules of a figure are."""
    look, pose, size = stance.look, stance.pose, stance.look.height
    ahead = np.array([math.cos(stance.heading), math.sin(stance.heading), 0], np.float32)
    frame = _Frame(ahead, np.array([-ahead[1], ahead[0], 0], np.float32), np.array([0, 0, 1], np.float32))
    hips = np.array([stance.x, stance.y, pose.hips * size], np.float32) + ahead * pose.ahead * size
    spine = frame.up * math.cos(pose.lean) + ahead * math.sin(pose.lean)
    across = frame.left * math.cos(pose.twist) - _cross(spine, frame.left) * math.sin(pose.twist)
    neck = hips + spine * 0.29 * size
    parts = _legs(look, pose, frame, hips) + _trunk(look, hips, neck, across)
    parts += _head(look, neck, spine * math.cos(pose.nod) + _cross(frame.left, spine) * math.sin(pose.nod), ahead)
    parts += _arms(look, pose, frame, neck, across)
    return [_above_floor(part) for part in parts]


def _legs(look: Look, pose: Pose, frame: _Frame, hips: Floats) -> list[Limb]:
    size, b = look.height, look.build
    parts: list[Limb] = []
    for side, thigh, shin in zip(SIDES, (pose.thigh_left, pose.thigh_right), (pose.shin_left, pose.shin_right), strict=True):
        hip = hips + frame.left * side * 0.05 * size * b
        knee = hip + frame.swing(thigh, side * pose.legs_out) * THIGH * size
        ankle = knee + frame.swing(shin, side * pose.legs_out * 0.6) * SHIN * size
        toe = ankle + frame.swing(shin + 1.35, side * 0.12) * 0.085 * size
        drop = np.array([0, 0, 0.016 * size], np.float32)
        parts.append(Limb(hip, knee, 0.051 * size * b, 0.036 * size * b, look.legs))
        parts.append(Limb(knee, ankle, 0.036 * size * b, 0.026 * size * b, look.legs))
        parts.append(Limb(ankle - drop, toe - drop, 0.026 * size, 0.019 * size, look.shoes, 0.2))
        if look.coat:
            parts.append(Limb(hip, hip + (knee - hip) * 0.62, 0.062 * size * b, 0.07 * size * b, look.top))
    return parts


def _trunk(look: Look, hips: Floats, neck: Floats, across: Floats) -> list[Limb]:
    size, b = look.height, look.build
    parts = [Limb(hips + (neck - hips) * 0.1, neck - (neck - hips) * 0.18, 0.066 * size * b, 0.07 * size * b, look.top)]
    for side in SIDES:
        low = hips + across * side * 0.04 * size * b + (neck - hips) * 0.06
        high = neck + across * side * 0.055 * size * b - (neck - hips) * 0.17
        parts.append(Limb(low, high, 0.058 * size * b, 0.062 * size * b, look.top))
    shoulder = across * 0.095 * size * b
    parts.append(Limb(neck - shoulder - (neck - hips) * 0.09, neck + shoulder - (neck - hips) * 0.09, 0.036 * size, 0.036 * size, look.top))
    if look.bag is not None:
        strap = hips - across * 0.12 * size * b
        parts.append(Limb(strap + (neck - hips) * 0.05, strap - (neck - hips) * 0.22, 0.045 * size, 0.055 * size, look.bag, 0.5))
    return parts


def _head(look: Look, neck: Floats, up: Floats, ahead: Floats) -> list[Limb]:
    size = look.height
    middle = neck + up * 0.105 * size + ahead * 0.012 * size
    back = middle - ahead * 0.014 * size + up * 0.014 * size
    parts = [
        Limb(neck - up * 0.02 * size, neck + up * 0.05 * size, 0.03 * size, 0.028 * size, look.skin, 0),
        Limb(middle - up * 0.018 * size, middle + up * 0.02 * size, 0.045 * size, 0.052 * size, look.skin, 0),
        Limb(back - up * 0.004 * size, back + up * 0.016 * size, 0.052 * size, 0.053 * size, look.hair, 0.6),
    ]
    if look.long_hair:
        parts.append(Limb(back, back - up * 0.085 * size - ahead * 0.012 * size, 0.05 * size, 0.035 * size, look.hair, 0.6))
    return parts


def _arms(look: Look, pose: Pose, frame: _Frame, neck: Floats, across: Floats) -> list[Limb]:
    size, b = look.height, look.build
    parts: list[Limb] = []
    for side, upper, lower in zip(SIDES, (pose.arm_left, pose.arm_right), (pose.forearm_left, pose.forearm_right), strict=True):
        shoulder = neck + across * side * 0.112 * size * b - frame.up * 0.02 * size
        elbow = shoulder + frame.swing(upper, side * pose.arm_out) * 0.172 * size
        wrist = elbow + frame.swing(lower, side * pose.arm_out * 0.5) * 0.15 * size
        palm = wrist + frame.swing(lower, 0.0) * 0.045 * size
        parts.append(Limb(shoulder, elbow, 0.032 * size * b, 0.027 * size * b, look.top))
        parts.append(Limb(elbow, wrist, 0.027 * size * b, 0.021 * size * b, look.top))
        parts.append(Limb(wrist, palm, 0.018 * size, 0.02 * size, look.skin, 0))
    return parts


def _above_floor(limb: Limb) -> Limb:
    """Keep a hand or foot that a posture would put through the floor on top of it."""
    lift_begin, lift_end = max(limb.radius_begin - limb.begin[2], 0), max(limb.radius_end - limb.end[2], 0)
    if lift_begin == lift_end == 0:
        return limb
    up = np.array([0, 0, 1], np.float32)
    return Limb(limb.begin + up * lift_begin, limb.end + up * lift_end, limb.radius_begin, limb.radius_end, limb.colour, limb.cloth)


def dress(rng: np.random.Generator) -> Look:
    """A random person of ordinary build in ordinary clothes."""
    skins = [(0.62, 0.42, 0.32), (0.5, 0.32, 0.22), (0.3, 0.17, 0.1), (0.7, 0.5, 0.4), (0.2, 0.11, 0.07)]
    hairs = [(0.02, 0.015, 0.012), (0.06, 0.03, 0.015), (0.18, 0.11, 0.05), (0.25, 0.24, 0.23)]
    tops = [
        (0.03, 0.05, 0.12), (0.28, 0.05, 0.04), (0.04, 0.12, 0.09), (0.36, 0.31, 0.22), (0.5, 0.49, 0.46), (0.05, 0.05, 0.055),
        (0.42, 0.24, 0.06), (0.12, 0.2, 0.32),
    ]  # fmt: skip
    trousers = [(0.02, 0.025, 0.05), (0.05, 0.08, 0.16), (0.03, 0.03, 0.03), (0.2, 0.16, 0.1), (0.1, 0.1, 0.11)]
    bags = [None, None, (0.12, 0.05, 0.02), (0.03, 0.03, 0.035)]
    return Look(
        height=rng.uniform(1.58, 1.9), build=rng.uniform(0.92, 1.12), skin=skins[rng.integers(5)], hair=hairs[rng.integers(4)],
        top=tops[rng.integers(8)], legs=trousers[rng.integers(5)], shoes=(0.02, 0.018, 0.016), coat=bool(rng.random() < 0.4),
        long_hair=bool(rng.random() < 0.4), bag=bags[rng.integers(4)],
    )  # fmt: skip
