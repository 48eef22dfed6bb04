"""Whole runs: from a film's packets to the alerts that another program reads."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any

import film
import jsonschema
import pytest
from film import Command

STARTS_AT = 1_800_000_000
CONFIG = """
bus: {bus}
cameras:
  hall: {{source: {source}, starts_at: {starts_at}}}
alerts:
  watch: {{help: {{phrases: [help]}}}}
normality: {{warm_up_s: 10}}
sinks: [{{type: jsonl, path: {out}}}]
metrics: {{port: 0}}
"""


def alerts(path: Path) -> list[dict[str, Any]]:
    """What other programs read, without what tells of the delivery alone, in an order of its own."""
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        event["data"].pop("captured")
        reasons = event["data"]["reasons"] or {"picture": None, "expected": []}
        refs = [event["data"]["key_frame"], *event["data"]["frames"], *event["data"]["sounds"], reasons["picture"], *reasons["expected"]]
        for ref in refs:
            if ref:
                ref.pop("offset")
                ref.pop("partition")
    return sorted(events, key=lambda event: str(event["id"]))


def configure(folder: Path, source: Path, bus: str = "memory://", out: str = "alerts.jsonl") -> Path:
    path = folder / f"{out}.yaml"
    path.write_text(CONFIG.format(bus=bus, source=source, starts_at=STARTS_AT, out=folder / out))
    return path


def test_a_call_for_help_and_a_covered_lens_become_alerts(scenewatch: Command, tmp_path: Path, recording: Path) -> None:
    shown = scenewatch("run", configure(tmp_path, recording), "--fast")
    assert shown.returncode == 0, shown.stderr
    assert f"{film.SECONDS * 2} captured = {film.SECONDS * 2} encoded + 0 dropped" in shown.stderr
    events = alerts(tmp_path / "alerts.jsonl")
    schema = json.loads((Path(__file__).parents[2] / "docs/schema/alert.schema.json").read_text())
    for event in events:
        jsonschema.validate(event | {"data": event["data"] | {"captured": 0.0}}, _without_refs(schema))
    new = {event["data"]["kind"]: event["data"] for event in events if event["data"]["phase"] == "new"}
    assert {"phrase:help", "camera:blind"} <= set(new)
    assert "help" in new["phrase:help"]["text"].lower()
    assert abs(new["phrase:help"]["words"][0]["at"] - STARTS_AT - film.CALL_AT) < 1.0
    assert film.COVERED[0] - 0.5 <= new["camera:blind"]["at"] - STARTS_AT <= film.COVERED[0] + 5
    ended = {event["data"]["kind"] for event in events if event["data"]["phase"] == "end"}
    assert ended == set(new)


def _without_refs(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as it is, but for offsets, which `alerts` takes out."""
    text = json.dumps(schema)
    return dict(json.loads(re.sub(r'"required": \["topic", "partition", "offset"\]', '"required": ["topic"]', text)))


def test_live_and_fast_give_the_same_alerts(scenewatch: Command, tmp_path: Path, recording: Path) -> None:
    fast, live = configure(tmp_path, recording, out="fast"), configure(tmp_path, recording, out="live")
    assert scenewatch("run", fast, "--fast").returncode == 0
    assert scenewatch("run", live).returncode == 0
    assert alerts(tmp_path / "fast") == alerts(tmp_path / "live") != []


def test_both_buses_give_the_same_alerts(scenewatch: Command, tmp_path: Path, recording: Path, kafka_url: str) -> None:
    memory, kafka = configure(tmp_path, recording, out="memory"), configure(tmp_path, recording, f"{kafka_url}?session_s=2", out="kafka")
    assert scenewatch("run", memory, "--fast").returncode == 0
    shown = scenewatch("run", kafka, "--fast")
    assert shown.returncode == 0, shown.stderr
    assert alerts(tmp_path / "memory") == alerts(tmp_path / "kafka") != []


def test_every_stage_as_a_process_of_its_own(scenewatch: Command, tmp_path: Path, recording: Path, kafka_url: str) -> None:
    config = configure(tmp_path, recording, f"{kafka_url}?session_s=2\ntopic_prefix: stages-", out="stages")
    program = Path(sys.executable).with_name("scenewatch")
    behind = [
        subprocess.Popen([program, "worker", stage, "--config", config], stderr=subprocess.DEVNULL)
        for stage in ("encode", "transcribe", "fuse", "alert", "deliver")
    ]
    try:
        time.sleep(1)
        assert scenewatch("worker", "capture", "--config", config).returncode == 0
        path = tmp_path / "stages"
        until = time.monotonic() + 120
        while time.monotonic() < until and not (path.exists() and {"phrase:help", "camera:blind"} <= ended(path)):
            time.sleep(0.5)
        assert {"phrase:help", "camera:blind"} <= ended(path)
    finally:
        for process in behind:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(40) for process in behind]
    assert codes == [0] * len(behind)


def ended(path: Path) -> set[str]:
    """Kinds of the incidents that have ended."""
    events = [json.loads(line)["data"] for line in path.read_text().splitlines()]
    return {event["kind"] for event in events if event["phase"] == "end"}


def until_ready(url: str) -> None:
    """Wait until models are loaded and cameras have begun."""
    until = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url).close()
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def test_a_signal_ends_a_run_in_order_and_metrics_are_served(tmp_path: Path, recording: Path) -> None:
    config = configure(tmp_path, recording)
    program = Path(sys.executable).with_name("scenewatch")
    with subprocess.Popen([program, "run", config], stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stderr is not None
        url = next(match[0] for line in process.stderr if (match := re.search(r"http://127\.0\.0\.1:\d+/metrics", line)))
        until_ready(url.replace("/metrics", "/readyz"))
        time.sleep(4)
        with urllib.request.urlopen(url) as answer:
            text = answer.read().decode()
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(60) == 0, rest
    for name in (
        "frames_captured_total",
        "sound_captured_seconds_total",
        "camera_state",
        "stage_seconds_bucket",
        "queue_depth",
        "windows_scored_total",
    ):
        assert f"scenewatch_{name}" in text
    assert re.search(r"(\d+) captured = \1 encoded \+ 0 dropped", rest)


@pytest.mark.timeout(600)
def test_the_demo_finds_what_was_planted_and_nothing_else(scenewatch: Command) -> None:
    shown = scenewatch("demo", timeout=500)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "all found, nothing else said" in shown.stderr


def test_a_signal_while_models_are_loaded_is_no_failure(tmp_path: Path, recording: Path) -> None:
    program = Path(sys.executable).with_name("scenewatch")
    with subprocess.Popen([program, "run", configure(tmp_path, recording)], stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stderr is not None
        assert next(line for line in process.stderr if "/metrics" in line)
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.wait(40) == 0
