"""The commands of deploy/compose.yaml, exactly, as processes of this machine: a camera's frames become alerts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import av
import film
import pytest
from broker import free_port, wait_for_port
from deployed import Project, Tree, composed, fetched, ours, project, tool, until
from kafka_cluster import Cluster

HERE = Path(__file__).parent
PYTHON = "/usr/bin/python3"
"""Debian's, which knows GStreamer."""
PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


def as_matroska(source: Path, out: Path) -> Path:
    """The same packets in the container that the RTSP server reads."""
    with av.open(str(source)) as given, av.open(str(out), "w") as made:
        streams = {stream.index: made.add_stream_from_template(stream) for stream in given.streams}
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                made.mux(packet)
    return out


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[str]:
    """What the service `camera` does, by GStreamer: the film over RTSP."""
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", PROBE], capture_output=True, check=False).returncode:
        pytest.skip("no RTSP server: apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good")
    films = tmp_path / "films"
    films.mkdir()
    path = as_matroska(film.make(films / "scene.mp4"), films / "scene.mkv")
    port = free_port()
    server = subprocess.Popen(
        [PYTHON, str(HERE / "rtsp_server.py"), str(port), str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for_port(port, 20)
    yield f"rtsp://127.0.0.1:{port}/camera"
    server.kill()
    server.wait()


@pytest.fixture
def started(tmp_path: Path, camera: str, apache: Cluster) -> Iterator[tuple[Project, dict[str, Tree]]]:
    """What compose would start, in its order: what ends by itself first, then what stays."""
    tool("docker-compose")
    addresses = {
        "kafka:9092": apache.address(),
        "rtsp://camera:8554/hall": camera,
        "/films/": f"{tmp_path}/films/",
        "/var/lib/scenewatch": str(tmp_path / "state"),
    }
    (tmp_path / "state").mkdir()
    services = dict(ours(composed()))
    with project(tmp_path, addresses) as made:
        once = {name: services.pop(name) for name in ("film", "topics")}
        for name, service in once.items():
            made.run(name, service)
        for name, service in services.items():
            made.start(name, service)
        yield made, services


@pytest.mark.kafka
@pytest.mark.timeout(540)
def test_the_commands_of_the_compose_file_watch_its_camera(started: tuple[Project, dict[str, Tree]]) -> None:
    running, services = started
    assert set(services) == {"capture", "encode", "transcribe", "fuse", "alert", "deliver"}
    for name in services:
        until(lambda name=name: fetched(running.url(name, "/readyz"))[0] == 200, 240, lambda name=name: running.said(name))
        assert fetched(running.url(name, "/healthz"))[0] == 200
    until(lambda: running.sample("capture", "scenewatch_frames_captured_total") > 10, 60, lambda: running.said("capture"))
    until(lambda: running.sample("encode", 'scenewatch_encoded_total{modality="picture"') > 10, 60, lambda: running.said("encode"))
    until(lambda: running.sample("fuse", "scenewatch_windows_scored_total") > 10, 60, lambda: running.said("fuse"))
    alerts = running.folder / "state" / "alerts.jsonl"
    until(lambda: alerts.exists() and "phrase:help" in alerts.read_text(), 120, lambda: running.said("transcribe") + running.said("alert"))
    assert {name: process.poll() for name, process in running.processes.items()} == dict.fromkeys(services)
    for process in running.processes.values():
        process.terminate()
    assert {name: process.wait(45) for name, process in running.processes.items()} == dict.fromkeys(services, 0)
