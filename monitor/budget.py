"""From an alarm budget to thresholds: each camera's, by kind, from the tail of its own scores.

A minute counts by the highest threshold at which it would have raised an incident: the lowest logit of so many windows in a row as the
rule wants, at its highest. Over the minutes of two weeks a generalised Pareto tail is fitted (SPOT: Siffer et al. 2017), and the level is
taken that is expected to be exceeded as often as is wanted, whatever the tail may really be; minutes in a row count once, by the extremal
index. Thresholds change on the hour of event time and follow from the past alone, so a recording gives the same alerts whenever it is
read. An incident counts as one minute that is as high as such minutes are on average, however high it was, and its next quarter of an
hour does not count at all: it can't hide its successors. What lasts longer is ordinary.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from monitor.config import Alerts, Rule
from monitor.errors import MessageError
from monitor.extremes import extremal_index, fit, predicted
from monitor.feedback import Feedback, Verdict
from monitor.messages import Learned

BLOCK_S: Final = 60.0
DAY: Final = 1440
"""Blocks a day."""
KEPT: Final = 14 * DAY
"""Blocks that are remembered."""
EVERY_S: Final = 3600.0
"""Between two fits."""
SHARE: Final = 0.03
"""The tail is this share of the blocks, …"""
PEAKS: Final = 30
"""… and at least so many of them, …"""
BEYOND: Final = 3.0
"""… and so many times what is wanted."""
ONGOING: Final = 15
"""Blocks of an incident that don't count."""
LIMIT: Final = 36.0
"""Logits beyond this are no different from a probability of 1."""
GAP_S: Final = 20.0
"""Windows further apart than this are not in a row."""
KEEP_S: Final = 300.0
"""Event time after which what was learned is kept again; final scores are no further behind the first ones."""
HISTORY: Final = 48
"""Thresholds that are remembered: an incident that is rebuilt is judged by those of its own time."""
STEP: Final = 0.125
"""Each verdict makes alarms so much rarer, or more frequent, …"""
STEPS_OF: Final = {Verdict.ORDINARY: 1.0, Verdict.RIGHT: 0.0, Verdict.MISSED: -1.0}
"""(what was told rightly changes nothing, but is no ordinary minute)"""
STEPS: Final = 11.0
"""… up to so many steps, a factor of four, …"""
HEEDED_S: Final = 28 * 86400.0
"""… and is forgotten after so long."""


def logit(probability: float) -> float:
    """Log odds, bounded; of what is no number the lowest."""
    if not probability > 0:
        return -LIMIT
    return LIMIT if probability >= 1 else min(max(math.log(probability) - math.log1p(-probability), -LIMIT), LIMIT)


def chance(height: float) -> float:
    """Log odds to probability."""
    return 1 / (1 + math.exp(-min(max(height, -LIMIT), LIMIT)))


class Threshold(msgspec.Struct, frozen=True, array_like=True):
    """A threshold and what is expected of it."""

    since: float
    """It holds for windows that end after this."""
    height: float
    """In log odds."""
    per_day: float
    """Alarms expected."""
    excess: float
    """By how much those above it are expected to exceed it."""


