"""Messages to bytes and back, and what is no message."""

from __future__ import annotations

import inspect
import struct
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor import codec, messages
from monitor.errors import MessageError
from monitor.messages import (
    MAX_BYTES,
    TOPIC_MESSAGES,
    Alert,
    Behind,
    CameraState,
    DeadLetter,
    Embedding,
    Frame,
    Judgement,
    Learned,
    Mark,
    Message,
    Modality,
    Phase,
    Pose,
    Presence,
    Pressure,
    Progress,
    Ref,
    Score,
    Severity,
    Sighting,
    Sound,
    Stamped,
    State,
    Topic,
    Transcript,
    Word,
    pack,
)

SHARE = st.floats(0, 1)
NUMBER = st.floats(-1e6, 1e6)
TIME = st.floats(0, 5e9)
TEXT = st.text('az ß€😀\n"\\\0', max_size=9)
MODALITIES = st.lists(st.sampled_from(Modality), unique=True).map(tuple)
HALVES = st.lists(st.floats(-100, 100, width=16), min_size=1, max_size=8).map(lambda values: pack(np.array(values)))
REF = st.builds(Ref, topic=st.sampled_from(Topic), partition=st.integers(0, 100), offset=st.integers(0, 2**60))
WORD = st.builds(Word, text=TEXT, at=TIME, until=TIME, probability=SHARE)
PARTS = st.dictionaries(st.sampled_from(Modality), NUMBER)
CAMERA = st.text("abz09", min_size=1, max_size=9)
WORDS = st.lists(WORD, max_size=3).map(tuple)
REFS = st.lists(REF, max_size=3).map(tuple)
MODELS = st.lists(TEXT, max_size=2).map(tuple)


