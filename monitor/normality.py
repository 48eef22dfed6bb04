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
while it lasts, and what is new for good doesn't alarm for ever. Of each way to be unusual it also learns at which hours of the
day its scores are high (`monitor.hours`). Where most of the picture has become another for long (`monitor.drift`), that is told
as `camera:drift`; then the camera goes back to what it knew of this view, if it had it before (night after day), or learns anew.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from monitor.align import RESTART_S, Window
from monitor.config import Normality as Settings
from monitor.drift import Drift
from monitor.hours import Hours, zone_of
from monitor.messages import Embedding, Judgement, Modality
from monitor.tails import probability
from monitor.watchers import GAP_S, Moment, Pictured, PictureWatcher, SoundWatcher, Watcher

KINDS: Final = {Modality.PICTURE: "unusual_picture", Modality.SOUND: "unusual_sound"}
DRIFT: Final = "camera:drift"
"""The kind of a picture that is not what it was."""
SOON_S: Final = 10.0
"""During warm-up a moment becomes an example so much later: what follows it closely is like it, and would be judged too kindly."""
LATER_S: Final = 900.0
"""Afterwards so much later: an incident must not teach that it is usual while it lasts, …"""
EVERY_S: Final = 5.0
"""… and one sample in so many seconds."""
ORDINARY: Final = 0.5
"""The scores of what is less probable than this count among the ordinary ones."""
FIRST: Final = 0.4
"""The share of the warm-up that metric and first examples are made of; the rest is for the scores."""
SETTLE: Final = 600
"""Samples, at most, that metric and first examples are made of; from longer warm-ups every second, fourth … is taken."""
FAMILIAR: Final = 30
"""So many moments that another view knows, and it is that view again."""


@dataclass(slots=True)
class View:
    """What a camera looked at before it looked elsewhere."""

    watcher: PictureWatcher
    drift: Drift
    familiar: int = 0

    def recognises(self, item: Embedding) -> bool:
        """Whether this picture, and many before it, are such as it knows."""
        distance = self.watcher.apart(item)
        if distance is not None:
            self.familiar = self.familiar + 1 if self.drift.knows(distance) else max(self.familiar - 2, 0)
        return self.familiar >= FAMILIAR


@dataclass(slots=True)
class Lane:
    """One modality of one camera: what it waits for, and what it has become."""

    DERIVED: ClassVar = ("waiting",)

    modality: Modality
    warm_up_s: float
    memory: int
    zone: str = "UTC"
    """Whose hours are those of the day."""
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
    hours: Hours = field(default_factory=Hours)
    drift: Drift = field(default_factory=Drift)
    before: View | None = None
    """The view that it had before this one; it keeps no more than these two."""
    anew: bool = False
    """It learns because its view has changed."""

    def derive(self) -> None:
        """Begin again what has not settled: what it waits with is not kept."""
        self.waiting = []
        if self.watcher is None:
            self.seconds = 0.0

    @property
    def drifted(self) -> bool:
        """The picture is not what it was, and what is usual for it is not known yet."""
        return self.drift.told or (self.anew and self.learning)

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
            moment = self._timely(self.watcher.judge(item))
            self.ways = moment.ways
            self._ponder(self.watcher, moment)
            if isinstance(self.watcher, PictureWatcher) and not self.learning and self.drift.due(item.at):
                self._look_round(self.watcher, item, moment)
        before = self.ended if math.isfinite(self.ended) else item.at
        self.seconds += min(max(item.until - before, 0.0), GAP_S)

    def _timely(self, moment: Moment) -> Moment:
        """The moment as it is to be judged at its hour of the day."""
        factors = self.hours.factors(moment.time, zone_of(self.zone), len(moment.ways))
        return replace(moment, ways=tuple(way * factor for way, factor in zip(moment.ways, factors, strict=True)))

    def _look_round(self, watcher: PictureWatcher, item: Embedding, moment: Moment) -> None:
        """Notice that the camera looks elsewhere for good: back at what it saw before, or at something new."""
        assert isinstance(moment.lesson, Pictured)
        if moment.lesson.apart is None:
            return
        self.drift.update(item.at, moment.lesson.apart)
        known = self.before if self.drift.shifted and self.before is not None and self.before.recognises(item) else None
        if known is None and not self.drift.accepted:
            return
        self.drift.rest()
        watcher.restart()
        self.before = View(watcher, self.drift)
        self.watcher, self.drift = (None, Drift()) if known is None else (known.watcher, known.drift)
        self.seconds, self.anew = (0.0, True) if known is None else (self.seconds, self.anew)
        self.ways = ()
        self.soon.clear()
        self.later.clear()

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
            self.hours.count(ripe.time, zone_of(self.zone), ripe.high)
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
        self._lanes = {modality: Lane(modality, settings.warm_up_s, settings.memory, settings.time_zone) for modality in KINDS}

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
        if self._lanes[Modality.PICTURE].drifted:
            judgements.append(Judgement(kind=DRIFT, probability=1.0))
        learning = any(self._lanes[modality].learning for modality in window.modalities if modality in KINDS)
        return tuple(judgements), learning


def _set(lane: Lane) -> tuple[float, int, str]:
    """How a lane was set to learn."""
    return lane.warm_up_s, lane.memory, lane.zone
