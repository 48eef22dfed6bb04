"""Fitting `monitor.anomaly` on composed streams whose clips may be shipped, by networks that these clips did not teach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch

from monitor import anomaly
from monitor.anomaly import Anomaly, Numbers, logit
from monitor.config import Config
from monitor.models import locate
from workers.composing import heldout, prepare
from workers.composing.films import Order
from workers.composing.judge import FUSED, VIEWS, Flags, Judged, judge
from workers.composing.perceive import windows
from workers.composing.sources import Split
from workers.training.figures import average_precision, calibration_error

STREAMS: Final = 12
MINUTES: Final = 5.0
SEEDS: Final[Mapping[Split, int]] = {Split.TRAIN: 11, Split.VAL: 1}
ROUNDS: Final = 400
PRIOR: Final = 2e-3
"""Weight of the distance from the kinds' own calibration, a parameter: few streams are no reason to leave it."""
SINGLE: Final = ("picture", "sound", "text")


def order(data: Path, split: Split, *, shippable: bool, streams: int = STREAMS, minutes: float = MINUTES) -> Order:
    """The streams that teach (train's, dense) or that calibrate (val's): the same for whoever asks, so that they are made once."""
    dense = split is Split.TRAIN
    return Order(data=data, out=Path(), split=split, seed=SEEDS[split], minutes=minutes, streams=streams, dense=dense, shippable=shippable)


def examples(order: Order, settings: Config) -> list[Judged]:
    """The windows of composed streams with what is in them (`on`, where it `counts`), judged by a network that they did not teach."""
    ready = prepare.ready(order, settings)
    streams = prepare.streams(ready, settings)
    judges = heldout.judges(order.data, order.split, [truth for truth, _ in streams], settings)
    return [judge(truth, windows(items, settings), judges, settings) for truth, items in streams]


def calibrate(
    data: Path, out: Path, settings: Config, *, shippable: bool, streams: int = STREAMS, minutes: float = MINUTES
) -> dict[str, float]:
    """Fit the calibration of the fusion network on so many val streams, of clips that may be shipped or of all, and write it beside it.

    Figures are cross-validated by stream.
    """
    judged = examples(order(data, Split.VAL, shippable=shippable, streams=streams, minutes=minutes), settings)
    located = locate(settings.models.fusion)
    fitted, figures = fit(judged, located.version), cross_validate(judged, located.version)
    sources = sorted({source.rsplit("/", 1)[0] for each in judged for source in each.timeline.sources if ": " not in source})
    licence = "Apache-2.0" if shippable else "research only"
    rounded = {key: round(value, 4) for key, value in figures.items()}
    anomaly.save(out, msgspec.structs.replace(fitted, licence=licence, data=tuple(sources), figures=rounded), anomaly.of(located.name))
    return figures


def fit(judged: Sequence[Judged], network: str) -> Anomaly:
    """A slope and an offset of each kind and a leak, by maximum likelihood with a weak prior at the kinds' own calibration."""
    return combined(*gathered(judged), network)


def combined(kinds: tuple[str, ...], given: Numbers, truth: Flags, network: str) -> Anomaly:
    """The same from the kinds' probabilities [n, K] and whether an incident is on [n].

    No offset is above 0: that what streams hold is told apart well is no reason to believe an even chance elsewhere, where other things
    sound and look alike.
    """
    logits, here = torch.from_numpy(logit(given)), torch.from_numpy(given > 0)
    target = torch.from_numpy(truth.astype(np.float64))
    slopes, free = (torch.zeros(len(kinds), dtype=torch.float64, requires_grad=True) for _ in range(2))
    leak = torch.tensor(-3.0, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([slopes, free, leak], lr=0.05)
    for _ in range(ROUNDS):
        optimiser.zero_grad()
        offsets = -torch.nn.functional.softplus(-free)
        absent = -torch.nn.functional.softplus(slopes.exp() * logits + offsets) * here  # log(1 - p) of each kind [n, K]
        none = absent.sum(1) - torch.nn.functional.softplus(leak)  # [n]
        some = torch.log((-torch.expm1(none)).clamp(min=1e-9))
        likelihood = torch.where(target > 0, some, none).mean()
        prior = PRIOR * (slopes.square().sum() + 0.1 * free.square().sum())
        (prior - likelihood).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return Anomaly(
        network=network,
        kinds=kinds,
        slopes=tuple(round(value, 5) for value in slopes.exp().tolist()),
        offsets=tuple(round(-value, 5) for value in torch.nn.functional.softplus(-free).tolist()),
        leak=round(leak.sigmoid().item(), 6),
    )


def gathered(judged: Sequence[Judged], view: str = FUSED) -> tuple[tuple[str, ...], Numbers, Flags]:
    """Windows of all streams that count: the kinds, their probabilities [n, K], and whether an incident is on [n]."""
    kinds = tuple(sorted({kind for each in judged for kind in each.kinds}))
    rows = []
    for each in judged:
        placed = np.zeros((len(each.on), len(kinds)))
        placed[:, [kinds.index(kind) for kind in each.kinds]] = each.said[view]
        rows.append(placed[each.counts])
    return kinds, np.concatenate(rows), np.concatenate([each.on[each.counts] for each in judged])


def cross_validate(judged: Sequence[Judged], network: str) -> dict[str, float]:
    """Average precision of the anomaly, of the highest kind, and of each modality; each stream is judged by a fit on the others."""
    said: dict[str, list[Numbers]] = {view: [] for view in VIEWS}
    highest: list[Numbers] = []
    for left_out, each in enumerate(judged):
        fitted = fit([other for number, other in enumerate(judged) if number != left_out], network)
        for view in VIEWS:
            said[view].append(fitted(each.kinds, each.said[view])[each.counts])
        highest.append(each.said[FUSED].max(1)[each.counts])
    truth = np.concatenate([each.on[each.counts] for each in judged])
    found = {f"cv_ap_{view}": average_precision(truth, np.concatenate(said[view])) for view in (FUSED, *SINGLE)}
    found["cv_ap_highest_kind"] = average_precision(truth, np.concatenate(highest))
    found["cv_ece"] = calibration_error(truth, np.concatenate(said[FUSED]))
    found["cv_ece_highest_kind"] = calibration_error(truth, np.concatenate(highest))
    return found | {"windows": float(len(truth)), "incident_share": float(truth.mean())}
