"""Live sources: real servers that are killed and come back."""

import functools
import http.server
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest
from broker import free_port, wait_for_port
from clips import make
from watching import QUICK, Watched, clicks, flashes, until, watching

from monitor.config import Camera, Capture
from monitor.messages import CameraState, Frame, Mark, Modality, Sound, State

HERE = Path(__file__).parent
PASSWORD = "s3cr@t"
SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's python3-gi belongs to this one, not to the virtual environment's."""
Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("live") / "long.mkv", 60.0)


@contextmanager
def server(port: int, *command: str) -> Iterator[Start]:
    """A server in a process of its own that the test can kill and start again."""
    running: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        running.append(process)
        wait_for_port(port, 20)
        return process

    try:
        yield start
    finally:
        for process in running:
            process.kill()
            process.wait()


def has_rtsp_server() -> bool:
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    return (
        bool(shutil.which(SYSTEM_PYTHON)) and not subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True, check=False).returncode
    )


async def watch_with_a_break(start: Start, source: str, settings: Capture = QUICK) -> Watched:
    """Watch a camera with sound, kill its server in the middle, and start it again."""
    async with watching(settings) as (watched, worker):
        process = start()
        await worker.apply({"a": Camera(source=source, fps=25, decode="all")})
        await until(lambda: len(clicks(watched.sounds)) > 3)
        process.kill()
        process.wait()
        await until(lambda: (State.STALLED,) in watched.states)
        before = len(watched.frames)
        start()
        await until(lambda: len(watched.frames) > before + 60)
        began = time.monotonic()
        await worker.apply({})
        assert time.monotonic() - began < 5
    assert watched.metrics.reconnects.labels("a")._value.get() >= 1
    return watched


def check_the_break(watched: Watched) -> None:
    states = watched.states
    assert states[0] == (State.CONNECTING,)
    assert states.index((State.LIVE,)) < states.index((State.STALLED,)) < len(states) - states[::-1].index((State.LIVE,)) - 1
    assert states[-1] == (State.ENDED,)
    assert sorted(watched.lasts()) == [Modality.PICTURE, Modality.SOUND]
    for item in watched.of(Frame):
        assert abs(item.at - item.captured) < 3
    stalled = next(state for state in watched.of(CameraState) if state.states == (State.STALLED,))
    promises = [mark for mark in watched.of(Mark) if not mark.last and mark.until > stalled.at - 1]
    assert {mark.modality for mark in promises} == {Modality.PICTURE, Modality.SOUND}


def check_one_clock(watched: Watched) -> None:
    """Flashes and clicks happen together, to within one frame and a block of sound."""
    seen, heard = flashes(watched.frames), clicks(watched.sounds)
    settled = [at for at in seen if at > watched.frames[0].at + 1.5]
    off = [min(abs(at - other) for other in heard) for at in settled[:-1]]
    assert len(off) >= 3
    assert sorted(off)[len(off) // 2] <= 0.045, off


def check_no_credentials(watched: Watched, log: str) -> None:
    for text in (repr(watched.messages), log):
        assert PASSWORD not in text
        assert "s3cr%40t" not in text


async def test_mpeg_ts_over_http_comes_back_after_the_server_died(long_clip: Path, capfd: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with server(port, sys.executable, str(HERE / "http_camera.py"), str(port), str(long_clip)) as start:
        watched = await watch_with_a_break(start, f"http://bob:s3cr%40t@127.0.0.1:{port}/live.ts")
    check_the_break(watched)
    check_one_clock(watched)
    check_no_credentials(watched, "".join(capfd.readouterr()))


async def test_rtsp_with_a_password_comes_back_after_the_server_died(long_clip: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if not has_rtsp_server():
        pytest.skip("no RTSP server: apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good")
    port = free_port()
    with server(port, SYSTEM_PYTHON, str(HERE / "rtsp_server.py"), str(port), str(long_clip), "bob", PASSWORD) as start:
        watched = await watch_with_a_break(start, f"rtsp://bob:s3cr%40t@127.0.0.1:{port}/camera")
    check_the_break(watched)
    check_one_clock(watched)
    check_no_credentials(watched, "".join(capfd.readouterr()))


async def test_a_wrong_password_is_told_without_showing_it(long_clip: Path) -> None:
    port = free_port()
    with server(port, sys.executable, str(HERE / "http_camera.py"), str(port), str(long_clip)) as start:
        start()
        async with watching() as (watched, worker):
            await worker.apply({"a": Camera(source=f"http://bob:wr0ngpass@127.0.0.1:{port}/live.ts")})
            await until(lambda: (State.STALLED,) in watched.states)
    assert "401" in watched.of(CameraState)[1].detail
    assert "wr0ngpass" not in repr(watched.messages)


async def test_a_server_that_falls_silent_is_said_to_be_stalled() -> None:
    """It takes the connection and never answers."""
    settings = Capture(retry_s=0.1, stall_s=1.0, open_timeout_s=1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with watching(settings) as (watched, worker):
            await worker.apply({"a": Camera(source=f"http://127.0.0.1:{silent.getsockname()[1]}/live.ts")})
            await until(lambda: watched.metrics.reconnects.labels("a")._value.get() >= 2, 15)
    assert "nothing came within 1 s" in watched.of(CameraState)[1].detail


async def test_hls_plays_at_the_pace_of_its_event_time(tmp_path: Path) -> None:
    clip = make(tmp_path / "clip.mkv", 12.0)
    with av.open(str(clip)) as inp, av.open(str(tmp_path / "live.m3u8"), "w", options={"hls_time": "2", "hls_list_size": "0"}) as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in inp.streams}
        for packet in inp.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        async with watching() as (watched, worker):
            await worker.apply({"a": Camera(source=f"http://127.0.0.1:{web.server_address[1]}/live.m3u8")})
            await until(lambda: len(watched.frames) >= 10)
        web.shutdown()
    for frame in watched.frames:
        assert frame.at <= frame.captured + 0.6
    check_together = [item for item in watched.of(Sound) if item.at > watched.frames[0].at]
    assert check_together


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
