"""`scenewatch eval incidents`: streams with a known time line through the live stages, fused and by each modality alone.

The networks learned from the train split; the head for tone is taught anew without the speakers of this one (`workers.composing.heldout`).
`ap_*` is the average precision of "an incident is on" over windows; a view's anomaly probability is what the calibration
(`monitor.anomaly`) makes of the kinds that it lets the network know, and `ap_highest_kind` needs no such calibration.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from monitor import anomaly
from monitor.anomaly import Anomaly, Numbers
from monitor.errors import ConfigError
from monitor.models import locate
from workers.composing import heldout, prepare
from workers.composing.events import Found, at_recall, crossed, f1, matched, occurrences, of_view, totals
from workers.composing.films import Order
from workers.composing.fitting import SINGLE
from workers.composing.judge import AT_NIGHT, FUSED, VIEWS, Judged, judge
from workers.composing.perceive import windows
from workers.composing.sources import Split
from workers.composing.timeline import labels
from workers.evaluate import Task
from workers.evaluate.interval import Integers, with_interval
from workers.training.figures import average_precision, calibration_error
from workers.training.streams import UNTAUGHT

SETS: Final[Mapping[str, int]] = {"": 20, "small": 3}
"""Streams of each set."""
MINUTES: Final = 6.0
SEED: Final = 1
ROUNDS: Final = 200
RECALL: Final = 0.8

Said = Sequence[Mapping[str, Numbers]]
"""Each stream's anomaly probability by view."""


def incidents(task: Task) -> dict[str, float]:
    """All figures. Raises SourceError if the data has nothing to compose, ConfigError for an unknown set, ModelError without weights."""
    count = streams_of(task)
    locate(task.config.models.fusion)  # what is missing is said before anything is composed
    wanted = Order(data=task.data, out=Path(), split=Split.TEST, seed=SEED, minutes=MINUTES, streams=count)
    order = prepare.ready(wanted, task.config, nights=True)
    days = prepare.streams(order, task.config)
    judges = heldout.judges(task.data, Split.TEST, [truth for truth, _ in days], task.config)
    head = shipped(task)
    day = [judge(truth, windows(items, task.config), judges, task.config, anomaly=head) for truth, items in days]
    dark = [
        judge(truth, windows(items, task.config), judges, task.config, AT_NIGHT)
        for truth, items in prepare.streams(replace(order, night=True), task.config)
    ]
    return figures(day, dark, head, task.config.fusion.window_s)


def streams_of(task: Task) -> int:
    """How many streams its set has. Raises ConfigError for an unknown set."""
    if task.of not in SETS:
        raise ConfigError(f"--set: there is no set {task.of!r}; there are {', '.join(filter(None, SETS))} and, left out, the whole")
    return SETS[task.of]


def with_research_weights(task: Task) -> dict[str, float]:
    """The same with weights that can't be shipped. Raises ModelError saying what makes them."""
    models = task.config.models.model_copy(update={"fusion": "fusion-research"})
    return incidents(replace(task, config=task.config.model_copy(update={"models": models})))


def shipped(task: Task) -> Anomaly | None:
    """The calibration, if it is one of the network that is configured."""
    located = locate(task.config.models.fusion)
    known = anomaly.fitted(located)
    if known is None:
        sys.stderr.write(
            f"eval incidents: no calibration for {located.version}: the highest kind's probability is taken. Fit it: scenewatch calibrate\n"
        )
    return known


def figures(day: Sequence[Judged], dark: Sequence[Judged], head: Anomaly | None, window_s: float) -> dict[str, float]:
    """Everything that is reported of streams by day, and of those at night."""
    said, at_night = views(day, head), views(dark, head)
    calm = [each for each in day if each.timeline.calm]
    return {
        "stream_hours": sum(each.timeline.seconds for each in day) / 3600,
        "incidents": float(sum(len(occurrences(each.timeline.incidents)) for each in day)),
        **_precision(day, said),
        **_at_night(dark, at_night, day, said),
        **_taught(day, said),
        **_by_kind(day, said, window_s),
        **_calibration(day, said),
        **_events("shipped_rules", [matched(each.timeline, each.raised) for each in day], day),
        **_rules("kinds_rules", [matched(each.timeline, each.as_kinds) for each in day], day),
        **({} if head is None else _rules("anomaly_rule", [matched(each.timeline, each.as_one) for each in day], day)),
        **_f1_by_view(day, said),
        **_at_recall(day, calm, said),
    }


