"""`scenewatch train --only heads`: the small heads beside the fusion network (tone of voice, intent), each with its card."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from rich.progress import track

from monitor import config
from monitor.intent import INTENTS
from monitor.language import text_encoder
from monitor.layers import layered_sounds
from monitor.tone import TENSE
from workers.training import meaning, voices
from workers.training.bank import Bank
from workers.training.card import SOURCES, Source
from workers.training.intents import phrases
from workers.training.overheard import overheard
from workers.training.rows import FOLDS
from workers.training.taught import HeadCard, rounded, save

MODELS: Final = config.Models()

INTENT_LIMITS: Final = (
    "Learned from sentences that were written for it, mostly English, some German, Spanish, French; the sentence encoder is English.",
    "What the recogniser writes was learned from one synthesiser's voices in made noise; shouting, dialects and children were not taught.",
    "threat: that words are meant is decided by the voice, with three stated probabilities (monitor.intent), for no data has both.",
    "Probabilities are calibrated on these sentences, half of which matter: far more than in life.",
)
TONE_LIMITS: Final = (
    "Tense is anger alone: learned from acted German speech of seven speakers. EmoDB's fear is not among the licensed rows here.",
    "To another language and other microphones it carries over poorly: `scenewatch eval tone` says how poorly.",
    "Whether somebody speaks was learned from speech and ESC-10's ten sounds; singing and crowds were not taught.",
)


def train_heads(data: Path, out: Path, seed: int = 0) -> dict[str, float]:
    """Train on the rows that may be shipped, write both heads with their cards to a folder, and return cross-validated figures."""
    layers = layered_sounds(MODELS.sound)
    banks = voices.voice_banks(data, layers, track)
    return {**_intent(out, seed), **_tone(banks, layers.name, out, seed)}


def _intent(out: Path, seed: int) -> dict[str, float]:
    known_phrases, encoder = phrases(), text_encoder(MODELS)
    known = meaning.sayings(known_phrases, overheard(), encoder, seed)
    odds = meaning.held_out(known)
    calibration = meaning.calibrate(known, odds)
    figures = meaning.figures(known, odds, calibration)
    head = meaning.teach(known, frozenset(range(FOLDS)))
    sentences = Source(name="sentences.csv and intents.csv of this project", licence="Apache-2.0", recordings=len(known_phrases))
    card = HeadCard(
        name="intent-default",
        classes=INTENTS,
        encoder=encoder.name,
        parameters=head.weight.size + head.bias.size,
        recipe={"decay": meaning.DECAY, "sayings": len(known.intents)},
        seed=seed,
        calibration=calibration,
        validation="cv_*: four folds, no family of phrases on both sides; the shipped head was taught on all.",
        data=(sentences,),
        limits=INTENT_LIMITS,
        figures=rounded(figures),
    )
    save(head, out, card)
    return figures


def _tone(banks: dict[str, Bank], encoder: str, out: Path, seed: int) -> dict[str, float]:
    known = voices.windows(list(banks.values()))
    said = voices.held_out(known)
    calibration = voices.calibrate(known, said)
    figures = voices.figures(known, said, calibration)
    head = voices.teach(known, frozenset(range(FOLDS)))
    card = HeadCard(
        name="tone-default",
        classes=head.classes,
        encoder=encoder,
        parameters=head.weight.size + head.bias.size,
        recipe={"decay": voices.DECAY, "windows": len(known.labels)},
        seed=seed,
        calibration={TENSE: calibration},
        validation="cv_*: four folds, no speaker, reader or ESC-10 fold on both sides; the shipped head was taught on all.",
        data=_sources(banks),
        limits=TONE_LIMITS,
        figures=rounded(figures),
    )
    save(head, out, card)
    return figures


def _sources(banks: dict[str, Bank]) -> tuple[Source, ...]:
    counts = Counter({folder: len(bank.tracks) for folder, bank in banks.items()})
    return tuple(
        Source(name=name, licence=licence, recordings=counts[folder]) for folder, (name, licence) in SOURCES.items() if counts[folder]
    )
