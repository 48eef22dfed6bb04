"""The ladder: what capture takes less, step by step, while the stages behind it do not keep up, and takes again when they do.

Pure: time and lag are data. A step down needs a lag over its limit that has lasted and does not shrink; a step up needs
a lag under a lower limit that has lasted longer. In between, everything stays: no flapping.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from threading import Lock
from typing import Final, NamedTuple

from monitor.config import Pressure

STAGES: Final = frozenset({"encode", "transcribe", "fuse", "alert"})
"""Whose lag counts."""


SOUNDS_MOST: Final = 8
"""One piece of sound (half a second) in so many is heard at the least: every window of four seconds still holds one."""
THINGS_LAG_S: Final = 1.0
"""In pictures that are older than this nobody looks for people and things."""


class Step(IntEnum):
    """What is taken; each less than the one before."""

    ALL = 0
    HALF = 1
    KEY = 2
    NO_PICTURE = 3
    NOTHING = 4

    @property
    def takes(self) -> str:
        """In words."""
        return _WORDS[self]

    @property
    def every(self) -> int:
        """Of so many frames that would be sampled, one is."""
        return {Step.ALL: 1, Step.HALF: 2}.get(self, 4)

    @property
    def hears_one_in(self) -> int:
        """Of so many pieces of sound the network is asked about one; all of them are transcribed."""
        return {Step.ALL: 1, Step.HALF: 2, Step.KEY: 4}.get(self, SOUNDS_MOST)


_WORDS: Final = {
    Step.ALL: "everything",
    Step.HALF: "half of the frames",
    Step.KEY: "key frames only, a quarter of the frames at most",
    Step.NO_PICTURE: "sound only",
    Step.NOTHING: "neither picture nor sound",
}


class Reading(NamedTuple):
    """How far the slowest stage is behind at a time."""

    at: float
    """Any clock that never runs backwards, in seconds."""
    lag_s: float
    excused_s: float = 0.0
    """How much of it is the broker's: sound that waited for it is not given up for having waited."""


@dataclass(slots=True)
class Valve:
    """What the cameras' threads may take now; the event loop turns it."""

    step: Step = Step.ALL


@dataclass(slots=True)
class Ladder:
    """Goes down and up one step at a time."""

    limits: Pressure
    step: Step = Step.ALL
    since: float | None = None
    """Since when it is not on its first step."""
    _over: Reading | None = field(default=None, init=False)
    _under: float = field(default=math.inf, init=False)

    def push(self, reading: Reading) -> bool:
        """Take in a reading, none earlier than the last; returns whether the step changed."""
        before = self.step
        self._note(reading)
        if self._over is not None and reading.at - self._over.at >= self.limits.down_after_s:
            grows = reading.lag_s >= self._over.lag_s
            self._over = reading
            if grows and self.step < self._lowest(reading):
                self.step = Step(self.step + 1)
        elif reading.at - self._under >= self.limits.up_after_s and self.step > Step.ALL:
            self._under = reading.at
            self.step = Step(self.step - 1)
        if self.step is Step.ALL:
            self.since = None
        elif self.since is None:
            self.since = reading.at
        return self.step is not before

    def _note(self, reading: Reading) -> None:
        """Remember since when the lag is over its limit, or under the lower one."""
        if reading.lag_s < self.limits.lag_s:
            self._over = None
        elif self._over is None:
            self._over = reading
        if not self._is_under(reading):
            self._under = math.inf
        elif self._under > reading.at:
            self._under = reading.at
        if self._is_under(reading):
            self._over = None

    def _is_under(self, reading: Reading) -> bool:
        """Sound comes back as soon as its own lag has halved; picture, when nearly nothing is left."""
        if self.step is Step.NOTHING:
            return reading.lag_s - reading.excused_s <= self.limits.sound_lag_s / 2
        return reading.lag_s <= self.limits.clear_lag_s

    def _lowest(self, reading: Reading) -> Step:
        return Step.NOTHING if reading.lag_s - reading.excused_s >= self.limits.sound_lag_s else Step.NO_PICTURE


@dataclass(slots=True)
class Relief:
    """What a stage leaves out when it is too slow itself: what capture then takes less comes seconds later, behind a backlog.

    It may be asked from several threads.
    """

    limits: Pressure
    wall: Callable[[], float]
    """Seconds since the epoch, …"""
    steady: Callable[[], float]
    """… and of a clock that nobody sets."""
    _ladder: Ladder = field(init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def __post_init__(self) -> None:
        self._ladder = Ladder(self.limits)

    def takes_frame(self, captured: float) -> bool:
        """Whether a frame that was captured then is worth the time, now that it is its turn: under lasting pressure, no old one is."""
        step, old = self._look(captured)
        return step is Step.ALL or not old

    def takes_things(self, captured: float) -> bool:
        """Whether it is worth the time to look for people and things in a frame: nothing else takes so long, so this is left out first."""
        return self.wall() - captured <= THINGS_LAG_S

    def hears_one_in(self, captured: float) -> int:
        """Of so many pieces of sound one is worth the time, which is heard with the one before it; of a backlog, as few as may be."""
        step, old = self._look(captured)
        return SOUNDS_MOST if old and step is not Step.ALL else step.hears_one_in

    def _look(self, captured: float) -> tuple[Step, bool]:
        with self._lock:
            lag_s = self.wall() - captured
            self._ladder.push(Reading(self.steady(), lag_s))
            return self._ladder.step, lag_s > self.limits.clear_lag_s


class AllTaken:
    """No relief: everything is worth the time."""

    def takes_frame(self, captured: float) -> bool:
        """Every frame."""
        del captured
        return True

    def takes_things(self, captured: float) -> bool:
        """Everything in it."""
        del captured
        return True

    def hears_one_in(self, captured: float) -> int:
        """Every sound."""
        del captured
        return 1
