"""Where alerts go: the terminal, a file, another program's HTTP end point (and, in `monitor.evidence`, a folder of films).

A sink takes one alert at a time and returns when it is delivered, or raises SinkError when it is not and trying on is
useless. The same alert may come twice; the event's `id` and `source` say so.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, Protocol

import httpx
import stamina
from rich.console import Console

from monitor import config, events, signing
from monitor.console import lines
from monitor.environment import expand
from monitor.errors import ConfigError, SinkError
from monitor.evidence import EvidenceSink
from monitor.logs import redact
from monitor.messages import Alert

FILE_ATTEMPTS: Final = 5
"""A disk that is full or away is tried so often, over a few seconds."""

FIRST_WAIT_S: Final = 0.5
"""Before the second attempt of a webhook; doubles, with jitter."""

TRY_AGAIN: Final = {408, 425, 429}
"""Statuses below 500 that mean: not now (RFC 9110, RFC 8470, RFC 6585)."""


LAST_PORT: Final = 65535


class Sink(Protocol):
    """Takes alerts."""

    @property
    def name(self) -> str:
        """What it is called in metrics and logs; unique."""

    async def send(self, alert: Alert) -> None:
        """Deliver; SinkError when that failed for good."""

    async def close(self) -> None:
        """Let go of what it holds."""


def sinks(settings: Sequence[config.Sink]) -> tuple[Sink, ...]:
    """Make the sinks of a configuration; ConfigError for one that can't work."""
    seen: Counter[str] = Counter()
    made: list[Sink] = []
    for each in settings:
        seen[each.type] += 1
        name = each.type if seen[each.type] == 1 else f"{each.type}-{seen[each.type]}"
        made.append(_sink(name, each))
    return tuple(made)


def _sink(name: str, settings: config.Sink) -> Sink:
    match settings:
        case config.ConsoleSink():
            return ConsoleSink(terminal(settings.colour), name)
        case config.JsonlSink():
            return JsonlSink(Path(settings.path), name)
        case config.WebhookSink():
            return WebhookSink(settings, name)
        case config.EvidenceSink():
            return EvidenceSink(settings, name)


def terminal(colour: str) -> Console:
    """Open standard output, in colour `auto`, `always` or `never`."""
    return Console(
        force_terminal=True if colour == "always" else None,
        color_system=None if colour == "never" else "auto",
        highlight=False,
        soft_wrap=True,
    )


class ConsoleSink:
    """Readable lines on a terminal."""

    def __init__(self, console: Console, name: str = "console") -> None:
        self.name = name
        self._console = console

    async def send(self, alert: Alert) -> None:
        """Print it; not by rich itself, which ends the process when the other end of a pipe is gone."""
        with self._console.capture() as text:
            self._console.print(lines(alert))
        try:
            self._console.file.write(text.get())
            self._console.file.flush()
        except OSError as error:
            raise SinkError(f"The terminal did not take an alert: {error}") from error

    async def close(self) -> None:
        """Nothing to let go of."""


class JsonlSink:
    """One event a line; the file is opened for each, so it may be rotated at any time."""

    def __init__(self, path: Path, name: str = "jsonl") -> None:
        self.name = name
        self._path = path
        self._torn = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("ab").close()
        except OSError as error:
            raise ConfigError(f"sinks: can't write to {path}: {error.strerror}. Name a file in a folder that can be written to") from error

    async def send(self, alert: Alert) -> None:
        """Append the event, all of its line or, after an error, none that a reader would take for one."""
        line = events.to_json(alert) + b"\n"
        try:
            async for attempt in stamina.retry_context(on=OSError, attempts=FILE_ATTEMPTS, wait_initial=0.1, wait_max=2):
                with attempt:
                    self._append(line)
        except OSError as error:
            raise SinkError(
                f"Can't append to {self._path}: {error.strerror}. Make room, or give this process the right to write"
            ) from error

    async def close(self) -> None:
        """Nothing to let go of."""

    def _append(self, line: bytes) -> None:
        """Write in one call; a line that was cut short before is ended first."""
        data = b"\n" + line if self._torn else line
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            written = os.write(file, data)
            self._torn = written < len(data)
        finally:
            os.close(file)
        if self._torn:
            raise OSError(0, "only a part of the line was written")


