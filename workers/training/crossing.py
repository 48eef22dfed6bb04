"""Cross-validation: each fold is judged by a network that was taught on the others, and these judgements calibrate the shipped one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch

from monitor.fusion import FusionConfig
from monitor.fusionnet import FusionNet
from monitor.messages import Modality
from workers.training.bank import Bank, Track
from workers.training.compose import Banks, Composer, alone, passes
from workers.training.figures import area_under_roc, average_precision, calibration_error, platt
from workers.training.fit import Recipe, fit, logits
from workers.training.heeded import Heeded
from workers.training.rows import FOLDS

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]

VALIDATION: Final = 3000
"""Composed windows of each held-out fold, for the calibration."""


MOST: Final = 0.02
"""Share of the ordinary recordings that may raise an alarm."""
THRESHOLDS: Final = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99)

Said = tuple[list[float], Track]


@dataclass(frozen=True, slots=True)
class Judged:
    """A held-out track: the logits of each of its windows [n, K], in order."""

    track: Track
    logits: torch.Tensor


@dataclass(slots=True)
class HeldOut:
    """All judgements of networks on what they were not taught."""

    known_by: Mapping[str, tuple[Modality, ...]]
    logits: list[torch.Tensor] = field(default_factory=list)
    labels: list[torch.Tensor] = field(default_factory=list)
    counts: list[torch.Tensor] = field(default_factory=list)
    pictures: list[Judged] = field(default_factory=list)
    sounds: list[Judged] = field(default_factory=list)
    texts: list[Judged] = field(default_factory=list)

    @property
    def kinds(self) -> tuple[str, ...]:
        """In the order of the logits."""
        return tuple(self.known_by)


def cross_validate(
    banks: Banks, cfg: FusionConfig, recipe: Recipe, seed: int, progress: Progress, folds: int = FOLDS, heeded: Heeded | None = None
) -> HeldOut:
    """Teach as many networks as there are folds, and gather what each says of the fold that it did not see; fewer folds are quicker."""
    held = HeldOut(banks.known_by)
    for fold in range(folds):
        net = fit(banks, frozenset(range(FOLDS)) - {fold}, cfg, recipe, seed + fold, progress, heeded=heeded)
        composed = Composer(banks, frozenset({fold}), seed + 100 + fold).draw(VALIDATION)
        held.logits.append(logits(net, composed))
        held.labels.append(composed.labels)
        held.counts.append(composed.counts)
        held.pictures += judge(net, banks, banks.pictures, "pictures", fold)
        held.sounds += judge(net, banks, banks.sounds, "sounds", fold)
        held.texts += judge(net, banks, banks.texts, "texts", fold)
    return held


def judge(net: FusionNet, banks: Banks, bank: Bank, modality: str, fold: int) -> list[Judged]:
    """What a network says of a fold's recordings as they are (variant 0), each modality alone, window by window."""
    tracks = [track for track in bank.tracks if track.fold == fold and track.variant == 0]
    parts = [list(passes(bank, track, banks.kinds)) for track in tracks]
    said = logits(net, alone([part for row in parts for part in row], modality, banks))
    ends = np.cumsum([len(row) for row in parts])
    return [Judged(track, said[end - len(row) : end]) for track, row, end in zip(tracks, parts, ends, strict=True)]


def calibrate(held: HeldOut) -> torch.Tensor:
    """Slope and offset of each kind [K, 2], from the composed windows of all folds."""
    said, labels, counts = torch.cat(held.logits), torch.cat(held.labels), torch.cat(held.counts) > 0
    fitted = [platt(labels[counts[:, k], k], said[counts[:, k], k]) for k in range(len(held.kinds))]
    return torch.tensor(fitted, dtype=torch.float32)


def composed_figures(held: HeldOut, calibration: torch.Tensor) -> dict[str, float]:
    """On composed windows of unseen scenes, speakers and phrases: average precision and calibration error of each kind."""
    said, labels, counts = torch.cat(held.logits), torch.cat(held.labels), torch.cat(held.counts) > 0
    figures = {}
    for k, kind in enumerate(held.kinds):
        rows = counts[:, k]
        probabilities = (said[rows, k] * calibration[k, 0] + calibration[k, 1]).sigmoid()
        figures[f"cv_{kind}_window_ap"] = average_precision(labels[rows, k], said[rows, k])
        figures[f"cv_{kind}_window_auc"] = area_under_roc(labels[rows, k], said[rows, k])
        figures[f"cv_{kind}_calibration_error"] = calibration_error(labels[rows, k], probabilities)
    return figures


