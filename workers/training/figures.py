"""Figures of a classifier: average precision, area under the ROC curve, and Platt's calibration."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


def average_precision(truth: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Area under precision over recall, as a sum over the thresholds (equal scores are one threshold); 0 without a positive."""
    y, s = np.asarray(truth, np.float64), np.asarray(scores, np.float64)
    order = np.argsort(-s, kind="stable")
    last = np.r_[np.diff(s[order]) != 0, True]
    hits = np.cumsum(y[order])[last]
    if not hits.size or not hits[-1]:
        return 0.0
    precision = hits / (np.flatnonzero(last) + 1)
    return float(np.sum(np.diff(np.r_[0.0, hits]) * precision) / hits[-1])


def area_under_roc(truth: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Probability that a positive scores higher than a negative, ties half (Mann-Whitney); 0.5 without either."""
    y, s = np.asarray(truth, np.bool_), np.asarray(scores, np.float64)
    positives, negatives = int(y.sum()), int((~y).sum())
    if not positives or not negatives:
        return 0.5
    _, inverse, counts = np.unique(s, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[y].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def platt(truth: npt.ArrayLike, logits: npt.ArrayLike, rounds: int = 100) -> tuple[float, float]:
    """Slope and offset that make logits probabilities: Platt 1999 with his smoothed targets, by Newton's method (Lin et al. 2007)."""
    y, x = np.asarray(truth, np.float64), np.asarray(logits, np.float64)
    positives, negatives = y.sum(), (1 - y).sum()
    target = np.where(y > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    design = np.stack([x, np.ones_like(x)], axis=1)  # [n, 2]
    weights = np.array([1.0, 0.0])
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (p - target)
        hessian = (design * (p * (1 - p) + 1e-9)[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        weights = weights - np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-8:
            break
    return max(float(weights[0]), 0.05), float(weights[1])


def calibration_error(truth: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = 10) -> float:
    """Mean distance of probability and frequency over equally wide bins, weighted by what is in them (Guo et al. 2017)."""
    y, p = np.asarray(truth, np.float64), np.asarray(probabilities, np.float64)
    places = np.minimum((p * bins).astype(int), bins - 1)
    gaps = [abs(y[places == place].mean() - p[places == place].mean()) * (places == place).mean() for place in np.unique(places)]
    return float(np.sum(gaps))
