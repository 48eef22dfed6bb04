"""`scenewatch eval fusion-kinds`: the four ways to fuse, taught alike and judged on what they were not taught on, in one table."""

from __future__ import annotations

from typing import Final, get_args

import numpy as np
import torch
from rich.progress import track

from monitor.config import Models
from monitor.fusion import FusionConfig, Kind
from monitor.fusionnet import network
from monitor.hearing import sound_encoder
from monitor.language import text_encoder
from monitor.vision import picture_encoder
from workers.evaluate import Task
from workers.evaluate.interval import with_interval
from workers.training.compose import Banks
from workers.training.crossing import HeldOut, cross_validate
from workers.training.figures import average_precision
from workers.training.fit import Recipe
from workers.training.pictures import picture_bank
from workers.training.rows import FOLDS
from workers.training.sounds import sound_bank
from workers.training.texts import text_bank

BLOCKS: Final = 20
"""Composed windows share recordings; bounds are drawn over so many blocks of each fold's windows, not over single ones."""
ROUNDS: Final = 200


def fusion_kinds(task: Task) -> dict[str, float]:
    """Mean average precision over the kinds of incident, cross-validated on composed windows, and parameters of each way to fuse."""
    banks = features(task)
    figures: dict[str, float] = {}
    for kind in get_args(Kind):
        cfg = FusionConfig(motion=banks.pictures.motion.shape[1], kind=kind)
        held = cross_validate(banks, cfg, Recipe(), 0, track)
        figures |= {f"{kind}_parameters": float(sum(parameter.numel() for parameter in network(cfg).parameters())), **judged(kind, held)}
    return figures


def features(task: Task) -> Banks:
    """What the shipped weights learn from, out of the cache where it is there. Raises SourceError without the data."""
    models: Models = task.config.models
    return Banks(
        picture_bank(task.data, picture_encoder(models), 0, track),
        sound_bank(task.data, sound_encoder(models), 0, track),
        text_bank(text_encoder(models), 0),
    )


def judged(name: str, held: HeldOut) -> dict[str, float]:
    """Average precision of each kind of incident, and their mean with its bounds."""
    said, labels, counts = (torch.cat(rows).numpy() for rows in (held.logits, held.labels, held.counts))

    def precision(rows: np.ndarray[tuple[int], np.dtype[np.int64]], k: int) -> float:
        known = rows[counts[rows, k] > 0]
        return average_precision(labels[known, k], said[known, k])

    def mean(rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
        return float(np.mean([precision(rows, k) for k in range(len(held.kinds))]))

    everything = np.arange(len(said))
    blocks = [int(number) for number in everything * BLOCKS * FOLDS // len(said)]
    return {
        **with_interval(f"{name}_map", mean, blocks, rounds=ROUNDS),
        **{f"{name}_{kind}_ap": precision(everything, k) for k, kind in enumerate(held.kinds)},
    }
