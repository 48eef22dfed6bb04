"""What is heard: shots, sirens, screams and breaking glass, by the kinds of sounds that YAMNet learned from AudioSet.

The sound encoder's vectors are what YAMNet tells its kinds from, linearly: the rows of its last layer that matter here are shipped as a
head, and no recording of an incident had to teach it. A window's log odds of an incident are the highest of its sounds' and of its
kinds'; one slope and one offset for all (Platt 1999) make a probability of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.align import Window
from monitor.heads import Head, load
from monitor.messages import Judgement, Modality, floats
from monitor.models import locate

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
        "fire": ("Fire", "Crackle"),
    }
)
"""Incidents by what AudioSet (Gemmeke et al. 2017) calls their sounds."""
CLASSES: Final = tuple(name for names in SOUNDS.values() for name in names)
ALL: Final = "all"
"""The calibration that all kinds share."""


Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heard:
    """Judges the sounds of windows."""

    head: Head
    kinds: tuple[str, ...]
    """Of SOUNDS."""
    calibration: tuple[float, ...]
    """Slope and offset of the log odds."""
    name: str

    @classmethod
    def load(cls, but: Collection[str] = (), model: str = "heard-default") -> Heard:
        """Read the shipped head; `but` are kinds that another network judges better. Raises ModelError if it is missing or wrong."""
        located = locate(model)
        head, config = load(located)
        return cls(head, tuple(kind for kind in SOUNDS if kind not in but), config.calibration[ALL], located.version)

    def __call__(self, windows: Sequence[Window]) -> list[tuple[Judgement, ...]]:
        """Judge windows: for each one Judgement a kind; 0 where nothing is heard."""
        rows = [zip(self.kinds, row, strict=True) for row in self.probabilities(windows).tolist()]
        return [tuple(Judgement(kind=kind, probability=p, parts={Modality.SOUND: p} if p else {}) for kind, p in row) for row in rows]

    def probabilities(self, windows: Sequence[Window]) -> Floats:
        """The same as numbers [n, kinds]."""
        found = np.zeros((len(windows), len(self.kinds)), np.float32)
        slope, offset = self.calibration
        for row, window in enumerate(windows):
            if sounds := [floats(item.vector) for item in window.sounds if item.at < window.until]:
                odds = log_odds(self.head, np.stack(sounds), self.kinds).max(0)
                found[row] = 1 / (1 + np.exp(-slope * odds - offset))
        return found


def log_odds(head: Head, vectors: Floats, kinds: Sequence[str]) -> npt.NDArray[np.float64]:
    """Vectors [n, 1024] to log odds [n, kinds]: of each kind the highest of its sounds'."""
    said = head.logits(vectors)
    columns = [[head.classes.index(name) for name in SOUNDS[kind]] for kind in kinds]
    return np.stack([said[:, those].max(1) for those in columns], axis=1)
