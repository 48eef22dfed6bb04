"""Messages to bytes and back: every record that leaves or enters a bus passes here once.

Bytes from a topic are foreign input. Whatever they are, `decode` gives a message within its bounds or raises
MessageError; what else could go wrong later (a time that is NaN, half a float16) is refused here as well.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec
import numpy as np

from monitor import events
from monitor.errors import MessageError
from monitor.messages import (
    MAX_BYTES,
    TOPIC_MESSAGES,
    Alert,
    CameraState,
    DeadLetter,
    Embedding,
    Frame,
    Learned,
    Message,
    Presence,
    Pressure,
    Progress,
    Ref,
    Score,
    Sighting,
    Sound,
    Stamped,
    Topic,
    Transcript,
    Word,
)

TIME_LIMIT: Final = 6e10
"""Seconds from the epoch, both ways: what RFC 3339 and `datetime` can still say."""

DEAD_BYTES: Final = 64 * 1024
"""So much of a dead record's value is kept."""

CAMERA: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
"""The same names as `monitor.config.Name`."""

JSON: Final = frozenset({Topic.CAMERAS, Topic.PRESSURE})
"""What other people's programs read as it is; alerts have an envelope besides."""

_BEHIND_FAULT: Final = "has a time that is none, or less than no records"

_HALF_INFINITE: Final = 0x7C00
"""The exponent bits of a float16: all set in an infinity or a NaN (IEEE 754)."""

_FINITE: Final = bytes(high for high in range(256) if high & 0x7C != 0x7C)
"""The upper bytes of finite float16."""

_FEW: Final = 1024
"""Bytes of a field up to which looking at its bytes is quicker than making an array of it."""


def encode(topic: Topic, message: Message) -> bytes:
    """Give the record's value; MessageError when the message is not the topic's, out of bounds or over MAX_BYTES."""
    check(topic, message)
    if isinstance(message, Alert):
        data = events.to_json(message)
    elif topic in JSON:
        data = msgspec.json.encode(message)
    else:
        data = msgspec.msgpack.encode(message)
    if len(data) > MAX_BYTES:
        raise _oversized(topic, len(data))
    return data


def decode(topic: Topic, data: bytes) -> Message:
    """Read a record's value; MessageError, with its reason, for anything that is not a sound message of this topic."""
    if len(data) > MAX_BYTES:
        raise _oversized(topic, len(data))
    try:
        message: Message = events.from_json(data) if topic is Topic.ALERTS else _decoder(topic).decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"A record on {topic.value} ({len(data)} bytes) is not a message of this topic: {error}") from error
    check(topic, message)
    return message


def check(topic: Topic, message: Message) -> None:
    """Refuse a message that does not belong on the topic, or with a value that no stage could work with."""
    if not isinstance(message, TOPIC_MESSAGES[topic]):
        raise _invalid(topic, message, "is not a message of this topic")
    if payload_bytes(message) > MAX_BYTES:
        raise _oversized(topic, payload_bytes(message))
    fault = _fault(message)
    if fault:
        raise _invalid(topic, message, fault)


def payload_bytes(message: Message) -> int:
    """Size of what makes a message large, in bytes; the rest of it is small."""
    if isinstance(message, Frame):
        return len(message.jpeg) + len(message.motion) + len(message.closeup)
    if isinstance(message, Sound):
        return len(message.pcm)
    if isinstance(message, Embedding):
        looks = sum(len(thing.look) for thing in message.things or ())
        return len(message.vector) + len(message.grid) + len(message.motion) + len(message.closeup) + looks
    if isinstance(message, Learned):
        return len(message.data)
    return 0


def dead_letter(camera: str, ref: Ref, data: bytes, error: MessageError, at: float) -> DeadLetter:
    """Say what became of a record that could not be used; `at` is the wall clock."""
    name = camera if CAMERA.fullmatch(camera) else "unknown"
    return DeadLetter(camera=name, at=at, reason=f"{error.reason}: {error}"[:1000], ref=ref, data=data[:DEAD_BYTES])


