"""Who is who from picture to picture: tracks over the boxes of one camera, as they come.

Sure boxes find their tracks first, then unsure ones what is left of them, and only sure ones begin a track (ByteTrack, Zhang et
al. 2022, arXiv 2110.06864). How well a box fits is its distance-IoU (Zheng et al. 2020, arXiv 1911.08287) from where the track is
expected by now, because at two pictures a second somebody who walks overlaps himself no more. Expected is by an alpha-beta filter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.objects import Box, Thing

Floats = npt.NDArray[np.float32]

SURE: Final = 0.3
"""The confidence from which on a box may begin a track."""
FIT: Final = -0.3
"""A box fits no track whose distance-IoU is lower: 1 is the same place, 0 touches, -1 is far away."""
LOST_S: Final = 2.0
"""A track that was not seen for longer is over."""
ALPHA: Final = 0.7
"""So much of the error of where a box was expected corrects its place, …"""
BETA: Final = 0.3
"""… and so much its velocity."""
CONFIRMED: Final = 2
"""So often a track must have been seen to be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One person or thing while a camera sees it."""

    number: int
    """From 1 on, counted by camera."""
    label: str
    box: Box
    """Smoothed."""
    velocity: tuple[float, float]
    """Of the box's middle, to the right and down, in shares of the picture per second."""
    since: float
    seen: float
    """Event time of its first and of its last picture."""
    times: int
    """In how many pictures it was."""

    @property
    def confirmed(self) -> bool:
        """Whether it was seen often enough to be believed."""
        return self.times >= CONFIRMED

    @property
    def dwell_s(self) -> float:
        """For how long it has been there."""
        return self.seen - self.since

    def expected(self, at: float) -> Box:
        """Where its box should be by then."""
        right, down = (speed * (at - self.seen) for speed in self.velocity)
        left, top, far, bottom = self.box
        return left + right, top + down, far + right, bottom + down


class Tracker:
    """The tracks of one camera; a few of them, because what is not seen is soon over."""

    def __init__(self) -> None:
        self._tracks: tuple[Track, ...] = ()
        self._count = 0

    def __call__(self, things: Sequence[Thing], at: float) -> list[Track | None]:
        """The track of each thing in the picture of this time, later than the one before; None for what is too unsure to begin one."""
        kept = [track for track in self._tracks if 0 < at - track.seen <= LOST_S]
        found: dict[int, Track] = {}
        for sure in (True, False):
            open_ = [number for number, thing in enumerate(things) if (thing.confidence >= SURE) == sure]
            for number, track in matched(things, open_, kept, at):
                kept.remove(track)
                found[number] = moved(track, things[number].box, at)
        for number, thing in enumerate(things):
            if number not in found and thing.confidence >= SURE:
                found[number] = self._begin(thing, at)
        self._tracks = (*found.values(), *kept)
        return [found.get(number) for number in range(len(things))]

    def _begin(self, thing: Thing, at: float) -> Track:
        self._count += 1
        return Track(number=self._count, label=thing.label, box=thing.box, velocity=(0.0, 0.0), since=at, seen=at, times=1)


def matched(things: Sequence[Thing], numbers: Sequence[int], tracks: Sequence[Track], at: float) -> list[tuple[int, Track]]:
    """Pairs of thing and track of one label, those that fit best first, none twice."""
    fits = fit([things[number].box for number in numbers], [track.expected(at) for track in tracks])
    pairs: list[tuple[int, Track]] = []
    rows: set[int] = set()
    columns: set[int] = set()
    for flat in np.argsort(-fits, axis=None, kind="stable"):
        row, column = divmod(int(flat), len(tracks))
        if fits[row, column] < FIT:
            break
        if row not in rows and column not in columns and things[numbers[row]].label == tracks[column].label:
            rows.add(row)
            columns.add(column)
            pairs.append((numbers[row], tracks[column]))
    return pairs


def fit(boxes: Iterable[Box], others: Iterable[Box]) -> Floats:
    """Distance-IoU of each two boxes: [n, m], -1 to 1."""
    one = np.array([*boxes], np.float32).reshape(-1, 1, 4)
    two = np.array([*others], np.float32).reshape(1, -1, 4)
    shared = (np.minimum(one[..., 2:], two[..., 2:]) - np.maximum(one[..., :2], two[..., :2])).clip(0).prod(axis=-1)
    union = _area(one) + _area(two) - shared
    hull = np.maximum(one[..., 2:], two[..., 2:]) - np.minimum(one[..., :2], two[..., :2])
    apart = ((one[..., :2] + one[..., 2:] - two[..., :2] - two[..., 2:]) / 2) ** 2
    tiny = np.finfo(np.float32).tiny
    return np.asarray(shared / np.maximum(union, tiny) - apart.sum(axis=-1) / np.maximum((hull**2).sum(axis=-1), tiny), np.float32)


def _area(boxes: Floats) -> Floats:
    return np.asarray((boxes[..., 2:] - boxes[..., :2]).clip(0).prod(axis=-1), np.float32)


def moved(track: Track, box: Box, at: float) -> Track:
    """A track that was seen again."""
    seconds = at - track.seen
    error = [place - due for place, due in zip(box, track.expected(at), strict=True)]
    left, top, right, bottom = (due + ALPHA * off for due, off in zip(track.expected(at), error, strict=True))
    gain = (1.0 if track.times == 1 else BETA) / (2 * seconds)
    velocity = track.velocity[0] + gain * (error[0] + error[2]), track.velocity[1] + gain * (error[1] + error[3])
    assert math.isfinite(sum(velocity))
    return replace(track, box=(left, top, right, bottom), velocity=velocity, seen=at, times=track.times + 1)
