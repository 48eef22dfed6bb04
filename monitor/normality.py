"""What is usual for one camera, learned from its own past: picture and sound apart, without labels, a sample at a time.

A sample is judged before it is learned, so the scores of the past are honest ones (Dawid's prequential principle), and they
are the measure: `monitor.tails` says what share r of this camera's ordinary moments scores as high. A judgement's
probability is prior / (prior + r): the posterior for a moment that, if it is none of the ordinary ones, would always
score so high. With the prior of 1 in 1,000, probability 0.5 is a score that one ordinary moment in a thousand reaches, 0.8
one in four thousand, 0.9 one in nine thousand. For pictures there are three ways to be unusual, whose odds add up: looking unlike
anything seen at that place while it moves, looking so while it stays, and people and things that are faster, look other or are
elsewhere than those that this camera knows (`monitor.things`), where they are looked for.

Until `warm_up_s` of a modality have come it is not judged: from its first part come metric and first examples, from the
rest the scores. Afterwards it goes on learning, a quarter of an hour behind: so an incident doesn't teach that it is usual
while it lasts, and what is new for good doesn't alarm for ever.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from monitor.align import RESTART_S, Window
from monitor.config import Normality as Settings
from monitor.messages import Embedding, Judgement, Modality, Sighting, floats
from monitor.motion import CELLS
from monitor.novelty import CHANNELS, PLACES, SIDE, Heard, Places, Seen, Sounds
from monitor.tails import Tail, probability
from monitor.things import Met, Things

Floats = npt.NDArray[np.float32]

KINDS: Final = {Modality.PICTURE: "unusual_picture", Modality.SOUND: "unusual_sound"}

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
SOON_S: Final = 10.0
"""During warm-up a moment becomes an example so much later: what follows it closely is like it, and would be judged too kindly."""
LATER_S: Final = 900.0
"""Afterwards so much later: an incident must not teach that it is usual while it lasts, …"""
EVERY_S: Final = 5.0
"""… and one sample in so many seconds."""
ORDINARY: Final = 0.5
"""The scores of what is less probable than this count among the ordinary ones."""
GAP_S: Final = 5.0
"""After a hole in the stream longer than this, averages begin anew."""
FIRST: Final = 0.4
"""The share of the warm-up that metric and first examples are made of; the rest is for the scores."""
SETTLE: Final = 600
"""Samples, at most, that metric and first examples are made of; from longer warm-ups every second, fourth … is taken."""


@dataclass(frozen=True, slots=True)
class Pictured:
    """What a picture teaches: its places, and its people and things, if they were looked for."""

    seen: Seen
    met: Met | None


@dataclass(frozen=True, slots=True)
class Moment:
    """One sample as it was judged, and what is learned from it if nothing unusual follows soon."""

    time: float
    ways: tuple[float, ...]
    """The odds that it is none of the ordinary ones, one a way to be unusual."""
    scores: tuple[float | None, ...]
    """One a way; None where there was too little to average over."""
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
        pull = self._places.restless(floats(item.motion)[: CELLS * CELLS]) ** np.float32(PULL)
        met = None if self._things is None or item.things is None else self._things.see(item.things, item.at)
        left = seen.distances if met is None else seen.distances * ~covered(item.things or ())
        scores = self._moved(float((left * pull).max())), self._stayed(left / pull, item), self._met(met, item)
        rarities = [1.0 if score is None else tail.rarity(score) for tail, score in zip(self._tails, scores, strict=True)]
        priors = (PRIOR, PRIOR_STAYS, 0.0) if met is None else (PRIOR_BESIDE, PRIOR_STAYS, PRIOR_THINGS)
        ways = tuple(prior / rarity for prior, rarity in zip(priors, rarities, strict=True))
        return Moment(item.at, ways, scores, Pictured(seen, met))

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
        return Moment(item.at, (0.0 if score is None else PRIOR / self._tail.rarity(score),), (score,), heard)

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


@dataclass(slots=True)
class Lane:
    """One modality of one camera: what it waits for, and what it has become."""

    modality: Modality
    warm_up_s: float
    memory: int
    seconds: float = 0.0
    """Of material so far."""
    newest: float = -math.inf
    ended: float = -math.inf
    stride: int = 1
    waiting: list[Embedding] = field(default_factory=list)
    watcher: Watcher | None = None
    ways: tuple[float, ...] = ()
    """The odds that the newest sample is none of the ordinary ones, one a way to be unusual."""
    soon: deque[Moment] = field(default_factory=deque)
    later: deque[Moment] = field(default_factory=deque)

    @property
    def learning(self) -> bool:
        """Not enough was seen to judge."""
        return self.seconds < self.warm_up_s

    def take(self, items: Iterable[Embedding]) -> None:
        """Feed what is new of a window."""
        for item in items:
            if item.at < self.newest - RESTART_S:
                self.newest = self.ended = -math.inf
            if item.at > self.newest:
                self._feed(item)
                self.newest, self.ended = item.at, item.until

    def _feed(self, item: Embedding) -> None:
        if self.watcher is None:
            self._wait(item)
        else:
            if item.at - self.ended > GAP_S:
                self.watcher.restart()
            moment = self.watcher.judge(item)
            self.ways = moment.ways
            self._ponder(self.watcher, moment)
        before = self.ended if math.isfinite(self.ended) else item.at
        self.seconds += min(max(item.until - before, 0.0), GAP_S)

    def _ponder(self, watcher: Watcher, moment: Moment) -> None:
        """Learn what came a while ago: soon during warm-up, afterwards much later and one sample in a while."""
        if self.learning:
            watcher.measure(moment)
            self.soon.append(moment)
        elif not self.later or moment.time >= self.later[-1].time + EVERY_S:
            self.later.append(moment)
        for ripe in _ripe(self.soon, moment.time - SOON_S):
            watcher.learn(ripe)
        for ripe in _ripe(self.later, moment.time - LATER_S):
            if probability(ripe.odds) < ORDINARY:
                watcher.measure(ripe)
            watcher.learn(ripe)

    def _wait(self, item: Embedding) -> None:
        """Collect the first part; then settle."""
        self.waiting.append(item)
        if len(self.waiting) > SETTLE:
            self.waiting = self.waiting[::2]
        if self.seconds >= self.warm_up_s * FIRST and len(self.waiting) > 1:
            make = PictureWatcher if self.modality is Modality.PICTURE else SoundWatcher
            self.watcher = make(self.memory, self.waiting)
            self.waiting = []


def _ripe(waiting: deque[Moment], until: float) -> Iterator[Moment]:
    """Take out the moments up to a time."""
    while waiting and waiting[0].time <= until:
        yield waiting.popleft()


class Normality:
    """One camera's. Deterministic: the same windows in the same order are judged the same."""

    def __init__(self, settings: Settings) -> None:
        self._lanes = {modality: Lane(modality, settings.warm_up_s, settings.memory) for modality in KINDS}

    @property
    def lanes(self) -> dict[Modality, Lane]:
        """What each modality has become; `monitor.keeping` makes bytes of it."""
        return self._lanes

    @property
    def settled(self) -> bool:
        """Whether there is anything that took long to learn."""
        return any(lane.watcher is not None for lane in self._lanes.values())

    @property
    def examples(self) -> int:
        """How many examples of places and sounds it remembers."""
        return sum(lane.watcher.examples for lane in self._lanes.values() if lane.watcher is not None)

    def adopt(self, lanes: dict[Modality, Lane]) -> None:
        """Go on from what another has learned, unless it was set to learn otherwise."""
        if {modality: _set(lane) for modality, lane in lanes.items()} == {modality: _set(lane) for modality, lane in self._lanes.items()}:
            self._lanes = lanes

    def judge(self, window: Window) -> tuple[tuple[Judgement, ...], bool]:
        """Judge a window of revision 0 and learn from it; and whether anything that the camera has is still being learned."""
        judgements: list[Judgement] = []
        items = {Modality.PICTURE: tuple(item for item in window.pictures if item.grid), Modality.SOUND: window.sounds}
        for modality, kind in KINDS.items():
            lane = self._lanes[modality]
            lane.take(items[modality])
            if items[modality] and not lane.learning:
                chance = probability(sum(lane.ways))
                judgements.append(Judgement(kind=kind, probability=chance, parts={modality: chance}))
        learning = any(self._lanes[modality].learning for modality in window.modalities if modality in KINDS)
        return tuple(judgements), learning


def _set(lane: Lane) -> tuple[float, int]:
    """How a lane was set to learn."""
    return lane.warm_up_s, lane.memory
