"""From windows to a network: AdamW, a warm-up and a cosine, and the running average of the weights that is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F  # noqa: N812 - torch's own name for it
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from monitor.fusion import FusionConfig
from monitor.fusionnet import FusionNet, network
from monitor.fusionparts import Projection, Standard, movement
from workers.training.bank import Bank
from workers.training.checkpoint import Checkpoint, Curves, State
from workers.training.compose import Banks, Composer, Examples
from workers.training.contrast import contrast
from workers.training.draws import Draws
from workers.training.heeded import Heeded, Heeding

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How it is taught. The number of steps is fixed beforehand: nothing is stopped by a look at what is held out, unless asked."""

    steps: int = 300
    batch: int = 96
    rate: float = 1e-3
    decay: float = 0.3
    average: float = 0.98
    warm_up: int = 25
    focal: float = 0.0
    """Lin et al. 2017 (arXiv 1708.02002): 0 is plain cross-entropy."""
    weighted: bool = False
    """Each kind's windows with it count as much as those without."""
    joint: float = 0.0
    """Weight of the joint space's contrastive loss (`workers.training.contrast`) beside the kinds' cross-entropy; 0: it is not taught."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Looks at windows that teach nothing, and ends when nothing gets better."""

    examples: Examples
    every: int
    patience: int


def fit(
    banks: Banks,
    folds: frozenset[int],
    cfg: FusionConfig,
    recipe: Recipe,
    seed: int,
    progress: Progress,
    *,
    watch: Watch | None = None,
    checkpoint: Checkpoint | None = None,
    curves: Curves | None = None,
    heeded: Heeded | None = None,
) -> FusionNet:
    """Teach a new network on some folds; on a GPU where there is one, in bfloat16 but for the weights.

    A share of the windows is what people said of alerts, if that is given. `curves` is filled with how the loss went. With a checkpoint,
    an interrupted training goes on as if it had not been.
    """
    torch.manual_seed(seed)
    composer = Composer(banks, folds, seed) if heeded is None else Heeding(Composer(banks, folds, seed), heeded, folds)
    net = standardised(network(cfg), banks, folds)
    return learn(net, composer, recipe, f"folds {sorted(folds)}", progress, watch=watch, checkpoint=checkpoint, curves=curves)


def learn(
    net: FusionNet,
    composer: Draws,
    recipe: Recipe,
    name: str,
    progress: Progress,
    *,
    watch: Watch | None = None,
    checkpoint: Checkpoint | None = None,
    curves: Curves | None = None,
) -> FusionNet:
    """Teach a network, whose features are standardised, by windows that somebody draws; a new one with the running average is given."""
    cfg, device = net.cfg, torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = net.to(device).train()
    running = get_ema_multi_avg_fn(recipe.average)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(net, multi_avg_fn=running, use_buffers=True)
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    state = State(net, averaged, optimiser, composer.rng, curves=curves or Curves())
    if checkpoint:
        checkpoint.resume(state)
    for step in progress(range(state.step, recipe.steps), name, recipe.steps - state.step):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * _pace(step, recipe)
        optimiser.zero_grad()
        taught = composer.draw(recipe.batch).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            lost = loss(net, taught, recipe)
        lost.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        averaged.update_parameters(net)
        state.step = step + 1
        state.curves.taught.append(float(lost.detach()))
        if watch and state.step % watch.every == 0 and _look(state, watch, device):
            break
        if checkpoint and state.step % checkpoint.every == 0:
            checkpoint.keep(state)
    if curves is not None:
        curves.taught, curves.looks, curves.held_out = state.curves.taught, state.curves.looks, state.curves.held_out
    kept = network(cfg)
    kept.load_state_dict(state.best or averaged.module.state_dict())
    return kept.eval()


@torch.no_grad()
def _look(state: State, watch: Watch, device: torch.device) -> bool:
    """Judge the averaged weights by the held-out windows, keep them if they are the best so far, and say whether to stop."""
    module = cast("FusionNet", state.averaged.module)
    module.eval()
    state.curves.looks.append(state.step)
    state.curves.held_out.append(float(loss(module, watch.examples.to(device), Recipe())))
    module.train()
    best = state.curves.held_out.index(min(state.curves.held_out))
    if best == len(state.curves.held_out) - 1:
        state.best = {name: value.clone().cpu() for name, value in module.state_dict().items()}
    return len(state.curves.held_out) - 1 - best >= watch.patience


