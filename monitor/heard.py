"""What is heard: shots, sirens, screams and breaking glass, by the kinds of sounds that YAMNet learned from AudioSet.

The sound encoder's vectors are what YAMNet tells its kinds from, linearly: the rows of its last layer that matter here are shipped as a
head, and no recording of an incident had to teach it. A window's log odds of an incident are the highest of its sounds' and of its
kinds'; one slope and one offset for all (Platt 1999) make a probability of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.align import Window
from monitor.anomaly import sigmoid
from monitor.heads import Head, load
from monitor.messages import floats
from monitor.models import locate

FIRE: Final = "fire"
SOUNDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "gun_shot": ("Gunshot, gunfire", "Machine gun", "Fusillade", "Artillery fire", "Cap gun", "Explosion"),
        "siren": (
            "Siren",
            "Police car (siren)",
            "Ambulance (siren)",
            "Fire engine, fire truck (siren)",
            "Civil defense siren",
            "Emergency vehicle",
        ),
        "scream": ("Screaming",),
        "glass_break": ("Shatter", "Breaking", "Smash, crash"),
        "crying": ("Baby cry, infant cry", "Crying, sobbing", "Whimper"),
        FIRE: ("Fire", "Crackle"),
    }
)
"""Incidents by what AudioSet (Gemmeke et al. 2017) calls their sounds."""
KINDS: Final = tuple(SOUNDS)
SPEECH: Final = ("Speech", "Shout", "Yell", "Bellow")
"""What a voice that speaks or shouts is called there: singing, a crowd and children who play are none."""
CLASSES: Final = (*(name for names in SOUNDS.values() for name in names), *SPEECH)
TRUST: Final = 3.0
"""What YAMNet's log odds of a kind count beside those of the fusion network: two million clips taught it, and some dozens the network."""
SUREST: Final = 4.0
"""Log odds beyond which the network's word counts no more: of sounds that are like none that taught it, silence too, it can be certain."""
ALL: Final = "all"
"""The calibration that all kinds share."""


KNOWN: Final = 4096
"""So many sounds' logits are remembered: the last seconds of some hundred cameras."""
Floats = npt.NDArray[np.float32]
Logits = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Heard:
    """Judges the sounds of windows."""

    head: Head
    calibration: tuple[float, ...]
    """Slope and offset of the log odds."""
    name: str
    _known: dict[bytes, Logits] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def load(cls, model: str = "heard-default") -> Heard:
        """Read the shipped head. Raises ModelError if it is missing or wrong."""
        located = locate(model)
        head, config = load(located)
        return cls(head, config.calibration[ALL], located.version)

    def probabilities(self, windows: Sequence[Window]) -> Floats:
        """Of windows, how probable each of KINDS is [n, kinds]; 0 where nothing is heard."""
        found = np.zeros((len(windows), len(KINDS)), np.float32)
        slope, offset = self.calibration
        for row, window in enumerate(windows):
            if len(said := self._said(window)):
                found[row] = sigmoid(slope * of_kinds(self.head, said).max(0) + offset)
        return found

    def speaks(self, window: Window) -> bool:
        """Whether in some second of a window speech or shouting is more probable than not."""
        columns = [self.head.classes.index(name) for name in SPEECH]
        said = self._said(window)[:, columns]
        return bool(said.size) and float(said.max()) > 0

    def _said(self, window: Window) -> Logits:
        """Of each sound in a window the logits of all sounds that are told apart [n, classes]."""
        found = [self._logits(item.vector) for item in window.sounds if item.at < window.until]
        return np.stack(found) if found else np.zeros((0, len(self.head.classes)))

    def _logits(self, vector: bytes) -> Logits:
        """Those of one sound, which the camera's next windows hold too, and all the variants by which one is explained."""
        if vector not in self._known:
            if len(self._known) >= KNOWN:
                self._known.pop(next(iter(self._known)))
            self._known[vector] = self.head.logits(floats(vector)[None])[0]
        return self._known[vector]


def log_odds(head: Head, vectors: Floats) -> Logits:
    """Vectors [n, 1024] to log odds [n, kinds]."""
    return of_kinds(head, head.logits(vectors))


def of_kinds(head: Head, said: Logits) -> Logits:
    """Logits of sounds [n, classes] to log odds [n, kinds]: of each kind the highest of its sounds'."""
    columns = [[head.classes.index(name) for name in names] for names in SOUNDS.values()]
    return np.stack([said[:, those].max(1) for those in columns], axis=1)
