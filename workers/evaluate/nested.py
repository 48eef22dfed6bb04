"""Nested cross-validation over groups: what is chosen is chosen inside the training part (Cawley & Talbot 2010), never by what is tested.

scikit-learn comes with the extra `embedded`; nothing that runs live needs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA  # type: ignore[import-untyped]
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.model_selection import StratifiedGroupKFold  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

from workers.training.figures import average_precision

Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]

OUTER: Final = 10
INNER: Final = 5
SURE: Final = 6.0
"""Log odds are cut here: a tree's leaf may say 0 or 1."""


class Classifier(Protocol):
    """What scikit-learn calls an estimator."""

    def fit(self, x: Numbers, y: Rows) -> object:
        """Learn rows [n, features] and labels [n], 0 or 1."""

    def predict_proba(self, x: Numbers) -> Numbers:
        """Probabilities [n, 2]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to judge: which groups of features it reads, and what learns from them."""

    name: str
    groups: tuple[str, ...]
    make: Callable[[], Classifier]


@dataclass(frozen=True, slots=True)
class Examples:
    """What is known of n examples."""

    features: Mapping[str, Numbers]
    """By group of features, [n, features] each."""
    truth: Rows
    """[n], 0 or 1."""
    groups: Sequence[str]
    """What must not be split."""

    def read(self, groups: Sequence[str], rows: Rows) -> Numbers:
        """Some features of some examples."""
        return np.concatenate([self.features[group][rows] for group in groups], axis=1)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What was said of every example by a model that had seen nothing of its group."""

    logits: Numbers
    """[n]."""
    chosen: Counter[str]
    """How often each candidate was the best inside."""


MEAN: Final = "mean"
"""One candidate more: the mean of all the others' log odds."""


def linear(strength: float = 0.02) -> Classifier:
    """Logistic regression on standardised features, strongly regularised."""
    return _pipeline(StandardScaler(), LogisticRegression(C=strength, class_weight="balanced", max_iter=2000))


def reduced(components: int = 24, strength: float = 0.05) -> Classifier:
    """Logistic regression on the principal components: for features that outnumber the examples."""
    return _Reduced(components, strength)


class _Reduced:
    """So many principal components, or as many as these rows have: a fold of a small set has few."""

    def __init__(self, components: int, strength: float) -> None:
        self._components, self._strength = components, strength
        self._made: Classifier | None = None

    def fit(self, x: Numbers, y: Rows) -> None:
        pca = PCA(min(self._components, len(x) - 1, x.shape[1]), whiten=True, random_state=0)
        self._made = _pipeline(StandardScaler(), pca, LogisticRegression(C=self._strength, class_weight="balanced", max_iter=2000))
        self._made.fit(x, y)

    def predict_proba(self, x: Numbers) -> Numbers:
        assert self._made is not None, "fit it first"
        return self._made.predict_proba(x)


def trees() -> Classifier:
    """Extremely randomised trees (Geurts et al. 2006)."""
    made: Classifier = ExtraTreesClassifier(150, min_samples_leaf=3, max_features=0.2, class_weight="balanced", random_state=0)
    return made


def boosting() -> Classifier:
    """Gradient boosting of shallow trees on histograms (LightGBM's way)."""
    made: Classifier = HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.08, max_leaf_nodes=6, min_samples_leaf=8, l2_regularization=5.0, max_features=0.2, random_state=0
    )
    return made


def _pipeline(*steps: object) -> Classifier:
    made: Classifier = make_pipeline(*steps)
    return made


def cross_validated(examples: Examples, candidates: Sequence[Candidate], progress: Progress, seeds: Sequence[int] = (0,)) -> HeldOut:
    """Judge each example by models of the other groups; each fold's candidate is the best of an inner cross-validation.

    With several seeds the folds are drawn anew, and what is said of an example is the mean.
    """
    logits, chosen = np.zeros(len(examples.truth)), Counter[str]()
    folds = [pair for seed in seeds for pair in split(examples, np.arange(len(examples.truth)), OUTER, seed)]
    for inside, outside in progress(folds, "cross-validation", len(folds)):
        best = choose(examples, inside, candidates)
        those = candidates if best == MEAN else [item for item in candidates if item.name == best]
        logits[outside] += np.mean([said(item, examples, inside, outside) for item in those], axis=0)
        chosen[best] += 1
    return HeldOut(logits / len(seeds), chosen)


def choose(examples: Examples, rows: Rows, candidates: Sequence[Candidate]) -> str:
    """The candidate with the highest average precision in a cross-validation among these rows, or MEAN."""
    if len(candidates) == 1:
        return candidates[0].name
    logits = {item.name: np.zeros(len(examples.truth)) for item in candidates}
    for inside, outside in split(examples, rows, INNER, 0):
        for item in candidates:
            logits[item.name][outside] = said(item, examples, inside, outside)
    logits[MEAN] = np.mean(list(logits.values()), axis=0)
    return max(logits, key=lambda name: average_precision(examples.truth[rows], logits[name][rows]))


def said(candidate: Candidate, examples: Examples, inside: Rows, outside: Rows) -> Numbers:
    """Log odds of the rows outside, by a model of those inside."""
    model = candidate.make()
    model.fit(examples.read(candidate.groups, inside), examples.truth[inside])
    p = model.predict_proba(examples.read(candidate.groups, outside))[:, 1]
    return np.asarray(np.clip(np.log(np.maximum(p, 1e-9) / np.maximum(1 - p, 1e-9)), -SURE, SURE), np.float64)


def split(examples: Examples, rows: Rows, folds: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Rows inside and outside, by turns; no group is on both sides, and every part inside has both labels."""
    groups = np.array(examples.groups)[rows]
    count = min(folds, len(set(groups)))
    parts = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(rows, examples.truth[rows], groups)
    return [(rows[inside], rows[outside]) for inside, outside in parts if len(set(examples.truth[rows[inside]])) == 2]
