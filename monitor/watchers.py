"""What watches one modality of one camera, once it has settled: how unusual a moment is, and what of it is learned.

A sample is judged before it is learned. For pictures there are three ways to be unusual: looking unlike anything seen at that place while
it moves, looking so while it stays, and people and things that are faster, look other or are elsewhere than those that this camera knows.
`monitor.normality` says when a moment is learned.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from monitor.messages import Embedding, Sighting, floats
from monitor.motion import CELLS
from monitor.novelty import CHANNELS, PLACES, SIDE, Heard, Places, Seen, Sounds
from monitor.tails import Tail
from monitor.things import Met, Things

Floats = npt.NDArray[np.float32]


PRIOR: Final = 1e-3
"""Of a moment to be none of the ordinary ones."""
PRIOR_STAYS: Final = 1e-3
"""The same for something that looks unusual and stays: rarer, and easier to be sure of, because it waits."""
PRIOR_THINGS: Final = 1e-3
"""The same for people and things."""
PRIOR_BESIDE: Final = 1e-4
"""Where these are looked for, the same for what moves where none was found: mostly they, missed."""
SURE: Final = 0.3
"""Who is followed and found with so much confidence is sure to be there."""
THINGS_LEAST: Final = 0.5
"""Evidence against people and things that varies less is not worth more."""
PULL: Final = 0.25
"""Exponent of restlessness: what moves counts more as "moves", less as "stays"."""
PICTURES: Final = 8
"""Pictures that what moves is averaged over: 4 s at two a second."""
SLOWLY: Final = 0.002
"""The rate at which a place's usual distance follows what comes."""
STAYS_S: Final = 4.0
"""Seconds that what stays is averaged over."""
SOUNDS: Final = 6
"""Half seconds of sound that a score is averaged over."""
GAP_S: Final = 5.0
"""After a hole in the stream longer than this, averages begin anew."""

STIRRED: Final = 2.0
"""A picture most of whose places move so many times as much as in any moment of the beginning says nothing about drift, …"""
BLANK: Final = 0.3
"""… nor one whose places differ from each other by less than this share of what they did then: it is blind."""


@dataclass(frozen=True, slots=True)
class Pictured:
    """What a picture teaches: its places, and its people and things, if they were looked for."""

    seen: Seen
    met: Met | None
    apart: float | None = None
    """How far most places are from what is known; None where that says nothing about where the camera looks."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One sample as it was judged, and what is learned from it if nothing unusual follows soon."""

    time: float
    ways: tuple[float, ...]
    """The odds that it is none of the ordinary ones, one a way to be unusual."""
    scores: tuple[float | None, ...]
    """One a way; None where there was too little to average over."""
    high: tuple[bool | None, ...]
    """Which scores were above the upper quartile of the ordinary ones."""
    lesson: Pictured | Heard

    @property
    def odds(self) -> float:
        """That it is none of the ordinary ones, in whatever way."""
        return sum(self.ways)


class Watcher(Protocol):
    """Knows one modality of one camera, once it has settled."""

    @property
    def examples(self) -> int:
        """How many of them it remembers."""

    def judge(self, item: Embedding) -> Moment:
        """How unusual a sample is, with those before it."""

    def measure(self, moment: Moment) -> None:
        """Count a moment's scores among the ordinary ones."""

    def learn(self, moment: Moment) -> None:
        """Keep a moment as an example."""

    def restart(self) -> None:
        """Forget what was averaged over."""


