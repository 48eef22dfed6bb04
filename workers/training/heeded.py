"""What people said of alerts, as windows to learn from: the embeddings kept beside each verdict, and what it says of them.

A verdict speaks of few kinds: that a fight was none says nothing about fire. What was no anomaly of any kind that the network knows is none
of all of them; a missed incident of a kind that it does not know can't be taught. No camera is on both sides of a fold.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from monitor import fusionparts
from monitor.errors import ConfigError, SourceError
from monitor.feedback import Example, Feedback, examples, from_lines
from monitor.fusionparts import Batch
from monitor.messages import Embedding, Modality, floats
from workers import features
from workers.feedback import beside
from workers.training import compose
from workers.training.bank import Tokens
from workers.training.compose import HOP_S, WINDOW_S, Banks, Examples, Numbers, Part
from workers.training.draws import Draws
from workers.training.rows import FOLDS

UNCLEAR: Final = 0.1
"""Seconds of a kind that are neither none nor enough."""
BANKS: Final = {Modality.PICTURE: "pictures", Modality.SOUND: "sounds", Modality.TEXT: "texts"}


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the run card."""

    sha256: str
    """Of the file of verdicts."""
    verdicts: int
    windows: int
    without_features: int
    """Verdicts whose embeddings the bus had not any more."""
    of_unknown_kinds: int
    """Missed incidents of kinds that the network does not judge."""
    with_other_models: int
    """Verdicts on embeddings of models that are not those of the rest."""


@dataclass(frozen=True, slots=True)
class Window:
    """One window, and what is said of it."""

    fold: int
    parts: Mapping[Modality, Part]
    says: Numbers
    """[K]: 1 where the verdict speaks of a kind."""


@dataclass(frozen=True, slots=True)
class Heeded:
    """All windows, and how large a share of what is taught they are."""

    banks: Banks
    windows: tuple[Window, ...]
    share: float
    counted: Counted

    def of(self, folds: frozenset[int]) -> tuple[Window, ...]:
        """Those of some folds."""
        return tuple(window for window in self.windows if window.fold in folds)


def read(path: Path, banks: Banks, share: float, layers: int = 0) -> Heeded:
    """The windows of a file of verdicts; the last `layers` numbers of a sound are what all layers of its encoder hear.

    Raises ConfigError if it can't be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}. Name the file of alerts.feedback") from error
    verdicts = from_lines(data)
    windows: list[Window] = []
    missing = unknown = other = 0
    for verdict, example in zip(verdicts, examples(verdicts), strict=True):
        says = _says(verdict, example, banks.kinds)
        if not says.any():
            unknown += 1
            continue
        try:
            items = features.read(beside(path, verdict))
        except SourceError:
            missing += 1
            continue
        found = list(_windows(items, verdict, example, says, banks, layers))
        other += not found
        windows += found
    counted = Counted(
        sha256=hashlib.sha256(data).hexdigest(),
        verdicts=len(verdicts),
        windows=len(windows),
        without_features=missing,
        of_unknown_kinds=unknown,
        with_other_models=other,
    )
    return Heeded(banks, tuple(windows), share, counted)


def _says(verdict: Feedback, example: Example, kinds: Sequence[str]) -> Numbers:
    """Of which kinds [K] a verdict speaks."""
    everything = example.label == "ordinary" and verdict.kind not in kinds
    return np.array([everything or kind in (verdict.kind, example.label) for kind in kinds], np.float32)


def _windows(
    items: Sequence[features.Item], verdict: Feedback, example: Example, says: Numbers, banks: Banks, layers: int
) -> Iterator[Window]:
    """The windows that end while it lasted; of something that was missed at one moment, those that hold it. Only of the banks' models."""
    tokens = {modality: _widened(features.tokens(items, modality), items, modality, banks, layers) for modality in Modality}
    if not all(_alike(tokens[modality], banks, name) for modality, name in BANKS.items()):
        return
    overlap = np.zeros(len(says), np.float32) if example.label == "ordinary" else WINDOW_S * says
    fold = zlib.crc32(verdict.camera.encode()) % FOLDS
    for end in np.arange(example.at + HOP_S, max(example.until, example.at + WINDOW_S - HOP_S) + 1e-3, HOP_S):
        parts = {modality: part for modality in Modality if (part := _part(tokens[modality], float(end), overlap)) is not None}
        if parts:
            yield Window(fold, parts, says)


