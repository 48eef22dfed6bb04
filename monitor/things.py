"""What the people and things that a camera sees are usually like, kept as examples, and how far what comes next is from them.

Each is judged by itself (object-centred; Reiss and Hoshen 2022, arXiv 2212.00789): how fast it goes, what it looks like to the detector
that found it, and where it is and how large. How rare each of these is among the camera's own people and things is known from
`monitor.tails`; the logarithms add up as if they were independent (Fisher 1932).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.messages import Sighting, floats
from monitor.tails import Tail

Floats = npt.NDArray[np.float32]

WIDTH: Final = 32
"""A look is projected to its so many strongest directions among the camera's own examples."""
SHRINK: Final = 0.1
"""Share of the mean variance added to each direction's before whitening."""
STANDSTILL: Final = 0.0125
"""Heights of the picture per second, added to a speed before its logarithm is taken: slower than this is still."""
NEAREST: Final = 3
"""Neighbours in place and size."""
TRAITS: Final = 3
"""Speed, look, place."""
WEIGHTS: Final = np.array([1.0, 0.5, 0.1], np.float32)
"""Speed counts most, because what a camera has learned of it is as true of people whom it has not seen; place counts least."""
FEWEST: Final = 64
"""From fewer people and things no metric is made: whoever comes is a stranger."""
STRANGER: Final = 6.0
"""The evidence against a stranger, as a natural logarithm: one in four hundred."""
MOST: Final = 30.0
"""No trait's evidence is more: far beyond what was seen, tails are guesses."""
FOLLOWS: Final = 0.4
"""The rate at which the evidence against somebody follows his pictures, and that of a picture those before it."""
EDGE: Final = 0.006
"""A box that is so near to the picture's edge, in shares of the picture, is cut off by it."""
REMEMBERED: Final = 64
"""So many of those who were followed are remembered, the newest."""
LESSON: Final = 12
"""So many of a picture's people and things, drawn by lot, are learned, …"""
MEASURED: Final = 3
"""… and of so many the traits count among the ordinary ones."""


@dataclass(frozen=True, slots=True)
class Met:
    """The people and things of a picture beside what was kept then."""

    traits: Floats
    """[n, TRAITS]: how fast, how far in look and how far in place each is from what is known; NaN where that can't be said.

    Of what is not whole only the speed says anything.
    """
    whole: npt.NDArray[np.bool_]
    """[n]: it is sure enough to be followed, and the picture's edge doesn't cut it off."""
    places: Floats
    """[n, 4]: where each is and how large."""
    looks: npt.NDArray[np.float16]
    """[n, WIDTH] in the camera's metric; [n, 0] where there is none."""
    time: float


