"""From scores, words and camera states to alerts: hysteresis, cool-down, and one open incident a camera and kind.

Each kind is decided on one ordered sequence, so that a recording gives the same alerts at any speed: what is seen or
heard on scores of revision 0, what is said (SPOKEN) on final scores, watched phrases on transcripts, the camera itself
on its states. How these sequences interleave changes no alert: the anomaly, which is quiet while a kind that it is made of
is told, waits until the camera's first scores are PATIENCE_S further and asks what was open in between. What is delivered
twice is told once.
"""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import takewhile
from typing import Final

from monitor.align import RESTART_S
from monitor.anomaly import KIND as ANOMALY
from monitor.budget import KEEP_S, Budgets
from monitor.config import Alerts, Rule
from monitor.hysteresis import Past, Track, spans, uncut
from monitor.incident import Evidence, Incident, Said
from monitor.messages import Alert, CameraState, Judgement, Mark, Score, Severity, State, Topic, Transcript
from monitor.phrases import Match, matches, watched

SPOKEN: Final = frozenset({"distress", "threat", "call_for_help", ANOMALY})
"""Kinds that are known by words too, and so only by final scores."""
OTHERS: Final = ("unusual_", "sees:", "camera:")
"""Kinds that the anomaly is not made of begin so."""
PATIENCE_S: Final = 2.0
"""So long after a window a kind may yet be told that names its anomaly. On val, of 28 alerts 12 tell of nothing new without it."""
GAP_S: Final = 20.0
"""Windows further apart than this are not "in a row"."""
TOLD: Final = 4096
"""So many alerts are remembered, to tell none twice."""
SEEN: Final = 64
"""So many states of a camera are remembered, to take none twice."""
AWAY: Final = frozenset({State.CONNECTING, State.STALLED})
"""A camera in one of these states delivers nothing: after a while it is offline."""
UNWELL: Final = (State.BLIND, State.FROZEN, State.SILENT)


class _Lane(Enum):
    """By which of a camera's scores a kind is decided."""

    FIRST = auto()
    FINAL = auto()
    WHOLE = auto()
    """The anomaly's: final ones, when all that could name it has been told."""


def _lane(kind: str) -> _Lane:
    return _Lane.WHOLE if kind == ANOMALY else _Lane.FINAL if kind in SPOKEN else _Lane.FIRST


@dataclass(slots=True)
class _Scored:
    """One camera's sequence of scores."""

    until: float = float("-inf")
    """End of the last window."""
    tracks: dict[str, Track] = field(default_factory=dict)

    def needed(self) -> float:
        """Begin of the oldest window that a successor would need."""
        return min((track.needed(self.until) for track in self.tracks.values()), default=math.inf)

    def asked(self, until: float) -> float:
        """Begin of the oldest past incident that was open after a time."""
        asked = (takewhile(lambda past: past.ended > until, reversed(track.past)) for track in self.tracks.values())
        return min((past.since for each in asked for past in each), default=math.inf)

    def named(self, since: float, until: float) -> bool:
        """Whether an incident that the anomaly is made of was open in a span."""
        return any(track.told(since, until) for kind, track in self.tracks.items() if not kind.startswith(OTHERS))


@dataclass(slots=True)
class _Judged:
    """All that scores of one camera are decided by."""

    lanes: dict[_Lane, _Scored] = field(default_factory=lambda: {lane: _Scored() for lane in _Lane})
    waiting: deque[Score] = field(default_factory=deque)
    """Final scores whose anomaly may yet be named."""

    @property
    def tracks(self) -> list[Track]:
        """Of all kinds."""
        return [track for lane in self.lanes.values() for track in lane.tracks.values()]

    def due(self, *, over: bool) -> Iterator[Score]:
        """Take the scores whose time has come, those of a clock that was set back since too; all, if no more first scores follow."""
        first = self.lanes[_Lane.FIRST].until
        latest = math.inf if first == -math.inf else first  # a successor may know final scores alone yet
        while self.waiting and (over or not first - PATIENCE_S < self.waiting[0].until <= latest):
            yield self.waiting.popleft()

    def needed(self, other: float) -> float:
        """Begin of the oldest window that a successor would need, for this or for something else."""
        first, final, whole = (self.lanes[lane] for lane in _Lane)
        decided = max(whole.until, first.until - KEEP_S)
        waits = self.waiting[0].at if self.waiting else math.inf
        begin = min(other, waits, first.asked(decided), final.asked(decided), *(lane.needed() for lane in self.lanes.values()))
        return uncut(begin, [track.past for track in self.tracks])


@dataclass(slots=True)
class _Listened:
    """One camera's sequence of utterances."""

    at: float = float("-inf")
    """Begin of the last utterance."""
    incidents: dict[str, Incident] = field(default_factory=dict)

    def needed(self) -> float:
        """Begin of the oldest utterance that a successor would need."""
        return min((incident.first.at for incident in self.incidents.values()), default=math.inf)