def loss(net: FusionNet, examples: Examples, recipe: Recipe) -> torch.Tensor:
    """What the recipe makes of the heads' losses: the kinds', and the joint space's if that is taught."""
    if not recipe.joint or examples.captions is None or examples.overlaps is None:
        return wrong(net(examples.batch), examples, recipe)
    said, placed = net.both(examples.batch)
    told, scale = net.embed_text(examples.captions.vectors), net.space().scale()
    apart = contrast(placed, told, examples.captions, examples.overlaps, examples.batch.present(), scale)
    return wrong(said, examples, recipe) + recipe.joint * apart


def wrong(logits: torch.Tensor, examples: Examples, recipe: Recipe) -> torch.Tensor:
    """Binary cross-entropy of logits [B, K] over the kinds that count in each window; focal or weighted where the recipe says so."""
    said = logits.float()  # [B, K]
    each = F.binary_cross_entropy_with_logits(said, examples.labels, reduction="none")  # [B, K]
    counts = examples.counts
    if recipe.focal:
        each = each * (1 - torch.exp(-each)) ** recipe.focal  # exp(-each) is the probability of what is true
    if recipe.weighted:
        counts = counts * balance(examples)
    return (each * counts).sum() / counts.sum().clamp(min=1)


def balance(examples: Examples) -> torch.Tensor:
    """Weights [B, K] by which the windows with a kind count as much as those without, within a batch."""
    shares = (examples.labels * examples.counts).sum(0) / examples.counts.sum(0).clamp(min=1)  # [K]
    shares = shares.clamp(0.02, 0.98)
    return torch.where(examples.labels > 0, 0.5 / shares, 0.5 / (1 - shares))


def _pace(step: int, recipe: Recipe) -> float:
    done = (step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
    return min(1.0, (step + 1) / recipe.warm_up, 0.5 * (1 + math.cos(math.pi * max(0.0, done))) + 0.01)


def standardised(net: FusionNet, banks: Banks, folds: frozenset[int]) -> FusionNet:
    """Set the network's normalisation to the mean and deviation of the folds' tokens."""
    measure(net.pictures.change.standard, _changes(banks.pictures, folds))
    measure(net.pictures.motion.standard, movement(_rows(banks.pictures, banks.pictures.motion, folds)))
    if isinstance(net.sounds, Projection):  # these sounds come without their layers
        measure(net.sounds.standard, _rows(banks.sounds, banks.sounds.values, folds))
    measure(net.texts.standard, _rows(banks.texts, banks.texts.values, folds))
    return net


def _rows(bank: Bank, values: npt.NDArray[np.float16], folds: frozenset[int]) -> torch.Tensor:
    rows = np.concatenate([np.arange(track.begin, track.end) for track in bank.tracks if track.fold in folds])
    return torch.from_numpy(values[rows].astype(np.float32))


def _changes(bank: Bank, folds: frozenset[int]) -> torch.Tensor:
    """From each token to the next of its track."""
    values = [bank.tokens(track).values for track in bank.tracks if track.fold in folds]
    return torch.from_numpy(np.concatenate([np.diff(rows, axis=0) for rows in values]))


def measure(standard: Standard, tokens: torch.Tensor) -> None:
    """Set a normalisation to the mean and deviation of tokens [n, features]; those with something unknown are left out."""
    those = tokens[~tokens.isnan().any(1)]
    standard.mean.copy_(those.mean(0))
    standard.deviation.copy_(those.std(0).clamp(min=1e-3))


@torch.inference_mode()
def logits(net: FusionNet, examples: Examples, size: int = 512) -> torch.Tensor:
    """The network's raw logits [B, K]."""
    count = len(examples.labels)
    chunks = [net(examples.batch.map(lambda tensor, at=at: tensor[at : at + size])) for at in range(0, count, size)]  # type: ignore[misc]
    return torch.cat(chunks)
