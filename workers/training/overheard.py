"""What the recogniser wrote of the project's own sentences, spoken with noise: kept in overheard.csv, since it takes minutes to hear."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from monitor.config import Config
from monitor.messages import SOUND_HZ
from monitor.speech import transcriber
from monitor.voice import segmenters
from workers.training.intents import Phrase
from workers.training.rows import lines_of
from workers.training.sounds import Progress, Samples, beeps, coloured, hum, knocks
from workers.training.spoken import TAUGHT, Said, hear, mixed, speak

NAME: Final = "overheard.csv"
SNR_DB: Final = (20.0, 10.0, 5.0, 0.0)
FIELDS: Final = ("text", "snr_db", "heard", "confidence")
STEP: Final = 3
"""Every third sentence is spoken, which leaves some of every family."""
NOISE_S: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One utterance that was cut out of a spoken sentence."""

    text: str
    """Of the sentence as it was meant; several pieces may come of one, or none."""
    heard: str
    confidence: float


def overheard() -> tuple[Piece, ...]:
    """What is kept."""
    found = (line for line in lines_of(NAME) if line["heard"])
    return tuple(Piece(text=line["text"], heard=line["heard"], confidence=float(line["confidence"])) for line in found)


def write(phrases: Sequence[Phrase], out: Path, seed: int, progress: Progress) -> None:
    """Speak every third sentence, each with a noise that was made at a ratio of SNR_DB, and keep what is heard of them."""
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FIELDS)
        chosen = phrases[::STEP]
        for row in progress(_rows(chosen, seed), "sentences heard", len(chosen)):
            writer.writerows(row)


def _rows(phrases: Sequence[Phrase], seed: int) -> Iterator[list[tuple[str, str, str, str]]]:
    config, rng = Config(), np.random.default_rng(seed)
    segmenter, transcribe = segmenters(config.speech), transcriber(config.speech, config.models)
    voices = speak([Said(text=phrase.text, language=phrase.language) for phrase in phrases], TAUGHT, np.random.default_rng([seed, 1]))
    for phrase, voice in zip(phrases, voices, strict=True):
        snr = float(rng.choice(SNR_DB))
        known = phrase.language if len(phrase.language) == 2 else ""
        [found] = hear([mixed(voice, noise(rng), snr)], [known], segmenter, transcribe)
        yield [(phrase.text, f"{snr:g}", item.text, f"{item.confidence:.3f}") for item in found] or [(phrase.text, f"{snr:g}", "", "0")]


def noise(rng: np.random.Generator) -> Samples:
    """A made noise: air, a hum, strokes or tones over air, float32 [n]."""
    total = int(NOISE_S * SOUND_HZ)
    air = coloured(total, rng.uniform(0, 2), rng)
    air = air / max(float(air.std()), 1e-6)
    make = (None, hum, knocks, beeps)[int(rng.integers(4))]
    if make is None:
        return air.astype(np.float32)
    sound = make(total, rng)
    level = max(float(sound.std()), 1e-6)
    return (air * rng.uniform(0.1, 0.7) + sound / level).astype(np.float32)
