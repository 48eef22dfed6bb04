"""Whether a camera that delivers also sees and hears: blind, frozen, silent. Pure: event time is data.

Blind: the picture has no edges anywhere (black, white, covered), or far less fine detail for its contrast than this camera
has shown before (defocused, smeared). Night is dark but has edges. A camera that is out of focus from its first
picture on can't be told from one that looks at something soft.

Frozen: a decoded picture that does not change is no proof, for codecs skip what hardly changes; but key frames are
coded afresh, and a live sensor's noise then shows. So a picture is frozen when nothing moved and successive key frames are the
same; measured on x264, MPEG-4 and MJPEG, key frames of a still input differ by at most 0.02 levels, of a still scene with the least
sensor noise (half a level) by 0.48. Without a second key frame the picture must not change by a single bit for
ten times as long. A noiseless drawing that stands still is frozen by this definition; a frozen picture under a running clock is not.

Silent: every sample is zero but for one bit, or no sound comes though the source says it has some.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from monitor.messages import State
from monitor.motion import COLUMNS, MOVING, ROWS, Luma

EDGES: Final = 1.5
"""Levels between neighbouring cells at the 95th percentile below which a picture shows nothing."""
DARK: Final = 40.0
BRIGHT: Final = 215.0
SOFT: Final = 0.4
"""A picture with less than this share of the camera's usual detail is out of focus."""
LOOKS: Final = 120
"""The usual detail is the median over so many pictures in which the camera saw …"""
FIRST_LOOKS: Final = 8
"""… and is known after so many."""
SAME_KEY: Final = 0.1
"""Key frames are the same when their luma differs by less than this, in levels on average."""
QUIET: Final = 1
"""Largest sample (of 32768) of a dead microphone."""
LONGER: Final = 10
"""Silence, and stillness without key frames, take so many times `unhealthy_s`."""

Gray = npt.NDArray[np.uint8]
"""uint8 [height, width]"""


class Look(NamedTuple):
    """What a sampled picture shows, for judging whether the camera sees."""

    brightness: float
    """Mean luma, 0 to 255."""
    edges: float
    """95th percentile of the difference between neighbouring cells of a 36 x 64 raster of area means."""
    detail: float
    """Mean size of the Laplacian at half size, divided by the contrast."""


