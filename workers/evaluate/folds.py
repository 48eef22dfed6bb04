"""Cross-validation of small heads: what belongs together is never on both sides, and every example is judged once."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]
Values = npt.NDArray[np.float32]


def dealt(groups: Sequence[str], labels: Sequence[str], count: int) -> Integers:
    """A fold for each example: the largest group first, to the fold that holds least of its labels; never more folds than groups."""
    held: dict[str, Counter[str]] = defaultdict(Counter)
    for group, label in zip(groups, labels, strict=True):
        held[group][label] += 1
    folds: list[Counter[str]] = [Counter() for _ in range(min(count, len(held)))]
    place = {}
    for group in sorted(held, key=lambda name: (-held[name].total(), name)):
        share = held[group]
        at = min(range(len(folds)), key=lambda n: (sum(folds[n][label] * number for label, number in share.items()), folds[n].total()))
        place[group] = at
        folds[at] += share
    return np.array([place[group] for group in groups])


def judged(
    values: Values,
    labels: Sequence[str],
    folds: Integers,
    teach: Callable[[Values, Sequence[str]], Callable[[Values], Scores]],
) -> Scores:
    """Scores [n, K] of each example by what was taught on the other folds."""
    outside = [folds == fold for fold in np.unique(folds)]
    parts = [teach(values[~held], [labels[int(n)] for n in np.flatnonzero(~held)])(values[held]) for held in outside]
    said = np.zeros((len(values), parts[0].shape[1]))
    for held, part in zip(outside, parts, strict=True):
        said[held] = part
    return said


def left_out(figure: str, why: str) -> None:
    """Say that a figure can't be had."""
    sys.stderr.write(f"{figure}: left out, {why}\n")