class WebhookSink:
    """POSTs the event; tries again while there is hope, and keeps the address's secrets to itself."""

    def __init__(self, settings: config.WebhookSink, name: str = "webhook", environ: Mapping[str, str] = os.environ) -> None:
        self.name = name
        self._settings = settings
        headers = {name: _header(name, value, environ) for name, value in settings.headers.items()}
        self._key = signing.key(expand(settings.secret, environ, "sinks: the webhook's secret")) if settings.secret else None
        try:
            self._url = httpx.URL(expand(settings.url, environ, "sinks: a webhook's url"))
            self._client = httpx.AsyncClient(
                headers={**headers, "Content-Type": events.CONTENT_TYPE}, timeout=settings.timeout_s, follow_redirects=False
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise ConfigError(f"sinks: the webhook's url or headers are none: {type(error).__name__}. Give http(s)://host/path") from error
        if self._url.scheme not in {"http", "https"} or not self._url.host or (self._url.port or 0) > LAST_PORT:
            raise ConfigError("sinks: a webhook's url begins with http:// or https:// and names a host, and a port up to 65535 if any")

    async def send(self, alert: Alert) -> None:
        """Deliver, in as many attempts as the settings allow."""
        body = events.to_json(alert)
        settings = self._settings
        attempts = stamina.retry_context(
            on=_pause, attempts=settings.attempts, timeout=None, wait_initial=FIRST_WAIT_S, wait_max=settings.retry_max_s
        )
        try:
            async for attempt in attempts:
                with attempt:
                    await self._post(body, self._signature(alert, body))
        except _NotNowError as error:
            raise SinkError(f"{self._where()} did not take an alert in {settings.attempts} attempts: {error}. See that it runs") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _signature(self, alert: Alert, body: bytes) -> dict[str, str]:
        """What says that it is ours, and of now: an old one is refused."""
        return {} if self._key is None else signing.signed(events.name(alert), time.time(), body, self._key)

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send once; the answer's body is not read."""
        try:
            async with (
                asyncio.timeout(self._settings.timeout_s),
                self._client.stream("POST", self._url, content=body, headers=headers) as response,
            ):
                status = response.status_code
                retry_after = response.headers.get("Retry-After", "")
        except (httpx.TransportError, TimeoutError) as error:
            raise _NotNowError(redact(str(error)) or type(error).__name__) from None
        if httpx.codes.is_server_error(status) or status in TRY_AGAIN:
            raise _NotNowError(f"HTTP status {status}", min(_seconds(retry_after, time.time()), self._settings.retry_max_s))
        if not httpx.codes.is_success(status):
            raise SinkError(f"{self._where()} refuses alerts with HTTP status {status}. {_advice(status)}")

    def _where(self) -> str:
        """Scheme and host; path, query and user may hold secrets."""
        return f"{self._url.scheme}://{self._url.netloc.decode().rpartition('@')[2]}"


def _header(name: str, value: str, environ: Mapping[str, str]) -> str:
    """A header's value, with the environment's; what HTTP would not take is refused here, where nothing shows it."""
    filled = expand(value, environ, f"sinks: the webhook's header {name}")
    if not filled.isprintable():
        raise ConfigError(f"sinks: the webhook's header {name} holds a line break or another control character: take it out")
    return filled


class _NotNowError(Exception):
    """A delivery that failed but may succeed later, and when the other side wants to be asked again."""

    def __init__(self, text: str, after_s: float = 0.0) -> None:
        super().__init__(text)
        self.after_s = after_s


def _pause(error: Exception) -> bool | float:
    """Say whether to try again, and after how many seconds if the other side said so."""
    return isinstance(error, _NotNowError) and (error.after_s or True)


def _seconds(retry_after: str, now: float) -> float:
    """Read a Retry-After header, seconds or a date (RFC 9110, 10.2.3); 0 if it is none."""
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now)
    except ValueError:
        return 0.0


def _advice(status: int) -> str:
    if httpx.codes.is_redirect(status):
        return "Redirects are not followed: configure the address it leads to"
    if status in {401, 403}:
        return "Configure the credentials that it asks for, in `headers`"
    return "See that `url` is an end point for CloudEvents"
