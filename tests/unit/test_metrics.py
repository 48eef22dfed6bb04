from __future__ import annotations

import gzip
import math
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from broker import free_port
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as theirs
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from monitor import config, exposition
from monitor.bus import Batch, Health, Record
from monitor.gpu import watch
from monitor.messages import Alert, Judgement, Mark, Modality, Phase, Ref, Score, Severity, State, Topic, Word
from monitor.metrics import EXEMPLAR, Metrics
from workers.bench import scrape
from workers.exposed import page
from workers.serve import Vitals, served

ROOT = Path(__file__).parents[2]
BOTH = (Modality.PICTURE, Modality.SOUND)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"scenewatch_{name}", labels)


def alert(*words: Word, camera: str = "hall", captured: float = 100.0, until: float = 10.0, phase: Phase = Phase.NEW) -> Alert:
    return Alert(
        camera=camera,
        at=6.0,
        until=until,
        captured=captured,
        modalities=BOTH,
        id="0123456789abcdef",
        phase=phase,
        sequence=0,
        kind="phrase:fire",
        severity=Severity.CRITICAL,
        probability=1.0,
        summary="",
        words=words,
    )


def score(*probabilities: float, revision: int = 0, final: bool = True) -> Score:
    judgements = tuple(Judgement(kind=f"kind-{n}", probability=probability) for n, probability in enumerate(probabilities))
    return Score(
        camera="hall",
        at=0,
        until=4,
        captured=time.time(),
        modalities=BOTH,
        revision=revision,
        final=final,
        judgements=judgements,
        learning=False,
    )


def test_cameras_beyond_the_cap_share_one_label() -> None:
    metrics = Metrics(max_cameras=2)
    assert [metrics.camera(name) for name in ("a", "b", "c", "a")] == ["a", "b", "other", "a"]


def test_cameras_that_share_a_label_have_no_gauges() -> None:
    metrics = Metrics(max_cameras=1)
    metrics.begin("a", "", 2.0)
    metrics.begin("b", "", 5.0)
    assert value(metrics, "camera_target_frames_per_second", camera="a") == 2.0
    assert value(metrics, "camera_target_frames_per_second", camera="other") is None
    assert value(metrics, "frames_captured_total", camera="other") == 0


def test_a_camera_is_in_the_states_it_is_in_and_no_other() -> None:
    metrics = Metrics()
    metrics.set_states("hall", (State.BLIND, State.SILENT))
    metrics.set_states("hall", (State.LIVE,))
    values = {state: metrics.registry.get_sample_value("scenewatch_camera_state", {"camera": "hall", "state": state}) for state in State}
    assert [state for state, value in values.items() if value] == [State.LIVE]


def test_a_camera_that_is_gone_takes_its_gauges_with_it_and_leaves_what_was_counted() -> None:
    metrics = Metrics()
    metrics.begin("hall", "north", 2.0)
    metrics.set_states("hall", (State.LIVE,))
    metrics.frames_captured.labels("hall").inc()
    metrics.forget("hall", metrics.of_source)
    assert value(metrics, "camera_info", camera="hall", site="north") is None
    assert value(metrics, "camera_state", camera="hall", state="live") is None
    assert value(metrics, "frames_captured_total", camera="hall") == 1


def test_what_is_in_flight_is_no_longer_when_a_stage_fails() -> None:
    metrics = Metrics()
    mark = Mark(camera="hall", at=0, until=0, captured=0, modalities=BOTH, modality=Modality.SOUND)
    batch = Batch([Record(message=mark, ref=Ref(topic=Topic.AUDIO, partition=0, offset=0))] * 3)

    def fail() -> None:
        with metrics.working("encode", batch):
            assert value(metrics, "records_in_flight", stage="encode") == 3
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert value(metrics, "records_in_flight", stage="encode") == 0
    assert value(metrics, "records_received_total", stage="encode", topic="audio") == 3
    assert value(metrics, "batch_size_sum", stage="encode") == 3


def test_delays_are_those_of_first_judgements_and_not_of_marks() -> None:
    metrics = Metrics()
    mark = Mark(camera="hall", at=0, until=0, captured=0, modalities=BOTH, modality=Modality.SOUND)
    metrics.published("fuse", Topic.SCORES, [score(0.1), score(0.1, revision=1), mark])
    assert value(metrics, "stage_delay_seconds_count", stage="fuse") == 1
    assert value(metrics, "records_published_total", stage="fuse", topic="scores") == 3


def test_a_window_counts_once_when_it_is_finally_judged() -> None:
    metrics = Metrics()
    metrics.scored(score(0.2, 0.7, final=False))
    metrics.scored(score(0.2, 0.97, revision=1))
    assert value(metrics, "camera_score_count", camera="hall") == 1
    assert value(metrics, "camera_score_bucket", camera="hall", le="0.95") == 0
    assert value(metrics, "camera_score_bucket", camera="hall", le="0.99") == 1
    assert value(metrics, "judgement_probability_sum", kind="kind-0") == 0.2


