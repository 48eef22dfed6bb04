"""What a process says of itself over HTTP: /metrics for Prometheus, /healthz and /readyz for whoever starts and stops processes."""

from __future__ import annotations

import asyncio
import gzip
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import msgspec
import structlog
from prometheus_client import make_wsgi_app

from monitor import config, exposition
from monitor.errors import ConfigError
from monitor.metrics import Metrics

BEAT_S: Final = 0.5
HUNG_S: Final = 10.0
"""An event loop that has not turned for so long hangs."""
START_S: Final = 300.0
"""Until it turns for the first time, models are loaded: that may take so long."""
REQUEST_S: Final = 5.0
"""Who connects and then says nothing is cut off after so long …"""
REQUESTS: Final = 16
"""… and no more than so many are answered at a time."""
PLAIN: Final = ("Content-Type", "application/json")

Condition = Callable[[], bool]
log: Any = structlog.get_logger()


@dataclass(slots=True)
class Vitals:
    """How a process is; the event loop writes, the HTTP threads read."""

    begun: float = field(default_factory=time.monotonic)
    beat_at: float | None = None
    conditions: dict[str, Condition] = field(default_factory=dict)
    """What must be so before the process is ready, by name."""

    def alive(self, now: float) -> str:
        """Say what is wrong with it, or nothing; `now` is a monotonic clock. A stage that gives up ends its process."""
        if self.beat_at is None:
            return "" if now - self.begun < START_S else f"not started after {START_S:g} s"
        return "" if now - self.beat_at < HUNG_S else f"the event loop has hung for {now - self.beat_at:.0f} s"

    def ready(self) -> dict[str, bool]:
        """Every condition, and whether it holds; none holds before they are known."""
        return {name: holds() for name, holds in dict(self.conditions).items()} or {"started": False}

    async def beat(self) -> None:
        """Show for ever that the event loop turns."""
        while True:
            self.beat_at = time.monotonic()
            await asyncio.sleep(BEAT_S)


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What /healthz and /readyz say."""

    ok: bool
    reason: str = ""
    conditions: dict[str, bool] = {}


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a request, and a bounded number of them: more wait in the listener's queue."""

    daemon_threads = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._room = threading.BoundedSemaphore(REQUESTS)
        super().__init__(*arguments, **options)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (the standard library's interface)
        """Tell of a client that went away or said nothing; it is no fault of ours."""
        log.debug("a request was not answered", error=repr(sys.exc_info()[1]))

    def process_request(self, request: Any, client_address: Any) -> None:
        self._room.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()


class _Server6(_Server):
    """The same for IPv6."""

    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    """Logs nothing, waits for nobody for long."""

    timeout = REQUEST_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the standard library's name)
        """Log nothing."""


def application(metrics: Metrics, vitals: Vitals) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """Answer three paths; any other is not there (WSGI, PEP 3333)."""
    text = make_wsgi_app(metrics.registry)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path in {"/metrics", "/"}:
            if exposition.ASKED in environ.get("HTTP_ACCEPT", ""):
                return _openmetrics(metrics, environ, start_response)
            found: Iterable[bytes] = text(environ, start_response)
            return found
        said = _said(path, vitals)
        status = "404 Not Found" if said is None else "200 OK" if said.ok else "503 Service Unavailable"
        start_response(status, [PLAIN])
        return [msgspec.json.encode(said or Answer(ok=False, reason="there are /metrics, /healthz and /readyz")) + b"\n"]

    return answer


def _openmetrics(metrics: Metrics, environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """What Prometheus asks for: with exemplars, and compressed a little, which takes a tenth of the time of much."""
    body, headers = exposition.openmetrics(metrics.registry), [("Content-Type", exposition.CONTENT_TYPE)]
    if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
        body, headers = gzip.compress(body, 1), [*headers, ("Content-Encoding", "gzip")]
    start_response("200 OK", headers)
    return [body]


def _said(path: str, vitals: Vitals) -> Answer | None:
    if path == "/healthz":
        wrong = vitals.alive(time.monotonic())
        return Answer(ok=not wrong, reason=wrong)
    if path == "/readyz":
        conditions = vitals.ready()
        return Answer(ok=all(conditions.values()), conditions=conditions)
    return None


@contextmanager
def served(settings: config.Metrics, metrics: Metrics, vitals: Vitals) -> Iterator[None]:
    """Listen while the body runs; a port that is taken is a clear ConfigError."""
    if not settings.enabled:
        yield
        return
    where = f"{settings.host}:{settings.port}"
    try:
        server = make_server(
            settings.host, settings.port, application(metrics, vitals), _Server6 if ":" in settings.host else _Server, _Handler
        )
    except OSError as error:
        raise ConfigError(f"metrics: can't listen on {where}: {error.strerror}: set metrics.port, or metrics.enabled: false") from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="http", daemon=True)
    thread.start()
    log.info("metrics", url=f"http://{settings.host}:{server.server_port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
