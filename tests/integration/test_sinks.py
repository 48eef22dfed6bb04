"""Sinks against the real thing: a terminal's stream, a file, an HTTP server that fails as often as it is told to."""

from __future__ import annotations

import base64
import hmac
import io
import json
import os
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import alerts
import msgspec
import pytest
from rich.console import Console

from monitor import config, events
from monitor.errors import ConfigError, SinkError
from monitor.messages import Alert
from monitor.sinks import ConsoleSink, JsonlSink, Sink, WebhookSink, sinks

SECRETS = ("hunter2", "tok-123", "path-secret")


def alert(sequence: int = 0) -> Alert:
    return alerts.alert(sequence, summary=f"Sentence {sequence}.")


@dataclass
class Answer:
    """What the server says to one request."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    hang_up: bool = False


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class Server:
    """An HTTP server that gives the answers it was told, then 204, and remembers what it was asked."""

    port: int
    answers: list[Answer] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def settings(self, **changes: object) -> config.WebhookSink:
        url = f"http://user:hunter2@127.0.0.1:{self.port}/hooks/path-secret?token=tok-123"
        return config.WebhookSink.model_validate(
            {"type": "webhook", "url": url, "timeout_s": 1, "attempts": 4, "retry_max_s": 0.02, **changes}
        )


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server(0)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.requests.append(Request(self.path, dict(self.headers), body, time.monotonic()))
            answer = state.answers.pop(0) if state.answers else Answer()
            time.sleep(answer.wait_s)
            if answer.hang_up:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"Content-Length": "0", **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    state.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


@dataclass
class Taken:
    """A sink, and the summaries of what it took."""

    sink: Sink
    summaries: Callable[[], list[str]]


@pytest.fixture(params=["console", "jsonl", "webhook"])
async def taken(request: pytest.FixtureRequest, tmp_path: Path, server: Server) -> AsyncIterator[Taken]:
    screen = io.StringIO()
    path = tmp_path / "alerts.jsonl"
    made: dict[str, Callable[[], Taken]] = {
        "console": lambda: Taken(
            ConsoleSink(Console(file=screen)), lambda: [line.strip() for line in screen.getvalue().splitlines() if "Sentence" in line]
        ),
        "jsonl": lambda: Taken(JsonlSink(path), lambda: [json.loads(line)["data"]["summary"] for line in path.read_bytes().splitlines()]),
        "webhook": lambda: Taken(
            WebhookSink(server.settings()), lambda: [json.loads(request.body)["data"]["summary"] for request in server.requests]
        ),
    }
    one = made[request.param]()
    yield one
    await one.sink.close()


async def test_every_sink_takes_alerts_in_their_order(taken: Taken) -> None:
    for sequence in range(5):
        await taken.sink.send(alert(sequence))
    assert taken.summaries() == [f"Sentence {sequence}." for sequence in range(5)]


async def test_every_sink_takes_the_same_alert_twice(taken: Taken) -> None:
    await taken.sink.send(alert())
    await taken.sink.send(alert())
    assert taken.summaries() == ["Sentence 0."] * 2


async def test_every_sink_takes_words_with_line_ends_and_control_characters(taken: Taken) -> None:
    await taken.sink.send(msgspec.structs.replace(alert(), text='a\nb\x1b[2J\x00 "quoted" ß😀', summary="Sentence 0."))
    await taken.sink.send(alert(1))
    assert taken.summaries() == ["Sentence 0.", "Sentence 1."]


async def test_sinks_of_one_type_have_names_of_their_own(server: Server) -> None:
    made = sinks([server.settings(), config.ConsoleSink(type="console"), server.settings()])
    assert [sink.name for sink in made] == ["webhook", "console", "webhook-2"]
    for sink in made:
        await sink.close()


async def test_a_webhook_gets_the_cloud_event_in_structured_mode(server: Server) -> None:
    sink = WebhookSink(server.settings(headers={"X-Key": "k"}))
    await sink.send(alert())
    await sink.close()
    (request,) = server.requests
    assert request.body == events.to_json(alert())
    assert request.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert request.headers["X-Key"] == "k"
    assert request.headers["Authorization"].startswith("Basic ")
    assert request.path == "/hooks/path-secret?token=tok-123"


async def test_a_webhooks_address_and_headers_take_variables_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "tok-123")
    monkeypatch.setenv("HOOK_PATH", "path-secret")
    settings = server.settings(
        url=f"http://127.0.0.1:{server.port}/hooks/${{HOOK_PATH}}", headers={"Authorization": "Bearer ${HOOK_TOKEN}", "X-Site": "north"}
    )
    (sink,) = sinks([settings])
    await sink.send(alert())
    await sink.close()
    (request,) = server.requests
    assert request.path == "/hooks/path-secret"
    assert (request.headers["Authorization"], request.headers["X-Site"]) == ("Bearer tok-123", "north")


@pytest.mark.parametrize("changes", [{"headers": {"Authorization": "Bearer ${GONE}"}}, {"url": "http://127.0.0.1/${GONE}?key=hunter2"}])
def test_a_variable_that_is_not_set_is_named(server: Server, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]) -> None:
    monkeypatch.delenv("GONE", raising=False)
    with pytest.raises(ConfigError, match="the environment variable GONE is not set") as caught:
        sinks([server.settings(**changes)])
    assert_no_secret(caught.value)


async def test_each_attempt_is_signed_under_the_events_name(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = base64.b64encode(bytes(range(32))).decode()
    monkeypatch.setenv("HOOK_SECRET", f"whsec_{secret}")
    server.answers = [Answer(503)]
    (sink,) = sinks([server.settings(secret="${HOOK_SECRET}")])
    await sink.send(alert())
    await sink.close()
    for request in server.requests:
        assert request.headers["webhook-id"] == json.loads(request.body)["id"]
        assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 60
        content = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
        digest = base64.b64encode(hmac.digest(base64.b64decode(secret), content, "sha256")).decode()
        assert request.headers["webhook-signature"] == f"v1,{digest}"
    assert len(server.requests) == 2


async def test_without_a_secret_nothing_is_signed(server: Server) -> None:
    sink = WebhookSink(server.settings())
    await sink.send(alert())
    await sink.close()
    assert not any(name.lower().startswith("webhook-") for name in server.requests[0].headers)


def test_a_header_that_is_none_is_refused_without_its_value(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "tok-123\n")
    with pytest.raises(ConfigError, match="Authorization") as caught:
        sinks([server.settings(headers={"Authorization": "Bearer ${HOOK_TOKEN}"})])
    assert_no_secret(caught.value)


@pytest.mark.parametrize("fault", [Answer(500), Answer(503), Answer(429), Answer(408), Answer(hang_up=True), Answer(wait_s=1.3)])
async def test_a_webhook_tries_again_while_there_is_hope(server: Server, fault: Answer) -> None:
    server.answers = [fault, Answer(502)]
    sink = WebhookSink(server.settings())
    await sink.send(alert())
    await sink.close()
    assert len(server.requests) == 3
    assert len({request.body for request in server.requests}) == 1


async def test_a_webhook_gives_up_after_its_attempts_and_says_no_secret(server: Server) -> None:
    server.answers = [Answer(500)] * 10
    sink = WebhookSink(server.settings())
    with pytest.raises(SinkError, match=r"4 attempts: HTTP status 500") as caught:
        await sink.send(alert())
    await sink.close()
    assert len(server.requests) == 4
    assert_no_secret(caught.value)


@pytest.mark.parametrize(("status", "says"), [(400, "end point"), (401, "credentials"), (404, "end point"), (410, "end point")])
async def test_a_refusal_is_not_tried_again(server: Server, status: int, says: str) -> None:
    server.answers = [Answer(status)]
    sink = WebhookSink(server.settings())
    with pytest.raises(SinkError, match=f"{status}.*{says}") as caught:
        await sink.send(alert())
    await sink.close()
    assert len(server.requests) == 1
    assert_no_secret(caught.value)


async def test_a_redirect_is_not_followed(server: Server) -> None:
    server.answers = [Answer(302, {"Location": "/elsewhere"})]
    sink = WebhookSink(server.settings())
    with pytest.raises(SinkError, match="not followed"):
        await sink.send(alert())
    await sink.close()
    assert len(server.requests) == 1


@pytest.mark.parametrize("retry_after", ["1", lambda: formatdate(time.time() + 2, usegmt=True)])
async def test_a_webhook_waits_as_long_as_it_is_asked_to(server: Server, retry_after: str | Callable[[], str]) -> None:
    server.answers = [Answer(429, {"Retry-After": retry_after if isinstance(retry_after, str) else retry_after()})]
    sink = WebhookSink(server.settings(retry_max_s=5))
    await sink.send(alert())
    await sink.close()
    first, second = server.requests
    assert 0.5 < second.at - first.at < 4


@pytest.mark.parametrize("retry_after", ["3600", "soon", "-1", "²"])
async def test_no_server_makes_a_webhook_wait_for_longer_than_the_settings_say(server: Server, retry_after: str) -> None:
    server.answers = [Answer(503, {"Retry-After": retry_after.encode().decode("latin-1")})]
    sink = WebhookSink(server.settings())
    await sink.send(alert())
    await sink.close()
    first, second = server.requests
    assert second.at - first.at < 1


async def test_a_webhook_that_nobody_answers_fails_without_a_secret(closed_port: int) -> None:
    sink = WebhookSink(Server(closed_port).settings(attempts=2))
    with pytest.raises(SinkError, match=r"http://127.0.0.1:\d+ did not take an alert in 2 attempts") as caught:
        await sink.send(alert())
    await sink.close()
    assert_no_secret(caught.value)


async def test_a_certificate_that_nobody_vouches_for_is_refused(server: Server, tmp_path: Path) -> None:
    settings = server.settings(url=f"https://127.0.0.1:{server.port}/", attempts=1)
    sink = WebhookSink(settings)
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED
    with pytest.raises(SinkError):
        await sink.send(alert())
    await sink.close()


@pytest.mark.parametrize("url", ["ftp://host/x", "http://", "not an address", "http://host:99999/", "/hunter2"])
def test_an_address_that_is_none_is_a_mistake_in_the_configuration(url: str) -> None:
    with pytest.raises(ConfigError, match="http") as caught:
        sinks([config.WebhookSink(type="webhook", url=url)])
    assert "hunter2" not in str(caught.value)


def assert_no_secret(error: BaseException | None) -> None:
    while error is not None:
        assert not any(secret in repr(error) for secret in SECRETS)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


async def test_a_file_is_appended_to_line_by_line_also_after_it_was_rotated(tmp_path: Path) -> None:
    path = tmp_path / "new" / "alerts.jsonl"
    sink = JsonlSink(path)
    await sink.send(alert(0))
    path.rename(path.with_suffix(".1"))
    await sink.send(alert(1))
    await sink.send(alert(2))
    assert path.with_suffix(".1").read_bytes() == events.to_json(alert(0)) + b"\n"
    assert path.read_bytes().splitlines() == [events.to_json(alert(1)), events.to_json(alert(2))]


def test_a_file_that_can_not_be_written_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't write to"):
        JsonlSink(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
async def test_a_disk_that_is_full_is_tried_again_and_then_said() -> None:
    sink = JsonlSink(Path("/dev/full"))
    with pytest.raises(SinkError, match="No space left"):
        await sink.send(alert())


async def test_a_terminal_that_is_gone_is_a_sink_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    gone = os.fdopen(writer, "w")
    with pytest.raises(SinkError):
        await ConsoleSink(Console(file=gone)).send(alert())
    os.dup2(os.open(os.devnull, os.O_WRONLY), writer)  # or closing it would write again
    gone.close()