def look(gray: Gray) -> Look:
    """Measure a sampled picture, uint8 [height, width]; 100,000 pixels take 0.2 ms."""
    height, width = gray.shape
    half = cv2.resize(gray, (max(8, width // 2), max(8, height // 2)), interpolation=cv2.INTER_AREA)
    cells = cv2.resize(half.astype(np.float32), (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    steps = np.abs(np.concatenate([(cells[1:] - cells[:-1]).ravel(), (cells[:, 1:] - cells[:, :-1]).ravel()]))
    fine = cv2.norm(cv2.Laplacian(half, cv2.CV_16S), cv2.NORM_L1) / half.size
    brightness, contrast = (float(value[0, 0]) for value in cv2.meanStdDev(half))
    rank = round(0.95 * steps.size)
    return Look(brightness, float(np.partition(steps, rank)[rank]), fine / (contrast + 1))


@dataclass(slots=True)
class Lasting:
    """A condition that counts once it has held for `seconds`, and no more once it has not held for as long (hysteresis)."""

    seconds: float
    on: bool = False
    _since: float | None = None

    def update(self, at: float, *, holds: bool) -> bool:
        """Take in whether the condition holds at a time, and return whether it counts."""
        if holds is self.on:
            self._since = None
        elif self._since is None:
            self._since = at
        elif at - self._since >= self.seconds:
            self.on, self._since = holds, None
        return self.on


@dataclass(slots=True)
class Blindness:
    """Judges sampled pictures against what the camera usually shows."""

    why: str = ""
    """black, white, covered or out of focus; of the newest picture that was one of these."""
    _details: deque[float] = field(default_factory=lambda: deque(maxlen=LOOKS))

    def sees_nothing(self, seen: Look) -> bool:
        """Whether this picture is one of a blind camera; only others teach what is usual."""
        why = self._why(seen)
        if why:
            self.why = why
            return True
        self._details.append(seen.detail)
        return False

    def _why(self, seen: Look) -> str:
        if seen.edges < EDGES:
            return "black" if seen.brightness < DARK else "white" if seen.brightness > BRIGHT else "covered"
        if len(self._details) >= FIRST_LOOKS and seen.detail < SOFT * sorted(self._details)[len(self._details) // 2]:
            return "out of focus"
        return ""


@dataclass(slots=True)
class Stillness:
    """Judges decoded frames: since when nothing has moved, and how many key frames confirm it."""

    _key: Luma | None = None
    _keys: int = 0
    _since: float = math.inf
    _previous: Luma | None = None
    _exact_since: float = math.inf

    def push(self, at: float, luma: Luma, *, key: bool) -> None:
        """Take in the next decoded frame."""
        if self._previous is None or not np.array_equal(luma, self._previous):
            self._previous, self._exact_since = luma, at
        if key:
            self._push_key(at, luma)
        elif self._key is not None and differs(self._key, luma):
            self._key = None

    def _push_key(self, at: float, luma: Luma) -> None:
        if self._key is not None and float(np.abs(np.subtract(luma, self._key, dtype=np.int16)).mean()) < SAME_KEY:
            self._keys += 1
        else:
            self._keys, self._since = 1, at
        self._key = luma

    def lasts(self, at: float, seconds: float) -> bool:
        """Whether the picture has been the same for so long, confirmed by key frames or by ten times the time."""
        confirmed = self._key is not None and self._keys > 1 and at - self._since >= seconds
        return confirmed or at - self._exact_since >= LONGER * seconds


def differs(before: Luma, after: Luma) -> bool:
    """Whether any point moved."""
    return bool(np.any(np.abs(np.subtract(after, before, dtype=np.int16)) > MOVING))


@dataclass(slots=True)
class Health:
    """What is wrong with one camera that delivers; `unhealthy_s` is how long something must last to be said."""

    unhealthy_s: float
    has_sound: bool
    _blind: Lasting = field(init=False)
    _frozen: bool = False
    _blindness: Blindness = field(default_factory=Blindness)
    _stillness: Stillness = field(default_factory=Stillness)
    _heard: float | None = None

    def __post_init__(self) -> None:
        self._blind = Lasting(self.unhealthy_s)

    def reopen(self, *, has_sound: bool) -> None:
        """The source was opened anew: only what the camera usually shows is kept."""
        self.has_sound = has_sound
        self._stillness, self._frozen, self._heard = Stillness(), False, None

    def decoded(self, at: float, luma: Luma, *, key: bool) -> None:
        """Take in a decoded frame; every key frame, and so many others that movement shows."""
        self._stillness.push(at, luma, key=key)

    def sampled(self, at: float, seen: Look) -> None:
        """Take in a sampled picture."""
        self._blind.update(at, holds=self._blindness.sees_nothing(seen))
        self._frozen = self._stillness.lasts(at, self.unhealthy_s)

    def sound(self, until: float, peak: int) -> None:
        """Take in a piece of sound: when it ended, and its loudest sample."""
        if self._heard is None or peak > QUIET:
            self._heard = until

    def states(self, at: float) -> tuple[State, ...]:
        """What is wrong at a time: blind or frozen, silent; live if nothing is."""
        if self._heard is None:
            self._heard = at
        silent = self.has_sound and at - self._heard >= LONGER * self.unhealthy_s
        sight = (State.BLIND,) if self._blind.on else (State.FROZEN,) if self._frozen else ()
        return (*sight, *((State.SILENT,) if silent else ())) or (State.LIVE,)

    @property
    def detail(self) -> str:
        """How a blind camera is blind."""
        return self._blindness.why if self._blind.on else ""