def stamped(kind: type[Stamped], /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Messages about a span that begins before it ends."""
    spans = st.tuples(TIME, st.floats(0, 1e6))
    return st.tuples(spans, st.fixed_dictionaries({"camera": CAMERA, "captured": TIME, "modalities": MODALITIES, **fields})).map(
        lambda drawn: kind(at=drawn[0][0], until=drawn[0][0] + drawn[0][1], **drawn[1])
    )


TRANSCRIPTS = stamped(
    Transcript,
    text=TEXT,
    language=TEXT,
    confidence=SHARE,
    no_speech=SHARE,
    words=WORDS,
    source=st.none() | REF,
    model=TEXT,
    sentiment=st.none() | st.floats(-1, 1),
)
JUDGEMENT = st.builds(Judgement, kind=TEXT, probability=SHARE, parts=PARTS)
SEEN: dict[str, st.SearchStrategy[Any]] = {
    "label": TEXT,
    "confidence": SHARE,
    "box": st.tuples(SHARE, SHARE, SHARE, SHARE),
    "speed": st.none() | NUMBER,
    "pose": st.none() | st.sampled_from(Pose),
    "track": st.integers(0, 2**40),
    "dwell_s": NUMBER,
}
PRESENCES = st.lists(st.builds(Presence, **SEEN), max_size=2).map(tuple)
SIGHTINGS = st.lists(st.builds(Sighting, **SEEN, look=st.just(b"") | HALVES), max_size=2).map(tuple)
BEHIND = st.builds(Behind, partition=st.integers(0, 99), records=st.integers(0, 2**40), seconds=NUMBER)
ANY: dict[type[Message], st.SearchStrategy[Any]] = {
    Frame: stamped(
        Frame,
        seq=st.integers(0, 2**40),
        jpeg=st.binary(min_size=1),
        width=st.integers(1, 9999),
        height=st.integers(1, 9999),
        motion=st.just(b"") | HALVES,
        closeup=st.just(b"") | HALVES,
    ),
    Sound: stamped(Sound, seq=st.integers(0, 2**40), pcm=st.binary(min_size=1, max_size=50).map(lambda half: half + half)),
    Mark: stamped(Mark, modality=st.sampled_from(Modality), last=st.booleans()),
    CameraState: st.builds(
        CameraState,
        camera=CAMERA,
        at=TIME,
        states=st.lists(st.sampled_from(State), max_size=3).map(tuple),
        detail=TEXT,
        source=TEXT,
        modalities=MODALITIES,
        captured=TIME,
    ),
    Transcript: TRANSCRIPTS,
    Embedding: stamped(
        Embedding,
        modality=st.sampled_from(Modality),
        vector=HALVES,
        grid=st.just(b"") | HALVES,
        motion=st.just(b"") | HALVES,
        closeup=st.just(b"") | HALVES,
        things=st.none() | SIGHTINGS,
        source=st.none() | REF,
        transcript=st.none() | TRANSCRIPTS,
        model=TEXT,
    ),
    Score: stamped(
        Score,
        revision=st.integers(0, 1),
        final=st.booleans(),
        judgements=st.lists(JUDGEMENT, max_size=3).map(tuple),
        learning=st.booleans(),
        frames=REFS,
        sounds=REFS,
        key_frame=st.none() | REF,
        things=PRESENCES,
        transcripts=st.lists(TRANSCRIPTS, max_size=2).map(tuple),
        models=MODELS,
    ),
    Alert: stamped(
        Alert,
        id=st.text("0123456789abcdef", min_size=1, max_size=16),
        phase=st.sampled_from(Phase),
        sequence=st.integers(0, 10**6),
        kind=TEXT,
        severity=st.sampled_from(Severity),
        probability=SHARE,
        summary=TEXT,
        parts=PARTS,
        words=WORDS,
        text=TEXT,
        key_frame=st.none() | REF,
        things=PRESENCES,
        frames=REFS,
        sounds=REFS,
        models=MODELS,
    ),
    Progress: st.builds(
        Progress,
        camera=CAMERA,
        at=TIME,
        member=TEXT,
        behind=st.lists(st.builds(Behind, partition=st.integers(0, 99), records=st.integers(0, 2**40), seconds=NUMBER), max_size=3).map(
            tuple
        ),
        leaving=st.booleans(),
    ),
    Pressure: st.builds(Pressure, camera=CAMERA, at=TIME, member=TEXT, step=st.integers(0, 4), takes=TEXT, seconds=NUMBER),
    Learned: st.builds(Learned, camera=CAMERA, at=TIME, data=st.binary()),
    DeadLetter: st.builds(DeadLetter, camera=CAMERA, at=TIME, reason=TEXT, ref=REF, data=st.binary()),
}
"""Sound messages of every class."""


def places() -> Iterator[tuple[Topic, type[Message]]]:
    """Every topic with every class that it carries."""
    for topic, kinds in TOPIC_MESSAGES.items():
        yield from ((topic, kind) for kind in get_args(kinds) or (kinds,))


quick = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
each_place = pytest.mark.parametrize(
    ("topic", "kind"), list(places()), ids=lambda value: getattr(value, "value", getattr(value, "__name__", ""))
)


def test_every_message_class_is_on_a_topic_and_in_these_tests() -> None:
    classes = {kind for _, kind in inspect.getmembers(messages, inspect.isclass) if issubclass(kind, Message)}
    assert classes - {Message, Stamped} == set(ANY) == {kind for _, kind in places()}


@each_place
@quick
@given(data=st.data())
def test_every_message_comes_back_as_it_went(topic: Topic, kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(ANY[kind])
    assert codec.decode(topic, codec.encode(topic, message)) == message


@each_place
@quick
@given(data=st.data())
def test_changed_bytes_are_a_message_or_a_message_error(topic: Topic, kind: type[Message], data: st.DataObject) -> None:
    value = bytearray(codec.encode(topic, data.draw(ANY[kind])))
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    read_or_refuse(topic, bytes(value[: data.draw(st.integers(0, len(value)))]))
    read_or_refuse(topic, bytes(value))


@settings(quick, max_examples=80)
@given(topic=st.sampled_from(Topic), value=st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_message_error(topic: Topic, value: bytes) -> None:
    read_or_refuse(topic, value)


@pytest.mark.parametrize("topic", list(Topic))
@pytest.mark.parametrize(
    "value",
    [
        b"\x91" * 100_000,
        b"\x81\xa1x" * 100_000,
        b"[" * 100_000,
        b'{"x":' * 100_000,
        b'{"at": 1e999}',
        b'{"type":"camera","at":1' + b"0" * 5000,
    ],
    ids=["nested arrays", "nested maps", "nested lists", "nested objects", "infinite", "long number"],
)
def test_bytes_that_mean_harm_are_a_message_error(topic: Topic, value: bytes) -> None:
    with pytest.raises(MessageError):
        codec.decode(topic, value)


def read_or_refuse(topic: Topic, value: bytes) -> None:
    try:
        message = codec.decode(topic, value)
    except MessageError as error:
        reason = error.reason
    else:
        codec.encode(topic, message)
        reason = "invalid"
    assert reason in {"malformed", "invalid"}


def frame(**fields: object) -> Frame:
    good = Frame(camera="door", at=1, until=2, captured=3, modalities=(), seq=0, jpeg=b"jpeg", width=2, height=2)
    return msgspec.structs.replace(good, **fields)


def embedding(**fields: object) -> Embedding:
    good = Embedding(camera="door", at=1, until=2, captured=3, modalities=(), modality=Modality.PICTURE, vector=pack(np.ones(4)))
    return msgspec.structs.replace(good, **fields)


def sighting(**fields: object) -> Sighting:
    return msgspec.structs.replace(Sighting(label="person", confidence=0.9, box=(0, 0, 1, 1)), **fields)


def transcript(**fields: object) -> Transcript:
    good = Transcript(camera="door", at=1, until=2, captured=3, modalities=(), text="a", language="en", confidence=1, no_speech=0)
    return msgspec.structs.replace(good, **fields)


def score(probability: float, share: float = 0) -> Score:
    judgement = Judgement(kind="fight", probability=probability, parts={Modality.PICTURE: share})
    return Score(camera="door", at=1, until=2, captured=3, modalities=(), revision=0, final=True, judgements=(judgement,), learning=False)


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("topic", "message", "says"),
    [
        (Topic.VIDEO, frame(at=NAN), "time"),
        (Topic.VIDEO, frame(until=INFINITE), "time"),
        (Topic.VIDEO, frame(captured=-INFINITE), "time"),
        (Topic.VIDEO, frame(at=1e20, until=1e20), "time"),
        (Topic.VIDEO, frame(until=0.5), "ends before"),
        (Topic.VIDEO, frame(jpeg=b""), "no picture"),
        (Topic.VIDEO, frame(motion=b"x"), "motion"),
        (Topic.VIDEO, frame(closeup=b"x"), "motion"),
        (Topic.VIDEO, frame(camera=""), "no camera"),
        (Topic.VIDEO, frame(camera="../etc"), "no camera"),
        (Topic.VIDEO, frame(camera="x" * 64), "no camera"),
        (Topic.VIDEO, frame(camera="door\n"), "no camera"),
        (Topic.AUDIO, Sound(camera="door", at=1, until=2, captured=3, modalities=(), seq=0, pcm=b"123"), "samples"),
        (Topic.AUDIO, Sound(camera="door", at=1, until=2, captured=3, modalities=(), seq=0, pcm=b""), "samples"),
        (Topic.EMBEDDINGS, embedding(vector=b""), "vector"),
        (Topic.EMBEDDINGS, embedding(vector=b"123"), "vector"),
        (Topic.EMBEDDINGS, embedding(grid=struct.pack("<e", NAN)), "vector"),
        (Topic.EMBEDDINGS, embedding(vector=struct.pack("<ee", 1, INFINITE)), "vector"),
        (Topic.EMBEDDINGS, embedding(transcript=transcript(confidence=NAN)), "probability"),
        (Topic.EMBEDDINGS, embedding(things=(sighting(speed=NAN),)), "finite"),
        (Topic.EMBEDDINGS, embedding(things=(sighting(confidence=2.0),)), "probability"),
        (Topic.EMBEDDINGS, embedding(things=(sighting(look=b"123"),)), "look"),
        (Topic.TRANSCRIPTS, transcript(confidence=1.5), "probability"),
        (Topic.TRANSCRIPTS, transcript(words=(Word(text="a", at=NAN, until=1, probability=1),)), "word"),
        (Topic.SCORES, score(NAN), "probability"),
        (Topic.SCORES, score(-0.1), "probability"),
        (Topic.SCORES, score(0.5, INFINITE), "finite"),
        (Topic.CAMERAS, CameraState(camera="door", at=NAN, states=()), "time"),
        (Topic.AUDIO, frame(), "not a message of this topic"),
    ],
)
def test_a_value_that_no_stage_could_work_with_is_refused_on_both_sides(topic: Topic, message: Message, says: str) -> None:
    with pytest.raises(MessageError, match=says) as caught:
        codec.encode(topic, message)
    assert caught.value.reason == "invalid"
    if topic is not Topic.CAMERAS:  # JSON has no NaN
        with pytest.raises(MessageError):
            codec.decode(topic, msgspec.msgpack.encode(message))


def test_a_record_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(MessageError, match=str(MAX_BYTES)) as caught:
        codec.decode(Topic.VIDEO, bytes(MAX_BYTES + 1))
    assert caught.value.reason == "oversized"
    with pytest.raises(MessageError) as caught:
        codec.encode(Topic.DEAD_LETTER, DeadLetter(camera="door", at=0, reason="", ref=REFERENCE, data=bytes(MAX_BYTES)))
    assert caught.value.reason == "oversized"


def test_fields_that_a_later_version_adds_are_ignored() -> None:
    later = msgspec.msgpack.encode({**msgspec.to_builtins(frame(), builtin_types=(bytes,)), "colour": "red"})
    assert codec.decode(Topic.VIDEO, later) == frame()


def test_a_dead_letter_keeps_a_part_of_the_value_and_never_an_impossible_name() -> None:
    letter = codec.dead_letter("no\0name", REFERENCE, bytes(10**6), MessageError("broken", "invalid"), 1.0)
    assert (letter.camera, letter.reason, len(letter.data)) == ("unknown", "invalid: broken", codec.DEAD_BYTES)
    assert codec.decode(Topic.DEAD_LETTER, codec.encode(Topic.DEAD_LETTER, letter)) == letter


REFERENCE = Ref(topic=Topic.VIDEO, partition=0, offset=7)
