"""Multinomial logistic regression on standardised features, with balanced classes; in torch, by L-BFGS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from monitor.heads import Head

Numbers = npt.NDArray[np.floating]


def fit_head(
    values: Numbers, labels: Sequence[str], decay: float, *, classes: Sequence[str] = (), standardised: bool = True, rounds: int = 60
) -> Head:
    """Teach a head: features [n, d], a class each; `decay` times the squared weights, beside the mean loss of equally heavy classes."""
    names = tuple(classes) or tuple(sorted(set(labels)))
    width = values.shape[1]
    mean, deviation = (values.mean(0), values.std(0) + 1e-4) if standardised else (np.zeros(width), np.ones(width))
    x = torch.from_numpy(((values - mean) / deviation).astype(np.float32))  # [n, d]
    y = torch.tensor([names.index(label) for label in labels])  # [n]
    counts = torch.bincount(y, minlength=len(names)).float()
    heavy = torch.where(counts > 0, len(y) / (counts.clamp(min=1) * (counts > 0).sum()), 0.0)
    weight = torch.zeros(len(names), x.shape[1], requires_grad=True)  # [k, d]
    bias = torch.zeros(len(names), requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=rounds, history_size=8, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        said = torch.nn.functional.cross_entropy(x @ weight.T + bias, y, weight=heavy)
        total: torch.Tensor = said + decay * weight.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    scaled = weight.detach().numpy() / deviation.astype(np.float32)
    offset = bias.detach().numpy() - scaled @ mean.astype(np.float32)
    return Head(classes=names, weight=scaled.astype(np.float32), bias=offset.astype(np.float32))


class Block(NamedTuple):
    """Columns of the features that a head of their own reads."""

    columns: slice
    decay: float
    weight: float = 1.0
    """How much it counts beside the first block."""


def fit_blocks(values: Numbers, labels: Sequence[str], blocks: Sequence[Block], *, classes: Sequence[str] = ()) -> Head:
    """Teach a head for each block of columns, and add them up to one; many columns can't drown out a few that way.

    Logits of a block are brought to the first one's spread over the classes, among what taught them, and then count by its weight.
    """
    heads = [fit_head(values[:, block.columns], labels, block.decay, classes=classes) for block in blocks]
    return added(
        heads, blocks, [spread(head.logits(values[:, block.columns])) for head, block in zip(heads, blocks, strict=True)], values.shape[1]
    )


def spread(logits: Numbers) -> float:
    """Of logits [n, K] over the classes: the mean of their deviations."""
    return float(logits.std(1).mean())


def added(heads: Sequence[Head], blocks: Sequence[Block], spreads: Sequence[float], width: int) -> Head:
    """One head of features [n, width], of heads of the same classes for a block of columns each, whose logits have these spreads."""
    weight = np.zeros((len(heads[0].classes), width), np.float32)
    bias = np.zeros(len(heads[0].classes), np.float32)
    for head, block, own in zip(heads, blocks, spreads, strict=True):
        scale = np.float32(block.weight * spreads[0] / max(own, 1e-6))
        weight[:, block.columns] += scale * head.weight
        bias += scale * head.bias
    return Head(classes=heads[0].classes, weight=weight, bias=bias)


def logistic(truth: npt.NDArray[np.bool_], inputs: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Weights of some inputs [n, m], and an offset, that make them a probability: Platt 1999 with his smoothed targets."""
    positives, negatives = int(truth.sum()), int((~truth).sum())
    target = torch.from_numpy(np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2)))
    x = torch.from_numpy(np.hstack([inputs, np.ones((len(inputs), 1))]))  # [n, m + 1]
    weights = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        total = torch.nn.functional.binary_cross_entropy_with_logits(x @ weights, target) + 1e-6 * weights.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return tuple(float(weight) for weight in weights.detach())