class PictureWatcher:
    """Pictures: by place, what moves and what stays; and people and things by themselves."""

    def __init__(self, memory: int, items: list[Embedding]) -> None:
        motions = [floats(item.motion)[: CELLS * CELLS] for item in items if item.motion]
        grids = np.stack([_grid(item) for item in items])
        self._places = Places(memory, grids, np.stack(motions) if motions else np.empty((0, CELLS * CELLS), np.float32))
        self._tails = (Tail(0.1), Tail(0.1, 0.15 * self._places.least), Tail(0.1, THINGS_LEAST))
        self._usual, self._samples = np.zeros(PLACES, np.float32), 0
        self._contrast = float(np.median([_contrast(grid) for grid in grids]))
        self._stir = STIRRED * max((self._stirring(motion) for motion in motions), default=math.inf)
        looked = [item.things for item in items if item.things is not None]
        self._things = Things(memory, looked) if looked else None
        self.restart()

    @property
    def examples(self) -> int:
        """Of places."""
        return self._places.examples

    def restart(self) -> None:
        """Forget what was averaged over."""
        self._moving: deque[float] = deque(maxlen=PICTURES)
        self._staying: deque[tuple[float, Floats]] = deque()
        if self._things is not None:
            self._things.restart()

    def judge(self, item: Embedding) -> Moment:
        """How unusual this picture is, with those before it."""
        seen = self._places.see(_grid(item), item.at)
        motion = floats(item.motion)[: CELLS * CELLS]
        pull = self._places.restless(motion) ** np.float32(PULL)
        met = None if self._things is None or item.things is None else self._things.see(item.things, item.at)
        left = seen.distances if met is None else seen.distances * ~covered(item.things or ())
        scores = self._moved(float((left * pull).max())), self._stayed(left / pull, item), self._met(met, item)
        rarities = [1.0 if score is None else tail.rarity(score) for tail, score in zip(self._tails, scores, strict=True)]
        priors = (PRIOR, PRIOR_STAYS, 0.0) if met is None else (PRIOR_BESIDE, PRIOR_STAYS, PRIOR_THINGS)
        ways = tuple(prior / rarity for prior, rarity in zip(priors, rarities, strict=True))
        high = tuple(None if score is None else score > tail.begin for tail, score in zip(self._tails, scores, strict=True))
        return Moment(item.at, ways, scores, high, Pictured(seen, met, self._apart(seen, _grid(item), motion)))

    def apart(self, item: Embedding) -> float | None:
        """How far most places of a picture are from what is known; None where that says nothing about where the camera looks."""
        return self._apart(self._places.see(_grid(item), item.at), _grid(item), floats(item.motion)[: CELLS * CELLS])

    def _apart(self, seen: Seen, grid: Floats, motion: Floats) -> float | None:
        if _contrast(grid) < BLANK * self._contrast or self._stirring(motion) > self._stir:
            return None
        return float(np.median(seen.distances)) + self._places.least  # what is nearer than noise is no nearer

    def _stirring(self, motion: Floats) -> float:
        """How much most places move; 0 where that is not known."""
        return float(np.median(self._places.restless(motion))) if len(motion) else 0.0

    def _met(self, met: Met | None, item: Embedding) -> float | None:
        """The evidence against a picture's people and things; None where nobody looked for them."""
        if self._things is None or met is None or item.things is None:
            return None
        return self._things.strangeness(item.things, met)

    def _moved(self, strongest: float) -> float | None:
        """The average of the last pictures' strongest place; None while there are too few."""
        self._moving.append(strongest)
        return float(np.mean(self._moving)) if len(self._moving) == PICTURES else None

    def _stayed(self, places: Floats, item: Embedding) -> float | None:
        """How far the place that is farthest beyond its own usual distance has been from what is known, over the last seconds."""
        self._samples += 1
        self._usual += (places - self._usual) * np.float32(max(1 / self._samples, SLOWLY))
        self._staying.append((item.at, places))
        while self._staying[0][0] <= item.until - STAYS_S - 1e-6:
            self._staying.popleft()
        if item.until - self._staying[0][0] < STAYS_S - GAP_S / 4:
            return None
        average = np.mean([places for _, places in self._staying], axis=0)
        return float((average - self._usual).max())

    def measure(self, moment: Moment) -> None:
        """Count a moment's scores among the ordinary ones."""
        assert isinstance(moment.lesson, Pictured)
        for tail, score in zip(self._tails, moment.scores, strict=True):
            if score is not None:
                tail.add(score)
        if self._things is not None and moment.lesson.met is not None:
            self._things.measure(moment.lesson.met)

    def learn(self, moment: Moment) -> None:
        """Keep a moment as an example."""
        assert isinstance(moment.lesson, Pictured)
        self._places.learn(moment.lesson.seen)
        if self._things is not None and moment.lesson.met is not None:
            self._things.learn(moment.lesson.met)


def covered(things: Sequence[Sighting]) -> npt.NDArray[np.bool_]:
    """The places [49] where people and things are: what is unusual there is judged by them, and not once more by what it looks like."""
    places = np.zeros((SIDE, SIDE), np.bool_)
    for thing in things:
        if not thing.track or thing.confidence < SURE:
            continue
        left, top, right, bottom = (min(max(int(edge * SIDE), 0), SIDE - 1) for edge in thing.box)
        places[top : bottom + 1, left : right + 1] = True
    return places.ravel()


class SoundWatcher:
    """Sounds: how far from what was heard, measured by how far those are from each other."""

    def __init__(self, memory: int, items: list[Embedding]) -> None:
        vectors = np.stack([floats(item.vector) for item in items])
        self._sounds = Sounds(memory, vectors)
        for item, vector in zip(items, vectors, strict=True):
            self._sounds.learn(self._sounds.hear(vector, item.at))
        self._tail = Tail(0.03)
        self.restart()

    @property
    def examples(self) -> int:
        """Of half seconds."""
        return self._sounds.examples

    def restart(self) -> None:
        """Forget what was averaged over."""
        self._recent: deque[float] = deque(maxlen=SOUNDS)

    def judge(self, item: Embedding) -> Moment:
        """How unusual this sound is, with those before it."""
        heard = self._sounds.hear(floats(item.vector), item.at)
        self._recent.append(heard.factor)
        score = float(np.mean(self._recent)) if len(self._recent) == SOUNDS else None
        odds = 0.0 if score is None else PRIOR / self._tail.rarity(score)
        return Moment(item.at, (odds,), (score,), (None if score is None else score > self._tail.begin,), heard)

    def measure(self, moment: Moment) -> None:
        """Count a moment's score among the ordinary ones."""
        for score in moment.scores:
            if score is not None:
                self._tail.add(score)

    def learn(self, moment: Moment) -> None:
        """Keep a moment as an example."""
        assert isinstance(moment.lesson, Heard)
        self._sounds.learn(moment.lesson)


def _grid(item: Embedding) -> Floats:
    return floats(item.grid).reshape(PLACES, CHANNELS)


def _contrast(grid: Floats) -> float:
    """How much the places [49, 112] that do not touch the picture's edge, where the encoder sees its padding, differ."""
    inner = grid.reshape(SIDE, SIDE, -1)[1:-1, 1:-1]
    return float(inner.std(axis=(0, 1)).mean())
