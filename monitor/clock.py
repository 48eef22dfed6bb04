"""From a stream's own time stamps to event time, with picture and sound of one source on one clock.

Pure: time is data. A recording's event time is its begin plus the stream's time; a live source's is anchored to the
wall clock. Stamps of real cameras jump, run backwards and drift, so each is checked against its predecessor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from monitor.messages import Modality

BACK_S: Final = 0.5
"""Stamps that fall back by more than this have jumped; by less, they are out of order, and whoever reads them drops them."""
AHEAD_S: Final = 30.0
"""A recording's stamps that leap ahead by more than this have jumped; a shorter gap is a gap."""
LIVE_AHEAD_S: Final = 5.0
"""A live source's stamps that leap ahead of the wall clock by more than this have jumped."""
LEAD_S: Final = 0.5
"""A live source can't be ahead of the wall clock: beyond this it is set back, and what repeats event time is dropped."""
LAG_S: Final = 2.0
"""A live source that was never less behind than this for LAG_WINDOW_S has a slow clock or paused: it is set forward."""
LAG_WINDOW_S: Final = 10.0
TOGETHER_S: Final = 1.0
"""After a jump, a stream takes over the other's anchor if that makes them agree as well as this."""


@dataclass(slots=True)
class _Track:
    """The newest stamp of one stream."""

    anchor: float
    stamp: float
    at: float
    now: float
    step: float = 0.04


@dataclass(slots=True)
class StreamClock:
    """Event time for one opening of one source.

    `begin` is the event time of the stream time `zero`; `live` says that stamps are held against the wall clock
    (`now`, a clock that never runs backwards). `jumps` counts stamps that leapt, `shifts` corrections to the wall clock.
    """

    begin: float
    zero: float
    live: bool
    jumps: int = 0
    shifts: int = 0
    _tracks: dict[Modality, _Track] = field(default_factory=dict)
    _shift: float = 0.0
    _least_lag: float = math.inf
    _since: float = -math.inf

    def at(self, modality: Modality, stamp: float, now: float) -> float:
        """Event time, to the microsecond, of a stream's next frame or block of sound; may repeat or fall back by up to BACK_S."""
        track = self._tracks.get(modality)
        if track is None:
            self._tracks[modality] = track = self._first(stamp, now)
        else:
            self._follow(track, modality, stamp, now)
        track.at = round(track.anchor + stamp + self._shift, 6)
        if self.live:
            self._hold_to(track, stamp, now)
        track.stamp, track.now = stamp, now
        return track.at

    def _first(self, stamp: float, now: float) -> _Track:
        """Begin a stream on the clock of the other one, if their stamps agree; else where the other one is."""
        anchor = self.begin - self.zero
        for other in self._tracks.values():
            anchor = other.anchor if abs(other.stamp - stamp) < AHEAD_S else other.anchor + other.stamp - stamp
        return _Track(anchor=anchor, stamp=stamp, at=anchor + stamp, now=now)

    def _follow(self, track: _Track, modality: Modality, stamp: float, now: float) -> None:
        """Notice a jump, and go on from where the stream was."""
        step = stamp - track.stamp
        limit = now - track.now + LIVE_AHEAD_S if self.live else AHEAD_S
        if -BACK_S <= step <= limit:
            track.step = step if 0 < step < 1 else track.step
            return
        self.jumps += 1
        track.anchor = self._anchor_after_jump(track, modality, stamp, now)

    def _anchor_after_jump(self, track: _Track, modality: Modality, stamp: float, now: float) -> float:
        passed = max(track.step, now - track.now) if self.live else track.step
        expected = track.anchor + track.stamp + passed
        for name, other in self._tracks.items():
            if name is not modality and other.anchor != track.anchor and abs(other.anchor + stamp - expected) < TOGETHER_S:
                return other.anchor
        return expected - stamp

    def _hold_to(self, track: _Track, stamp: float, now: float) -> None:
        """Shift every stream alike: back when ahead of the wall clock, forward when long behind it."""
        lag = now - track.at
        if lag < -LEAD_S:
            self._correct(lag, now)
        else:
            self._least_lag = min(self._least_lag, lag)
            if now - self._since < LAG_WINDOW_S:
                return
            if self._least_lag > LAG_S and self._since > -math.inf:
                self._correct(self._least_lag, now)
            self._since, self._least_lag = now, math.inf
        track.at = round(track.anchor + stamp + self._shift, 6)

    def _correct(self, seconds: float, now: float) -> None:
        self._shift += seconds
        self.shifts += 1
        self._since, self._least_lag = now, math.inf


@dataclass(slots=True)
class Grid:
    """Sampling times: every k / rate seconds of event time, from `after` on."""

    rate: float
    due: float = -math.inf
    """The next sample is the first frame at or after this."""

    def takes(self, at: float) -> bool:
        """Whether a frame is the next sample; it is never asked about a sample twice."""
        if at < self.due:
            return False
        number = math.floor(at * self.rate + 1e-6) + 1
        self.due = round(number / self.rate, 6)
        if self.due <= at:  # by rounding: that sample is this one
            self.due = round((number + 1) / self.rate, 6)
        return True

    def skip_to(self, at: float) -> None:
        """Promise that no sample lies before a time."""
        self.due = max(self.due, at)
