"""`scenewatch eval budget`: alarms wanted against alarms raised, by simulated cameras whose weeks are made of real scores.

A camera has recordings of its own, drawn from all: calm ones follow one another, and others come in between by a Poisson process whose
rate has the rhythm of a day. Each is a block of real scores, all kinds together; a draw is moved by a little noise (smoothed
bootstrap: Silverman & Young 1987), so that a week is not the same few recordings again.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.progress import track

from monitor.align import Window
from monitor.budget import BLOCK_S, LIMIT, Peaks, logit
from monitor.config import Alerts, Rule
from monitor.config import Normality as Settings
from monitor.errors import SourceError
from monitor.hearing import sound_encoder
from monitor.layers import voice_encoder
from monitor.messages import Embedding, Modality, pack
from monitor.normality import KINDS as UNUSUAL
from monitor.normality import Normality
from workers import build
from workers.evaluate import Task
from workers.evaluate.fusion import HEARD, Ears, heard_bank, judge
from workers.evaluate.interval import with_interval
from workers.training.bank import Bank
from workers.training.rows import Row, held_out, trainable

Scores = npt.NDArray[np.float32]

CAMERAS: Final = 24
WEEKS: Final = 4
"""The first one is for learning, and does not count."""
HOP_S: Final = 0.5
HOUR: Final = round(3600 / HOP_S)
BLOCK: Final = round(BLOCK_S / HOP_S)
OWN: Final = 300
"""Recordings of a camera, at most."""
EVENTS: Final = (1.0, 12.0)
"""Recordings an hour that are not calm, from the quietest camera to the busiest, on average over the day."""
RHYTHM: Final = 0.9
"""At night there are so much less than on average, at noon so much more."""
CALM: Final = 0.5
"""The share of a camera's recordings that are its calm ones."""
BUDGETS: Final = ("hour", "day", "week")
TIMES: Final = {"hour": 168.0, "day": 7.0, "week": 1.0}
KINDS: Final = (*HEARD, UNUSUAL[Modality.SOUND])


@dataclass(frozen=True, slots=True)
class Week:
    """What one kind of one camera raised in one week."""

    camera: int
    budget: str
    raised: int
    fixed: int
    """The same under the rule's own threshold."""
    wanted: float


def budget(task: Task) -> dict[str, float]:
    """Alarms raised over alarms wanted, by budget. Raises SourceError if there are no ordinary recordings at all."""
    ears = Ears(sound_encoder(task.config.models), voice_encoder(task.config.models.threads))
    banks = [bank for folder in ("sounds/urbansound8k", "sounds/esc10") for bank in _bank(task, folder, ears)]
    if not banks:
        raise SourceError(f"{task.data}: neither sounds/urbansound8k nor sounds/esc10. Name the folder of the real data: --data DIR")
    net = build.listening(task.config)
    clips = [
        np.stack([np.vectorize(logit)(item.of(kind)) for kind in HEARD], axis=1).astype(np.float32)
        for bank in banks
        for item in judge(net, bank, Modality.SOUND)
    ]
    tokens = [bank.tokens(item).values[:, : net.fusion.cfg.sound] for bank in banks for item in bank.tracks]
    pairs = [(known, heard) for known, heard in zip(clips, tokens, strict=True) if len(known)]
    weeks = [week for camera in track(range(CAMERAS), "simulating") for week in _camera(camera, pairs, task.config.alerts)]
    return _figures(weeks)


def _bank(task: Task, folder: str, ears: Ears) -> Iterator[Bank]:
    rows: tuple[Row, ...] = (*held_out(task.data, folder), *trainable(task.data, folder))
    if rows:
        yield heard_bank(folder.rpartition("/")[2], rows, ears)
    else:
        sys.stderr.write(f"eval budget: {task.data / folder} is not there and is left out\n")