@dataclass(slots=True)
class Peaks:
    """One kind of one camera: the height of each minute, and the thresholds that follow."""

    in_a_row: int
    least_blocks: int
    """Before so many were seen there is no threshold."""
    heights: np.ndarray[tuple[int], np.dtype[np.float16]] = field(default_factory=lambda: np.full(KEPT, np.nan, np.float16))
    newest: int = -1
    """The last block that is closed."""
    thresholds: list[Threshold] = field(default_factory=list)
    alarms: dict[int, float] = field(default_factory=dict)
    """What blocks that reached the threshold were really like."""
    lasting: int = 0
    _row: deque[float] = field(default_factory=deque)
    _until: float = -math.inf
    _block: int = -1
    _highest: float = math.nan

    def at(self, until: float) -> Threshold | None:
        """The threshold for a window that ends then; None while there is none."""
        return next((one for one in reversed(self.thresholds) if one.since < until), None)

    def push(self, until: float, height: float) -> bool:
        """Take the next window; whether it is time for a fit before the next."""
        block = math.ceil(until / BLOCK_S) - 1
        if not 0 <= until - self._until <= GAP_S:
            self._row.clear()
        due = False
        if block != self._block:
            due = self._block >= 0 and int(block * BLOCK_S // EVERY_S) != int(self._block * BLOCK_S // EVERY_S)
            self.close(self._block, self._highest)
            self._block, self._highest = block, math.nan
        self._until = until
        self._row.append(height)
        if len(self._row) > self.in_a_row:
            self._row.popleft()
        if len(self._row) == self.in_a_row:
            self._highest = max(min(self._row), -LIMIT if math.isnan(self._highest) else self._highest)
        return due

    def close(self, block: int, height: float) -> None:
        """Count a block that is over; one that is known already, up to a day old, is left out."""
        if block < 0 or 0 <= self.newest - block < DAY:
            return
        first = self.newest + 1 if 0 < block - self.newest <= KEPT else block - KEPT + 1
        self.heights[np.arange(max(first, 0), block + 1) % KEPT] = np.nan
        self.newest = block
        threshold = self.at((block + 1) * BLOCK_S)
        if threshold is None or not height >= threshold.height:
            self.lasting, counted = 0, height
        else:
            self.lasting += 1
            self.alarms[block] = height
            self.alarms = {at: raw for at, raw in self.alarms.items() if at > block - KEPT}
            counted = min(height, threshold.height + threshold.excess) if self.lasting == 1 else math.nan
            counted = height if self.lasting > ONGOING else counted
        self.heights[block % KEPT] = counted

    def refit(self, since: float, per_day: float, steps: float) -> None:
        """Set the threshold that so many alarms a day are expected of, moved by so many steps of feedback."""
        series = self.heights[np.arange(self.newest + 1, self.newest + 1 + KEPT) % KEPT].astype(np.float64)
        values = series[~np.isnan(series)]
        if len(values) < self.least_blocks:
            return
        rate = per_day / DAY * math.exp(-STEP * min(max(steps, -STEPS), STEPS))
        share = min(max(SHARE, PEAKS / len(values), BEYOND * rate), 0.5)
        tail = fit(values, share)
        clusters = extremal_index(series, tail.begin)
        likely = predicted(tail)
        height = min(likely.level(min(rate / clusters, share)), LIMIT)
        expected = likely.share_above(height) * clusters * DAY
        self.thresholds = [*self.thresholds, Threshold(since, height, expected, tail.mean_excess(height))][-HISTORY:]

    def heed(self, begin: int, end: int, verdict: Verdict) -> None:
        """What blocks were is ordinary as high as it was, or no ordinary height at all."""
        for block in range(max(begin, self.newest - KEPT + 1), min(end, self.newest) + 1):
            if verdict is not Verdict.ORDINARY:
                self.heights[block % KEPT] = np.nan
            elif block in self.alarms:
                self.heights[block % KEPT] = self.alarms[block]


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """`Peaks` as bytes."""

    heights: bytes
    newest: int
    thresholds: list[Threshold]
    alarms: dict[int, float]
    lasting: int


class Budgets:
    """The thresholds of all cameras."""

    def __init__(self, settings: Alerts) -> None:
        self._settings = settings
        self._cameras: dict[str, dict[str, Peaks]] = {}
        self._kept: dict[str, float] = {}
        self._feedback: tuple[Feedback, ...] = ()

    def holds_for(self, kind: str) -> bool:
        """Whether a kind has a budget; what is wrong with a camera is told however often it happens."""
        return (
            not kind.startswith("camera:")
            and self._settings.budget is not None
            and (not self._settings.budget_kinds or kind in self._settings.budget_kinds)
        )

    def rule(self, camera: str, kind: str, until: float, rule: Rule) -> Rule:
        """The rule with the threshold of that time: it clears as far below, in log odds, as it did; while learning, the rule itself."""
        peaks = self._cameras.get(camera, {}).get(kind)
        threshold = None if peaks is None else peaks.at(until)
        if threshold is None:
            return rule
        height = max(threshold.height, logit(self._settings.budget_least))
        width = max(logit(rule.raise_at) - logit(rule.clear_at), 0.0)
        return rule.model_copy(update={"raise_at": chance(height), "clear_at": chance(height - width)})

    def saw(self, camera: str, kind: str, until: float, probability: float, rule: Rule) -> None:
        """Learn from a window that was judged; those of one camera and kind come in order."""
        kinds = self._cameras.setdefault(camera, {})
        self._kept.setdefault(camera, until)
        if kind not in kinds:
            kinds[kind] = Peaks(rule.raise_after, math.ceil(self._settings.budget_after_h * 60))
        if kinds[kind].push(until, logit(probability)):
            self._refit(camera, kind, until)

    def _refit(self, camera: str, kind: str, until: float) -> None:
        peaks, steps = self._cameras[camera][kind], 0.0
        for item in self._feedback:
            if item.camera == camera and item.kind in ("", kind) and item.given <= until < item.given + HEEDED_S:
                peaks.heed(math.ceil(item.at / BLOCK_S) - 1, math.ceil(item.until / BLOCK_S) - 1, item.verdict)
                steps += STEPS_OF[item.verdict]
        assert self._settings.budget is not None
        peaks.refit(until, self._settings.budget_per_day / len(self._cameras[camera]), steps)

    def heed(self, feedback: Iterable[Feedback]) -> None:
        """Take all that people have said so far; thresholds follow on the next hour."""
        self._feedback = tuple(feedback)

    def expected_alarms_per_day(self) -> dict[str, float]:
        """By camera that has thresholds: of all its kinds together."""
        newest = {name: [one.thresholds[-1] for one in kinds.values() if one.thresholds] for name, kinds in self._cameras.items()}
        return {name: sum(one.per_day for one in thresholds) for name, thresholds in newest.items() if thresholds}

    def ended(self, camera: str) -> None:
        """A camera's scores have ended: none need to be held for it; what was learned stays, should it come back."""
        self._kept.pop(camera, None)

    def forget(self, camera: str) -> None:
        """Let go of a camera."""
        self._cameras.pop(camera, None)
        self._kept.pop(camera, None)

    def needed(self, camera: str) -> float:
        """From what event time on scores are needed beside what was kept; infinity if none is."""
        return self._kept.get(camera, math.inf) - KEEP_S

    def to_keep(self) -> list[Learned]:
        """What cameras have become, of those that it is time for."""
        return [learned for camera in self._cameras if (learned := self._to_keep(camera)) is not None]

    def _to_keep(self, camera: str) -> Learned | None:
        kinds = self._cameras[camera]
        at = (max(peaks.newest for peaks in kinds.values()) + 1) * BLOCK_S
        if at < self._kept.get(camera, math.inf) + KEEP_S:
            return None
        self._kept[camera] = at
        kept = {kind: Kept(one.heights.tobytes(), one.newest, one.thresholds, one.alarms, one.lasting) for kind, one in kinds.items()}
        return Learned(camera=camera, at=at, data=msgspec.msgpack.encode(kept))

    def resume(self, learned: Learned) -> None:
        """Go on from what was kept. Raises MessageError for bytes that are none of its own."""
        try:
            kept = msgspec.msgpack.decode(learned.data, type=dict[str, Kept])
            least = math.ceil(self._settings.budget_after_h * 60)
            self._cameras[learned.camera] = {
                kind: Peaks(
                    self._settings.rule(kind).raise_after,
                    least,
                    np.frombuffer(one.heights, np.float16).reshape(KEPT).copy(),
                    one.newest,
                    one.thresholds,
                    one.alarms,
                    one.lasting,
                )
                for kind, one in kept.items()
            }
        except (msgspec.MsgspecError, ValueError) as error:
            raise MessageError(f"what is kept of the budget of {learned.camera}: {error}. It is learned anew") from error
        self._kept[learned.camera] = learned.at
