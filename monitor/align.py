"""Event time: from each modality's stream to windows that hold what was perceived together.

A window ends at every multiple of the hop and closes by watermarks, as in Akidau et al., "The Dataflow Model" (VLDB
2015): a modality's watermark is the time before which nothing of it can begin any more. What a window holds follows
from each modality's own order alone, never from how modalities interleave; for live sources only, patience bounds the wait.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from monitor.config import Fusion
from monitor.messages import Embedding, Mark, Modality

RESTART_S: Final = 3600.0
"""A stream whose time falls back by more than this has a new clock; by less, its items are late."""
HELD: Final = 2048
"""So many items of a camera's next run wait for the end of the run before; then that one is ended by force."""
MAX_TIME: Final = 1e11
"""No event time is later (seconds since the epoch); what claims to be is dropped."""
ALL: Final = frozenset(Modality)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What was perceived in `at <= t < until` of event time, each modality in time order."""

    camera: str
    at: float
    until: float
    captured: float
    """Of the newest of its inputs."""
    modalities: tuple[Modality, ...]
    """What the camera has, not what the window holds."""
    revision: int
    """0: picture and sound, never words. 1: the words are known too."""
    final: bool
    """No higher revision follows."""
    pictures: tuple[Embedding, ...] = ()
    sounds: tuple[Embedding, ...] = ()
    texts: tuple[Embedding, ...] = ()
    """Utterances that overlap the window; they may end after it."""
    unchanged: bool = False
    """This revision holds the same as the one before: its judgements can be used again."""
    complete: bool = True
    """False when patience ended before every modality had passed the window's end."""


class _Held(NamedTuple):
    """An item of a lane; both times never fall along the lane, so that it can be bisected."""

    start: float
    """From when on windows hold it."""
    reach: float
    """The latest end of this item and those before it."""
    item: Embedding


@dataclass(slots=True)
class _Lane:
    """One modality of one run of a camera: its watermark, and what open windows may still need."""

    watermark: float = 0.0
    reached: float = 0.0
    """The newest event time that was captured: a picture stands for what lies ahead of it, until the next is due."""
    ended: bool = False
    items: list[_Held] = field(default_factory=list)

    def passed(self) -> float:
        """Nothing that begins before this is still to come."""
        return math.inf if self.ended else self.watermark

    def hold(self, start: float, item: Embedding) -> None:
        """Append an item."""
        reach = max(item.until, self.items[-1].reach) if self.items else item.until
        self.items.append(_Held(start, reach, item))

    def between(self, at: float, until: float) -> tuple[Embedding, ...]:
        """Items that overlap the span, in time order."""
        behind = bisect_left(self.items, until, key=_start)
        return tuple(held.item for held in self.items[self._open(at) : behind] if held.item.until > at)

    def first(self, at: float) -> float:
        """When the first item begins that reaches beyond `at`; infinity without one."""
        index = self._open(at)
        return self.items[index].start if index < len(self.items) else math.inf

    def forget(self, at: float) -> None:
        """Let go of what ends at or before `at`."""
        del self.items[: self._open(at)]

    def _open(self, at: float) -> int:
        """Index of the first item that reaches beyond `at`: the first to raise the reach above it."""
        return bisect_right(self.items, at, key=_reach)


def _start(held: _Held) -> float:
    return held.start


def _reach(held: _Held) -> float:
    return held.reach


