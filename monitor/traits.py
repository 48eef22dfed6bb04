"""People and things of pictures as numbers for the fusion network: what, how sure, where, how fast, how held, since when."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.messages import Embedding, Pose, Presence

Floats = npt.NDArray[np.float32]

GROUPS: Final = (
    frozenset({"person"}),
    frozenset({"bicycle", "motorcycle"}),
    frozenset({"car", "bus", "train", "truck", "boat"}),
    frozenset({"cat", "dog", "horse"}),
)
"""What behaves alike; of what is in none of them its group's numbers are all 0."""
MOST: Final = 8
"""So many people and things of a picture are read, the surest, …"""
PICTURES: Final = 8
"""… and those of so many pictures of a window, the newest."""
STANDSTILL: Final = 0.0125
"""Heights of the picture per second, added to a speed before its logarithm is taken: slower than this is still."""
LONGEST_S: Final = 8.0
"""Who has been there for longer is as if he had been there for so long: more than a window's past can't be known of a camera that began."""
SMALLEST: Final = 0.01
"""Shares of the picture: no box counts as narrower or lower."""
NUMBERS: Final = len(GROUPS) + 1 + 4 + 2 + 2 + 1
"""Of a person or thing."""


def traits(thing: Presence) -> list[float]:
    """One person or thing as numbers [NUMBERS], in this order.

    Which of GROUPS it is, 0 or 1 each; the detector's confidence, 0 to 1; its box: the middle and the foot as shares of the picture's
    width and height, the logarithms of its height (a share of the picture's) and of its width by height (both as shares); the logarithm
    of its speed (heights of the picture per second) by STANDSTILL, and 1 if that is known (else 0 and 0); 1 if a person stands and 1 if
    he lies, as far as that is known; the logarithm of 1 + its dwell (seconds, at most LONGEST_S).
    """
    left, top, right, bottom = thing.box
    width, height = max(right - left, SMALLEST), max(bottom - top, SMALLEST)
    return [
        *(float(thing.label in group) for group in GROUPS),
        thing.confidence,
        *((left + right) / 2, bottom, math.log(height), math.log(width / height)),
        *((0.0, 0.0) if thing.speed is None else (math.log1p(max(thing.speed, 0.0) / STANDSTILL), 1.0)),
        *(float(thing.pose is Pose.STANDING), float(thing.pose is Pose.LYING)),
        math.log1p(min(max(thing.dwell_s, 0.0), LONGEST_S)),
    ]


def of(picture: Embedding) -> Floats:
    """The surest people and things of a picture [n, NUMBERS]; none where nobody looked for any."""
    surest = sorted(picture.things or (), key=lambda thing: -thing.confidence)[:MOST]
    return np.array([traits(thing) for thing in surest], np.float32).reshape(-1, NUMBERS)


def tokens(pictures: Sequence[Floats], ages: Sequence[float]) -> tuple[Floats, Floats]:
    """The things [n, NUMBERS] of each picture of a window, the newest last, and the pictures' ages in seconds: all, each with its age."""
    held, since = list(pictures[-PICTURES:]), list(ages[-PICTURES:])
    values = np.concatenate([np.zeros((0, NUMBERS), np.float32), *held])
    return values, np.repeat(np.array(since, np.float32), [len(each) for each in held])


def seen_from(values: Floats, zoom: float, right: float, down: float, *, mirrored: bool) -> Floats:
    """Traits [n, NUMBERS] as another camera would give them: the picture in a mirror, so many times as large, and moved by shares of it."""
    seen, at = values.copy(), len(GROUPS) + 1
    middle, foot, height, speed, known = (seen[:, n] for n in (at, at + 1, at + 2, at + 4, at + 5))
    middle[:] = 0.5 + zoom * ((0.5 - middle) if mirrored else (middle - 0.5)) + right
    foot[:] = 0.5 + zoom * (foot - 0.5) + down
    height += math.log(zoom)
    speed[:] = np.where(known > 0, np.log1p(zoom * np.expm1(speed)), speed)
    return seen
