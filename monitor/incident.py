"""The life of one incident: new, update, end, as alerts under one id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Final

from monitor.described import described
from monitor.messages import Alert, Modality, Phase, Presence, Reasons, Ref, Severity, Word
from monitor.sentences import sentence

NOTABLE: Final = 0.01
"""A probability that rose by less is not worth an update."""
UTTERANCES: Final = 8
"""Of what was said during an incident, so many utterances are kept, the newest."""
ORDER: Final = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One utterance that belongs to an incident."""

    at: float
    text: str
    words: tuple[Word, ...] = ()
    sentiment: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What speaks for an incident in one window, utterance or state."""

    camera: str
    kind: str
    at: float
    until: float
    captured: float
    modalities: tuple[Modality, ...]
    severity: Severity
    probability: float = 1.0
    parts: tuple[tuple[Modality, float], ...] = ()
    said: tuple[Said, ...] = ()
    likely: str = ""
    """Of an anomaly: the kind that it most likely is."""
    detail: str = ""
    """Why a camera is in its state."""
    key_frame: Ref | None = None
    things: tuple[Presence, ...] = ()
    frames: tuple[Ref, ...] = ()
    sounds: tuple[Ref, ...] = ()
    models: tuple[str, ...] = ()
    reasons: Reasons | None = None


@dataclass(slots=True)
class Incident:
    """One incident that is open: begun with `first`; `peak` is the strongest evidence so far, with the newest reasons given."""

    first: Evidence
    peak: Evidence
    until: float
    captured: float
    said: tuple[Said, ...] = ()
    sequence: int = 0
    reported: Evidence = field(init=False)
    """The peak, with all that was said, as the last alert told it …"""
    reported_until: float = field(init=False)
    """… of this time."""

    @classmethod
    def begin(cls, row: Iterable[Evidence]) -> Incident:
        """Begin with the row of evidence that raised it, the oldest first."""
        first, *more = row
        incident = cls(first, first, first.until, first.captured, first.said)
        for evidence in more:
            incident.join(evidence)
        return incident

    @property
    def id(self) -> str:
        """Digest of camera, kind and first window: the same whenever the same records are read again."""
        name = f"{self.first.camera}\0{self.first.kind}\0{self.first.until!r}"
        return blake2b(name.encode(), digest_size=8).hexdigest()

    def join(self, evidence: Evidence) -> None:
        """Take further evidence in."""
        self.until = max(self.until, evidence.until)
        self.captured = max(self.captured, evidence.captured)
        if evidence.probability > self.peak.probability:
            severity = max(self.peak.severity, evidence.severity, key=ORDER.index)
            self.peak = replace(evidence, severity=severity, reasons=evidence.reasons or self.peak.reasons)
        said = {each.at: each for each in (*self.said, *evidence.said)}
        self.said = tuple(said[at] for at in sorted(said)[-UTTERANCES:])

    def new(self) -> Alert:
        """Tell that it has begun."""
        return self._alert(Phase.NEW)

    def update(self, every_s: float) -> list[Alert]:
        """Tell what has changed: at once when it became more severe, else at most so often."""
        severer = ORDER.index(self.peak.severity) > ORDER.index(self.reported.severity)
        stronger = self.peak.probability >= self.reported.probability + NOTABLE or self.said != self.reported.said
        due = self.until >= self.reported_until + every_s
        return [self._alert(Phase.UPDATE)] if severer or (stronger and due) else []

    def end(self) -> Alert:
        """Tell that it is over; it lasted until the last evidence that was taken in."""
        return self._alert(Phase.END)

    def _alert(self, phase: Phase) -> Alert:
        peak, text = self.peak, " … ".join(each.text for each in self.said)
        self.sequence += phase is not Phase.NEW
        self.reported, self.reported_until = replace(peak, said=self.said), self.until
        return Alert(
            camera=peak.camera,
            at=self.first.at,
            until=self.until,
            captured=self.captured,
            modalities=peak.modalities,
            id=self.id,
            phase=phase,
            sequence=self.sequence,
            kind=peak.kind,
            severity=peak.severity,
            probability=peak.probability,
            summary=sentence(
                peak.camera,
                peak.kind,
                phase,
                peak.probability,
                dict(peak.parts),
                text or peak.detail,
                self.until - self.first.at,
                described(peak.things),
                peak.likely,
            ),
            likely=peak.likely,
            parts=dict(peak.parts),
            words=tuple(word for each in self.said for word in each.words),
            text=text,
            sentiment=min((each.sentiment for each in self.said if each.sentiment is not None), default=None),
            key_frame=peak.key_frame,
            things=peak.things,
            frames=peak.frames,
            sounds=peak.sounds,
            models=peak.models,
            reasons=peak.reasons,
        )
