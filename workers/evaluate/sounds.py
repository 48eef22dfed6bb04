"""`scenewatch eval sounds`: which sound it is, in recordings that taught nothing.

A linear head on what the layers of the live sound encoder hear, taught and judged by cross-validation: ESC-10 by its own folds (by
recording where there is but one), UrbanSound8K by the recording of Freesound that its slices were cut from. The mean over the classes
of the average precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from rich.progress import track

from monitor.errors import SourceError
from monitor.hearing import SoundEncoder, sound_encoder
from workers.evaluate import Task
from workers.evaluate.folds import Integers, Scores, dealt, judged, left_out
from workers.evaluate.interval import with_interval
from workers.training.figures import average_precision
from workers.training.layered import layer_bank, whole
from workers.training.linear import fit_head
from workers.training.rows import recordings

FOLDS: Final = 5
DECAY: Final = 3e-4
ROUNDS: Final = 200
"""Of the bootstrap: each ranks every recording for every class."""


def sounds(task: Task) -> dict[str, float]:
    """`map_esc10`, `map_urban` and their accuracies. Raises SourceError if neither set is there."""
    encoder = sound_encoder(task.config.models)
    figures = {
        **_set("esc10", "sounds/esc10", task.data, encoder, esc_folds),
        **_set("urban", "sounds/urbansound8k", task.data, encoder, urban_folds),
    }
    if not figures:
        raise SourceError(
            f"{task.data}: its manifest.csv names no sounds/esc10 and no sounds/urbansound8k. Name another folder: --data DIR."
        )
    return figures


def esc_folds(names: Sequence[str], labels: Sequence[str]) -> tuple[Integers, list[str]]:
    """ESC-10's own folds, the first field of a name, and the recordings, the second; by recording where there is one fold."""
    fields = [Path(name).stem.split("-") for name in names]
    groups = [field[1] if len(field) > 1 else field[0] for field in fields]
    own = sorted({field[0] for field in fields})
    if len(own) > 1:
        return np.array([own.index(field[0]) for field in fields]), groups
    return dealt(groups, labels, FOLDS), groups


def urban_folds(names: Sequence[str], labels: Sequence[str]) -> tuple[Integers, list[str]]:
    """By the recording at Freesound, the first field of a name."""
    groups = [Path(name).stem.split("-")[0] for name in names]
    return dealt(groups, labels, FOLDS), groups


def _set(
    name: str,
    folder: str,
    data: Path,
    encoder: SoundEncoder,
    split: Callable[[Sequence[str], Sequence[str]], tuple[Integers, list[str]]],
) -> dict[str, float]:
    """The figures of one set; none where it is absent."""
    rows = recordings(data, folder)
    labels = [row.label for row in rows]
    if len(set(labels)) < 2:
        left_out(f"map_{name}", f"{data / folder} has no two classes")
        return {}
    bank = layer_bank(folder, rows, encoder, track)
    folds, groups = split([row.name for row in rows], labels)
    classes = sorted(set(labels))
    said = judged(whole(bank), labels, folds, lambda values, known: fit_head(values, known, DECAY, classes=classes).log_probabilities)
    truth = np.array([classes.index(label) for label in labels])
    return {
        **with_interval(f"map_{name}", lambda index: mean_average_precision(truth[index], said[index]), groups, rounds=ROUNDS),
        f"accuracy_{name}": float(np.mean(said.argmax(1) == truth)),
        f"clips_{name}": len(rows),
        f"recordings_{name}": len(set(groups)),
    }


def mean_average_precision(truth: Integers, scores: Scores) -> float:
    """Over the classes that are there, of class numbers [n] and scores [n, K]."""
    return float(np.mean([average_precision(truth == k, scores[:, k]) for k in range(scores.shape[1]) if np.any(truth == k)]))
