"""Cameras that are there whether anybody looks or not: films as MPEG-TS over HTTP on loopback, again and again, from where they are now."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer


class Cameras(ThreadingHTTPServer):
    """`/0` is the first film, `/1` the second, …; a film is as far as the time since this began."""

    daemon_threads = True

    def __init__(self, films: Sequence[Path]) -> None:
        super().__init__(("127.0.0.1", 0), Camera)
        self.films = films
        self.begun = time.monotonic()

    @property
    def urls(self) -> list[str]:
        """The films' addresses."""
        return [f"http://127.0.0.1:{self.server_address[1]}/{number}" for number in range(len(self.films))]


class Camera(BaseHTTPRequestHandler):
    """Answers with one film's packets, each when it is its time."""

    server: Cameras

    def do_GET(self) -> None:
        """Send for as long as somebody reads."""
        try:
            film = self.server.films[int(self.path[1:])]
        except (ValueError, IndexError):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        try:
            with av.open(film) as given, av.open(self.wfile, "w", format="mpegts") as made:
                self._play(given, made)
        except (OSError, av.error.FFmpegError):
            self.close_connection = True  # whoever read has gone

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name for it
        """Say nothing."""

    def _play(self, given: InputContainer, made: OutputContainer) -> None:
        """Begin with the next key frame, and go on with the film's begin when it has ended."""
        streams = {stream.index: made.add_stream_from_template(stream) for stream in given.streams if stream.type in {"video", "audio"}}
        lasts = (given.duration or 0) / av.time_base
        begun, keyed = time.monotonic() - self.server.begun, False
        for played in range(int(begun / lasts), 1 << 30):
            given.seek(0)
            for packet in given.demux():
                if packet.dts is None or packet.stream.index not in streams:
                    continue
                at = played * lasts + float(packet.dts * packet.time_base)
                keyed = keyed or (at >= begun and packet.stream.type == "video" and packet.is_keyframe)
                if not keyed:
                    continue
                time.sleep(max(0.0, self.server.begun + at - time.monotonic()))
                shift = round(played * lasts / packet.time_base)
                packet.dts += shift
                packet.pts = packet.pts + shift if packet.pts is not None else None
                packet.stream = streams[packet.stream.index]
                made.mux(packet)


@contextmanager
def served(films: Sequence[Path]) -> Iterator[list[str]]:
    """Serve films for a while; gives their addresses."""
    cameras = Cameras(films)
    thread = threading.Thread(target=cameras.serve_forever, name="cameras", daemon=True)
    thread.start()
    try:
        yield cameras.urls
    finally:
        cameras.shutdown()
        cameras.server_close()
        thread.join()
