"""`scenewatch train --only heads`: the small heads beside the fusion network (tone, intent, sentiment, sounds), each with its card."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np
from rich.progress import track

from monitor import config
from monitor.heard import ALL, FIRE
from monitor.hearing import sound_encoder
from monitor.intent import INTENTS
from monitor.language import text_encoder
from monitor.layers import voice_encoder
from monitor.models import locate
from monitor.tone import TENSE
from workers.composing.sources import Split, sources
from workers.training import meaning, noises, sentiment, voices
from workers.training.bank import Bank
from workers.training.card import Source, counted
from workers.training.intents import phrases
from workers.training.overheard import overheard
from workers.training.rated import rated
from workers.training.rows import FOLDS
from workers.training.taught import HeadCard, rounded, save

MODELS: Final = config.Models()

INTENT_LIMITS: Final = (
    "Learned from sentences that were written for it, two thirds of them English; the sentence encoder is English.",
    "23 other languages: a dozen to sixty sentences each, which no native speaker has read; threats in them are hardly told.",
    "What the recogniser writes was learned from one synthesiser's voices in made noise; shouting, dialects and children were not taught.",
    "threat: that words are meant is decided by the voice, with three stated probabilities (monitor.intent), for no data has both.",
    "Probabilities are calibrated on these sentences, half of which matter: far more than in life.",
)
TONE_LIMITS: Final = (
    "Tense is anger alone: learned from acted German speech of seven speakers. EmoDB's fear is not among the licensed rows here.",
    "To another language and other microphones it carries over poorly: `scenewatch eval tone` says how poorly.",
    "Whether somebody speaks was learned from speech and ESC-10's ten sounds; singing and crowds were not taught.",
)
RATINGS: Final = "VADER's ground truth: tweets, product reviews, film reviews, editorials (Hutto and Gilbert 2014)"
SENTIMENT_LIMITS: Final = (
    "English, as it is written; of other languages nothing is said.",
    "Whether something is good or bad news, not whether it is meant, whom it is said to, or whether it threatens.",
    "Irony is taken at its word.",
)
HEARD_LIMITS: Final = (
    "The rows of YAMNet's last layer (Apache-2.0) that tell these kinds, as they are; this project taught none of them.",
    "Calibrated by crying alone, over ambiences of ESC-10; of the other kinds no recording here may teach what is shipped.",
    "What sounds alike is taken for each other: fireworks for shots, shouting for screams, dropped dishes for breaking glass.",
)


def train_heads(data: Path, out: Path, seed: int = 0) -> dict[str, float]:
    """Train on the rows that may be shipped, write the heads with their cards to a folder, and return figures of what was held out."""
    layers = voice_encoder()
    banks = voices.voice_banks(data, layers, track)
    scenes = voices.scene_bank(data, layers, seed, track)
    return {**_intent(out, seed), **_sentiment(out, seed), **_tone(banks, scenes, layers.name, out, seed), **_heard(data, out, seed)}


def _intent(out: Path, seed: int) -> dict[str, float]:
    known_phrases, encoder = phrases(), text_encoder(MODELS)
    known = meaning.sayings(known_phrases, overheard(), encoder, seed)
    odds = meaning.held_out(known)
    calibration = meaning.calibrate(known, odds)
    figures = meaning.figures(known, odds, calibration)
    head = meaning.teach(known, frozenset(range(FOLDS)))
    sentences = Source(
        name="sentences.csv, intents.csv, more_intents.csv and abroad.csv of this project",
        licence="Apache-2.0",
        recordings=len(known_phrases),
    )
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


def _sentiment(out: Path, seed: int) -> dict[str, float]:
    known, encoder = rated(seed), text_encoder(MODELS)
    features = sentiment.read(encoder, known)
    figures = {f"cv_{name}": value for name, value in sentiment.figures(known, sentiment.crossed(known, features)).items()}
    head = sentiment.teach(features, np.array([each.valence for each in known]))
    card = HeadCard(
        name="sentiment-default",
        classes=head.classes,
        encoder=encoder.name,
        parameters=head.weight.size + head.bias.size,
        recipe={"decay": sentiment.DECAY, "sentences": len(known)},
        seed=seed,
        calibration={},
        validation="cv_*: each genre judged by a map that the other three taught; the shipped map was taught by all.",
        data=(Source(name=RATINGS, licence="MIT (package); the sentences are their authors'", recordings=len(known)),),
        limits=SENTIMENT_LIMITS,
        figures=rounded(figures),
    )
    save(head, out, card)
    return figures


def _tone(banks: dict[str, Bank], scenes: Bank, encoder: str, out: Path, seed: int) -> dict[str, float]:
    known = voices.windows([*banks.values(), scenes])
    said = voices.held_out(known)
    calibration = voices.calibrate(known, said)
    figures = voices.figures(known, said, calibration)
    head = voices.teach(known, frozenset(range(FOLDS)))
    card = HeadCard(
        name="tone-default",
        classes=head.classes,
        encoder=encoder,
        parameters=head.weight.size + head.bias.size,
        recipe={"windows": len(known.labels), **voices.recipe()},
        seed=seed,
        calibration={TENSE: calibration},
        validation="cv_*: windows of recordings and scenes; four folds, no speaker, reader or ESC-10 fold on both sides.",
        data=tuple(counted({folder: len(bank.tracks) for folder, bank in banks.items()})),
        limits=TONE_LIMITS,
        figures=rounded(figures),
    )
    save(head, out, card)
    return figures


def _heard(data: Path, out: Path, seed: int) -> dict[str, float]:
    encoder, head = sound_encoder(MODELS), noises.taken(locate(MODELS.sound))
    taught, held = (sources(data, split, shippable=True) for split in (Split.TRAIN, Split.VAL))
    known = noises.windows(head, encoder, taught, seed, track)
    # fire is judged beside the network alone, which saw the same recordings: it must not make the others surer
    calibration = noises.calibrate({kind: each for kind, each in known.items() if kind != FIRE})
    figures = noises.figures(noises.windows(head, encoder, held, seed, track), calibration)
    used = counted(Counter(row.name.rsplit("/", 1)[0] for row in taught.sounds))
    card = HeadCard(
        name="heard-default",
        classes=head.classes,
        encoder=encoder.name,
        parameters=head.weight.size + head.bias.size,
        recipe={"streams": noises.STREAMS, "seconds": noises.STREAM_S},
        seed=seed,
        calibration={ALL: calibration},
        validation="val_*: windows of composed sounds of the val split; none of its clips calibrated.",
        data=(Source(name="AudioSet (Gemmeke et al. 2017), which taught YAMNet", licence="CC-BY-4.0 (labels)", recordings=0), *used),
        limits=HEARD_LIMITS,
        figures=rounded(figures),
    )
    save(head, out, card)
    return figures
