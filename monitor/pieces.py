"""Cuts a camera's sound into pieces that end on the half seconds of event time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.messages import SOUND_HZ

PIECE_S: Final = 0.5
"""Pieces end at the multiples of this."""
TOLERANCE_S: Final = 0.05
"""Sound that is off its expected time by more than this makes a gap or an overlap; less is jitter of the stamps …"""
LASTING_S: Final = 0.01
"""… unless it stays: off by more than this on average, samples are left out or silence is put in, to keep sound with the picture."""
_SMOOTHING: Final = 0.05
"""Share of each block in that average."""
_SAMPLE: Final = 1 / SOUND_HZ


class Piece(NamedTuple):
    """Sound in `at <= t < until` of event time: int16 [n], mono, 16 kHz."""

    at: float
    until: float
    samples: npt.NDArray[np.int16]

    @property
    def peak(self) -> int:
        """The loudest sample, 0 to 32768."""
        return max(int(self.samples.max()), -int(self.samples.min()))


@dataclass(slots=True)
class Cutter:
    """Collects blocks of sound with their times; `position` is where the next sample is expected."""

    position: float = -math.inf
    gaps: int = 0
    """Gaps and overlaps met so far."""
    _begin: float = 0.0
    _off: float = 0.0
    _held: list[npt.NDArray[np.int16]] = field(default_factory=list)
    _count: int = 0

    def push(self, at: float, samples: npt.NDArray[np.int16]) -> list[Piece]:
        """Pieces that are complete; a gap ends the open piece early, and what lies before `position` is dropped."""
        done: list[Piece] = []
        off = at - self.position
        if abs(off) > TOLERANCE_S or self._is_lasting(off):
            self._off = 0.0
            self.gaps += self._count > 0
            if off < 0:
                samples = samples[round(-off * SOUND_HZ) :]
            elif off < TOLERANCE_S:
                samples = np.concatenate([np.zeros(round(off * SOUND_HZ), np.int16), samples])
            else:
                done = self.flush()
                self._begin = self.position = at
        if len(samples):
            self._append(samples)
        return done + self._complete()

    def flush(self) -> list[Piece]:
        """The open piece, if there is one, ended where its sound ends."""
        return [self._cut(self._count, self.position)] if self._count else []

    def skip_to(self, at: float) -> list[Piece]:
        """Promise that no piece begins before a time: the open piece is ended, and later sound from before it is dropped."""
        done = self.flush()
        if at > self.position:
            self._begin = self.position = at
        return done

    def _is_lasting(self, off: float) -> bool:
        """Whether sound has been off its expected time for a while, in the same direction as now."""
        self._off += _SMOOTHING * (off - self._off)
        return abs(self._off) > LASTING_S and off * self._off > 0

    def _append(self, samples: npt.NDArray[np.int16]) -> None:
        self._held.append(samples)
        self._count += len(samples)
        self.position = round(self._begin + self._count * _SAMPLE, 6)

    def _complete(self) -> list[Piece]:
        done: list[Piece] = []
        while self._count:
            boundary = (math.floor(self._begin / PIECE_S + 1e-6) + 1) * PIECE_S
            length = round((boundary - self._begin) * SOUND_HZ)
            if self._count < length:
                break
            if length:
                done.append(self._cut(length, boundary))
            else:
                self._begin = boundary
        return done

    def _cut(self, length: int, until: float) -> Piece:
        joined = np.concatenate(self._held)
        piece = Piece(self._begin, until, joined[:length])
        rest = joined[length:]
        self._held, self._count = ([rest] if len(rest) else []), len(rest)
        self._begin = until
        self.position = round(until + self._count * _SAMPLE, 6)
        return piece