@cache
def _decoder(topic: Topic) -> msgspec.msgpack.Decoder[Any] | msgspec.json.Decoder[Any]:
    kind = TOPIC_MESSAGES[topic]
    return msgspec.json.Decoder(kind) if topic in JSON else msgspec.msgpack.Decoder(kind)


def _oversized(topic: Topic, size: int) -> MessageError:
    return MessageError(f"A record for {topic.value} has {size} bytes, over the limit of {MAX_BYTES}", "oversized")


def _invalid(topic: Topic, message: Message, fault: str) -> MessageError:
    return MessageError(f"A {type(message).__name__} on {topic.value} {fault}", "invalid")


def _fault(message: Message) -> str:
    """Say what is wrong with a message in words, or nothing."""
    if not CAMERA.fullmatch(message.camera):
        return "names no camera"
    return (_time_fault(message) if isinstance(message, Stamped) else "") or _content_fault(message)


def _time_fault(message: Stamped) -> str:
    if not (_is_time(message.at) and _is_time(message.until) and _is_time(message.captured)):
        return "has a time that is none"
    return "ends before it begins" if message.until < message.at else ""


def _content_fault(message: Message) -> str:  # noqa: PLR0911 - one line a class
    match message:
        case Frame():
            fine = message.jpeg and all(map(_are_halves, (message.motion, message.closeup)))
            return "" if fine else "has no picture, or broken motion"
        case Sound():
            return "" if message.pcm and len(message.pcm) % 2 == 0 else "has no whole samples"
        case Embedding():
            fine = message.vector and all(map(_are_halves, (message.vector, message.grid, message.motion, message.closeup)))
            if not fine:
                return "has a vector that is empty, cut or not finite"
            return _thing_fault(message.things or ()) or _inner_fault(message.transcript)
        case Transcript():
            return _word_fault(message.words) or _share_fault(message.confidence, message.no_speech)
        case Score():
            parts = [value for judgement in message.judgements for value in judgement.parts.values()]
            shares = [judgement.probability for judgement in message.judgements]
            return _share_fault(*shares) or _number_fault(*parts) or _thing_fault(message.things) or _inner_fault(*message.transcripts)
        case Alert():
            parts = [*message.parts.values()]
            return _word_fault(message.words) or _share_fault(message.probability) or _number_fault(*parts) or _thing_fault(message.things)
        case Progress():
            return "" if _is_time(message.at) and all(part.partition >= 0 <= part.records for part in message.behind) else _BEHIND_FAULT
        case CameraState() | DeadLetter() | Learned() | Pressure():
            return "" if _is_time(message.at) else "has a time that is none"
        case _:
            return ""


def _inner_fault(*transcripts: Transcript | None) -> str:
    return next((fault for transcript in transcripts if transcript and (fault := _fault(transcript))), "")


def _thing_fault(things: Sequence[Presence]) -> str:
    for thing in things:
        if isinstance(thing, Sighting) and not _are_halves(thing.look):
            return "has a thing whose look is cut or not finite"
        if fault := _number_fault(*thing.box, thing.speed or 0.0, thing.dwell_s) or _share_fault(thing.confidence):
            return fault
    return ""


def _word_fault(words: tuple[Word, ...]) -> str:
    times_fine = all(_is_time(word.at) and _is_time(word.until) for word in words)
    return _share_fault(*(word.probability for word in words)) if times_fine else "has a word at a time that is none"


def _share_fault(*values: float) -> str:
    for value in values:  # a generator in all() takes twice as long, and scores have many
        if not 0 <= value <= 1:
            return "has a probability outside 0 to 1"
    return ""


def _number_fault(*values: float) -> str:
    return "" if all(map(math.isfinite, values)) else "has a number that is not finite"


def _is_time(value: float) -> bool:
    return -TIME_LIMIT <= value <= TIME_LIMIT


def _are_halves(data: bytes) -> bool:
    """Whether bytes are whole, finite float16 values (also when there are none)."""
    if len(data) % 2:
        return False
    if len(data) <= _FEW:
        return not data[1::2].translate(None, _FINITE)
    return not ((np.frombuffer(data, "<u2") & _HALF_INFINITE) == _HALF_INFINITE).any()
