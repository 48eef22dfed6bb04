"""What is meant by what is said: a threat, a call for help, or nothing of the kind, from the sentence encoder and the words.

The encoder's vector tells what a sentence is about, but hardly whether it announces, asks or reports; its middle layers do, as deep
encoders know grammar before meaning (Jawahar et al. 2019, ACL P19-1356), and so do words that stand beside each other. A linear head
reads all three. Its log-odds and the recogniser's confidence become a probability (Platt 1999).
"""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.align import Window
from monitor.heads import Head, load
from monitor.language import LAYERS, VECTOR, TextFeatures
from monitor.messages import Embedding, Judgement, Modality, floats
from monitor.models import locate
from monitor.tone import Tone, Voice

INTENTS: Final = ("threat", "call_for_help", "distress", "aggression", "ordinary")
"""Harm is announced; help is asked for; somebody is in trouble, without asking; somebody is hostile, without a threat; nothing."""
KINDS: Final = {"threat": ("threat",), "call_for_help": ("call_for_help", "distress")}
"""What is judged, and the intents that speak for it."""
READ: Final = VECTOR * (1 + len(LAYERS))
"""Numbers of what the encoder makes of a text."""
BUCKETS: Final = 8192
"""Places that pairs of words and words are hashed to (Weinberger et al. 2009, arXiv 0902.2206)."""
WORDS: Final = 1.5
"""Length of the words' part beside the sentence's vector and each layer, whose length is 1."""
WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
LEAST: Final = 0.02
"""No utterance is believed with less confidence."""

MEANT: Final = 0.5
"""How often words that threaten are meant, where no voice is heard: as often they are quoted, played or joked …"""
TENSE_IF_MEANT: Final = 0.9
TENSE_IF_NOT: Final = 0.1
"""… and how often a voice is tense with each. These three are stated, not learned: no data has both threats and voices."""

Numbers = npt.NDArray[np.float64]


def text_features(read: TextFeatures, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Texts, and what the encoder made of them, to what the head reads [n, READ + BUCKETS]: parts of length 1 and WORDS."""
    counted = np.stack([_counted(text) for text in texts]) if texts else np.empty((0, BUCKETS), np.float32)
    return np.hstack([read.rows, counted])


def words_of(text: str) -> list[str]:
    """Words in lower case, without accents and marks."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    return WORD.findall("".join(c for c in plain if not unicodedata.combining(c)))


def _counted(text: str) -> npt.NDArray[np.float32]:
    """Which words and neighbours there are, hashed; of length WORDS."""
    words = words_of(text)
    parts = {*words, *(f"{one} {next_}" for one, next_ in pairwise(words))}
    row = np.zeros(BUCKETS, np.float32)
    for part in parts:
        row[zlib.crc32(part.encode()) % BUCKETS] = 1.0
    return row * np.float32(WORDS / max(float(np.linalg.norm(row)), 1.0))


def log_odds(head: Head, features: npt.NDArray[np.float32], kind: str) -> Numbers:
    """Log-odds of a kind against the intents that do not speak for it [n]."""
    said = np.exp(head.log_probabilities(features))
    share = np.clip(said[:, [head.classes.index(intent) for intent in KINDS[kind]]].sum(1), 1e-9, 1 - 1e-9)
    odds: Numbers = np.log(share / (1 - share))
    return odds


def probability(odds: float, confidence: float, calibration: Sequence[float]) -> float:
    """Log-odds and the recogniser's confidence to a probability; calibration: slope, weight of the log-confidence, offset."""
    slope, weight, offset = calibration
    return 1 / (1 + math.exp(-np.clip(slope * odds + weight * math.log(max(confidence, LEAST)) + offset, -30, 30)))


def meant(voice: Voice | None) -> float:
    """How probable it is that threatening words are meant, by Bayes from the voice they come with; MEANT without one.

    The voice's own probabilities are divided by how often each was among what taught it, which leaves what was heard.
    """
    if voice is None:
        return MEANT
    tense, calm = voice.tense / voice.tense_prior, (1 - voice.tense) / (1 - voice.tense_prior)
    for_it = MEANT * (TENSE_IF_MEANT * tense + (1 - TENSE_IF_MEANT) * calm)
    against = (1 - MEANT) * (TENSE_IF_NOT * tense + (1 - TENSE_IF_NOT) * calm)
    return for_it / (for_it + against)


@dataclass(frozen=True, slots=True)
class Intent:
    """Judges what is said in windows: `threat` by word and voice, `call_for_help` by word alone."""

    head: Head
    calibration: dict[str, tuple[float, ...]]
    name: str
    tone: Tone

    @classmethod
    def load(cls, tone: Tone, model: str = "intent-default") -> Intent:
        """Read the shipped head. Raises ModelError if it is missing or wrong."""
        located = locate(model)
        head, config = load(located)
        return cls(head, dict(config.calibration), located.version, tone)

    def __call__(self, windows: Sequence[Window]) -> list[tuple[Judgement, ...]]:
        """Judge windows: for each one Judgement of `threat` and one of `call_for_help`; 0 where nothing is said."""
        voices: dict[tuple[int, float], Voice | None] = {}  # the variants by which a window is explained share their sounds
        return [tuple(self._judge(window, voices)) for window in windows]

    def probabilities(self, windows: Sequence[Window]) -> npt.NDArray[np.float32]:
        """The same as numbers [n, KINDS]."""
        return np.array([[judgement.probability for judgement in judged] for judged in self(windows)], np.float32)

    def _judge(self, window: Window, voices: dict[tuple[int, float], Voice | None]) -> Iterator[Judgement]:
        said = [item for item in window.texts if item.transcript is not None and item.at < window.until]
        if not said:
            yield from (Judgement(kind=kind, probability=0.0) for kind in KINDS)
            return
        words = self.of(said)
        sounds = id(window.sounds), window.until
        if sounds not in voices:
            voices[sounds] = self.tone.voice(window)
        threat, call = max(words["threat"]), max(words["call_for_help"])
        yield _threat(threat, voices[sounds])
        yield Judgement(kind="call_for_help", probability=call, parts={Modality.TEXT: call})

    def of(self, said: Sequence[Embedding]) -> dict[str, list[float]]:
        """What utterances mean by their words alone: by kind, a probability each."""
        transcripts = [item.transcript for item in said if item.transcript is not None]
        features = text_features(_read(said), [transcript.text for transcript in transcripts])
        return {
            kind: [
                probability(odds, transcript.confidence, self.calibration[kind])
                for odds, transcript in zip(log_odds(self.head, features, kind).tolist(), transcripts, strict=True)
            ]
            for kind in KINDS
        }


def _read(said: Sequence[Embedding]) -> TextFeatures:
    """What the encoder made of utterances."""
    layers = np.stack([floats(item.grid) for item in said]).reshape(len(said), len(LAYERS), VECTOR)
    return TextFeatures(np.stack([floats(item.vector) for item in said]), layers)


def _threat(words: float, voice: Voice | None) -> Judgement:
    """Words that threaten, as far as they are meant; without words there is no threat, so the voice's part is what it changes."""
    alone = words * meant(None)
    full = words * meant(voice)
    parts = {Modality.TEXT: alone} | ({} if voice is None else {Modality.SOUND: full - alone})
    return Judgement(kind="threat", probability=full, parts=parts)
