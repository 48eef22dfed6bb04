"""A stage as a process: ready, alive, and gone in good order."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

from monitor.config import Config
from workers.stage import Stage
from workers.turn import turn

ADDRESS = r"(http://127\.0\.0\.1:\d+)/metrics"


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def told(lines: Iterable[str], pattern: str) -> str:
    """The first group, or all, of the first line in which a pattern is."""
    match = next(match for line in lines if (match := re.search(pattern, line)))
    return match[1] if match.groups() else match[0]


def ready(url: str) -> bool:
    return status(f"{url}/readyz") == 200


def wait_for(true: Callable[[str], bool], url: str) -> None:
    until = time.monotonic() + 30
    while not true(url):
        assert time.monotonic() < until, url
        time.sleep(0.1)


def test_a_stage_says_when_it_is_ready_and_leaves_in_order_on_a_signal(tmp_path: Path, kafka_url: str) -> None:
    config = tmp_path / "worker.yaml"
    config.write_text(
        f"bus: {kafka_url}?session_s=2\ntopic_prefix: health.\nmetrics: {{port: 0}}\nsinks: [{{type: jsonl, path: {tmp_path}/out}}]\n"
    )
    program = Path(sys.executable).with_name("scenewatch")
    with subprocess.Popen([program, "worker", "deliver", "--config", config], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = told(process.stderr, ADDRESS)
        assert status(f"{url}/healthz") == 200
        wait_for(ready, url)
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(30) == 0, rest
    assert "the batch in work is finished first" in rest
    assert "stopped in the middle" not in rest


def test_a_second_process_of_one_name_waits_and_goes_on_when_the_first_is_killed(tmp_path: Path, kafka_url: str) -> None:
    config = tmp_path / "worker.yaml"
    config.write_text(f"bus: {kafka_url}\ntopic_prefix: spare.\nmetrics: {{port: 0}}\nsinks: [{{type: jsonl, path: {tmp_path}/out}}]\n")
    command = [Path(sys.executable).with_name("scenewatch"), "worker", "deliver", "--config", config, "--instance", "one"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as active:
        assert active.stderr is not None
        wait_for(ready, told(active.stderr, ADDRESS))
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as spare:
            assert spare.stderr is not None
            url = told(spare.stderr, ADDRESS)
            told(spare.stderr, "waiting as a spare")
            assert status(f"{url}/healthz") == 200
            assert not ready(url)
            active.kill()
            wait_for(ready, url)
            spare.send_signal(signal.SIGTERM)
            assert spare.wait(30) == 0


def test_a_spare_ends_on_a_signal(tmp_path: Path, kafka_url: str) -> None:
    config = tmp_path / "worker.yaml"
    config.write_text(f"bus: {kafka_url}\ntopic_prefix: spares.\nmetrics: {{port: 0}}\n")
    held = turn(Config(bus=kafka_url, topic_prefix="spares."), Stage.DELIVER, "one")
    asyncio.run(held.taken())
    command = [Path(sys.executable).with_name("scenewatch"), "worker", "deliver", "--config", config, "--instance", "one"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as spare:
        assert spare.stderr is not None
        told(spare.stderr, "waiting as a spare")
        spare.send_signal(signal.SIGTERM)
        assert spare.wait(30) == 0
