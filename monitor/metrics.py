"""Every metric there is, in one place; labels are bounded, so a flood of cameras can't flood Prometheus.

docs/metrics.md lists them (`scenewatch metrics` writes it). Names follow Prometheus' conventions; a test asks `promtool check metrics`.
"""

from __future__ import annotations

import math
import platform
import time
from collections import Counter as Count
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import msgspec
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from monitor.bus import Batch, Health
from monitor.messages import Alert, Embedding, Frame, Message, Phase, Score, Severity, Sound, Stamped, State, Topic, Transcript
from monitor.progress import Board

PREFIX: Final = "scenewatch_"
OTHER: Final = "other"
"""The label that cameras beyond the cap share."""

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""For work."""
DELAYS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60)
"""For how late something is: 1, 2, 3 and 5 s are what people set as targets."""
DELIVERY: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""A webhook takes milliseconds, a film of evidence seconds, a sink that is down minutes."""
BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
PROBABILITIES: Final = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.99)
"""Finer where alarms are raised."""

EXEMPLAR: Final = 128
"""Characters of an exemplar's names and values together (OpenMetrics 1.0)."""


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A metric as it is documented."""

    name: str
    """As it is queried: counters with _total."""
    kind: str
    labels: tuple[str, ...]
    text: str
    buckets: tuple[float, ...] = ()


class Metrics:
    """The counters, gauges and histograms of one process, on a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None, max_cameras: int = 200) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the series of every counter
        self.registry = registry or CollectorRegistry()
        self.board = Board()
        """How far the stages of this process are behind."""
        self.described: list[Described] = []
        self._max_cameras = max_cameras
        self._cameras: set[str] = set()
        self._open: set[str] = set()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._of_cameras()
        self._of_stages()
        self._of_speech()
        self._of_alerts()
        self._of_the_bus()
        self._of_models()

    def _of_cameras(self) -> None:
        counter, gauge = self._counter, self._gauge
        self.camera_info = gauge("camera_info", "1; which site a camera belongs to.", "camera", "site")
        self.camera_state = gauge("camera_state", "1 for the states a camera is in.", "camera", "state")
        self.camera_last = gauge("camera_last_packet_timestamp_seconds", "When a camera last delivered.", "camera")
        self.camera_target = gauge("camera_target_frames_per_second", "Frames that are to be sampled; 0 without picture.", "camera")
        self.frames_captured = counter("frames_captured", "Frames sampled from a source.", "camera")
        self.frames_dropped = counter("frames_dropped", "Frames dropped after sampling.", "camera", "reason")
        self.sound_captured = counter("sound_captured_seconds", "Sound captured.", "camera")
        self.sound_dropped = counter("sound_dropped_seconds", "Sound dropped.", "camera", "reason")
        self.sound_unheard = counter("sound_unheard_seconds", "Sound that, under pressure, was transcribed and not judged.", "camera")
        self.reconnects = counter("source_reconnects", "Times a source was reopened.", "camera")
        self.decode_errors = counter("source_decode_errors", "Packets that could not be read or decoded.", "camera")
        self.clock_jumps = counter("source_clock_jumps", "Leaps of a source's time stamps.", "camera")
        self.cameras_waiting = gauge("cameras_not_admitted", "Cameras that wait for capacity.")
        self.pressure_step = gauge("pressure_step", "What capture takes less: 0 nothing, 4 also sound.")
        self.pressure_changes = counter("pressure_changes", "Steps of the ladder.", "direction")
        self.of_source = (self.camera_info, self.camera_state, self.camera_last, self.camera_target)
        """What capture says of a camera that it has."""

    def _of_stages(self) -> None:
        counter, gauge, histogram = self._counter, self._gauge, self._histogram
        self.records_in = counter("records_received", "Records that a stage took in.", "stage", "topic")
        self.records_out = counter("records_published", "Records that a stage published.", "stage", "topic")
        self.in_flight = gauge("records_in_flight", "Records that a stage has taken and not yet finished.", "stage")
        self.queue = gauge("queue_depth", "Records that wait for a stage.", "stage")
        self.batch = histogram("batch_size", "Records a batch.", BATCH, "stage")
        self.stage_seconds = histogram("stage_seconds", "Time a stage took for a batch.", SECONDS, "stage")
        self.stage_delay = histogram(
            "stage_delay_seconds",
            "From capture of an output's newest input to its publication by the stage: of windows their first judgement, "
            "of alerts the first event of an incident, of deliver the delivery.",
            DELAYS,
            "stage",
        )
        self.lag_records = gauge("lag_records", "Records that a stage has not taken yet.", "stage", "partition")
        self.lag_seconds = gauge("lag_seconds", "How far a stage is behind capture.", "stage", "partition")
        self.encoded = counter("encoded", "Items that an encoder embedded.", "modality")
        self.embeddings_late = counter("embeddings_late", "Embeddings that came twice, or after their windows.")
        self.windows = counter("windows_scored", "Windows that were judged.", "camera", "revision")
        self.windows_late = counter("windows_incomplete", "Windows closed by the end of patience.", "camera")
        self.camera_score = histogram("camera_score", "Highest probability of each window, finally judged.", PROBABILITIES, "camera")
        self.judgements = histogram("judgement_probability", "Each probability of each window, finally judged.", PROBABILITIES, "kind")
        self.learning = gauge("normality_learning", "1 while a camera's normality is learning.", "camera")
        self.drift = gauge("normality_drift", "1 while a camera's distances from what it knows have shifted lastingly.", "camera")
        self.examples = gauge("normality_examples", "Examples that a camera's normality remembers.", "camera")
        self.of_windows = (self.learning, self.drift, self.examples)
        """What the fuse stage says of a camera that it has."""

    def _of_speech(self) -> None:
        counter = self._counter
        self.utterances = counter("utterances", "Utterances by what became of them.", "outcome")
        self.rejected = counter("utterances_rejected", "Utterances that the guard did not believe.", "reason")
        self.speech_seconds = counter("speech_seconds", "Speech that was transcribed.")
        self.transcription_seconds = counter("transcription_seconds", "Time spent in transcribing it.")
        self.realtime_factor = self._gauge("transcription_realtime_factor", "Time per second of speech, last batch.")
        self.spoke = self._gauge("camera_speech_last_timestamp_seconds", "When somebody last spoke, and was understood.", "camera")
        self.of_speech = (self.spoke,)
        """What the transcribe stage says of a camera that it has."""

    def _of_alerts(self) -> None:
        counter, gauge, histogram = self._counter, self._gauge, self._histogram
        self.shadow = counter("shadow_judgements", "Windows that a network or its shadow finds alarming.", "kind", "agreement")
        self.alerts = counter("alerts", "Alert events.", "kind", "severity", "phase")
        self.camera_alerts = counter("camera_alerts", "Incidents that began.", "camera", "severity")
        self.incidents_open = gauge("incidents_open", "Incidents that are open now.", "kind")
        self.alert_seconds = histogram(
            "capture_to_alert_seconds", "From capture of the newest input to the alert; live cameras only.", DELAYS, "kind"
        )
        self.utterance_seconds = histogram(
            "utterance_to_alert_seconds",
            "From the end of its words to the alert; live cameras only.",
            DELAYS,
            "kind",
        )
        self.threshold = gauge("alarm_threshold", "What raises an alarm now: the budget's probability, or the rule's.", "camera", "kind")
        self.budget = gauge("alarm_budget_per_day", "Alarms that are wanted; absent without a budget.", "camera")
        self.alarms_expected = gauge("alarms_expected_per_day", "Alarms that the budget's thresholds expect.", "camera")
        self.feedback = counter("feedback", "What people said of alerts: right, wrong, missed.", "camera", "verdict")
        self.delivered = counter("deliveries", "Deliveries to sinks.", "sink", "outcome")
        self.delivery_seconds = histogram("delivery_seconds", "From an alert's publication to its delivery.", DELIVERY, "sink")
        self.of_alerts = (self.threshold, self.budget, self.alarms_expected)
        """What the alert stage says of a camera that it has."""

    def _of_the_bus(self) -> None:
        counter, gauge = self._counter, self._gauge
        self.dead_letters = counter("dead_letters", "Records that could not be used.", "topic", "reason")
        self.broker_away = gauge("broker_away", "1 while the broker does not take what is published.")
        self.broker_nodes = gauge("broker_nodes", "Brokers that the cluster's metadata lists; NaN while nobody can be asked.")
        self.under_replicated = gauge(
            "broker_partitions_under_replicated", "Partitions of our topics of which a copy is behind or away; NaN if unknown."
        )
        self.offline = gauge("broker_partitions_offline", "Partitions of our topics that have no leader; NaN if unknown.")
        self.spool_bytes = gauge("spool_bytes", "What waits for the broker.", "topic", "where")
        self.spool_limit = gauge("spool_limit_bytes", "What may wait for the broker.", "topic", "where")
        self.spool_dropped = counter("spool_dropped", "Records that found no room in the spool.", "topic")
        self.spool_broken = counter("spool_broken", "Places in spool files that could not be read.", "topic")
        self.set_health(None)

    def _of_models(self) -> None:
        self.model_info = self._gauge("model_info", "1 for a model that is loaded.", "role", "model", "device")
        self._gauge("build_info", "1; what is running.", "version", "python").labels(_version(), platform.python_version()).set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        self.described.append(Described(name=f"{PREFIX}{name}_total", kind="counter", labels=labels, text=text))
        return Counter(PREFIX + name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        self.described.append(Described(name=PREFIX + name, kind="gauge", labels=labels, text=text))
        return Gauge(PREFIX + name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        self.described.append(Described(name=PREFIX + name, kind="histogram", labels=labels, text=text, buckets=buckets))
        return Histogram(PREFIX + name, text, labels, buckets=buckets, registry=self.registry)

    # Cameras

    def camera(self, name: str) -> str:
        """The label for a camera: its name, or `other` beyond the cap."""
        if name in self._cameras:
            return name
        if len(self._cameras) < self._max_cameras:
            self._cameras.add(name)
            return name
        return OTHER

    def show(self, gauge: Gauge, camera: str, value: float, **labels: str) -> None:
        """Set a gauge of one camera; those that share a label have none, for each would overwrite the others."""
        self.camera(camera)
        if camera in self._cameras:
            gauge.labels(camera=camera, **labels).set(value)

    def forget(self, camera: str, gauges: Iterable[Gauge | Counter]) -> None:
        """Let go of a camera that this process no longer has, so that its gauges do not stand still for ever; what was counted stays."""
        for gauge in gauges:
            gauge.remove_by_labels({"camera": camera})

    def set_states(self, camera: str, states: tuple[State, ...]) -> None:
        """Say which states a camera is in, and that it is in no other."""
        for state in State:
            self.show(self.camera_state, camera, state in states, state=state.value)

    def begin(self, camera: str, site: str, frames_per_second: float) -> None:
        """Name a camera that is watched from now on; its counters begin at 0, so that their first increase is seen."""
        self.show(self.camera_info, camera, 1, site=site or "default")
        self.show(self.camera_target, camera, frames_per_second)
        label = self.camera(camera)
        for counter in (self.frames_captured, self.sound_captured, self.reconnects, self.decode_errors, self.clock_jumps):
            counter.labels(label)
        for reason in ("overflow", "pressure", "broker"):
            self.frames_dropped.labels(label, reason)
            self.sound_dropped.labels(label, reason)

    # Stages

    def expect(self, stage: str, topics: Collection[Topic]) -> None:
        """Begin a stage's counters at 0."""
        self.in_flight.labels(stage)
        for topic in topics:
            self.records_in.labels(stage, topic.value)
            for reason in ("oversized", "malformed", "invalid"):
                self.dead_letters.labels(topic.value, reason)

    @contextmanager
    def working(self, stage: str, batch: Batch) -> Iterator[None]:
        """Count a batch and time it, for as long as the body runs; an empty one is none."""
        if not batch:
            yield
            return
        for topic, records in Count(record.ref.topic for record in batch).items():
            self.records_in.labels(stage, topic.value).inc(records)
        self.batch.labels(stage).observe(len(batch))
        with self.carrying(stage, len(batch)), self.stage_seconds.labels(stage).time():
            yield

    @contextmanager
    def carrying(self, stage: str, records: int) -> Iterator[None]:
        """Count records as in flight for as long as the body runs."""
        in_flight = self.in_flight.labels(stage)
        in_flight.inc(records)
        try:
            yield
        finally:
            in_flight.dec(records)

    def published(self, stage: str, topic: Topic, messages: Sequence[Message]) -> None:
        """Count what a stage has just published, and how late it was."""
        self.records_out.labels(stage, topic.value).inc(len(messages))
        delay, now = self.stage_delay.labels(stage), time.time()
        for message in messages:
            if isinstance(message, Stamped) and _shows_delay(message):
                delay.observe(max(0.0, now - message.captured))

    def scored(self, score: Score) -> None:
        """Show how probable incidents are; words may still change what is not final."""
        if not score.final:
            return
        for judgement in score.judgements:
            self.judgements.labels(judgement.kind).observe(judgement.probability)
        highest = max((judgement.probability for judgement in score.judgements), default=0.0)
        self.camera_score.labels(self.camera(score.camera)).observe(highest)

    # Alerts

    def alerted(self, alert: Alert, now: float | None) -> None:
        """Count an alert; with the wall clock `now`, also how late it is, which means something for live cameras only."""
        self.alerts.labels(alert.kind, alert.severity.value, alert.phase.value).inc()
        if alert.phase is not Phase.NEW:
            return
        self.camera_alerts.labels(self.camera(alert.camera), alert.severity.value).inc()
        if now is None:
            return
        kind, exemplar = alert.kind.partition(":")[0], _exemplar(alert)
        self.alert_seconds.labels(kind).observe(max(0.0, now - alert.captured), exemplar)
        if alert.words:
            said = alert.captured - max(0.0, alert.until - alert.words[-1].until)
            self.utterance_seconds.labels(kind).observe(max(0.0, now - said), exemplar)

    def arrived(self, sink: str, alert: Alert, published: float) -> None:
        """Count an alert that a sink has taken, and how late that was; `published` is 0 if nobody knows."""
        now = time.time()
        self.delivered.labels(sink, "delivered").inc()
        if published:
            self.delivery_seconds.labels(sink).observe(max(0.0, now - published))
        if _shows_delay(alert):
            self.stage_delay.labels("deliver").observe(max(0.0, now - alert.captured))

    def expect_alerts(self, kinds: Mapping[str, Sequence[Severity]]) -> None:
        """Begin the counters of these kinds, each with the severities it may have, at 0."""
        self.set_open(dict.fromkeys(kinds, 0))
        for kind, severities in kinds.items():
            self.alert_seconds.labels(kind.partition(":")[0])
            for severity in severities:
                for phase in Phase:
                    self.alerts.labels(kind, severity.value, phase.value)

    def set_open(self, incidents: Mapping[str, int]) -> None:
        """Say how many incidents of each kind are open, and that there are none of any other kind."""
        self._open.update(incidents)
        for kind in self._open:
            self.incidents_open.labels(kind).set(incidents.get(kind, 0))

    # The bus, and models

    def set_health(self, health: Health | None) -> None:
        """Say how the cluster is; None if that is not known."""
        known = health or Health(nodes=math.nan, under_replicated=math.nan, offline=math.nan)
        self.broker_nodes.set(known.nodes)
        self.under_replicated.set(known.under_replicated)
        self.offline.set(known.offline)

    def loaded(self, role: str, model: str, device: str) -> None:
        """Name a model that is loaded."""
        self.model_info.labels(role, model, device).set(1)


def _shows_delay(message: Stamped) -> bool:
    """Whether a message is made at once of its newest input: what is judged a second time has waited for words."""
    match message:
        case Score():
            return message.revision == 0
        case Alert():
            return message.phase is Phase.NEW
        case _:
            return isinstance(message, Frame | Sound | Embedding | Transcript)


def _exemplar(alert: Alert) -> dict[str, str]:
    """What leads from a slow alert to its camera, within OpenMetrics' bounds."""
    room = EXEMPLAR - len("camera") - len("alert") - len(alert.id)
    return {"camera": alert.camera[: max(room, 0)], "alert": alert.id[: EXEMPLAR - len("camera") - len("alert")]}


def _version() -> str:
    try:
        return version("scenewatch")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"