def test_an_alert_with_words_is_as_late_as_their_end_is_past() -> None:
    metrics = Metrics()
    metrics.alerted(alert(Word(text="fire", at=7.0, until=8.0, probability=1.0)), now=103.0)
    assert value(metrics, "capture_to_alert_seconds_sum", kind="phrase") == 3.0
    assert value(metrics, "utterance_to_alert_seconds_sum", kind="phrase") == 5.0
    assert value(metrics, "camera_alerts_total", camera="hall", severity="critical") == 1


def test_how_late_an_alert_of_a_recording_is_means_nothing() -> None:
    metrics = Metrics()
    metrics.alerted(alert(), now=None)
    metrics.alerted(alert(phase=Phase.END), now=1000.0)
    assert not value(metrics, "capture_to_alert_seconds_count", kind="phrase")


def test_an_exemplar_leads_from_a_slow_alert_to_its_camera_within_the_bounds() -> None:
    metrics = Metrics()
    name = "x" * 63
    metrics.alerted(alert(camera=name), now=104.0)
    families = text_string_to_metric_families(exposition.openmetrics(metrics.registry).decode())
    (found,) = [sample.exemplar for family in families for sample in family.samples if sample.exemplar]
    assert found.labels == {"camera": name, "alert": "0123456789abcdef"}
    assert sum(len(key) + len(text) for key, text in found.labels.items()) <= EXEMPLAR


def test_incidents_that_ended_are_shown_as_none() -> None:
    metrics = Metrics()
    metrics.set_open({"fight": 2})
    metrics.set_open({"fire": 1})
    assert (value(metrics, "incidents_open", kind="fight"), value(metrics, "incidents_open", kind="fire")) == (0, 1)


def test_how_the_brokers_are_is_unknown_until_somebody_told() -> None:
    metrics = Metrics()
    assert math.isnan(value(metrics, "broker_nodes") or 0)
    metrics.set_health(Health(nodes=3, under_replicated=2, offline=0))
    assert value(metrics, "broker_partitions_under_replicated") == 2
    metrics.set_health(None)
    assert math.isnan(value(metrics, "broker_partitions_offline") or 0)


def test_gpus_are_asked_for_their_memory_and_for_their_use_where_the_driver_tells() -> None:
    registry = CollectorRegistry()

    def silent(number: int) -> int:
        raise ModuleNotFoundError

    gpus = SimpleNamespace(device_count=lambda: 1, mem_get_info=lambda number: (2, 10), utilization=silent)
    watch(gpus, registry)
    watch(gpus, registry)
    assert registry.get_sample_value("scenewatch_gpu_memory_used_bytes", {"device": "0"}) == 8
    assert registry.get_sample_value("scenewatch_gpu_utilization_ratio", {"device": "0"}) is None


def test_openmetrics_is_written_as_prometheus_client_writes_it() -> None:
    metrics = scrape.fed(["hall", 'a "quoted" \\ name', "new\nline"])
    for collector in [one for one in metrics.registry._collector_to_names if not type(one).__module__.endswith(".metrics")]:
        metrics.registry.unregister(collector)  # the process goes on between the two
    assert exposition.openmetrics(metrics.registry) == theirs.generate_latest(metrics.registry)


def test_openmetrics_is_given_to_who_asks_for_it_and_text_to_others() -> None:
    port = free_port()
    with served(config.Metrics(port=port), Metrics(), Vitals()):
        for accept, kind in (("", "text/plain; version=0.0.4"), (scrape.ACCEPT, exposition.CONTENT_TYPE)):
            asked = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept, "Accept-Encoding": "gzip"})
            with urllib.request.urlopen(asked, timeout=5) as answer:
                text = gzip.decompress(answer.read())
                assert answer.headers["Content-Type"].startswith(kind)
                assert text.endswith(b"# EOF\n") == (kind == exposition.CONTENT_TYPE)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool; to run it: apt-get install --no-install-recommends prometheus")
def test_prometheus_finds_nothing_to_say_against_the_names() -> None:
    metrics = scrape.fed(["hall"])
    watch(SimpleNamespace(device_count=lambda: 1, mem_get_info=lambda number: (2, 10), utilization=lambda number: 50), metrics.registry)
    done = subprocess.run(["promtool", "check", "metrics"], input=generate_latest(metrics.registry), capture_output=True, check=False)
    assert (done.returncode, done.stderr.decode()) == (0, "")


def test_a_camera_has_fewer_than_120_series_and_what_a_scrape_costs(capsys: pytest.CaptureFixture[str]) -> None:
    figures = scrape.measure()
    with capsys.disabled():
        sys.stdout.write(f"\n{figures}\n")
    assert 40 < figures["series_per_camera"] < 120
    assert figures["series_all"] < 120 * scrape.CAMERAS


def test_the_page_lists_what_there_is() -> None:
    assert page() == (ROOT / "docs" / "metrics.md").read_text("utf-8"), "scenewatch metrics"


def test_a_process_that_delivers_loads_no_torch() -> None:
    script = (
        "import sys; from monitor.config import Config; from monitor.metrics import Metrics; from workers import build; "
        "from workers.stage import Stage; build.consumer(Stage.DELIVER, Config(), Metrics(), (), fast=False); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
