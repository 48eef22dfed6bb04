"""`scenewatch eval tone`: is a voice angry or afraid, of speakers that taught nothing, and from one corpus to another.

The unweighted recall of anger or fear against all other feelings (the mean of both recalls; chance is 0.5), by the sum of two linear
heads: one on what Whisper's layers hear, one on prosody. Within a corpus each speaker is judged by a head that never heard it. From
corpus to corpus twice: `uar_cross` with each corpus' features standardised by its own mean and deviation, which needs no labels
(Schuller et al. 2010, doi:10.1109/T-AFFC.2010.8) and stands for a camera that knows its own voices; `uar_cross_plain` without. What is
measured of prosody, both decays and how much prosody counts were chosen by a look at these figures: they are development figures.
Chosen by the speakers of the corpus that teaches alone, prosody would not count at all (`uar` .889, `uar_cross` .669): it costs a
little among the voices of one corpus, and pays where others are heard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.progress import track

from monitor.errors import SourceError
from monitor.layers import VoiceEncoder, voice_encoder
from monitor.tone import CALM, TENSE, pooled
from workers.evaluate import Task
from workers.evaluate.folds import Integers, dealt, judged, left_out
from workers.evaluate.interval import with_interval
from workers.training.layered import Features, layer_bank
from workers.training.linear import fit_blocks
from workers.training.rows import recordings
from workers.training.voices import BLOCKS, FELT, speaker_of

FOLDS: Final = 12
"""At most; with as many speakers or fewer, each is left out once."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Acted speech."""

    name: str
    values: Features
    """[n, d]."""
    tense: Flags
    speakers: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """The classes of the head."""
        return [TENSE if tense else CALM for tense in self.tense]

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
    within = [_within(corpus) for corpus in corpora if len(set(corpus.speakers)) > 1]
    figures = {name: value for found in within for name, value in found.items()}
    if within:
        figures["uar"] = float(
            np.mean([found[f"uar_{corpus.name}"] for corpus in corpora for found in within if f"uar_{corpus.name}" in found])
        )
    return figures | (_across(*corpora) if len(corpora) == 2 else {})


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
    return Corpus(name, values, tense, tuple(speaker_of(row.name) for row in rows))


def _within(corpus: Corpus) -> dict[str, float]:
    folds = dealt(corpus.speakers, corpus.labels, FOLDS)
    said, classes = judged(corpus.values, corpus.labels, folds, BLOCKS)
    return {
        **_figure(f"uar_{corpus.name}", corpus, said.argmax(1) == classes.index(TENSE)),
        f"speakers_{corpus.name}": len(set(corpus.speakers)),
        f"clips_{corpus.name}": len(corpus.tense),
    }


def _across(one: Corpus, other: Corpus) -> dict[str, float]:
    """Taught on one, judged on the other, both ways."""
    figures: dict[str, float] = {}
    ways: Sequence[tuple[str, Callable[[Corpus], Features]]] = (
        ("uar_cross", Corpus.standardised),
        ("uar_cross_plain", lambda corpus: corpus.values),
    )
    for name, features in ways:
        recalls = []
        for taught, heard in ((one, other), (other, one)):
            head = fit_blocks(features(taught), taught.labels, BLOCKS)
            said = head.log_probabilities(features(heard)).argmax(1) == head.classes.index(TENSE)
            found = _figure(f"{name}_{taught.name}_to_{heard.name}", heard, said)
            figures |= found
            recalls.append(found[f"{name}_{taught.name}_to_{heard.name}"])
        figures[name] = float(np.mean(recalls))
    return figures


def _figure(name: str, corpus: Corpus, said: Flags) -> dict[str, float]:
    def figure(index: Integers) -> float:
        return unweighted_recall(corpus.tense[index], said[index])

    return with_interval(name, figure, corpus.speakers)
