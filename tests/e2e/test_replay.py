"""What was recorded is replayed, and its evidence is cut, as a user would do it."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import av
import film
from film import Command

from monitor.archive import Span
from monitor.config import Config
from workers import evidence
from workers.replay import told

CONFIG = """
bus: {bus}?session_s=2
topic_prefix: {prefix}
cameras:
  hall: {{source: {source}, starts_at: 1800000000}}
alerts:
  watch: {{help: {{phrases: [help]}}}}
normality: {{warm_up_s: 10}}
sinks:
  - {{type: jsonl, path: alerts.jsonl}}
  - {{type: evidence, to: kept, before_s: 3, after_s: 2}}
metrics: {{port: 0}}
"""
OTHER = """
alerts:
  watch: {help: {phrases: [ambulance]}}
  rules: {"camera:blind": {enabled: false}}
"""


def events(path: Path) -> list[dict[str, Any]]:
    """Events of a file, each once, in an order of its own."""
    return [json.loads(line) for line in sorted(set(path.read_text().splitlines()), key=lambda line: str(json.loads(line)["id"]))]


def test_a_replay_gives_the_same_alerts_and_another_configuration_others(
    scenewatch: Command, tmp_path: Path, recording: Path, kafka_url: str
) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG.format(bus=kafka_url, prefix="replayed-", source=recording))
    (tmp_path / "other.yaml").write_text(OTHER)
    begin = time.time()
    shown = scenewatch("run", "c.yaml", "--fast")
    assert shown.returncode == 0, shown.stderr
    said = events(tmp_path / "alerts.jsonl")
    assert {event["data"]["kind"] for event in said} >= {"phrase:help", "camera:blind"}

    same = scenewatch("replay", "c.yaml", "--from", str(begin), "--out", "again.jsonl", "--out-prefix", "again.")
    assert same.returncode == 0, same.stdout + same.stderr
    assert "the same alerts" in same.stdout
    assert events(tmp_path / "again.jsonl") == said
    assert asyncio.run(published(kafka_url, begin, "replayed-again.")) == {str(event["id"]) for event in said}

    other = scenewatch("replay", "c.yaml", "--from", str(begin), "--config", "other.yaml", "--json", "difference.json")
    assert other.returncode == 1, other.stdout + other.stderr
    difference = json.loads((tmp_path / "difference.json").read_text())
    assert {alert["kind"] for alert in difference["gone"]} == {"camera:blind"}
    assert "- 2027-01-15T08:00:1" in other.stdout
    assert "camera:blind new" in other.stdout

    wrong = scenewatch("replay", "c.yaml", "--from", "yesterday")
    assert wrong.returncode == 2
    assert "-15m" in wrong.stderr

    evidence_of(scenewatch, tmp_path, said)


async def published(bus: str, begin: float, prefix: str) -> set[str]:
    """Which events are on the topic of alerts, as their CloudEvents' ids."""
    archive = evidence.archive(Config(bus=bus, topic_prefix=prefix))
    return {f"{alert.id}/{alert.sequence}" for alert in await told(archive, Span(begin, time.time()))}


def evidence_of(scenewatch: Command, tmp_path: Path, said: list[dict[str, Any]]) -> None:
    """The films that were kept while it ran, and the same ones cut later."""
    later = scenewatch("evidence", "c.yaml", "--alert", "alerts.jsonl", "--to", "later")
    assert later.returncode == 0, later.stderr
    for event in said:
        alert = event["data"]
        where = f"hall/2027-01-15/{alert['id']}/{alert['sequence']}-{alert['phase']}"
        folders = [tmp_path / "later" / where] + ([tmp_path / "kept" / where] if alert["phase"] != "update" else [])
        for folder in folders:
            document = json.loads((folder / "alert.json").read_text())
            assert document["event"]["data"]["id"] == alert["id"]
            assert document["evidence"]["missing"] == []
            with av.open(str(folder / "clip.mp4")) as clip:
                assert (len(clip.streams.video), len(clip.streams.audio)) == (1, 1)
                assert 2 < clip.duration / 1e6 <= film.SECONDS + 0.1
            assert list(folder.glob("key-*.jpg"))
