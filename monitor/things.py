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

WIDTH: Final = 64
"""A look is projected to its so many strongest directions among the camera's own examples."""
SHRINK: Final = 0.1
"""Share of the mean variance added to each direction's before whitening."""
STANDSTILL: Final = 0.0125
"""Heights of the picture per second, added to a speed before its logarithm is taken: slower than this is still."""
NEAREST: Final = 3
"""Neighbours in place and size."""
TRAITS: Final = 3
"""Speed, look, place."""
WEIGHTS: Final = np.array([1.0, 1.0, 0.5], np.float32)
FEWEST: Final = 64
"""From fewer people and things no metric is made: whoever comes is a stranger."""
STRANGER: Final = 6.0
"""The evidence against a stranger, as a natural logarithm: one in four hundred."""
MOST: Final = 30.0
"""No trait's evidence is more: far beyond what was seen, tails are guesses."""
FOLLOWS: Final = 0.4
"""The rate at which the evidence against somebody follows his pictures."""
TOP: Final = 2
"""A picture's evidence is the mean of so many strongest."""
LESSON: Final = 12
"""So many of a picture's people and things are learned, the surest ones, …"""
MEASURED: Final = 3
"""… and of so many, drawn by lot, the traits count among the ordinary ones."""


@dataclass(frozen=True, slots=True)
class Met:
    """The people and things of a picture beside what was kept then."""

    traits: Floats
    """[n, TRAITS]: how fast, how far in look and how far in place each is from what is known; NaN where that can't be said."""
    places: Floats
    """[n, 4]: where each is and how large."""
    looks: npt.NDArray[np.float16]
    """[n, WIDTH] in the camera's metric; [n, 0] where there is none."""
    time: float


class Things:
    """Examples of a camera's people and things; at most `memory` of them, a fair sample of all that was learned."""

    def __init__(self, memory: int, pictures: Iterable[Sequence[Sighting]]) -> None:
        """Settle on a metric, and take the first examples."""
        known = [thing for things in pictures for thing in things if thing.track]
        self._tails = [Tail(0.0, 0.1) for _ in range(TRAITS)]
        self._rng = np.random.default_rng(0)
        self._count = self._learned = 0
        self._metric = _metric([floats(thing.look) for thing in known]) if len(known) >= FEWEST else None
        self._looks = np.zeros((memory, WIDTH), np.float32)
        self._places = np.zeros((memory, 4), np.float32)
        self.restart()
        if self._metric is not None:  # from the first half the second is judged, so that there is a measure from the start
            half = len(known) // 2
            self.learn(self._put(known[:half], 0.0), half)
            self._count_in(self.see(known[half:], 0.0).traits)
            self.learn(self._put(known[half:], 0.0), len(known))

    def restart(self) -> None:
        """Forget who is followed."""
        self._followed: list[tuple[int, float]] = []

    def see(self, things: Sequence[Sighting], time: float) -> Met:
        """Put a picture's people and things beside what is kept; those that are not followed are left out."""
        met = self._put([thing for thing in things if thing.track], time)
        if self._count > NEAREST:
            looks, places = met.looks.astype(np.float32), met.places
            met.traits[:, 1] = nearest(looks, self._looks[: self._count], 1)
            met.traits[:, 2] = nearest(places, self._places[: self._count], NEAREST)
        return met

    def _put(self, known: Sequence[Sighting], time: float) -> Met:
        traits = np.full((len(known), TRAITS), np.nan, np.float32)
        traits[:, 0] = [math.nan if thing.speed is None else math.log(thing.speed + STANDSTILL) for thing in known]
        looks = np.empty((len(known), 0), np.float16)
        if self._metric is not None and known:
            mean, whiten = self._metric
            looks = ((np.stack([floats(thing.look) for thing in known]) - mean) @ whiten).astype(np.float16)
        return Met(traits, np.array([_place(thing) for thing in known], np.float32).reshape(-1, 4), looks, time)

    def strangeness(self, things: Sequence[Sighting], met: Met) -> float:
        """The evidence, as a natural logarithm, against those of a picture who speak most against it; 0 where there is nobody."""
        followed = dict(self._followed)
        evidence: list[float] = []
        now: list[tuple[int, float]] = []
        for thing, traits in zip([thing for thing in things if thing.track], met.traits, strict=True):
            fresh = self._against(traits)
            before = followed.get(thing.track, fresh)
            now.append((thing.track, before + FOLLOWS * (fresh - before)))
            if thing.dwell_s > 0:  # seen once, it may be none
                evidence.append(now[-1][1])
        self._followed = now
        strongest = sorted(evidence, reverse=True)[:TOP]
        return sum(strongest) / len(strongest) if strongest else 0.0

    def _against(self, traits: Floats) -> float:
        if self._metric is None:
            return STRANGER
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
        for look, place in zip(met.looks[:most], met.places[:most], strict=True):
            self._learned += 1
            slot = self._count if self._count < len(self._looks) else int(self._rng.integers(self._learned))
            if slot < len(self._looks):
                self._looks[slot], self._places[slot] = look, place
                self._count = max(self._count, slot + 1)


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