@dataclass(slots=True)
class _Run:
    """One camera from its first item to the last mark of its last modality."""

    camera: str
    modalities: tuple[Modality, ...] = ()
    lanes: dict[Modality, _Lane] = field(default_factory=lambda: {modality: _Lane() for modality in Modality})
    newest: float = -1.0
    captured: float = 0.0
    empty: bool = True
    """Nothing but marks has come."""
    seen: int = 0
    """The next window (index of its end, in hops) that revision 0 may emit …"""
    heard: int = 0
    """… and the next that may be emitted with its words."""
    held: list[Embedding | Mark] = field(default_factory=list)
    """Items of the camera's next run, which came before this one was over."""

    def hold(self, item: Embedding | Mark) -> None:
        """Keep an item of the next run; a mark before that run's first item is this run's own, delivered again."""
        if isinstance(item, Embedding) or any(held.modality is item.modality for held in self.held):
            self.held.append(item)

    def superseded(self, item: Embedding | Mark) -> bool:
        """Whether an item can only be of another run: this one's clock was set back, or it is a repeated end with nothing before it."""
        lane = self.lanes[item.modality]
        if isinstance(item, Mark):
            return False
        return self.empty if lane.ended else item.until < lane.watermark - RESTART_S

    def over(self) -> bool:
        """Every modality that the camera has is ended."""
        return all(self.lanes[modality].ended for modality in self.modalities)


