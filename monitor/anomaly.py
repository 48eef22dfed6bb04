"""One probability that something is wrong, from the probabilities of each kind.

A noisy-or (Pearl 1988): each kind's logit is calibrated anew, by a slope and an offset, for how far it can be believed among
all others; the anomaly is absent when each of them is, and nothing else leaks in. A kind that nothing is known of counts as absent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from monitor.errors import ModelError
from monitor.messages import Judgement, Modality, Reasons
from monitor.models import Located

NAME: Final = "anomaly-default"
KIND: Final = "anomaly"
CERTAIN: Final = 1e-4
"""Probabilities nearer to 0 and 1 than this are taken for this near."""

Numbers = npt.NDArray[np.float64]


class Anomaly(msgspec.Struct, frozen=True, kw_only=True):
    """The calibration, and what it was made for."""

    network: str
    """Name and hash of the weights whose probabilities it reads; of others it knows nothing."""
    kinds: tuple[str, ...]
    slopes: tuple[float, ...]
    offsets: tuple[float, ...]
    leak: float
    """The probability of an incident when no kind says anything."""
    licence: str = ""
    data: tuple[str, ...] = ()
    """What it was fitted on."""
    figures: dict[str, float] = {}

    def __call__(self, kinds: Sequence[str], probabilities: npt.ArrayLike) -> Numbers:
        """The probability of an anomaly [n] from those of the kinds [n, K]; kinds that were not fitted are not read."""
        given = np.asarray(probabilities, np.float64)
        absent = np.full(len(given), 1 - self.leak)
        for kind, slope, offset in zip(self.kinds, self.slopes, self.offsets, strict=True):
            if kind in kinds:
                p = given[:, list(kinds).index(kind)]
                absent *= np.where(p > 0, 1 - sigmoid(slope * logit(p) + offset), 1.0)
        anomaly: Numbers = 1 - absent
        return anomaly

    def judged(self, judgements: Sequence[Judgement]) -> Judgement:
        """What those of the kinds come to in one window; without any that it knows, what leaks in.

        It has the reasons of the kind that makes it most probable. A modality's share is that of the kinds which it speaks for: these
        share the probability by how much each takes away from the logarithm of the anomaly's absence.
        """
        known = [each for each in judgements if each.kind in self.kinds and each.probability > 0]
        odds = logit([each.probability for each in known])
        slopes, offsets = (np.array([column[self.kinds.index(each.kind)] for each in known]) for column in (self.slopes, self.offsets))
        weights = np.logaddexp(0, slopes * odds + offsets)  # [kinds], -log(1 - p)
        total = float(weights.sum()) - math.log1p(-self.leak)
        probability = -math.expm1(-total)
        parts: dict[Modality, float] = {}
        for each, weight in zip(known, weights.tolist(), strict=True):
            for modality, part in each.parts.items():
                parts[modality] = parts.get(modality, 0.0) + part / each.probability * weight / total * probability
        if not known:
            return Judgement(kind=KIND, probability=probability)
        strongest = known[int(weights.argmax())]
        return Judgement(kind=KIND, probability=probability, parts=parts, reasons=_of(strongest), likely=strongest.kind)

    def added(self, judgements: Sequence[Judgement]) -> tuple[Judgement, ...]:
        """The judgements and the anomaly that they make; in place of a network's own, which knows no other head."""
        others = tuple(each for each in judgements if each.kind != KIND)
        return (*others, self.judged(others))


def _of(strongest: Judgement) -> Reasons | None:
    """A kind's reasons as those of the anomaly."""
    given = strongest.reasons
    if given is None:
        return None
    kind = strongest.kind.replace("_", " ")
    return msgspec.structs.replace(given, text=f"{kind}: {given.text}" if given.text else kind)


def logit(probabilities: npt.ArrayLike) -> Numbers:
    """Log odds, of what is not quite certain."""
    p = np.clip(np.asarray(probabilities, np.float64), CERTAIN, 1 - CERTAIN)
    odds: Numbers = np.log(p / (1 - p))
    return odds


def sigmoid(values: Any) -> Numbers:
    """Log odds to probabilities."""
    result: Numbers = 1 / (1 + np.exp(-values))
    return result


def of(fusion: str) -> str:
    """The name of the calibration that belongs to a fusion network: anomaly-default to fusion-default."""
    return f"anomaly-{fusion.removeprefix('fusion-')}"


def load(folder: Path, name: str = NAME) -> Anomaly:
    """Read the calibration beside the weights. Raises ModelError if it is missing or is none."""
    path = folder / f"{name}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Anomaly)
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(
            f"{path}: no calibration can be read: {error}. Install scenewatch again, or fit it: scenewatch calibrate"
        ) from error


def fitted(located: Located) -> Anomaly | None:
    """The calibration beside a fusion network's weights; None if there is none, or it was made for other weights."""
    name = of(located.name)
    folder = located.weights.parent
    known = load(folder, name) if (folder / f"{name}.json").is_file() else None
    return known if known is not None and known.network == located.version else None


def save(folder: Path, anomaly: Anomaly, name: str = NAME) -> None:
    """Write a calibration."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(anomaly), indent=1) + b"\n")
