"""`scenewatch eval intent`: threats and calls for help among ordinary speech, through the real recogniser.

Sentences of this project, as many that matter as ordinary ones, spoken by eSpeak NG (the same voices for all, none of which the
head's training sentences were spoken by), with recorded ambience at a stated SNR, then the live parts: voice detection, Whisper
and its guard, sentence encoder, intent head. No family of phrases is judged by a head that was taught by it. What was not heard
counts as ordinary. The cameras are configured with their language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import jiwer
import numpy as np
import numpy.typing as npt
from rich.progress import track

from monitor.config import Config
from monitor.errors import SourceError
from monitor.heads import Head
from monitor.intent import KINDS, log_odds, probability, text_features
from monitor.language import TextEncoder, text_encoder
from monitor.speech import transcriber
from monitor.voice import segmenters
from workers.evaluate import Task
from workers.evaluate.interval import with_interval
from workers.evaluate.speech import plain
from workers.training import meaning
from workers.training.figures import average_precision
from workers.training.intents import Phrase, phrases
from workers.training.overheard import overheard
from workers.training.rows import FOLDS, recordings
from workers.training.sounds import Samples, samples_of
from workers.training.spoken import TESTED, Said, hear, mixed, speak

SNR_DB: Final = (20, 10, 0)
SENTENCES: Final = 80
"""Of those that matter, and as many ordinary ones."""
SEED: Final = 0
BATCH: Final = 24
"""Sentences that are transcribed together."""
AMBIENCE: Final = {
    "sounds/urbansound8k": ("sound:air_conditioner", "sound:engine_idling", "sound:street_music", "sound:drilling", "sound:jackhammer"),
    "sounds/esc10": ("sound:rain", "sound:sea_waves", "sound:helicopter", "sound:clock_tick"),
}
"""Recorded noises without speech; of UrbanSound8K if it is there, else of ESC-10."""
MATTERS: Final = frozenset({"threat", "call_for_help"})

Scores = npt.NDArray[np.float64]
Heard: TypeAlias = tuple[str, float]
"""A text and the recogniser's confidence in it."""


def intent(task: Task) -> dict[str, float]:
    """`ap_20db`, `ap_10db`, `ap_0db`. Raises SourceError if there is no ambience."""
    noises = _ambience(task.data)
    chosen = sample(phrases(), SENTENCES, np.random.default_rng(SEED))
    encoder = text_encoder(task.config.models)
    known = meaning.sayings(phrases(), overheard(), encoder, SEED)
    judges = Judges(
        encoder=encoder,
        heads={fold: meaning.teach(known, frozenset(range(FOLDS)) - {fold}) for fold in range(FOLDS)},
        calibration=meaning.calibrate(known, meaning.held_out(known)),
    )
    families = [phrase.family for phrase in chosen]
    figures: dict[str, float] = {"sentences": len(chosen), "families": len(set(families))}
    figures |= _ap("ap_written", chosen, judges(chosen, _written(chosen)), families)
    figures |= _abroad(judges)
    voices = list(speak([Said(text=phrase.text, language="en") for phrase in chosen], TESTED, np.random.default_rng([SEED, 1])))
    for snr in SNR_DB:
        heard = _heard(voices, noises, snr, task.config)
        figures |= _ap(f"ap_{snr}db", chosen, judges(chosen, heard), families)
        figures |= _recognition(chosen, heard, snr)
    return figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """Heads by the fold that each was not taught."""

    encoder: TextEncoder
    heads: Mapping[int, Head]
    calibration: Mapping[str, tuple[float, ...]]

    def __call__(self, said: Sequence[Phrase], heard: Sequence[Sequence[Heard]]) -> Scores:
        """How probable it is that a sentence matters [n]: the most probable kind of its most telling piece, 0 without one."""
        return np.array(
            [max((self._piece(phrase.fold, *piece) for piece in pieces), default=0.0) for phrase, pieces in zip(said, heard, strict=True)]
        )

    def _piece(self, fold: int, text: str, confidence: float) -> float:
        features = text_features(self.encoder.features([text]), [text])
        odds = {kind: float(log_odds(self.heads[fold], features, kind)[0]) for kind in KINDS}
        return max(probability(odds[kind], confidence, self.calibration[kind]) for kind in KINDS)


def _ap(name: str, said: Sequence[Phrase], scores: Scores, alike: Sequence[str]) -> dict[str, float]:
    """How well scores tell the sentences that matter; those that are alike are drawn together for the interval."""
    truth = np.array([phrase.intent in MATTERS for phrase in said])
    return with_interval(name, lambda index: average_precision(truth[index], scores[index]), alike)


def _written(said: Sequence[Phrase]) -> list[list[Heard]]:
    """Sentences as they are written."""
    return [[(phrase.text, 1.0)] for phrase in said]


def _abroad(judges: Judges) -> dict[str, float]:
    """What is said in other languages than English, as written; no sentence by a head that was taught it."""
    abroad = [phrase for phrase in phrases() if phrase.language != "en" and (phrase.intent in MATTERS or phrase.intent == meaning.ORDINARY)]
    found = _ap("ap_written_abroad", abroad, judges(abroad, _written(abroad)), [phrase.text for phrase in abroad])
    matter = sum(phrase.intent in MATTERS for phrase in abroad)
    return {**found, "sentences_abroad": len(abroad), "sentences_abroad_that_matter": matter}


def sample(known: Sequence[Phrase], size: int, rng: np.random.Generator) -> list[Phrase]:
    """English sentences: so many that matter and so many ordinary ones, all alike probable."""
    english = [phrase for phrase in known if phrase.language == "en" and phrase.tested]
    sides = ([p for p in english if p.intent in MATTERS], [p for p in english if p.intent == meaning.ORDINARY])
    return [side[n] for side in sides for n in sorted(rng.permutation(len(side))[:size].tolist())]


def _ambience(data: Path) -> list[Samples]:
    for folder, labels in AMBIENCE.items():
        rows = [row for row in recordings(data, folder) if row.label in labels]
        if rows:
            return [samples_of(row.path) for row in rows[:: max(1, len(rows) // 60)]]
    raise SourceError(f"{data}: its manifest.csv names no noise of {' or '.join(AMBIENCE)} to speak in. Name another folder: --data DIR.")


def _heard(voices: Sequence[Samples], noises: Sequence[Samples], snr: int, config: Config) -> list[list[Heard]]:
    """What the live parts write of each sentence, with a noise that is the same at every ratio."""
    rng = np.random.default_rng([SEED, 2])
    segmenter, transcribe = segmenters(config.speech), transcriber(config.speech, config.models)
    spoken = [mixed(voice, noises[int(rng.integers(len(noises)))], snr) for voice in voices]
    parts = [spoken[at : at + BATCH] for at in range(0, len(spoken), BATCH)]
    heard = [row for part in track(parts, f"heard at {snr} dB") for row in hear(part, ["en"] * len(part), segmenter, transcribe)]
    return [[(item.text, item.confidence) for item in row] for row in heard]


def _recognition(said: Sequence[Phrase], heard: Sequence[Sequence[Heard]], snr: int) -> dict[str, float]:
    """How well the recogniser did: word error rate, and the share of sentences of which nothing was written."""
    written = [" ".join(text for text, _ in pieces) for pieces in heard]
    return {
        f"wer_{snr}db": float(jiwer.wer([plain(phrase.text, "en") for phrase in said], [plain(text, "en") for text in written])),
        f"unheard_share_{snr}db": float(np.mean([not text for text in written])),
    }
