"""How it is said: whether a voice is tense (angry or afraid), from what Whisper's layers hear of a window, and its prosody."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from monitor import prosody
from monitor.align import Window
from monitor.heads import Head, load
from monitor.heard import Heard
from monitor.layers import WIDTH
from monitor.messages import Judgement, Modality, floats
from monitor.models import locate

TENSE, CALM, NONE = "tense", "calm", "none"
CLASSES: Final = (TENSE, CALM, NONE)
"""Kinds: a voice that is angry or afraid; any other voice; no voice. A head may tell more apart: `tense fearful` is of the first."""
SPEAKS: Final = 0.5
"""From this probability on somebody speaks in a window."""
KIND: Final = "tense_voice"


class Voice(NamedTuple):
    """A voice in a window."""

    tense: float
    """How probable it is that it is tense, given that somebody speaks."""
    tense_prior: float
    """The same before anything was heard, among what taught the head."""


def pooled(seconds: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What `monitor.layers.VoiceEncoder` hears of the seconds of a stretch of sound [n, d] to features of the stretch.

    The means of what each layer hears, then prosody's POOLED numbers. How layers change within a second and from second to second
    tells corpora apart, not tones: with it, what one corpus taught is no use for another.
    """
    layers, spoken = seconds[:, : -prosody.NUMBERS], seconds[:, -prosody.NUMBERS :]
    means = layers.reshape(len(seconds), -1, 2, WIDTH)[:, :, 0].mean(0)  # [layers, WIDTH]
    return np.concatenate([means.ravel(), prosody.pooled(spoken)])


def kind_of(name: str) -> str:
    """Which of CLASSES a head's class is of: its first word."""
    return name.partition(" ")[0]


def of_kinds(head: Head, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Log-probabilities [n, 3] of CLASSES for features [n, d]: each the sum over the head's classes that are of it."""
    said = head.log_probabilities(features)
    columns = [[k for k, name in enumerate(head.classes) if kind_of(name) == kind] for kind in CLASSES]
    return np.stack([np.logaddexp.reduce(said[:, those], axis=1) for those in columns], axis=1)


@dataclass(frozen=True, slots=True)
class Tone:
    """Judges voices in windows."""

    head: Head
    calibration: tuple[float, ...]
    """Slope and offset of the log-odds of tense against calm, and how often voices were tense in what calibrated it."""
    name: str
    heard: Heard | None = None
    """Knows speech from singing, crowds and playing children, which taught the head nothing; None with another sound encoder."""

    @classmethod
    def load(cls, model: str = "tone-default", heard: Heard | None = None) -> Tone:
        """Read the shipped head. Raises ModelError if it is missing or wrong."""
        located = locate(model)
        head, config = load(located)
        return cls(head, config.calibration[TENSE], located.version, heard)

    def __call__(self, windows: Sequence[Window]) -> list[tuple[Judgement, ...]]:
        """Judge windows: for each one Judgement of `tense_voice`; 0 where nobody speaks."""
        return [(self._judge(window),) for window in windows]

    def _judge(self, window: Window) -> Judgement:
        voice = self.voice(window)
        if voice is None:
            return Judgement(kind=KIND, probability=0.0)
        return Judgement(kind=KIND, probability=voice.tense, parts={Modality.SOUND: voice.tense})

    def voice(self, window: Window) -> Voice | None:
        """The voice in a window; None where nobody is heard to speak, or no layers were kept."""
        heard = [floats(item.grid) for item in window.sounds if item.grid and item.at < window.until]
        if not heard or (self.heard is not None and not self.heard.speaks(window)):
            return None
        tense, calm, none = np.exp(of_kinds(self.head, pooled(np.stack(heard))[None]))[0].tolist()
        if none > 1 - SPEAKS:
            return None
        slope, offset, prior = self.calibration
        odds = math.log(max(tense, 1e-9) / max(calm, 1e-9))
        return Voice(tense=1 / (1 + math.exp(-slope * odds - offset)), tense_prior=prior)
