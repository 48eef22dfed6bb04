"""What a camera's normality has become outlives the process that learned it."""

from __future__ import annotations

import zlib
from hashlib import blake2b

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moments import SETTINGS, picture, sound, window
from msgspec.structs import replace

from monitor.config import Normality as Settings
from monitor.errors import MessageError
from monitor.keeping import DIGEST, VERSION, Remembered, unpack
from monitor.messages import MAX_BYTES, Sighting, pack
from monitor.objects import LOOK

LOOKS = np.random.default_rng(3).normal(0, 1, (180, 2, LOOK)).astype(np.float32)


def people(index: int) -> tuple[Sighting, ...]:
    """Two who walk to and fro."""
    lefts = (0.4 + 0.3 * np.sin(index / 10 + turn) for turn in (0, 2))
    return tuple(
        Sighting(
            label="person", confidence=0.9, box=(left, 0.4, left + 0.1, 0.8), speed=0.1, track=number, dwell_s=index / 2, look=pack(look)
        )
        for number, (left, look) in enumerate(zip(lefts, LOOKS[index], strict=True), 1)
    )


PICTURES = [replace(picture(index), things=people(index)) for index in range(180)]
SOUNDS = [sound(index) for index in range(180)]


def taught(until: int) -> Remembered:
    normality = Remembered(SETTINGS)
    for index in range(until):
        normality.judge(window(index, PICTURES, SOUNDS))
    return normality


def judged(normality: Remembered, indices: range) -> list[object]:
    return [normality.judge(window(index, PICTURES, SOUNDS)) for index in indices]


@pytest.mark.parametrize("cut", [60, 150])
def test_a_successor_judges_as_its_predecessor_would_have(cut: int) -> None:
    first = taught(cut)
    successor = Remembered(SETTINGS)
    successor.resume(first.learned())
    assert judged(successor, range(cut, 180)) == judged(first, range(cut, 180))


def test_nothing_is_kept_before_anything_has_settled() -> None:
    assert taught(5).learned() == b""


def test_a_camera_that_was_set_to_learn_otherwise_learns_anew() -> None:
    other = Remembered(Settings(warm_up_s=61, memory=300))
    other.resume(taught(110).learned())
    assert not other.settled


def test_it_fits_into_a_record() -> None:
    assert 10_000 < len(taught(150).learned()) < MAX_BYTES // 4


DATA = taught(60).learned()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255), st.integers(0, len(DATA)))
def test_what_was_changed_or_cut_is_refused(place: int, change: int, length: int) -> None:
    changed = bytearray(DATA)
    changed[place] ^= change
    for data in (bytes(changed), DATA[:length] if length < len(DATA) else b""):
        with pytest.raises(MessageError):
            unpack(data)


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(st.none() | st.integers(-9, 9) | st.text(max_size=9) | st.binary(max_size=9), lambda inner: st.lists(inner, max_size=4))
)
def test_what_another_wrote_is_refused(value: object) -> None:
    body = zlib.compress(msgspec.msgpack.encode(value))
    with pytest.raises(MessageError):
        unpack(blake2b(VERSION + body, digest_size=DIGEST).digest() + body)
