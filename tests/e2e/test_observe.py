"""`scenewatch observe`, as a user starts and ends it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from monitors import Asked, program

from workers import monitoring

pytestmark = pytest.mark.prometheus


def test_two_cameras_are_watched_and_ctrl_c_ends_everything(tmp_path: Path, recording: Path) -> None:
    for name in ("prometheus", "prometheus-alertmanager"):
        program(name)
    command = [Path(sys.executable).with_name("scenewatch"), "observe", "--film", recording, "--keep", tmp_path / "kept"]
    ports = ["--prometheus", "0", "--alertmanager", "0", "--metrics", "0"]
    env = os.environ | {"COLUMNS": "200"}
    with subprocess.Popen([*command, *ports], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stderr is not None
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        said = "".join(lines)
        assert process.poll() is None, said
        urls = re.findall(r"http://127\.0\.0\.1:\d+", said)
        asked = Asked(urls[0])
        asked.until('scenewatch_camera_state{state="live", camera=~"hall|lobby"} == 1', 100)
        asked.until('ALERTS{alertname="Watchdog", alertstate="firing"}', 20)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(90) == 0, rest
    assert not any(monitoring.is_taken(int(url.rpartition(":")[2])) for url in urls)
    assert (tmp_path / "kept" / "scenewatch.log").exists()


def test_without_prometheus_it_says_how_to_get_it(tmp_path: Path) -> None:
    scenewatch = Path(sys.executable).with_name("scenewatch")
    done = subprocess.run([scenewatch, "observe"], env=os.environ | {"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "apt-get install" in done.stderr
