"""Teaching the head that tells what is meant by what is said: sentences as written and as overheard, by families of phrases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.heads import Head
from monitor.intent import INTENTS, KINDS, LEAST, log_odds, text_features
from monitor.language import TextEncoder
from workers.training.figures import average_precision, calibration_error
from workers.training.intents import Phrase
from workers.training.linear import fit_head, logistic
from workers.training.overheard import Piece
from workers.training.rows import FOLDS
from workers.training.texts import recognised

DECAY: Final = 1e-4
ORDINARY: Final = "ordinary"
MOST: Final = 0.02
"""Share of the ordinary sentences that may raise an alarm."""
THRESHOLDS: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99)

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sayings:
    """Utterances to learn from [n]."""

    features: npt.NDArray[np.float32]
    """[n, d]."""
    intents: tuple[str, ...]
    folds: npt.NDArray[np.int64]
    confidences: Numbers
    spoken: npt.NDArray[np.bool_]
    """Whether a recogniser wrote them."""
    english: npt.NDArray[np.bool_]


def sayings(phrases: Sequence[Phrase], pieces: Sequence[Piece], encoder: TextEncoder, seed: int) -> Sayings:
    """Each sentence as written, with an error as recognisers make them, and in the pieces that were overheard of it."""
    rng = np.random.default_rng(seed)
    by_text = {phrase.text: phrase for phrase in phrases}
    found = [(phrase.text, phrase, 1.0, False) for phrase in phrases]
    found += [(recognised(phrase.text, rng, errors=True), phrase, 1.0, False) for phrase in phrases]
    found += [(piece.heard, by_text[piece.text], piece.confidence, True) for piece in pieces if piece.text in by_text]
    texts = [text for text, *_ in found]
    return Sayings(
        text_features(encoder.features(texts), texts),
        tuple(phrase.intent for _, phrase, *_ in found),
        np.array([phrase.fold for _, phrase, *_ in found]),
        np.array([confidence for _, _, confidence, _ in found]),
        np.array([spoken for *_, spoken in found]),
        np.array([phrase.language == "en" for _, phrase, *_ in found]),
    )


def teach(known: Sayings, folds: frozenset[int]) -> Head:
    """A head from the sayings of some folds."""
    rows = np.flatnonzero(np.isin(known.folds, sorted(folds)))
    return fit_head(known.features[rows], [known.intents[n] for n in rows], DECAY, classes=INTENTS, standardised=False)


def held_out(known: Sayings) -> dict[str, Numbers]:
    """Log-odds of each kind [n], each saying's by a head that was not taught its fold."""
    odds = {kind: np.zeros(len(known.intents)) for kind in KINDS}
    for fold in range(FOLDS):
        head = teach(known, frozenset(range(FOLDS)) - {fold})
        rows = known.folds == fold
        for kind, values in odds.items():
            values[rows] = log_odds(head, known.features[rows], kind)
    return odds


def calibrate(known: Sayings, odds: dict[str, Numbers]) -> dict[str, tuple[float, ...]]:
    """By kind: slope of the log-odds, weight of the recogniser's log-confidence, offset."""
    return {
        kind: _calibrated(_truth(known, kind), values, np.log(np.clip(known.confidences, LEAST, None))) for kind, values in odds.items()
    }


def _calibrated(truth: npt.NDArray[np.bool_], odds: Numbers, certain: Numbers) -> tuple[float, ...]:
    """Where less confidence would make a meaning more probable, it is left out: that is how the sample fell, no knowledge."""
    slope, weight, offset = logistic(truth, np.stack([odds, certain], axis=1))
    if weight >= 0:
        return slope, weight, offset
    slope, offset = logistic(truth, odds[:, None])
    return slope, 0.0, offset


def figures(known: Sayings, odds: dict[str, Numbers], calibration: dict[str, tuple[float, ...]]) -> dict[str, float]:
    """Of what was overheard of unseen families: average precision, calibration error, and where a rule could begin."""
    found: dict[str, float] = {}
    for kind, values in odds.items():
        slope, weight, offset = calibration[kind]
        said = 1 / (1 + np.exp(-(slope * values + weight * np.log(np.clip(known.confidences, LEAST, None)) + offset)))
        truth, calm = _truth(known, kind), np.array([intent == ORDINARY for intent in known.intents])
        written, heard = ~known.spoken & known.english, known.spoken & known.english
        for name, rows in (("written", written), ("overheard", heard), ("written_abroad", ~known.spoken & ~known.english)):
            clear = rows & (truth | calm)
            found[f"cv_{kind}_{name}_ap"] = average_precision(truth[clear], said[clear])
        found[f"cv_{kind}_calibration_error"] = calibration_error(truth[known.spoken], said[known.spoken])
        raised = {at: float(np.mean(said[calm & known.spoken] >= at)) for at in THRESHOLDS}
        raise_at = next((at for at in THRESHOLDS if raised[at] <= MOST), THRESHOLDS[-1])
        found[f"cv_{kind}_raise_at"] = raise_at
        found[f"cv_{kind}_false"] = raised[raise_at]
        found[f"cv_{kind}_found"] = float(np.mean(said[truth & known.spoken] >= raise_at))
    return found


def _truth(known: Sayings, kind: str) -> npt.NDArray[np.bool_]:
    return np.array([intent in KINDS[kind] for intent in known.intents])
