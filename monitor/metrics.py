"""Every metric there is, in one place; labels are bounded, so a flood of cameras can't flood Prometheus."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from monitor.messages import State
from monitor.progress import Board

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The counters, gauges and histograms of one process, on a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None, max_cameras: int = 200) -> None:
        self.registry = registry or CollectorRegistry()
        self.board = Board()
        """How far the stages of this process are behind."""
        self._max_cameras = max_cameras
        self._cameras: set[str] = set()
        r = self.registry
        p = "scenewatch_"
        self.frames_captured = Counter(f"{p}frames_captured", "Frames sampled from a source.", ["camera"], registry=r)
        self.frames_dropped = Counter(f"{p}frames_dropped", "Frames dropped after sampling.", ["camera", "reason"], registry=r)
        self.sound_captured = Counter(f"{p}sound_captured_seconds", "Sound captured.", ["camera"], registry=r)
        self.sound_dropped = Counter(f"{p}sound_dropped_seconds", "Sound dropped.", ["camera", "reason"], registry=r)
        self.reconnects = Counter(f"{p}source_reconnects", "Times a source was reopened.", ["camera"], registry=r)
        self.camera_state = Gauge(f"{p}camera_state", "1 for the states a camera is in.", ["camera", "state"], registry=r)
        self.clock_jumps = Counter(f"{p}source_clock_jumps", "Leaps of a source's time stamps.", ["camera"], registry=r)
        self.decode_errors = Counter(f"{p}source_decode_errors", "Packets that could not be read or decoded.", ["camera"], registry=r)
        self.camera_last = Gauge(f"{p}camera_last_packet_timestamp_seconds", "When a camera last delivered.", ["camera"], registry=r)
        self.records_in = Counter(f"{p}records_received", "Records that a stage took in.", ["stage", "topic"], registry=r)
        self.records_out = Counter(f"{p}records_published", "Records that a stage published.", ["stage", "topic"], registry=r)
        self.dead_letters = Counter(f"{p}dead_letters", "Records that could not be used.", ["topic", "reason"], registry=r)
        self.encoded = Counter(f"{p}encoded", "Items that an encoder embedded.", ["modality"], registry=r)
        self.utterances = Counter(f"{p}utterances", "Utterances by what became of them.", ["outcome"], registry=r)
        self.speech_seconds = Counter(f"{p}speech_seconds", "Speech that was transcribed.", registry=r)
        self.transcription_seconds = Counter(f"{p}transcription_seconds", "Time spent in transcribing it.", registry=r)
        self.realtime_factor = Gauge(f"{p}transcription_realtime_factor", "Time per second of speech, last batch.", registry=r)
        self.windows = Counter(f"{p}windows_scored", "Windows that were judged.", ["camera", "revision"], registry=r)
        self.windows_late = Counter(f"{p}windows_incomplete", "Windows closed by the end of patience.", ["camera"], registry=r)
        self.embeddings_late = Counter(f"{p}embeddings_late", "Embeddings that came twice, or after their windows.", registry=r)
        self.learning = Gauge(f"{p}normality_learning", "1 while a camera's normality is learning.", ["camera"], registry=r)
        self.drift = Gauge(f"{p}normality_drift", "1 while a camera's picture is not what it was.", ["camera"], registry=r)
        self.shadow = Counter(
            f"{p}shadow_judgements", "Windows that a network or its shadow finds alarming.", ["kind", "agreement"], registry=r
        )
        self.alerts = Counter(f"{p}alerts", "Alert events.", ["kind", "severity", "phase"], registry=r)
        self.alarms_expected = Gauge(f"{p}alarms_expected_per_day", "Alarms that the budget's thresholds expect.", ["camera"], registry=r)
        self.delivered = Counter(f"{p}deliveries", "Deliveries to sinks.", ["sink", "outcome"], registry=r)
        self.lag_records = Gauge(f"{p}lag_records", "Records that a stage has not taken yet.", ["stage", "partition"], registry=r)
        self.lag_seconds = Gauge(f"{p}lag_seconds", "How far a stage is behind capture.", ["stage", "partition"], registry=r)
        self.pressure_step = Gauge(f"{p}pressure_step", "What capture takes less: 0 nothing, 4 also sound.", registry=r)
        self.pressure_changes = Counter(f"{p}pressure_changes", "Steps of the ladder.", ["direction"], registry=r)
        self.cameras_waiting = Gauge(f"{p}cameras_not_admitted", "Cameras that wait for capacity.", registry=r)
        self.broker_away = Gauge(f"{p}broker_away", "1 while the broker does not take what is published.", registry=r)
        self.spool_bytes = Gauge(f"{p}spool_bytes", "What waits for the broker.", ["topic", "where"], registry=r)
        self.spool_dropped = Counter(f"{p}spool_dropped", "Records that found no room in the spool.", ["topic"], registry=r)
        self.spool_broken = Counter(f"{p}spool_broken", "Places in spool files that could not be read.", ["topic"], registry=r)
        self.queue = Gauge(f"{p}queue_depth", "Records that wait for a stage.", ["stage"], registry=r)
        self.batch = Histogram(f"{p}batch_size", "Records a batch.", ["stage"], buckets=BATCH, registry=r)
        self.stage_seconds = Histogram(f"{p}stage_seconds", "Time a stage took for a batch.", ["stage"], buckets=SECONDS, registry=r)
        self.alert_seconds = Histogram(
            f"{p}capture_to_alert_seconds", "From capture of the newest input to the alert.", ["kind"], buckets=SECONDS, registry=r
        )

    def camera(self, name: str) -> str:
        """The label for a camera: its name, or `other` beyond the cap."""
        if name in self._cameras:
            return name
        if len(self._cameras) < self._max_cameras:
            self._cameras.add(name)
            return name
        return "other"

    def set_states(self, camera: str, states: tuple[State, ...]) -> None:
        """Say which states a camera is in, and that it is in no other."""
        label = self.camera(camera)
        for state in State:
            self.camera_state.labels(label, state.value).set(state in states)