def _widened(tokens: Tokens, items: Sequence[features.Item], modality: Modality, banks: Banks, layers: int) -> Tokens:
    """With what else the banks' tokens have: what all layers of a sound's encoder hear, and a place for flow; NaN where it isn't known."""
    if not len(tokens.times):
        return tokens
    if modality is Modality.SOUND and layers:
        grids = [floats(item.grid)[:layers] for item in items if isinstance(item, Embedding) and item.modality is modality]
        heard = np.stack([grid if len(grid) == layers else np.full(layers, np.nan, np.float32) for grid in grids])
        return replace(tokens, values=np.concatenate([tokens.values, heard], axis=1))
    if tokens.motion is not None and (missing := banks.pictures.motion.shape[1] - tokens.motion.shape[1]) > 0:
        return replace(tokens, motion=np.pad(tokens.motion, ((0, 0), (0, missing)), constant_values=np.nan))
    return tokens


def _alike(tokens: Tokens, banks: Banks, name: str) -> bool:
    bank = getattr(banks, name)
    motion = tokens.motion is None or tokens.motion.shape[1] == bank.motion.shape[1]
    return len(tokens.times) == 0 or (tokens.values.shape[1] == bank.values.shape[1] and motion)


def _part(tokens: Tokens, until: float, overlap: Numbers) -> Part | None:
    """What a window that ends then holds of a modality."""
    rows = np.flatnonzero((tokens.times < until) & (tokens.times > until - WINDOW_S - HOP_S / 2))
    if not len(rows):
        return None
    motion = None if tokens.motion is None else tokens.motion[rows]
    ages = (until - tokens.times[rows]).astype(np.float32)
    return Part(Tokens(-ages, tokens.values[rows], motion), ages, overlap)


@dataclass(slots=True)
class Heeding:
    """Draws windows as something else does, a share of them from what people said."""

    composer: Draws
    heeded: Heeded
    folds: frozenset[int]
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = self.composer.rng

    def draw(self, size: int) -> Examples:
        """As many windows; those that people spoke of are drawn again and again."""
        windows = self.heeded.of(self.folds)
        count = round(size * self.heeded.share) if windows else 0
        composed = self.composer.draw(size - count)
        if not count:
            return composed
        return joined(composed, taught([windows[int(n)] for n in self.rng.integers(len(windows), size=count)], self.heeded.banks))


def taught(windows: Sequence[Window], banks: Banks) -> Examples:
    """Windows as examples, in which only what was spoken of counts."""
    pictures, sounds, texts = ([window.parts.get(modality) for window in windows] for modality in BANKS)
    made = compose.examples(pictures, sounds, texts, banks)
    says = torch.from_numpy(np.stack([window.says for window in windows]))  # [B, K]
    unclear = torch.full((len(windows), len(Modality), says.shape[1]), UNCLEAR)  # nobody said what else is in them
    return Examples(made.batch, made.labels, made.counts * says, unclear)


def joined(first: Examples, second: Examples) -> Examples:
    """Two sets of examples as one, padded alike."""
    pairs = zip(first.batch, second.batch, strict=True)
    batch = Batch(*(_joined(a, b) for a, b in pairs))
    overlaps = None if first.overlaps is None or second.overlaps is None else torch.cat([first.overlaps, second.overlaps])
    labels, counts = torch.cat([first.labels, second.labels]), torch.cat([first.counts, second.counts])
    return Examples(batch, labels, counts, overlaps, first.captions)


def _joined(first: Any, second: Any) -> Any:
    """Tokens padded with nothing, tensors with NaN; of what is in neither there is nothing."""
    if first is None:
        return None
    if isinstance(first, torch.Tensor):
        return _stacked(first, second, math.nan)
    return fusionparts.Tokens(*(_stacked(a, b) for a, b in zip(first, second, strict=True)))


def _stacked(first: torch.Tensor, second: torch.Tensor, fill: float = 0.0) -> torch.Tensor:
    """[A, n, …] and [B, m, …] to [A + B, max(n, m), …]."""
    longest = max(first.shape[1], second.shape[1])
    return torch.cat([F.pad(each, (*(0, 0) * (each.ndim - 2), 0, longest - each.shape[1]), value=fill) for each in (first, second)])