@dataclass(slots=True)
class _Watched:
    """One camera's own health."""

    away: Evidence | None = None
    """Since when it delivers nothing, while that is no alert yet; `captured` is the wall clock then."""
    incidents: dict[str, Incident] = field(default_factory=dict)
    past: defaultdict[str, deque[Past]] = field(default_factory=lambda: defaultdict(spans))
    """By kind."""
    seen: deque[CameraState] = field(default_factory=lambda: deque(maxlen=SEEN))
    """Not only the last one's time, because states of a stream and of its absence are stamped by different clocks."""

    def needed(self) -> float:
        """Time of the oldest state that a successor would need."""
        now = self.seen[-1].at if self.seen else -math.inf
        begun = [incident.first.at for incident in self.incidents.values()]
        quiet = [past[-1].since for past in self.past.values() if now < past[-1].over]
        away = [] if self.away is None else [self.away.at]
        return uncut(min([*begun, *quiet, *away], default=math.inf), self.past.values())

    def quiet(self, kind: str, at: float) -> bool:
        """Whether a kind cools down; not by a clock that was set back since."""
        return kind in self.past and self.past[kind][-1].ended - RESTART_S <= at < self.past[kind][-1].over


class Decider:
    """Decides for all cameras; state is a few open incidents a camera."""

    def __init__(self, settings: Alerts) -> None:
        self._settings = settings
        self._watch = watched(settings.watch)
        self.budgets = Budgets(settings)
        """What an alarm budget makes of the rules."""
        self._rules: dict[str, Rule] = {}
        self._scored: defaultdict[str, _Judged] = defaultdict(_Judged)
        self._listened: dict[str, _Listened] = {}
        self._watched: dict[str, _Watched] = {}
        self._told: OrderedDict[tuple[str, int], None] = OrderedDict()

    def score(self, score: Score) -> list[Alert]:
        """Decide on one window's score; those of one camera and revision come in order."""
        alerts: list[Alert] = []
        if score.revision == 0:
            if score.until < self._scored[score.camera].lanes[_Lane.FIRST].until - RESTART_S:
                alerts += self._anomalies(score.camera, over=True)  # nothing more comes of the clock that was
            alerts += self._judge(score, _Lane.FIRST)
        if score.final:
            alerts += self._judge(score, _Lane.FINAL)
            self._scored[score.camera].waiting.append(score)
        return self._tell([*alerts, *self._anomalies(score.camera)])

    def ended(self, camera: str) -> list[Alert]:
        """End what was seen, heard or said: no more scores follow (the Mark on `scores`)."""
        alerts = [*self._anomalies(camera, over=True)]
        self.budgets.ended(camera)
        for lane in self._scored.pop(camera, _Judged()).lanes.values():
            alerts += [alert for track in lane.tracks.values() for alert in track.end(lane.until, 0.0)]
        return self._tell(alerts)

    def transcript(self, transcript: Transcript) -> list[Alert]:
        """Look for watched phrases in one utterance; those of one camera come in order."""
        lane = self._listened.setdefault(transcript.camera, _Listened())
        if lane.at - RESTART_S <= transcript.at <= lane.at:
            return []
        alerts = [*self._quiet(lane, float("inf") if transcript.at < lane.at else transcript.at)]
        lane.at = transcript.at
        for evidence in self._said(transcript):
            open_ = lane.incidents.get(evidence.kind)
            if open_ is None:
                open_ = lane.incidents[evidence.kind] = Incident.begin([evidence])
                alerts.append(open_.new())
            else:
                open_.join(evidence)
                alerts += open_.update(self._settings.update_s)
        return self._tell(alerts)

    def heard(self, mark: Mark) -> list[Alert]:
        """End the phrases that have been quiet for their cool-down, by a Mark on `transcripts`; all of them by the last."""
        lane = self._listened.get(mark.camera)
        if lane is None:
            return []
        if mark.last:
            del self._listened[mark.camera]
        return self._tell(self._quiet(lane, float("inf") if mark.last else mark.until))

    def state(self, state: CameraState) -> list[Alert]:
        """Decide on how a camera fares; those of one camera come in order."""
        if not self._settings.cameras:
            return []
        camera = self._watched.setdefault(state.camera, _Watched())
        if state in camera.seen:
            return []
        camera.seen.append(state)
        clock = state.captured or state.at
        if AWAY.intersection(state.states):
            return self._tell(self._away(camera, state, clock))
        camera.away = None
        present = {f"camera:{each.value}" for each in UNWELL if each in state.states}
        alerts = [*self._recovered(camera, state, present)]
        for kind in sorted(present - camera.incidents.keys()):
            evidence = self._fact(state, kind)
            if self._rule(kind).enabled and not camera.quiet(kind, state.at):
                camera.incidents[kind] = Incident.begin([evidence])
                alerts.append(camera.incidents[kind].new())
        if State.ENDED in state.states:
            del self._watched[state.camera]
        return self._tell(alerts)

    @property
    def settings(self) -> Alerts:
        """What it was made with."""
        return self._settings

    def open(self) -> Iterator[str]:
        """Give the kind of each incident that is open now."""
        lanes = [lane for judged in self._scored.values() for lane in judged.lanes.values()]
        yield from (kind for lane in lanes for kind, track in lane.tracks.items() if track.incident is not None)
        yield from (kind for heard in self._listened.values() for kind in heard.incidents)
        yield from (kind for camera in self._watched.values() for kind in camera.incidents)

    def thresholds(self, camera: str) -> dict[str, float]:
        """What raises an alert of each kind that the scores of a camera were judged for."""
        found: dict[str, float] = {}
        for lane in self._scored.get(camera, _Judged()).lanes.values():
            for kind in lane.tracks:
                rule = self._rule(kind)
                held = self.budgets.rule(camera, kind, lane.until, rule) if self.budgets.holds_for(kind) else rule
                found[kind] = held.raise_at
        return found

    def needed(self, topic: Topic, camera: str) -> float:
        """From what event time on a camera's records of a topic are needed to decide as before; infinity if none is."""
        if topic is Topic.SCORES:
            judged = self._scored.get(camera, _Judged())
            return judged.needed(self.budgets.needed(camera))
        if topic is Topic.TRANSCRIPTS:
            return self._listened.get(camera, _Listened()).needed()
        return self._watched.get(camera, _Watched()).needed()

    def told(self, alerts: Iterable[Alert]) -> None:
        """Remember alerts that another has told."""
        self._remember((alert.id, alert.sequence) for alert in alerts)

    def forget(self, camera: str) -> None:
        """Let go of a camera, as if it had never been there."""
        self.budgets.forget(camera)
        self._scored.pop(camera, None)
        self._listened.pop(camera, None)
        self._watched.pop(camera, None)

    def tick(self, now: float) -> list[Alert]:
        """Tell of cameras that have been away for too long by now (wall clock, seconds since the epoch)."""
        return self._tell(alert for camera in self._watched.values() for alert in self._overdue(camera, now))

    def _anomalies(self, camera: str, *, over: bool = False) -> Iterator[Alert]:
        """Decide on the anomaly of the windows whose time has come; of all, if no more first scores follow."""
        for score in self._scored[camera].due(over=over):
            yield from self._judge(score, _Lane.WHOLE)

    def _judge(self, score: Score, by: _Lane) -> Iterator[Alert]:
        lane = self._scored[score.camera].lanes[by]
        if lane.until - RESTART_S <= score.until <= lane.until:
            return
        yield from self._resume(lane, score.until)
        lane.until = score.until
        judged = {judgement.kind: judgement for judgement in score.judgements if self._counts(judgement, score, by)}
        for kind in sorted(judged.keys() | lane.tracks.keys()):
            rule = self._rule(kind)
            judgement = judged.get(kind, Judgement(kind=kind, probability=0.0))
            if self.budgets.holds_for(kind):
                given, rule = rule, self.budgets.rule(score.camera, kind, score.until, rule)
                if kind in judged:
                    self.budgets.saw(score.camera, kind, score.until, judgement.probability, given)
            track = lane.tracks.setdefault(kind, Track())
            evidence = _evidence(score, judgement, rule, spoken=by is not _Lane.FIRST)
            named = by is _Lane.WHOLE and self._is_named(score)
            yield from track.yield_to(evidence, rule) if named else track.feed(evidence, rule, self._settings.update_s)

    def _is_named(self, score: Score) -> bool:
        """Whether a kind tells of a window's anomaly, at the latest soon after; how far final scores are by then is up to chance."""
        lanes = self._scored[score.camera].lanes
        return lanes[_Lane.FIRST].named(score.until, score.until + PATIENCE_S) or lanes[_Lane.FINAL].named(score.until, score.until)

    def _counts(self, judgement: Judgement, score: Score, by: _Lane) -> bool:
        """Whether this sequence decides the kind; nothing is unusual for a camera that is still learning what is usual."""
        learning = score.learning and judgement.kind.startswith("unusual_")
        camera = judgement.kind.startswith("camera:") and not self._settings.cameras
        return _lane(judgement.kind) is by and not learning and not camera and self._rule(judgement.kind).enabled

    def _resume(self, lane: _Scored, until: float) -> Iterator[Alert]:
        """Break rows at a gap; an incident outlives one that is shorter than its cool-down, and no clock that is set back."""
        gap = until - lane.until
        for kind, track in lane.tracks.items():
            cool_down_s = self._rule(kind).cool_down_s
            if gap < 0:
                yield from track.restart(lane.until)
            elif gap > max(GAP_S, cool_down_s):
                yield from track.end(lane.until, cool_down_s)
            elif gap > GAP_S:
                track.row.clear()

    def _said(self, transcript: Transcript) -> Iterator[Evidence]:
        """Evidence a watched name, of all its matches in one utterance."""
        found: dict[str, list[Match]] = {}
        for match in matches(transcript, self._watch):
            found.setdefault(match.name, []).append(match)
        for name, group in found.items():
            if not self._rule(f"phrase:{name}").enabled:
                continue
            words = tuple(dict.fromkeys(word for match in group for word in match.words))
            yield Evidence(
                camera=transcript.camera,
                kind=f"phrase:{name}",
                at=min(match.at for match in group),
                until=max(match.until for match in group),
                captured=transcript.captured,
                modalities=transcript.modalities,
                severity=self._settings.watch[name].severity,
                probability=max(match.probability for match in group),
                said=(Said(at=transcript.at, text=transcript.text, words=words),),
                sounds=() if transcript.source is None else (transcript.source,),
                models=(transcript.model,) if transcript.model else (),
            )

    def _quiet(self, lane: _Listened, now: float) -> Iterator[Alert]:
        for kind, incident in [*lane.incidents.items()]:
            if now >= incident.until + self._rule(kind).cool_down_s:
                del lane.incidents[kind]
                yield incident.end()

    def _away(self, camera: _Watched, state: CameraState, clock: float) -> Iterator[Alert]:
        if "camera:offline" not in camera.incidents and self._rule("camera:offline").enabled:
            since = camera.away or replace(self._fact(state, "camera:offline"), captured=clock)
            camera.away = replace(since, detail=state.detail or since.detail)
        yield from self._overdue(camera, clock)

    def _overdue(self, camera: _Watched, clock: float) -> Iterator[Alert]:
        """Raise the alert of a camera that has been away for long enough, by the wall clock."""
        away = camera.away
        if away is None or clock < away.captured + self._settings.offline_after_s:
            return
        camera.away = None
        if not camera.quiet(away.kind, away.at):
            incident = Incident.begin([away, replace(away, captured=clock, until=away.at + clock - away.captured)])
            camera.incidents[away.kind] = incident
            yield incident.new()

    def _recovered(self, camera: _Watched, state: CameraState, present: set[str]) -> Iterator[Alert]:
        for kind in sorted(camera.incidents.keys() - present):
            incident = camera.incidents.pop(kind)
            incident.join(self._fact(state, kind))
            at, over = incident.first.at, state.at + self._rule(kind).cool_down_s
            camera.past[kind].append(Past(at, at, state.at, over))
            yield incident.end()

    def _fact(self, state: CameraState, kind: str) -> Evidence:
        return Evidence(
            camera=state.camera,
            kind=kind,
            at=state.at,
            until=state.at,
            captured=state.captured or state.at,
            modalities=state.modalities,
            severity=self._rule(kind).severity,
            detail=state.detail,
        )

    def _rule(self, kind: str) -> Rule:
        if kind not in self._rules:
            self._rules[kind] = self._settings.rule(kind)
        return self._rules[kind]

    def _tell(self, alerts: Iterable[Alert]) -> list[Alert]:
        """Leave out what was told before."""
        fresh = [alert for alert in alerts if (alert.id, alert.sequence) not in self._told]
        self._remember((alert.id, alert.sequence) for alert in fresh)
        return fresh

    def _remember(self, told: Iterable[tuple[str, int]]) -> None:
        self._told.update(dict.fromkeys(told))
        while len(self._told) > TOLD:
            self._told.popitem(last=False)


def _evidence(score: Score, judgement: Judgement, rule: Rule, *, spoken: bool) -> Evidence:
    fact = judgement.kind.startswith("camera:")
    critical = rule.severity is Severity.WARNING and judgement.probability >= rule.critical_at and not fact
    return Evidence(
        camera=score.camera,
        kind=judgement.kind,
        at=score.at,
        until=score.until,
        captured=score.captured,
        modalities=score.modalities,
        severity=Severity.CRITICAL if critical else rule.severity,
        probability=judgement.probability,
        parts=tuple(judgement.parts.items()),
        likely=judgement.likely,
        said=tuple(Said(at=each.at, text=each.text, words=each.words, sentiment=each.sentiment) for each in score.transcripts if spoken),
        key_frame=score.key_frame,
        things=score.things,
        frames=score.frames,
        sounds=score.sounds,
        models=score.models,
        reasons=judgement.reasons,
    )