def views(streams: Sequence[Judged], head: Anomaly | None) -> Said:
    """The anomaly probability of each window by view; without a calibration that of the highest kind."""
    return [
        {view: given.max(1, initial=0.0) if head is None else head(each.kinds, given) for view, given in each.said.items()}
        for each in streams
    ]


def _precision(day: Sequence[Judged], said: Said) -> dict[str, float]:
    found: dict[str, float] = {}
    for view in VIEWS:
        found |= _ap(view, day, said)
    if not found:
        return {}
    best = max(SINGLE, key=lambda view: found[f"ap_{view}"])
    found |= {name.replace(f"ap_{best}", "ap_best_single"): found[name] for name in (f"ap_{best}", f"ap_{best}_low", f"ap_{best}_high")}
    found |= {name.replace("ap_picture", "ap_no_sound"): found[name] for name in ("ap_picture", "ap_picture_low", "ap_picture_high")}
    found["ap_no_picture_gain"] = found["ap_no_picture"] - max(found["ap_sound"], found["ap_text"])
    found["ap_no_words_gain"] = found["ap_no_words"] - max(found["ap_picture"], found["ap_sound"])
    found["ap_gain"] = found["ap_fused"] - found["ap_best_single"]
    highest = [{FUSED: each.said[FUSED].max(1, initial=0.0)} for each in day]
    return found | _ap(FUSED, day, highest, name="ap_highest_kind")


def _at_night(dark: Sequence[Judged], at_night: Said, day: Sequence[Judged], said: Said) -> dict[str, float]:
    """Streams with incidents at night, and the same by day: among them incidents are more frequent than among all."""
    lit = [(each, row) for each, row in zip(day, said, strict=True) if each.timeline.incidents]
    found: dict[str, float] = {}
    for view, suffix in ((FUSED, ""), ("picture", "_picture")):
        found |= _ap(view, dark, at_night, name=f"ap_night{suffix}")
        found |= _ap(view, [each for each, _ in lit], [row for _, row in lit], name=f"ap_day{suffix}")
    return found


def _ap(view: str, streams: Sequence[Judged], said: Said, name: str = "") -> dict[str, float]:
    """Average precision over the windows that count, with its interval over streams; nothing without streams."""
    if not streams:
        return {}
    truth = np.concatenate([each.on[each.counts] for each in streams])
    scores = np.concatenate([row[view][each.counts] for each, row in zip(streams, said, strict=True)])
    groups = [each.timeline.name for each in streams for _ in range(int(each.counts.sum()))]

    def precision(rows: Integers) -> float:
        return average_precision(truth[rows], scores[rows]) if truth[rows].any() else float("nan")

    return with_interval(name or f"ap_{view}", precision, groups, rounds=ROUNDS) if truth.any() else {}


def _taught(day: Sequence[Judged], said: Said) -> dict[str, float]:
    """The same without the incidents of kinds that no network could be taught."""
    kept = [
        replace(each, counts=each.counts & ~labels([e for e in each.timeline.incidents if e.kind in UNTAUGHT], each.untils, 4.0)[0])
        for each in day
    ]
    found: dict[str, float] = {}
    for view in (FUSED, *SINGLE):
        found |= _ap(view, kept, said, name=f"ap_{view}_taught_kinds")
    return found


def _by_kind(day: Sequence[Judged], said: Said, window_s: float) -> dict[str, float]:
    """Windows in which a kind is on, alone or with others, against those in which nothing is."""
    found = {}
    for kind in sorted({event.kind for each in day for event in each.timeline.incidents}):
        truth, scores = [], []
        for each, row in zip(day, said, strict=True):
            on, _ = labels([event for event in each.timeline.incidents if event.kind == kind], each.untils, window_s)
            those = on | (each.counts & ~each.on)
            truth.append(on[those])
            scores.append(row[FUSED][those])
        found[f"ap_of_{kind}"] = average_precision(np.concatenate(truth), np.concatenate(scores))
        found[f"incidents_{kind}"] = float(sum(event.kind == kind for each in day for event in each.timeline.incidents))
    return found


