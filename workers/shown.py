"""What the alert stage shows of its cameras: thresholds, open incidents, and what people said of its alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from monitor.bus import Batch
from monitor.decide import Decider
from monitor.feedback import Feedback, Verdict
from monitor.messages import Alert, Mark, Score, Severity, Topic
from monitor.metrics import Metrics

EVERY_S: Final = 30.0
"""Event time after which a camera's thresholds are looked at again: a budget moves them on the hour."""


class Shown:
    """Gauges of the cameras of one alert worker."""

    def __init__(self, decider: Decider, metrics: Metrics) -> None:
        self._decider = decider
        self._metrics = metrics
        self._looked: dict[str, float] = {}
        """By camera: the event time up to which its thresholds were shown."""
        self._said: dict[str, Counter[Verdict]] = {}
        self._counted: dict[str, Counter[Verdict]] = {}
        settings = decider.settings
        self._budget = settings.budget_per_day if settings.budget is not None else None
        metrics.expect_alerts({kind: _severities(rule.severity) for kind, rule in settings.kinds.items()})

    def heed(self, said: Sequence[Feedback]) -> None:
        """Take all that people have said; each worker counts what was said of its own cameras."""
        self._said = {}
        for item in said:
            self._said.setdefault(item.camera, Counter())[item.verdict] += 1
        for camera in self._counted:
            self._count(camera)

    def after(self, batch: Batch, alerts: Sequence[Alert]) -> None:
        """Show what a batch has changed."""
        for record in batch:
            message = record.message
            if isinstance(message, Score):
                self._look(message)
            elif isinstance(message, Mark) and message.last and record.ref.topic is Topic.SCORES:
                self._metrics.forget(message.camera, self._metrics.of_alerts)
                self._looked.pop(message.camera, None)
        if alerts or batch.again or batch.lost:
            self._metrics.set_open(Counter(self._decider.open()))

    def forget(self, cameras: Collection[str]) -> None:
        """Let go of cameras that another worker has now: it counts from the beginning, so nothing is counted twice."""
        for camera in cameras:
            self._metrics.forget(camera, (*self._metrics.of_alerts, self._metrics.feedback))
            self._looked.pop(camera, None)
            self._counted.pop(camera, None)

    def _look(self, score: Score) -> None:
        camera = score.camera
        if camera not in self._counted:
            self._counted[camera] = Counter()
            self._begin(camera)
        if 0 <= score.until - self._looked.get(camera, score.until - EVERY_S) < EVERY_S:
            return
        self._looked[camera] = score.until
        self.watch(camera, self._decider.thresholds(camera))

    def watch(self, camera: str, thresholds: Mapping[str, float]) -> None:
        """Show what raises an alarm of a camera now, by kind."""
        for kind, threshold in thresholds.items():
            self._metrics.show(self._metrics.threshold, camera, threshold, kind=kind)
        if self._budget is not None:
            self._metrics.show(self._metrics.budget, camera, self._budget)

    def _begin(self, camera: str) -> None:
        label = self._metrics.camera(camera)
        for severity in Severity:
            self._metrics.camera_alerts.labels(label, severity.value)
        for verdict in Verdict:
            self._metrics.feedback.labels(label, verdict.word)
        self._count(camera)

    def _count(self, camera: str) -> None:
        """Count what is new of what was said of a camera; the file only grows."""
        said = self._said.get(camera, Counter())
        for verdict, times in (said - self._counted[camera]).items():
            self._metrics.feedback.labels(self._metrics.camera(camera), verdict.word).inc(times)
        self._counted[camera] |= said


def _severities(least: Severity) -> tuple[Severity, ...]:
    """What an alert of a rule may be: a warning may become critical."""
    return (least, Severity.CRITICAL) if least is Severity.WARNING else (least,)
