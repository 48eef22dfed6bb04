"""From windows to a network: AdamW, a warm-up and a cosine, and the running average of the weights that is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F  # noqa: N812 - torch's own name for it
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from monitor.fusion import FusionConfig
from monitor.fusionnet import FusionNet, network
from monitor.fusionparts import Standard, movement
from workers.training.bank import Bank
from workers.training.compose import Banks, Composer, Examples

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How it is taught. The number of steps is fixed beforehand: nothing is stopped by a look at what is held out."""

    steps: int = 300
    batch: int = 96
    rate: float = 1e-3
    decay: float = 0.3
    average: float = 0.98
    warm_up: int = 25


def fit(banks: Banks, folds: frozenset[int], cfg: FusionConfig, recipe: Recipe, seed: int, progress: Progress) -> FusionNet:
    """Teach a new network on some folds."""
    torch.manual_seed(seed)
    composer = Composer(banks, folds, seed)
    net = standardised(network(cfg), banks, folds).train()
    running = get_ema_multi_avg_fn(recipe.average)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(net, multi_avg_fn=running, use_buffers=True)
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _pace(step, recipe))
    for _ in progress(range(recipe.steps), f"folds {sorted(folds)}", recipe.steps):
        optimiser.zero_grad()
        loss(net, composer.draw(recipe.batch)).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        averaged.update_parameters(net)
    kept = network(cfg)
    kept.load_state_dict(averaged.module.state_dict())
    return kept.eval()


def loss(net: FusionNet, examples: Examples) -> torch.Tensor:
    """Binary cross-entropy, over the kinds that count in each window."""
    each = F.binary_cross_entropy_with_logits(net(examples.batch), examples.labels, reduction="none")  # [B, K]
    return (each * examples.counts).sum() / examples.counts.sum().clamp(min=1)


def _pace(step: int, recipe: Recipe) -> float:
    done = (step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
    return min(1.0, (step + 1) / recipe.warm_up, 0.5 * (1 + math.cos(math.pi * max(0.0, done))) + 0.01)


def standardised(net: FusionNet, banks: Banks, folds: frozenset[int]) -> FusionNet:
    """Set the network's normalisation to the mean and deviation of the folds' tokens."""
    _measure(net.pictures.change.standard, _changes(banks.pictures, folds))
    _measure(net.pictures.motion.standard, movement(_rows(banks.pictures, banks.pictures.motion, folds)))
    _measure(net.sounds.standard, _rows(banks.sounds, banks.sounds.values, folds))
    _measure(net.texts.standard, _rows(banks.texts, banks.texts.values, folds))
    return net


def _rows(bank: Bank, values: npt.NDArray[np.float16], folds: frozenset[int]) -> torch.Tensor:
    rows = np.concatenate([np.arange(track.begin, track.end) for track in bank.tracks if track.fold in folds])
    return torch.from_numpy(values[rows].astype(np.float32))


def _changes(bank: Bank, folds: frozenset[int]) -> torch.Tensor:
    """From each token to the next of its track."""
    values = [bank.tokens(track).values for track in bank.tracks if track.fold in folds]
    return torch.from_numpy(np.concatenate([np.diff(rows, axis=0) for rows in values]))


def _measure(standard: Standard, tokens: torch.Tensor) -> None:
    those = tokens[~tokens.isnan().any(1)]
    standard.mean.copy_(those.mean(0))
    standard.deviation.copy_(those.std(0).clamp(min=1e-3))


@torch.inference_mode()
def logits(net: FusionNet, examples: Examples, size: int = 512) -> torch.Tensor:
    """The network's raw logits [B, K]."""
    count = len(examples.labels)
    chunks = [net(examples.batch.map(lambda tensor, at=at: tensor[at : at + size])) for at in range(0, count, size)]  # type: ignore[misc]
    return torch.cat(chunks)
