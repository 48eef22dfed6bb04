"""A stage as a process: ready, alive, and gone in good order."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_stage_says_when_it_is_ready_and_leaves_in_order_on_a_signal(tmp_path: Path, kafka_url: str) -> None:
    config = tmp_path / "worker.yaml"
    config.write_text(
        f"bus: {kafka_url}?session_s=2\ntopic_prefix: health.\nmetrics: {{port: 0}}\nsinks: [{{type: jsonl, path: {tmp_path}/out}}]\n"
    )
    program = Path(sys.executable).with_name("scenewatch")
    with subprocess.Popen([program, "worker", "deliver", "--config", config], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = next(match[1] for line in process.stderr if (match := re.search(r"(http://127\.0\.0\.1:\d+)/metrics", line)))
        assert status(f"{url}/healthz") == 200
        until = time.monotonic() + 30
        while status(f"{url}/readyz") != 200 and time.monotonic() < until:
            time.sleep(0.1)
        assert status(f"{url}/readyz") == 200
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(30) == 0, rest
    assert "the batch in work is finished first" in rest
    assert "stopped in the middle" not in rest