def recording_figures(held: HeldOut) -> dict[str, float]:
    """On whole recordings, each by its highest window and with one modality alone."""
    clips = [item for item in held.pictures if item.track.name.startswith("violence/")]
    esc = [item for item in held.sounds if item.track.name.startswith("sounds/esc10")]
    index = {kind: number for number, kind in enumerate(held.kinds)}
    emodb = [item for item in held.sounds if item.track.name.startswith("emotion/emodb")]
    return {
        **_figures("fight_picture_only", clips, index["fight"], lambda track: track.label == "fight"),
        **_figures("fire_esc10", esc, index["fire"], lambda track: track.label == "sound:fire_crackling"),
        **_figures("crying_esc10", esc, index["crying"], lambda track: track.label == "sound:baby_cry"),
        **_figures("aggression_emodb", emodb, index["aggression"], lambda track: track.label == "emotion:anger"),
        **_figures("distress_sentences", held.texts, index["distress"], lambda track: track.label == "distress"),
    }


def _figures(name: str, items: Sequence[Judged], kind: int, positive: Callable[[Track], bool]) -> dict[str, float]:
    scores = highest(items, kind)
    truth = [positive(item.track) for item in items]
    return {f"cv_{name}_ap": average_precision(truth, scores), f"cv_{name}_auc": area_under_roc(truth, scores)}


def highest(items: Sequence[Judged], kind: int) -> list[float]:
    """Each recording's highest logit of a kind, by its number."""
    return [float(item.logits[:, kind].max()) for item in items]


def rule_figures(held: HeldOut, calibration: torch.Tensor) -> dict[str, float]:
    """Where a rule of each kind could begin: at the lowest threshold with MOST false ones at most, none on footage; and what it finds."""
    figures: dict[str, float] = {}
    for index, kind in enumerate(held.kinds):
        items = {Modality.PICTURE: held.pictures, Modality.SOUND: held.sounds, Modality.TEXT: held.texts}[held.known_by[kind][0]]
        slope, offset = calibration[index].tolist()
        said = [((item.logits[:, index] * slope + offset).sigmoid().tolist(), item.track) for item in items]
        there = [row for row, track in said if any(span.kind == kind for span in track.spans)]
        absent = [(row, track) for row, track in said if not any(span.kind == kind for span in track.spans)]
        figures |= _rule(kind, there, absent, 1 if held.known_by[kind] == (Modality.TEXT,) else 2)
    return figures


def _rule(kind: str, there: Sequence[list[float]], absent: Sequence[Said], in_a_row: int) -> dict[str, float]:
    """Figures of one kind; an utterance is one window here, of which live there are as many as it lasts."""
    raised = {at: sum(alarms(row, at, in_a_row) > 0 for row, _ in absent) / len(absent) for at in THRESHOLDS}
    footage = [(row, track) for row, track in absent if track.name.startswith("video/")]
    quiet = {at for at in THRESHOLDS if not any(alarms(row, at, in_a_row) for row, _ in footage)}
    raise_at = next((at for at in THRESHOLDS if raised[at] <= MOST and at in quiet), THRESHOLDS[-1])
    return {
        f"cv_{kind}_raise_at": raise_at,
        f"cv_{kind}_found": sum(alarms(row, raise_at, in_a_row) > 0 for row in there) / max(1, len(there)),
        f"cv_{kind}_false": raised[raise_at],
    }


def alarms(probabilities: Sequence[float], threshold: float, in_a_row: int) -> int:
    """Alarms that a rule would raise: so many windows in a row at or above a threshold, counted once until it falls below."""
    above = np.r_[0, np.asarray(probabilities) >= threshold, 0].astype(int)
    edges = np.flatnonzero(np.diff(above))
    return int(np.sum(edges[1::2] - edges[::2] >= in_a_row))
