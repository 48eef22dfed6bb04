"""What watching costs: series a camera, and how long a scrape of a process with a hundred cameras takes."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from monitor.config import RULES, Alerts
from monitor.decide import Decider
from monitor.feedback import Verdict
from monitor.guard import Outcome
from monitor.messages import Alert, Judgement, Modality, Phase, Score, Severity, State, Topic
from monitor.metrics import Metrics
from workers.serve import Vitals, application
from workers.shown import Shown
from workers.stage import READS, Stage

CAMERAS: Final = 100
SCRAPES: Final = 21
ACCEPT: Final = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
"""As Prometheus asks."""
PARTITIONS: Final = 8
BOTH: Final = (Modality.PICTURE, Modality.SOUND, Modality.TEXT)


def measure() -> dict[str, float]:
    """The figures."""
    metrics = fed([f"camera-{n:03}" for n in range(CAMERAS)])
    return {
        "series_per_camera": max(series(metrics).values()),
        "series_all": sum(len(family.samples) for family in metrics.registry.collect()),
        f"scrape_ms_{CAMERAS}_cameras": scrape_ms(metrics),
    }


def series(metrics: Metrics) -> Counter[str]:
    """How many series each camera has."""
    samples = (sample for family in metrics.registry.collect() for sample in family.samples)
    return Counter(sample.labels["camera"] for sample in samples if "camera" in sample.labels)


def scrape_ms(metrics: Metrics) -> float:
    """The median time that one scrape takes, as the HTTP server answers it."""
    answer = application(metrics, Vitals())
    asked = {"PATH_INFO": "/metrics", "REQUEST_METHOD": "GET", "HTTP_ACCEPT": ACCEPT, "HTTP_ACCEPT_ENCODING": "gzip"}
    took = []
    for _ in range(SCRAPES):
        begun = time.perf_counter()
        answer(asked, _begun)
        took.append(time.perf_counter() - begun)
    return statistics.median(took) * 1000


def _begun(_status: str, _headers: object) -> None:
    """Take the answer's beginning (WSGI)."""


def fed(cameras: Sequence[str]) -> Metrics:
    """The metrics of a process that runs every stage, after everything has happened to every camera."""
    metrics = Metrics()
    shown = Shown(Decider(Alerts(budget="1/day")), metrics)
    for camera in cameras:
        _captured(metrics, camera)
        _judged(metrics, camera)
        shown.watch(camera, dict.fromkeys(RULES, 0.8))
    for outcome in Outcome:
        metrics.utterances.labels(outcome.value).inc()
    for stage, topics in READS.items():
        metrics.expect(stage, topics)
        _worked(metrics, stage)
    return metrics


def _captured(metrics: Metrics, camera: str) -> None:
    metrics.begin(camera, "north", 2.0)
    metrics.set_states(camera, (State.LIVE,))
    metrics.show(metrics.camera_last, camera, time.time())
    metrics.show(metrics.spoke, camera, time.time())
    for reason in ("overflow", "pressure", "broker", "spool", "undecodable"):
        metrics.frames_dropped.labels(camera, reason).inc()
        metrics.sound_dropped.labels(camera, reason).inc(0.5)


def _judged(metrics: Metrics, camera: str) -> None:
    for revision in (0, 1):
        score = Score(
            camera=camera,
            at=0.0,
            until=4.0,
            captured=time.time(),
            modalities=BOTH,
            revision=revision,
            final=revision == 1,
            learning=False,
            judgements=tuple(Judgement(kind=kind, probability=0.4) for kind in RULES),
        )
        metrics.windows.labels(camera, str(revision)).inc()
        metrics.scored(score)
        metrics.published("fuse", Topic.SCORES, [score])
    metrics.windows_late.labels(camera).inc()
    for gauge in (*metrics.of_windows, metrics.alarms_expected):
        metrics.show(gauge, camera, 1.0)
    for severity in Severity:
        metrics.alerted(_alert(camera, severity), time.time())
    for verdict in Verdict:
        metrics.feedback.labels(camera, verdict.word).inc()


def _alert(camera: str, severity: Severity) -> Alert:
    return Alert(
        camera=camera,
        at=0.0,
        until=4.0,
        captured=time.time(),
        modalities=BOTH,
        id="0123456789abcdef",
        phase=Phase.NEW,
        sequence=0,
        kind="fight",
        severity=severity,
        probability=0.9,
        summary="",
    )


def _worked(metrics: Metrics, stage: Stage) -> None:
    metrics.batch.labels(stage).observe(8)
    metrics.stage_seconds.labels(stage).observe(0.1)
    metrics.queue.labels(stage).set(0)
    for partition in range(PARTITIONS):
        metrics.lag_records.labels(stage, str(partition)).set(0)
        metrics.lag_seconds.labels(stage, str(partition)).set(0)
