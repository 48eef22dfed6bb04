"""`scenewatch eval sentiment`: how well what is said of a sentence agrees with people's ratings, on a genre that taught nothing.

`r_*` is Pearson's correlation with the mean rating of twenty people, `auc_*` the area under ROC of sentences that are clearly favourable
against those that clearly are not. The sentences are fetched from PyPI (`workers.training.rated`), not read from the data folder.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from monitor.language import text_encoder
from workers.evaluate import Task
from workers.evaluate.interval import Integers, interval
from workers.training import sentiment as teaching
from workers.training.rated import GENRES, rated

SEED: Final = 0


def sentiment(task: Task) -> dict[str, float]:
    """By genre, and of all. Raises ModelError or SourceError where the ratings can't be had."""
    known = rated(SEED)
    said = teaching.crossed(known, teaching.read(text_encoder(task.config.models), known))
    found: dict[str, float] = {"sentences": float(len(known)), **teaching.figures(known, said)}
    ratings, genres = np.array([each.valence for each in known]), np.array([each.genre for each in known])
    for genre in GENRES:
        those = genres == genre
        low, high = interval(partial(_agreement, ratings[those], said[those]), range(int(those.sum())))
        found |= {f"r_{genre}_low": low, f"r_{genre}_high": high}
    return found


def _agreement(ratings: teaching.Numbers, said: teaching.Numbers, rows: Integers) -> float:
    return teaching.agreement(ratings[rows], said[rows])