class Aligner:
    """Windows of all cameras, from embeddings and marks in any interleaving of modalities.

    `late` counts the items that were dropped: older than their modality's watermark or the windows already closed,
    delivered twice, or without a usable time. State is bounded by patience (live) or by the bus's back-pressure.
    """

    def __init__(self, settings: Fusion, *, live: bool, uses: frozenset[Modality] = ALL) -> None:
        self._settings = settings
        self._live = live
        self._uses = uses
        self._runs: dict[str, _Run] = {}
        self.late = 0

    def __contains__(self, camera: str) -> bool:
        return camera in self._runs

    def needed(self, camera: str) -> float:
        """From what event time on a camera's items are needed to align it anew: the begin of its oldest open window; infinity if none."""
        run = self._runs.get(camera)
        return math.inf if run is None else self._begin(min(run.seen, run.heard))

    def forget(self, camera: str) -> None:
        """Let go of a camera, as if it had never been there."""
        self._runs.pop(camera, None)

    def push(self, item: Embedding | Mark) -> list[Window]:
        """Windows that this item closes, in order."""
        return [window for window in self.advance(item) if isinstance(window, Window)]

    def advance(self, item: Embedding | Mark) -> list[Window | Mark]:
        """Windows that this item closes, in order, and a Mark(last) of the camera's first modality where its run is over."""
        if not self._usable(item):
            self.late += 1
            return []
        run = self._runs.get(item.camera)
        if run is not None and run.superseded(item):
            return [*self._end(run), *self.advance(item)]
        if run is None:
            run = self._runs[item.camera] = _Run(item.camera)
        if run.lanes[item.modality].ended:
            run.hold(item)
            return self._end(run) if len(run.held) > HELD else []
        self._take(run, item)
        return self._end(run) if run.over() else [*self._closed(run)]

    def _usable(self, item: Embedding | Mark) -> bool:
        timely = 0 <= item.at <= item.until <= MAX_TIME  # False for NaN
        return timely and item.modality in item.modalities and item.modality in self._uses

    def _take(self, run: _Run, item: Embedding | Mark) -> None:
        lane = run.lanes[item.modality]
        if item.until >= run.newest:
            run.modalities = tuple(modality for modality in item.modalities if modality in self._uses)
            run.newest = item.until
        run.captured = max(run.captured, item.captured)
        lane.reached = max(lane.reached, item.until if item.modality is Modality.SOUND else item.at)
        if isinstance(item, Mark):
            lane.watermark = max(lane.watermark, item.until)
            lane.ended = item.last
            return
        closed = ((run.heard if item.modality is Modality.TEXT else run.seen) - 1) * self._settings.hop_s
        behind = max(lane.watermark, closed)
        if item.until <= behind or (item.modality is Modality.TEXT and any(held.item.at == item.at for held in lane.items)):
            self.late += 1
            return
        run.empty = False
        lane.hold(max(item.at, behind), item)
        # Utterances may overlap a little where their edges are padded: one promises only not to begin before another.
        lane.watermark = max(lane.watermark, item.at if item.modality is Modality.TEXT else item.until)

    def _end(self, run: _Run) -> list[Window | Mark]:
        """Close what is open up to the end of the run, and begin the next run with what was held for it."""
        for lane in run.lanes.values():
            lane.ended = True
        end = max(lane.watermark for lane in run.lanes.values())
        closed: list[Window | Mark] = [*self._closed(run)]
        modality = run.modalities[0]
        closed.append(
            Mark(
                camera=run.camera,
                at=end,
                until=end,
                captured=run.captured,
                modalities=run.modalities,
                modality=modality,
                last=True,
            )
        )
        del self._runs[run.camera]
        for item in run.held:
            closed += self.advance(item)
        return closed

    def _closed(self, run: _Run) -> Iterator[Window]:
        """Windows whose end every modality has passed, first as seen and heard, then with their words."""
        worded = Modality.TEXT in run.modalities
        perceived = self._perceived(run)
        for index in self._filled(run, run.seen, perceived, worded=False):
            yield self._window(run, index, revision=0, final=not worded)
        run.seen = max(run.seen, self._after(perceived))
        known = min(perceived, self._patient(run.lanes.values(), run.lanes[Modality.TEXT].passed(), self._settings.text_patience_s))
        if worded:
            for index in self._filled(run, run.heard, known, worded=True):
                yield self._window(run, index, revision=1, final=True)
        run.heard = max(run.heard, self._after(known)) if worded else run.seen
        self._forget(run)

    def _perceived(self, run: _Run) -> float:
        """How far picture and sound have come (a camera without them: its words); the grid's end when all have ended."""
        lanes = [run.lanes[modality] for modality in run.modalities if modality is not Modality.TEXT] or [run.lanes[Modality.TEXT]]
        if all(lane.ended for lane in lanes):
            return math.ceil(max(lane.watermark for lane in lanes) / self._settings.hop_s) * self._settings.hop_s
        return self._patient(lanes, min(lane.passed() for lane in lanes), self._settings.patience_s)

    def _patient(self, lanes: Iterable[_Lane], passed: float, patience_s: float) -> float:
        """Live, nobody is waited for longer than the patience behind the newest of these lanes.

        Words are none of those that picture and sound are waited for by: they come from another stage, which may be far
        ahead of the encoders while these are away.
        """
        return max(passed, max(lane.reached for lane in lanes) - patience_s) if self._live else passed

    def _filled(self, run: _Run, index: int, limit: float, *, worded: bool) -> Iterator[int]:
        """Indices of windows that hold something and end at or before the limit; gaps are jumped over."""
        lanes = [lane for modality, lane in run.lanes.items() if worded or modality is not Modality.TEXT]
        while index * self._settings.hop_s <= limit:
            begin = min(lane.first(self._begin(index)) for lane in lanes)
            if begin >= limit:
                return
            index = max(index, self._after(begin))
            if index * self._settings.hop_s > limit:
                return
            yield index
            index += 1

    def _begin(self, index: int) -> float:
        return index * self._settings.hop_s - self._settings.window_s

    def _after(self, time: float) -> int:
        """Index of the first window that ends after a time."""
        hop = self._settings.hop_s
        index = math.floor(time / hop) + 1
        while index * hop <= time:
            index += 1
        while (index - 1) * hop > time:
            index -= 1
        return index

    def _forget(self, run: _Run) -> None:
        """Let go of what no open window can hold."""
        begin = self._begin(min(run.seen, run.heard))
        for lane in run.lanes.values():
            lane.forget(begin)

    def _window(self, run: _Run, index: int, *, revision: int, final: bool) -> Window:
        at, until = self._begin(index), index * self._settings.hop_s
        pictures = run.lanes[Modality.PICTURE].between(at, until)
        sounds = run.lanes[Modality.SOUND].between(at, until)
        texts = run.lanes[Modality.TEXT].between(at, until) if revision else ()
        return Window(
            camera=run.camera,
            at=at,
            until=until,
            captured=max(item.captured for item in (*pictures, *sounds, *texts)),
            modalities=run.modalities,
            revision=revision,
            final=final,
            pictures=pictures,
            sounds=sounds,
            texts=texts,
            unchanged=bool(revision) and not texts,
            complete=all(run.lanes[modality].passed() >= until for modality in run.modalities if revision or modality is not Modality.TEXT),
        )