def _camera(number: int, pairs: Sequence[tuple[Scores, Scores]], alerts: Alerts) -> Iterator[Week]:
    """One camera's weeks, under each budget."""
    rng = np.random.default_rng(number)
    own = [pairs[n] for n in rng.permutation(len(pairs))[:OWN]]
    clips = [np.column_stack([known[: len(odd)], odd[: len(known)]]) for (known, _), odd in zip(own, _unusual(own), strict=True)]
    clips = [clip for clip in clips[len(clips) // 3 :] if len(clip)]  # the first third taught normality
    events = math.exp(rng.uniform(*np.log(EVENTS)))
    stream = _hours(clips, events, rng)
    for index, kind in enumerate(KINDS):
        rule = alerts.rule(kind)
        row = _row(stream[:, index], rule.raise_after)
        for name in BUDGETS:
            wanted = 1 / len(KINDS)
            raised, fixed = _alarms(stream[:, index], row, rule, wanted * TIMES[name] / 7)
            for week in range(1, WEEKS):
                yield Week(number, name, raised[week], fixed[week], TIMES[name] * wanted)


def _unusual(own: Sequence[tuple[Scores, Scores]]) -> list[Scores]:
    """The camera's own normality: learned on a third of its recordings, one after the other, then judging each of the rest."""
    usual = Normality(_settings(sum(len(heard) for _, heard in own[: len(own) // 3]) * HOP_S))
    at, judged = 0.0, []
    for _, heard in own:
        heights = []
        for vector in heard:
            heights.append(_height(usual, vector, at))
            at += HOP_S
        judged.append(np.array(heights, np.float32))
        at += 8.0  # averages begin anew
    return judged


def _settings(warm_up_s: float) -> Settings:
    return Settings(warm_up_s=max(warm_up_s - HOP_S, 10.0))


def _height(usual: Normality, vector: Scores, at: float) -> float:
    has = (Modality.SOUND,)
    item = Embedding(camera="", at=at, until=at + HOP_S, captured=0.0, modalities=has, modality=Modality.SOUND, vector=pack(vector))
    window = Window(camera="", at=at - 3.5, until=at + HOP_S, captured=0.0, modalities=has, revision=0, final=True, sounds=(item,))
    judgements, _ = usual.judge(window)
    return max((logit(judgement.probability) for judgement in judgements), default=-LIMIT)


def _hours(clips: Sequence[Scores], events: float, rng: np.random.Generator) -> Scores:
    """All the camera's weeks: [windows, kinds]."""
    strongest = np.array([clip.max(axis=0) for clip in clips])
    order = np.argsort(strongest.argsort(axis=0).argsort(axis=0).max(axis=1))
    calm = [clips[n] for n in order[: max(int(len(clips) * CALM), 1)]]
    width = 0.9 * strongest.std(axis=0) * len(clips) ** -0.2
    size = WEEKS * 168 * HOUR
    pieces, length = [], 0
    while length < size:
        chosen = [calm[n] for n in rng.integers(len(calm), size=4096)]
        piece = np.concatenate(chosen)
        pieces.append(
            piece + np.repeat(rng.normal(0, width, (4096, len(width))), [len(clip) for clip in chosen], axis=0).astype(np.float32)
        )
        length += len(piece)
    stream = np.concatenate(pieces)[:size]
    hours = np.arange(WEEKS * 168)
    for hour, count in zip(hours, rng.poisson(events * (1 - RHYTHM * np.cos(2 * np.pi * hours / 24))), strict=True):
        for at in rng.integers(hour * HOUR, (hour + 1) * HOUR, size=count):
            clip = clips[int(rng.integers(len(clips)))]
            clip = (clip + rng.normal(0, width)).astype(np.float32)[: size - at]
            stream[at : at + len(clip)] = np.maximum(stream[at : at + len(clip)], clip)
    return np.asarray(np.clip(stream, -LIMIT, LIMIT), np.float32)


def _row(heights: Scores, in_a_row: int) -> Scores:
    """The lowest of so many windows in a row, which is what has to reach a threshold."""
    padded = np.concatenate([np.full(in_a_row - 1, -LIMIT, np.float32), heights])
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, in_a_row).min(axis=1), np.float32)


def _alarms(heights: Scores, row: Scores, rule: Rule, per_day: float) -> tuple[list[int], list[int]]:
    """Alarms of each week under a budget, and under the rule's own threshold."""
    peaks = Peaks(rule.raise_after, round(Alerts().budget_after_h * 60))
    width = logit(rule.raise_at) - logit(rule.clear_at)
    blocks = row.reshape(-1, BLOCK).max(axis=1)
    counts, fixed = Counter(heights, row, rule), Counter(heights, row, rule)
    for hour in range(WEEKS * 168):
        threshold = peaks.thresholds[-1].height if peaks.thresholds else logit(rule.raise_at)
        counts.hour(hour, threshold, threshold - width)
        fixed.hour(hour, logit(rule.raise_at), logit(rule.clear_at))
        for block in range(hour * 60, (hour + 1) * 60):
            peaks.close(block, float(blocks[block]))
        peaks.refit((hour + 1) * 3600.0, per_day, 0.0)
    return counts.weeks, fixed.weeks


class Counter:
    """Counts incidents as `monitor.decide` begins and ends them, an hour at a time."""

    def __init__(self, heights: Scores, row: Scores, rule: Rule) -> None:
        self._heights, self._row, self._rule = heights, row, rule
        self._cool_down = math.ceil(rule.cool_down_s / HOP_S) + rule.raise_after - 1
        self._free = 0
        self._open = False
        self.weeks = [0] * WEEKS

    def hour(self, hour: int, raise_at: float, clear_at: float) -> None:
        """Count what begins in an hour under its thresholds."""
        begin, end = hour * HOUR, (hour + 1) * HOUR
        raises = np.flatnonzero(self._row[begin:end] >= raise_at) + begin
        clears = self._cleared(begin, end, clear_at)
        at = begin
        while True:
            if not self._open:
                later = raises[np.searchsorted(raises, max(at, self._free)) :]
                if not len(later):
                    return
                self._open, at = True, int(later[0])
                self.weeks[hour // 168] += 1
            later = clears[np.searchsorted(clears, at + self._rule.clear_after) :] if at > begin else clears
            if not len(later):
                return
            self._open, at = False, int(later[0])
            self._free = at + self._cool_down

    def _cleared(self, begin: int, end: int, clear_at: float) -> npt.NDArray[np.intp]:
        """The windows at which so many in a row have been below."""
        first = max(begin - self._rule.clear_after + 1, 0)
        below = (self._heights[first:end] < clear_at).astype(np.int64)
        if len(below) < self._rule.clear_after:
            return np.empty(0, np.intp)
        runs = np.lib.stride_tricks.sliding_window_view(below, self._rule.clear_after).min(axis=1)
        return np.flatnonzero(runs) + first + self._rule.clear_after - 1


def _figures(weeks: Sequence[Week]) -> dict[str, float]:
    figures = {"cameras": float(CAMERAS), "weeks": float(WEEKS - 1)}
    shares = []
    for name in BUDGETS:
        keys = [(camera, week) for camera in range(CAMERAS) for week in range(WEEKS - 1)]
        those = [week for week in weeks if week.budget == name]
        table = np.array([(week.raised, week.fixed) for week in those], float).reshape(CAMERAS, len(KINDS), WEEKS - 1, 2).sum(axis=1)
        raised, fixed = table[..., 0].ravel(), table[..., 1].ravel()
        cameras, wanted = [camera for camera, _ in keys], TIMES[name]
        for label, counts in ((f"ratio_{name}", raised), (f"ratio_{name}_fixed", fixed)):
            figures |= with_interval(label, partial(_ratio, counts, wanted), cameras)
        within = (raised >= wanted / 2) & (raised <= wanted * 2)
        shares.append(within)
        figures[f"within_factor_two_{name}"] = float(within.mean())
        figures[f"within_factor_two_{name}_fixed"] = float(((fixed >= wanted / 2) & (fixed <= wanted * 2)).mean())
        figures[f"within_factor_two_{name}_at_best"] = _poisson_within(wanted)
    figures["within_factor_two"] = float(np.mean(shares))
    return figures


def _ratio(counts: npt.NDArray[np.float64], wanted: float, rows: npt.NDArray[np.int64]) -> float:
    return float(counts[rows].mean() / wanted)


def _poisson_within(wanted: float) -> float:
    """How often chance alone leaves a week within a factor of two, if exactly so many alarms are expected."""
    counts = range(math.ceil(wanted / 2), math.floor(wanted * 2) + 1)
    return sum(math.exp(count * math.log(wanted) - wanted - math.lgamma(count + 1)) for count in counts)
