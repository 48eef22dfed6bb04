"""Alerts for the outside: CloudEvents 1.0 in JSON, structured mode, and the JSON Schemas of what other programs read.

Specification: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md and formats/json-format.md.
Consumers may send attributes that we do not know; they are ignored, as the specification asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Final, Literal

import msgspec

from monitor import messages
from monitor.documented import with_sentences
from monitor.messages import Alert, CameraState, Phase

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
"""Of an event in structured mode."""

TYPES: Final = {phase: f"io.scenewatch.alert.{phase.value}" for phase in Phase}
"""The event's type: reverse DNS, as the specification recommends."""

ALERT_SCHEMA: Final = "urn:scenewatch:schema:alert:1"
"""Names the schema of the event's data; the number changes when a reader could break."""


_TRACE: Final = ContextVar("traceparent", default="")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An alert in its CloudEvents 1.0 envelope."""

    specversion: Literal["1.0"]
    """Of CloudEvents."""
    id: Annotated[str, msgspec.Meta(min_length=1)]
    """The incident's id, a slash and the sequence number: with `source` it is unique, and the same when repeated."""
    source: Annotated[str, msgspec.Meta(pattern="^/scenewatch/cameras/.+$")]
    """/scenewatch/cameras/ and the camera's name."""
    type: Literal["io.scenewatch.alert.new", "io.scenewatch.alert.update", "io.scenewatch.alert.end"]
    """What it tells of the incident."""
    data: Alert
    """The alert."""
    subject: str = ""
    """The kind of incident."""
    time: str = ""
    """When the incident began, RFC 3339 in UTC."""
    traceparent: str | msgspec.UnsetType = msgspec.UNSET
    """Where tracing is on: the span that this comes of (the extension "distributed tracing", W3C Trace Context)."""
    datacontenttype: Literal["application/json"] = "application/json"
    """Of `data`."""
    dataschema: str = ALERT_SCHEMA
    """Names the schema of `data`; its number changes when a reader could break."""


SCHEMAS: Final[dict[str, Any]] = {"alert": Event, "camera": CameraState}
"""What other programs read: the events on `alerts` and at the sinks, and the messages on `cameras`."""


def event(alert: Alert) -> Event:
    """Put an alert into its envelope."""
    return Event(
        specversion="1.0",
        id=name(alert),
        source=f"/scenewatch/cameras/{alert.camera}",
        type=TYPES[alert.phase],  # type: ignore[arg-type]  # a test holds TYPES and the Literal together
        subject=alert.kind,
        time=rfc3339(alert.at),
        traceparent=_TRACE.get() or msgspec.UNSET,
        data=alert,
    )


def name(alert: Alert) -> str:
    """The event's id: the same when it is repeated."""
    return f"{alert.id}/{alert.sequence}"


@contextmanager
def traced(traceparent: str) -> Iterator[None]:
    """Let the events that are made in the body say which span they come of; nothing if that is empty."""
    if not traceparent:
        yield
        return
    token = _TRACE.set(traceparent)
    try:
        yield
    finally:
        _TRACE.reset(token)


def to_json(alert: Alert) -> bytes:
    """Give the event as JSON."""
    return _encoder().encode(event(alert))


def from_json(data: bytes) -> Alert:
    """Read an event's alert; msgspec.DecodeError when it is none."""
    return _decoder().decode(data).data


def schema(name: str) -> bytes:
    """Generate the JSON Schema (draft 2020-12) of one of SCHEMAS from the code, as text for a file."""
    kind = SCHEMAS[name]
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:scenewatch:schema:{name}:1",
        **with_sentences(msgspec.json.schema(kind), {"Event": Event, **vars(messages)}, type="The kind of message."),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def rfc3339(at: float) -> str:
    """Write seconds since the epoch as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def _encoder() -> msgspec.json.Encoder:
    return msgspec.json.Encoder()


@cache
def _decoder() -> msgspec.json.Decoder[Event]:
    return msgspec.json.Decoder(Event)
