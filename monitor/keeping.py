"""What a camera's normality has become, as bytes and back, so that it outlives the process that learned it.

The same numbers come back to the bit. Only the classes named here are made, whatever the bytes say; bytes that were changed
are refused by their digest. Pickle would do all this and run any code besides.
"""

from __future__ import annotations

import json
import zlib
from collections import deque
from dataclasses import fields, is_dataclass, replace
from hashlib import blake2b
from typing import Any, Final

import msgspec
import numpy as np
import structlog

from monitor.drift import Drift
from monitor.errors import MessageError
from monitor.hours import Hours
from monitor.messages import MAX_BYTES, Modality
from monitor.normality import KINDS, Lane, Normality, View
from monitor.novelty import Heard, Places, Seen, Sounds
from monitor.tails import Tail
from monitor.things import Met, Things
from monitor.watchers import Moment, Pictured, PictureWatcher, SoundWatcher

log: Any = structlog.get_logger()

VERSION: Final = b"scenewatch-normality-3"
KEPT: Final = (Lane, PictureWatcher, SoundWatcher, Places, Sounds, Things, Tail, Moment, Pictured, Seen, Met, Heard, View, Drift, Hours)
CLASSES: Final = {cls.__name__: cls for cls in KEPT}
DIGEST: Final = 16
ROOM: Final = MAX_BYTES - 1024
LARGEST: Final = 256 * 2**20
"""Nothing is unpacked to more bytes than this."""


class Remembered(Normality):
    """A camera's normality that can be handed over."""

    def learned(self) -> bytes:
        """What it has become; empty while that is nothing, or too much for a record."""
        data = pack(self.lanes) if self.settled else b""
        if len(data) > ROOM:  # the view that it has now matters most
            data = pack({modality: replace(lane, before=None) for modality, lane in self.lanes.items()})
        if len(data) > ROOM:
            log.warning("what is usual for a camera is too much to be kept; lower normality.memory", bytes=len(data), most=ROOM)
            return b""
        return data

    def resume(self, learned: bytes) -> None:
        """Go on from what it had become, if it was set to learn alike. Raises MessageError for bytes that are none of its own."""
        self.adopt(unpack(learned))


def pack(lanes: dict[Modality, Lane]) -> bytes:
    """Digest and zlib stream of the lanes of one camera, without their settings."""
    body = zlib.compress(msgspec.msgpack.encode([_plain(lane) for lane in lanes.values()]), 1)
    return blake2b(VERSION + body, digest_size=DIGEST).digest() + body


def unpack(data: bytes) -> dict[Modality, Lane]:
    """The lanes again. Raises MessageError for anything that `pack` did not write."""
    digest, body = data[:DIGEST], data[DIGEST:]
    if blake2b(VERSION + body, digest_size=DIGEST).digest() != digest:
        raise MessageError(f"A camera's memory of {len(data)} bytes is damaged, or another version's", "undecodable")
    unpacking = zlib.decompressobj()
    try:
        plain = msgspec.msgpack.decode(unpacking.decompress(body, LARGEST))
        lanes = {lane.modality: lane for lane in map(_made, plain) if isinstance(lane, Lane)}
    except (zlib.error, msgspec.DecodeError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise MessageError(f"A camera's memory of {len(data)} bytes can't be read: {error}", "undecodable") from error
    if lanes.keys() != KINDS.keys():
        raise MessageError(f"A camera's memory of {len(data)} bytes is not one", "undecodable")
    return lanes


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one line a kind
    """Any of the values that normality holds, as what MessagePack knows: the first element of a list says what it is."""
    match value:
        case Modality():
            return ["modality", value.value]
        case None | bool() | int() | float() | bytes() | str():
            return value
        case np.ndarray() | np.generic():
            array = np.ascontiguousarray(value)
            return ["array", array.dtype.str, list(value.shape), array.tobytes()]
        case np.random.Generator():
            return ["random", json.dumps(value.bit_generator.state)]  # its integers have 128 bits
        case tuple():
            return ["tuple", *map(_plain, value)]
        case list():
            return ["list", *map(_plain, value)]
        case deque():
            return ["deque", value.maxlen, *map(_plain, value)]
    name = type(value).__name__
    if CLASSES.get(name) is not type(value):
        raise TypeError(f"{name} is not kept")
    return ["object", name, {field: _plain(getattr(value, field)) for field in _fields(value)}]


def _fields(value: Any) -> list[str]:
    names = [field.name for field in fields(value)] if is_dataclass(value) else list(vars(value))
    return [name for name in names if name not in getattr(value, "DERIVED", ())]


def _made(plain: Any) -> Any:  # noqa: PLR0911 - one line a kind
    """What `_plain` was given."""
    if not isinstance(plain, list):
        return plain
    match plain:
        case ["modality", name]:
            return Modality(name)
        case ["array", kind, shape, data]:
            array = np.frombuffer(data, np.dtype(kind)).reshape(shape).copy()
            return array if shape else array[()]
        case ["random", state]:
            generator = np.random.default_rng()
            generator.bit_generator.state = json.loads(state)
            return generator
        case ["tuple", *items]:
            return tuple(map(_made, items))
        case ["list", *items]:
            return list(map(_made, items))
        case ["deque", longest, *items]:
            return deque(map(_made, items), longest)
        case ["object", name, held]:
            return _object(CLASSES[name], {field: _made(item) for field, item in held.items()})
    raise ValueError(f"{plain[0]!r} is no kind of value")


def _object(cls: type[Any], held: dict[str, Any]) -> Any:
    made = object.__new__(cls)
    for field, value in held.items():
        object.__setattr__(made, field, value)  # some are frozen
    if derive := getattr(made, "derive", None):
        derive()
    return made
