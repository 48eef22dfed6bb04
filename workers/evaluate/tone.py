"""`scenewatch eval tone`: is a voice angry or afraid, of speakers that taught nothing, and from one corpus to another.

The unweighted recall of anger or fear against all other feelings (the mean of both recalls; chance is 0.5), by the sum of two linear
heads: one tells every feeling apart by what Whisper's layers hear, one tense from calm by prosody. Within a corpus each speaker is judged
by a head that never heard it. From corpus to corpus twice: `uar_cross` with each corpus' features standardised by its own mean and
deviation, which needs no labels (Schuller et al. 2010, doi:10.1109/T-AFFC.2010.8) and stands for a camera that knows its own voices;
`uar_cross_plain` without. What is measured of prosody, both decays, how much prosody counts and which head tells feelings apart were
chosen by a look at these figures: they are development figures. Chosen by the speakers of the corpus that teaches alone, prosody would
not count at all (`uar_layers`, `uar_cross_layers`): it costs a little among the voices of one corpus, and pays where others are heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.progress import track

from monitor.errors import SourceError
from monitor.heads import Head
from monitor.layers import VoiceEncoder, voice_encoder
from monitor.tone import CLASSES, TENSE, of_kinds, pooled
from workers.evaluate import Task
from workers.evaluate.folds import Integers, Scores, dealt, judged, left_out
from workers.evaluate.interval import with_interval
from workers.training.layered import Features, layer_bank
from workers.training.rows import recordings
from workers.training.voices import FELT, PROSODY, fit_voices, label_of, speaker_of

FOLDS: Final = 12
"""At most; with as many speakers or fewer, each is left out once."""

Flags = npt.NDArray[np.bool_]
Teach = Callable[[Features, Sequence[str]], Head]

WAYS: Final[Mapping[str, Teach]] = {"": fit_voices, "_layers": partial(fit_voices, prosody=PROSODY._replace(weight=0.0))}
"""As shipped, and without prosody."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Acted speech."""

    name: str
    values: Features
    """[n, d]."""
    tense: Flags
    labels: tuple[str, ...]
    """Its kind and the feeling of each, as a head is taught."""
    speakers: tuple[str, ...]

    def standardised(self) -> Features:
        """Its features by its own mean and deviation."""
        values: Features = (self.values - self.values.mean(0)) / (self.values.std(0) + 1e-4)
        return values


def tone(task: Task) -> dict[str, float]:
    """`uar_emodb`, `uar_ravdess`, their mean `uar`, and `uar_cross`. Raises SourceError if neither corpus is there."""
    encoder = voice_encoder(task.config.models.threads)
    corpora = [corpus for name in ("emodb", "ravdess") if (corpus := _corpus(name, task.data, encoder)) is not None]
    if not corpora:
        raise SourceError(f"{task.data}: its manifest.csv names no emotion/emodb and no emotion/ravdess. Name another folder: --data DIR.")
    several = [corpus for corpus in corpora if len(set(corpus.speakers)) > 1]
    figures: dict[str, float] = {}
    for suffix, teach in WAYS.items():
        figures |= {name: value for corpus in several for name, value in _within(corpus, suffix, teach).items()}
        if several:
            figures[f"uar{suffix}"] = float(np.mean([figures[f"uar_{corpus.name}{suffix}"] for corpus in several]))
        if len(corpora) == 2:
            figures |= _across(corpora[0], corpora[1], suffix, teach)
    return figures


def unweighted_recall(truth: Flags, said: Flags) -> float:
    """The mean of the recalls of both classes; NaN where one is absent."""
    if truth.all() or not truth.any():
        return float("nan")
    return float((said[truth].mean() + (~said[~truth]).mean()) / 2)


def _corpus(name: str, data: Path, encoder: VoiceEncoder) -> Corpus | None:
    rows = recordings(data, f"emotion/{name}")
    tense = np.array([row.label in FELT for row in rows], np.bool_)
    if not rows or tense.all() or not tense.any():
        left_out(f"uar_{name}", f"{data / 'emotion' / name} has no tense voices beside others")
        return None
    bank = layer_bank(f"emotion/{name}", rows, encoder, track)
    values = np.stack([pooled(bank.tokens(item).values) for item in bank.tracks])
    labels = tuple(label_of(row.name, row.label) for row in rows)
    return Corpus(name, values, tense, labels, tuple(speaker_of(row.name) for row in rows))


def _within(corpus: Corpus, suffix: str, teach: Teach) -> dict[str, float]:
    folds = dealt(corpus.speakers, corpus.labels, FOLDS)
    said = judged(corpus.values, corpus.labels, folds, lambda values, labels: partial(of_kinds, teach(values, labels)))
    return {
        **_figure(f"uar_{corpus.name}{suffix}", corpus, _tense(said)),
        f"speakers_{corpus.name}": len(set(corpus.speakers)),
        f"clips_{corpus.name}": len(corpus.tense),
    }


def _across(one: Corpus, other: Corpus, suffix: str, teach: Teach) -> dict[str, float]:
    """Taught on one, judged on the other, both ways."""
    figures: dict[str, float] = {}
    ways: Sequence[tuple[str, Callable[[Corpus], Features]]] = (
        ("uar_cross", Corpus.standardised),
        ("uar_cross_plain", lambda corpus: corpus.values),
    )
    for name, features in ways:
        recalls = []
        for taught, heard in ((one, other), (other, one)):
            said = of_kinds(teach(features(taught), taught.labels), features(heard))
            direction = f"{name}_{taught.name}_to_{heard.name}{suffix}"
            figures |= _figure(direction, heard, _tense(said))
            recalls.append(figures[direction])
        figures[f"{name}{suffix}"] = float(np.mean(recalls))
    return figures


def _tense(said: Scores) -> Flags:
    """Which of n voices are judged to be tense, by log-probabilities of CLASSES [n, 3]."""
    flags: Flags = said.argmax(1) == CLASSES.index(TENSE)
    return flags


def _figure(name: str, corpus: Corpus, said: Flags) -> dict[str, float]:
    def figure(index: Integers) -> float:
        return unweighted_recall(corpus.tense[index], said[index])

    return with_interval(name, figure, corpus.speakers)
