"""Alerts against incidents: what was found, what was raised for nothing, and how long it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from workers.composing.judge import FUSED, Judged, Raised
from workers.composing.timeline import Event, Timeline

EARLY: Final[Mapping[str, str]] = {FUSED: "no_words", "no_picture": "sound"} | {view: view for view in ("picture", "sound", "no_words")}
"""What is known of each view before the words are; of words alone nothing."""
LATE_S: Final = 5.0
"""An alert so long after an incident's end is still of it: a window holds four seconds, and an utterance ends with a pause."""
IN_A_ROW: Final = 2
"""Windows that must reach a threshold, …"""
QUIET_S: Final = 5.0
"""… and seconds after the last of them in which no new alarm is raised: less than from one event to the next."""
STEPS: Final = 300
CROSSED: Final = 60
"""Thresholds that are tried where each stream's is chosen by the others."""

Numbers = npt.NDArray[np.float64]


class Occurrence(NamedTuple):
    """Incidents that are on at once: one thing to be told of."""

    begin: float
    end: float


class Found(NamedTuple):
    """One stream's alerts against its truth."""

    hits: int
    missed: int
    false: int
    delays: tuple[float, ...]
    """Seconds from the onset to the first alert, of what was found."""
    alarms: int
    """Alerts that were not false; several may tell of one incident."""


class Said(NamedTuple):
    """What is said of one stream's windows."""

    timeline: Timeline
    untils: Numbers
    """[n], when each window ends …"""
    told: Numbers
    """… and when its words are known."""
    early: Numbers
    """The probability before the words are known …"""
    whole: Numbers
    """… and with them."""


def occurrences(incidents: Sequence[Event]) -> list[Occurrence]:
    """Incidents that overlap are one."""
    found: list[Occurrence] = []
    for event in sorted(incidents, key=lambda each: each.begin):
        if found and event.begin <= found[-1].end:
            found[-1] = Occurrence(found[-1].begin, max(found[-1].end, event.end))
        else:
            found.append(Occurrence(event.begin, event.end))
    return found


def matched(timeline: Timeline, alerts: Sequence[Raised]) -> Found:
    """An occurrence is found if an alert is raised during it or shortly after; an alert is false if that is so of none."""
    there = occurrences(timeline.incidents)
    delays = [[alert.at - each.begin for alert in alerts if each.begin <= alert.at <= each.end + LATE_S] for each in there]
    false = sum(not any(each.begin <= alert.at <= each.end + LATE_S for each in there) for alert in alerts)
    hits = sum(map(bool, delays))
    return Found(hits, len(there) - hits, false, tuple(min(some) for some in delays if some), len(alerts) - false)


def f1(found: Sequence[Found]) -> float:
    """Twice the hits over all that was or should have been told; 0 without either."""
    hits, missed, false = totals(found)
    return 2 * hits / (2 * hits + missed + false) if hits + missed + false else 0.0


def totals(found: Sequence[Found]) -> tuple[int, int, int]:
    """Hits, misses and false alerts of all streams."""
    return sum(each.hits for each in found), sum(each.missed for each in found), sum(each.false for each in found)


def alarms(told: Numbers, probability: Numbers, threshold: float) -> list[Raised]:
    """The alarms that one threshold raises from windows in order: `told` [n] is when each is known."""
    raised: list[Raised] = []
    row, last = 0, -np.inf
    for at, high in zip(told.tolist(), (probability >= threshold).tolist(), strict=True):
        row = row + 1 if high else 0
        if row == IN_A_ROW and at > last + QUIET_S:
            raised.append(Raised(kind="anomaly", at=at, end=at))
        last = at if row >= IN_A_ROW else last
    return raised


def of_view(streams: Sequence[Judged], said: Sequence[Mapping[str, Numbers]], view: str) -> list[Said]:
    """What one view says of streams. `said`: each stream's anomaly probability by view."""
    return [
        Said(judged.timeline, judged.untils, judged.told, views[EARLY[view]] if view in EARLY else np.zeros(len(views[view])), views[view])
        for judged, views in zip(streams, said, strict=True)
    ]


def at_recall(streams: Sequence[Said], recall: float) -> tuple[float, list[Found]]:
    """The highest threshold at which so large a share of the occurrences is found, and what each stream then gives.

    Where no threshold reaches it, the one that finds most.
    """
    best: tuple[int, float, list[Found]] = (-1, 1.0, [])
    for threshold in _thresholds(streams, STEPS)[::-1]:
        found = [_found(each, threshold) for each in streams]
        hits, missed = sum(each.hits for each in found), sum(each.missed for each in found)
        if hits > best[0]:
            best = (hits, threshold, found)
        if hits >= recall * (hits + missed):
            break
    return best[1], best[2]


def crossed(streams: Sequence[Said]) -> list[Found]:
    """What each stream's alarms find at the threshold, the highest, that is best by F1 on all others: its own events choose nothing."""
    thresholds = _thresholds(streams, CROSSED)[::-1]
    found = [[_found(each, threshold) for threshold in thresholds] for each in streams]
    chosen = []
    for own in range(len(streams)):
        others = [f1([row[at] for row in found[:own] + found[own + 1 :]]) for at in range(len(thresholds))]
        chosen.append(found[own][int(np.argmax(others))])
    return chosen


def _thresholds(streams: Sequence[Said], steps: int) -> list[float]:
    """The upper half of what is said, in steps of as many windows, upwards."""
    every = np.concatenate([each.whole for each in streams])
    found: list[float] = np.unique(np.quantile(every, np.linspace(0.5, 1, steps), method="lower")).tolist()
    return found


def _found(said: Said, threshold: float) -> Found:
    known = np.where(said.early >= threshold, said.untils, said.told)
    return matched(said.timeline, alarms(known, said.whole, threshold))
