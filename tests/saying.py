"""Windows in which something is said, and judges that hear what they are told."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from monitor import language
from monitor.align import Window
from monitor.heads import Head
from monitor.intent import BUCKETS, INTENTS, READ, Intent
from monitor.language import VECTOR, TextFeatures
from monitor.layers import WIDTH
from monitor.messages import Embedding, Modality, Transcript, pack
from monitor.prosody import NUMBERS, POOLED
from monitor.tone import CLASSES, Tone

HAS = (Modality.SOUND, Modality.TEXT)
HEARD = 2 * WIDTH + NUMBERS
"""What is heard of a second: one layer's mean and deviation, and its prosody …"""
LAYERS = WIDTH + POOLED
"""… and what a head reads of it."""


class Read(ABC):
    """What a text encoder gives beside its vectors, for one that is called and gives those: each layer the same."""

    @abstractmethod
    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]: ...

    def features(self, texts: Sequence[str]) -> TextFeatures:
        vectors = self(texts)
        return TextFeatures(vectors, np.repeat(vectors[:, None], len(language.LAYERS), axis=1))

    def together(self, texts: Sequence[str]) -> TextFeatures:
        return self.features(texts)


def tone(tense: float, none: float = -9.0) -> Tone:
    """Hears what it is told, whatever sounds."""
    head = Head(CLASSES, np.zeros((3, LAYERS), np.float32), np.array([tense, 0.0, none], np.float32))
    return Tone(head, (1.0, 0.0, 0.5), "tone@test")


def intent(hears: Tone) -> Intent:
    """Takes the first number of a sentence's vector for a threat, the second for a call."""
    weight = np.zeros((len(INTENTS), READ + BUCKETS), np.float32)
    weight[0, 0] = weight[1, 1] = 20.0
    bias = np.array([-5.0, -5.0, -20.0, -20.0, 5.0], np.float32)
    calibration = {"threat": (1.0, 0.5, 0.0), "call_for_help": (1.0, 0.5, 0.0)}
    return Intent(Head(INTENTS, weight, bias), calibration, "intent@test", hears)


def said(vector: list[float], confidence: float = 0.9, at: float = 1.0) -> Embedding:
    times = {"camera": "hall", "at": at, "until": at + 1, "captured": 0.0, "modalities": HAS}
    transcript = Transcript(text="words", language="en", confidence=confidence, no_speech=0.0, **times)
    whole = np.pad(vector, (0, VECTOR - len(vector)))
    layers = pack(np.zeros(READ - VECTOR))
    return Embedding(modality=Modality.TEXT, vector=pack(whole), grid=layers, transcript=transcript, **times)


def heard(at: float = 1.0) -> Embedding:
    return Embedding(
        camera="hall",
        at=at,
        until=at + 0.5,
        captured=0.0,
        modalities=HAS,
        modality=Modality.SOUND,
        vector=b"",
        grid=pack(np.ones(HEARD)),
    )


def window(*texts: Embedding, sounds: tuple[Embedding, ...] = ()) -> Window:
    return Window(
        camera="hall", at=0, until=4, captured=0, modalities=HAS, revision=1, final=True, pictures=(), sounds=sounds, texts=tuple(texts)
    )