def _calibration(day: Sequence[Judged], said: Said) -> dict[str, float]:
    truth = np.concatenate([each.on[each.counts] for each in day])
    scores = np.concatenate([row[FUSED][each.counts] for each, row in zip(day, said, strict=True)])
    groups = [each.timeline.name for each in day for _ in range(int(each.counts.sum()))]
    error = with_interval("ece", lambda rows: calibration_error(truth[rows], scores[rows]), groups, rounds=ROUNDS)
    return error | {"incident_share": float(truth.mean())}


def _events(name: str, found: Sequence[Found], day: Sequence[Judged]) -> dict[str, float]:
    """What the rules that are shipped find of the incidents, and raise for nothing."""
    delays = [delay for each in found for delay in each.delays]
    figures = by_streams("event_f1", found) | _told(name, found, day)
    return figures | ({f"{name}_onset_to_alert_s": float(np.median(delays))} if delays else {})


def _rules(name: str, found: Sequence[Found], day: Sequence[Judged]) -> dict[str, float]:
    """What the kinds' own rules find without the anomaly's, or that one alone."""
    return by_streams(f"{name}_f1", found) | _told(name, found, day)


def _f1_by_view(day: Sequence[Judged], said: Said) -> dict[str, float]:
    """Of incidents, with one threshold on each view's anomaly, which the other streams choose."""
    figures: dict[str, float] = {}
    for view in VIEWS:
        found = crossed(of_view(day, said, view))
        figures |= by_streams(f"event_f1_{view}", found)
        if view == FUSED:
            figures |= _told("at_f1", found, day)
    return figures


def _told(name: str, found: Sequence[Found], day: Sequence[Judged]) -> dict[str, float]:
    """Recall and precision of incidents, and false alarms an hour of the streams that have none."""
    hits, missed, false = totals(found)
    figures = {f"{name}_recall": hits / max(1, hits + missed), f"{name}_precision": hits / max(1, hits + false)}
    figures[f"{name}_alarms_an_incident"] = sum(each.alarms for each in found) / max(1, hits)
    hours = sum(each.timeline.seconds for each in day if each.timeline.calm) / 3600
    if hours:
        figures[f"{name}_false_alarms_per_hour"] = (
            sum(one.false for one, each in zip(found, day, strict=True) if each.timeline.calm) / hours
        )
    return figures


def by_streams(name: str, found: Sequence[Found]) -> dict[str, float]:
    """F1 of incidents, with its interval over streams."""
    return with_interval(name, lambda rows: f1([found[row] for row in rows]), range(len(found)), rounds=ROUNDS)


def _at_recall(day: Sequence[Judged], calm: Sequence[Judged], said: Said) -> dict[str, float]:
    """With one threshold on the anomaly at which RECALL of the incidents are found: false alarms where there is none, and delay."""
    threshold, found = at_recall(of_view(day, said, FUSED), RECALL)
    hits, missed, _ = totals(found)
    delays = [(delay, each.timeline.name) for one, each in zip(found, day, strict=True) for delay in one.delays]
    figures = {"at_recall_threshold": threshold, "at_recall_recall": hits / max(1, hits + missed), "at_recall_f1": f1(found)}
    false = [(one.false, each.timeline.seconds / 3600) for one, each in zip(found, day, strict=True) if each.timeline.calm]
    if calm:

        def an_hour(rows: Integers) -> float:
            return float(sum(false[row][0] for row in rows) / sum(false[row][1] for row in rows))

        figures |= with_interval("false_alarms_per_hour", an_hour, range(len(false)))
    if delays:
        seconds = np.array([delay for delay, _ in delays])
        figures |= with_interval("onset_to_alert_s", lambda rows: float(np.median(seconds[rows])), [name for _, name in delays])
    return figures
