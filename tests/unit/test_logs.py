import asyncio
import io
import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
import structlog
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from monitor import logs
from monitor.logs import redact
from workers.lifecycle import supervise

SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C"), exclude_characters="\"'<>"), min_size=4, max_size=20)
HOSTS = st.sampled_from(["10.0.0.7", "cam.example:8554", "[::1]:554"])
SCHEMES = st.sampled_from(["rtsp", "rtsps", "http", "https", "RTSP", "amqp", "mqtt"])


@settings(max_examples=60, deadline=None)
@given(SCHEMES, SECRETS.map(lambda text: text.lstrip("/")), SECRETS, HOSTS)
@example("rtsp", "admin", "p@ss/w:rd", "10.0.0.7")
@example("http", "admin", "a?b=c&d#e", "10.0.0.7")
def test_what_stands_before_the_host_never_shows(scheme: str, user: str, password: str, host: str) -> None:
    assume(password not in host and user not in host and not {user, password} & {"rtsp", "http", "https", "***"})
    text = redact(f"can't open {scheme}://{user}:{password}@{host}/stream1: refused")
    assert f"{user}:{password}" not in text
    assert f"{password}@" not in text.replace("***@", "")
    assert text == f"can't open {scheme}://***@{host}/stream1: refused"


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["password", "passwd", "token", "access_token", "X-Amz-Signature", "apikey", "api_key", "key", "pwd", "Secret", "sig"]),
    SECRETS,
)
def test_parameters_that_are_called_secret_never_show(name: str, secret: str) -> None:
    assume(not set("&;") & set(secret))
    assert redact(f"http://host/a?x=1&{name}={secret}&y=2") == f"http://host/a?x=1&{name}=***&y=2" or "@" in secret
    assert f"={secret}&" not in redact(f"http://host/a?x=1&{name}={secret}&y=2") or secret == "***"


@settings(max_examples=40, deadline=None)
@given(SECRETS)
def test_encoded_addresses_are_redacted_too(password: str) -> None:
    encoded = quote(f"rtsp://admin:{password}@host/x", safe="")
    assert quote(password, safe="") + "%40" not in redact(f"http://proxy/?u={encoded}")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_redacting_twice_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "nothing secret here",
        "http://host:80/path?fps=25&width=448",
        "rtsp://10.0.0.7/stream1",
        "keyframe=3 monkey=4",
        "a@b.example wrote",
        "12:34:56.789",
    ],
)
def test_harmless_text_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("text", ["Authorization: Basic c2VjcmV0", "{'Authorization': 'Bearer c2VjcmV0'}", "authorization=c2VjcmV0"])
def test_authorization_headers_are_redacted(text: str) -> None:
    assert "c2VjcmV0" not in redact(text)


def test_every_value_of_an_event_is_redacted_however_deep() -> None:
    event = {
        "event": "rtsp://u:pass1@h",
        "a": [{"b": ("rtsp://u:pass1@h", b"rtsp://u:pass1@h")}],
        "e": ValueError("rtsp://u:pass1@h"),
        "password": "pass1",
        "headers": {"Authorization": "pass1", "n": 3},
        "count": 5,
    }
    out = logs.redacted(None, "info", event)
    assert "pass1" not in repr({key: value for key, value in out.items() if key != "password"})
    assert out["password"] == "***"
    assert out["count"] == 5


@pytest.mark.parametrize("as_json", [True, False])
def test_no_log_line_shows_a_credential(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.configure("info", json=as_json)
        url = "rtsp://admin:hunter22@cam/1"
        log = structlog.get_logger()
        log.info("opening", source=url)
        log.debug("never shown")
        try:
            raise ValueError(url)  # noqa: TRY301 (it is to be caught)
        except ValueError:
            log.exception("failed")
            logging.getLogger("httpx").warning("GET %s", "https://hooks.example/x?token=hunter22")
        err = capsys.readouterr().err
    finally:
        root.handlers[:], root.level = before
        structlog.reset_defaults()
    assert "hunter22" not in err
    assert "never shown" not in err
    assert "ValueError" in err
    assert err.count("***") >= 3
    if as_json:
        assert json.loads(err.splitlines()[0])["source"] == "rtsp://***@cam/1"


async def test_every_line_of_a_stage_says_its_stage_from_its_threads_too(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level

    async def stage() -> None:
        structlog.get_logger().info("in the loop")
        with ThreadPoolExecutor(1, "encode", logs.named("encode")) as thread:
            await asyncio.get_running_loop().run_in_executor(thread, structlog.get_logger().info, "in a thread")

    try:
        logs.configure("info", json=True)
        await asyncio.create_task(supervise("encode", stage))
        structlog.get_logger().info("elsewhere")
        err = capsys.readouterr().err
    finally:
        root.handlers[:], root.level = before
        structlog.reset_defaults()
    said = {line["event"]: line.get("stage") for line in map(json.loads, err.splitlines())}
    assert said == {"in the loop": "encode", "in a thread": "encode", "elsewhere": None}


def test_logging_goes_to_standard_error() -> None:
    assert isinstance(sys.stderr, io.TextIOBase)


def test_what_a_library_repeats_is_said_now_and_then_with_how_often() -> None:
    now = 0.0
    repeats = logs.Repeats(lambda: now)
    said = []
    for second in range(12):
        now = float(second)
        record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, "no node %s", (second,), None)
        if repeats.filter(record):
            said.append(record.getMessage())
    assert said == ["no node 0", "no node 10 (and 9 times more since it was said last)"]


def test_different_things_are_all_said() -> None:
    repeats = logs.Repeats(lambda: 0.0)
    records = [logging.LogRecord("aiokafka", logging.ERROR, "", 0, text, None, None) for text in ("a", "b", "a")]
    assert [repeats.filter(record) for record in records] == [True, True, False]