class Things:
    """Examples of a camera's people and things; at most `memory` of them, a fair sample of all that was learned."""

    def __init__(self, memory: int, pictures: Iterable[Sequence[Sighting]]) -> None:
        """Settle on a metric, and take the first examples."""
        known = [thing for things in pictures for thing in things]
        looks = [floats(thing.look) for thing in known if _is_whole(thing)]
        self._tails = [Tail(0.0, 0.1) for _ in range(TRAITS)]
        self._rng = np.random.default_rng(0)
        self._count = self._learned = 0
        self._metric = _metric(looks) if len(looks) >= FEWEST else None
        self._looks = np.zeros((memory, WIDTH), np.float32)
        self._places = np.zeros((memory, 4), np.float32)
        self.restart()
        if self._metric is not None:  # from the first half the second is judged, so that there is a measure from the start
            half = len(known) // 2
            self.learn(self._put(known[:half], 0.0), half)
            later = self.see(known[half:], 0.0)
            self._count_in(later.traits)
            self.learn(later, len(known))

    def restart(self) -> None:
        """Forget who is followed."""
        self._against_each: list[tuple[int, float]] = []
        self._against_all: float | None = None

    def see(self, things: Sequence[Sighting], time: float) -> Met:
        """Put a picture's people and things beside what is kept."""
        met = self._put(things, time)
        if self._count > NEAREST and met.whole.any():
            looks, places = met.looks[met.whole].astype(np.float32), met.places[met.whole]
            met.traits[met.whole, 1] = nearest(looks, self._looks[: self._count], 1)
            met.traits[met.whole, 2] = nearest(places, self._places[: self._count], NEAREST)
        return met

    def _put(self, things: Sequence[Sighting], time: float) -> Met:
        traits = np.full((len(things), TRAITS), np.nan, np.float32)
        traits[:, 0] = [math.nan if thing.speed is None else math.log(thing.speed + STANDSTILL) for thing in things]
        looks = np.empty((len(things), 0), np.float16)
        if self._metric is not None and things:
            mean, whiten = self._metric
            looks = ((np.stack([floats(thing.look) for thing in things]) - mean) @ whiten).astype(np.float16)
        places = np.array([_place(thing) for thing in things], np.float32).reshape(-1, 4)
        return Met(traits, np.array([_is_whole(thing) for thing in things], np.bool_), places, looks, time)

    def strangeness(self, things: Sequence[Sighting], met: Met) -> float:
        """The evidence, as a natural logarithm, against the one who speaks most against a picture and those before it."""
        before = dict(self._against_each)
        evidence: list[float] = []
        for thing, traits in zip(things, met.traits, strict=True):
            fresh = self._against(traits, whole=_is_whole(thing))
            known = before.get(thing.track, fresh)
            evidence.append(known + FOLLOWS * (fresh - known) if thing.track else fresh)
        now = {thing.track: each for thing, each in zip(things, evidence, strict=True) if thing.track}
        self._against_each = [*({**now, **{track: each for track, each in before.items() if track not in now}}).items()][:REMEMBERED]
        strongest = max(evidence, default=0.0)
        level = strongest if self._against_all is None else self._against_all
        self._against_all = level + FOLLOWS * (strongest - level)
        return self._against_all

    def _against(self, traits: Floats, *, whole: bool) -> float:
        if self._metric is None:
            return STRANGER if whole else 0.0
        rarities = [math.nan if math.isnan(trait) else tail.rarity(trait) for tail, trait in zip(self._tails, traits.tolist(), strict=True)]
        logarithms = [0.0 if math.isnan(rarity) else min(max(-math.log(rarity), 0.0), MOST) for rarity in rarities]
        return float(WEIGHTS @ logarithms)

    def measure(self, met: Met) -> None:
        """Count the traits of some of a picture's people and things among the ordinary ones."""
        self._count_in(met.traits[self._rng.permutation(len(met.traits))[:MEASURED]])

    def _count_in(self, traits: Floats) -> None:
        for tail, column in zip(self._tails, traits.T.tolist(), strict=True):
            for trait in column:
                if not math.isnan(trait):
                    tail.add(trait)

    def learn(self, met: Met, most: int = LESSON) -> None:
        """Keep those of a picture as examples whose turn comes (reservoir sampling: Vitter 1985)."""
        if met.looks.shape[1] == 0:
            return
        for row in self._rng.permutation(np.flatnonzero(met.whole))[:most]:
            self._learned += 1
            slot = self._count if self._count < len(self._looks) else int(self._rng.integers(self._learned))
            if slot < len(self._looks):
                self._looks[slot], self._places[slot] = met.looks[row], met.places[row]
                self._count = max(self._count, slot + 1)


def _is_whole(thing: Sighting) -> bool:
    left, top, right, bottom = thing.box
    return thing.track > 0 and min(left, top, 1 - right, 1 - bottom) > EDGE


def _metric(looks: Sequence[Floats]) -> tuple[Floats, Floats]:
    """The mean of looks, and what whitens them: [LOOK] and [LOOK, WIDTH]."""
    stacked = np.stack(looks)
    variance, axes = np.linalg.eigh(np.cov(stacked.T.astype(np.float64)))
    strongest = np.argsort(-variance)[:WIDTH]
    scale = np.sqrt(np.maximum(variance[strongest], 0) + SHRINK * variance.mean() + 1e-9)
    return stacked.mean(0), (axes[:, strongest] / scale).astype(np.float32)


def _place(thing: Sighting) -> tuple[float, float, float, float]:
    """Middle and foot of a box, its height and its form, in units in which half of what people differ by is about one."""
    left, top, right, bottom = thing.box
    width, height = max(right - left, 1e-3), max(bottom - top, 1e-3)
    return 4 * (left + right) / 2, 4 * bottom, 2 * math.log(height), 2 * math.log(width / height)


def nearest(points: Floats, examples: Floats, count: int) -> Floats:
    """Mean distance of each of the points [n, d] from its so many nearest among the examples [m, d]: [n]."""
    if len(points) == 0:
        return np.empty(0, np.float32)
    squares = (points**2).sum(1)[:, None] + (examples**2).sum(1) - 2 * points @ examples.T
    return np.asarray(np.sqrt(np.maximum(np.partition(squares, count - 1, axis=1)[:, :count], 0)).mean(axis=1), np.float32)
