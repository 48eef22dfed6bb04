"""Teaching how favourable a sentence is: ridge regression on what the sentence encoder makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.heads import Head
from monitor.language import TextEncoder
from monitor.sentiment import VALENCE, valence
from workers.training.figures import area_under_roc
from workers.training.rated import GENRES, Rated

DECAY: Final = 1e-3
"""Of the squared weights, beside the mean squared error."""
CLEAR: Final = 0.125
"""A sentence whose rating is so far from 0, half a step of the raters' nine, is favourable or not."""
BATCH: Final = 256

Numbers = npt.NDArray[np.float64]


def read(encoder: TextEncoder, known: Sequence[Rated]) -> npt.NDArray[np.float32]:
    """Features of sentences [n, d]; those of like length are read together."""
    order = np.argsort([len(each.text) for each in known], kind="stable")
    parts = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
    made = np.concatenate([encoder.together([known[n].text for n in part]).rows for part in parts])
    features = np.empty_like(made)
    features[np.concatenate(parts)] = made
    return features


def teach(features: npt.NDArray[np.float32], ratings: Numbers) -> Head:
    """The map from features [n, d] to ratings [n]."""
    x, mean = features.astype(np.float64), features.mean(0, dtype=np.float64)
    x -= mean
    offset = float(ratings.mean())
    weight = np.linalg.solve(x.T @ x / len(x) + DECAY * np.eye(x.shape[1]), x.T @ (ratings - offset) / len(x))
    bias = np.array([offset - weight @ mean], np.float32)
    return Head(classes=(VALENCE,), weight=weight[None].astype(np.float32), bias=bias)


def crossed(known: Sequence[Rated], features: npt.NDArray[np.float32]) -> Numbers:
    """What is said of each sentence by a map that was taught the other genres alone [n]."""
    genres = np.array([each.genre for each in known])
    ratings = np.array([each.valence for each in known])
    said = np.zeros(len(known))
    for genre in GENRES:
        those = genres == genre
        said[those] = valence(teach(features[~those], ratings[~those]), features[those])
    return said


def figures(known: Sequence[Rated], said: Numbers) -> dict[str, float]:
    """Of each genre: agreement with people's mean rating, and area under ROC of what is clearly favourable or not."""
    found: dict[str, float] = {}
    for genre in GENRES:
        those = np.array([each.genre == genre for each in known])
        ratings = np.array([each.valence for each in known])[those]
        clear = np.abs(ratings) >= CLEAR
        found[f"r_{genre}"] = agreement(ratings, said[those])
        found[f"auc_{genre}"] = area_under_roc(ratings[clear] > 0, said[those][clear])
    return found


def agreement(ratings: Numbers, said: Numbers) -> float:
    """Pearson's r [n], [n]."""
    return float(np.corrcoef(ratings, said)[0, 1])
