"""The one vocabulary: every message that crosses the bus, and how it becomes bytes and comes back.

Times are event time: seconds since the epoch, stamped at capture from the stream's own clock. `captured` alone is
the wall clock at capture, for measuring delay; no decision reads it. Inner topics are MessagePack; `cameras` and
`alerts` are JSON, because other people's programs read them (`monitor.events` has the CloudEvents envelope).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

SOUND_HZ: Final = 16_000
"""Samples a second of every `Sound`."""


class Modality(StrEnum):
    """What a stage can perceive a scene by."""

    PICTURE = "picture"
    SOUND = "sound"
    TEXT = "text"


class Topic(StrEnum):
    """The topics; all are keyed by camera and have equally many partitions."""

    VIDEO = "video"
    AUDIO = "audio"
    CAMERAS = "cameras"
    TRANSCRIPTS = "transcripts"
    EMBEDDINGS = "embeddings"
    SCORES = "scores"
    ALERTS = "alerts"
    PRESSURE = "pressure"
    NORMALITY = "normality"
    BUDGET = "budget"
    DEAD_LETTER = "dead-letter"


class Ref(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a record lies on the bus; evidence is cut from there."""

    topic: Topic
    """Its topic, without `topic_prefix`."""
    partition: int
    """Of the topic."""
    offset: int
    """In the partition."""


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What every message has."""

    camera: str
    """The camera's name in the configuration: the key of the record."""


class Stamped(Message, frozen=True, kw_only=True, gc=False):
    """A message about the span `at <= t < until` of event time."""

    at: float
    """Event time of its begin, seconds since the epoch."""
    until: float
    """Event time of its end."""
    captured: float
    """Wall clock, seconds since the epoch, when the newest input of this left the source."""
    modalities: tuple[Modality, ...]
    """What this camera really has (`text` whenever it has sound): the aligner waits for these and no others."""


class Frame(Stamped, frozen=True, kw_only=True, gc=False, tag="frame"):
    """A sampled picture: `until` is the earliest time at which the next sample can lie."""

    seq: int
    jpeg: bytes
    width: int
    height: int
    motion: bytes = b""
    """float16 [MOTION]: how the picture moved since the last sample, measured on the frames in between; with `capture.flow`
    [MOTION + FLOW]: what dense flow says of it comes behind (`monitor.flowfield`)."""
    closeup: bytes = b""
    """float16 [CLOSEUP]: how the liveliest part of it moved in the same time (`monitor.closeup`)."""


class Sound(Stamped, frozen=True, kw_only=True, gc=False, tag="sound"):
    """A piece of sound, cut on the half seconds of event time: s16le, mono, 16 kHz."""

    seq: int
    pcm: bytes
    language: str = ""
    """What is spoken there, as the camera's configuration says; else it is recognised."""

    def samples(self) -> npt.NDArray[np.float32]:
        """Samples as float32 [-1, 1)."""
        return np.frombuffer(self.pcm, "<i2").astype(np.float32) / np.float32(32768)


class Mark(Stamped, frozen=True, kw_only=True, gc=False, tag="mark"):
    """A promise about time: nothing of `modality` that begins before `until` is still to come (a watermark)."""

    modality: Modality
    last: bool = False
    """The source has ended, or was removed: nothing of this modality follows at all."""


class State(StrEnum):
    """The states of a camera. `blind`, `frozen` and `silent` are said of one that delivers packets."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    BLIND = "blind"
    FROZEN = "frozen"
    SILENT = "silent"
    ENDED = "ended"


class CameraState(Message, frozen=True, kw_only=True, gc=False, tag="camera"):
    """How a camera fares, published when it changes."""

    at: float
    """Event time, seconds since the epoch."""
    states: tuple[State, ...]
    """Either one of connecting, live, stalled, ended; or what is wrong with a live one (blind or frozen, silent)."""
    detail: str = ""
    """What is wrong, in words."""
    source: str = ""
    """Its address without credentials."""
    modalities: tuple[Modality, ...] = ()
    """What it has."""
    captured: float = 0.0
    """Wall clock, seconds since the epoch."""


class Word(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One recognised word and when it was said, in event time."""

    text: str
    """As it was recognised, with its punctuation."""
    at: float
    """Its begin, seconds since the epoch."""
    until: float
    """Its end."""
    probability: float
    """The recogniser's, 0 to 1."""


class Transcript(Stamped, frozen=True, kw_only=True, gc=False, tag="transcript"):
    """One utterance as text."""

    text: str
    language: str
    confidence: float
    """exp(mean log-probability of the tokens), 0 to 1."""
    no_speech: float
    """The recogniser's own probability that nobody spoke, 0 to 1."""
    words: tuple[Word, ...] = ()
    source: Ref | None = None
    """The first record of its sound."""
    model: str = ""
    sentiment: float | None = None
    """How favourable it is, -1 to 1; None where that is not said: of other languages than English, and before the encode stage."""


class Pose(StrEnum):
    """How a person holds himself."""

    STANDING = "standing"
    LYING = "lying"


class Presence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A person or thing that a picture shows."""

    label: str
    """One of the detector's kinds: `person`, `car` …"""
    confidence: float
    """The detector's, 0 to 1."""
    box: tuple[float, float, float, float]
    """Left, top, right, bottom, as shares of the picture."""
    speed: float | None = None
    """Heights of the picture per second; None where no picture came just before."""
    pose: Pose | None = None
    """Of a person; None where it can't be said."""
    track: int = 0
    """The same number in several pictures of a camera is the same person or thing; 0 for what is too unsure to be followed."""
    dwell_s: float = 0.0
    """Seconds that it has been there."""


class Sighting(Presence, frozen=True, kw_only=True, gc=False):
    """What normality learns from beside: what it looks like."""

    look: bytes = b""
    """float16 [`monitor.objects.LOOK`]: the detector's features of its box."""


class Embedding(Stamped, frozen=True, kw_only=True, gc=False, tag="embedding"):
    """What an encoder made of one frame, one second of sound, or one utterance."""

    modality: Modality
    vector: bytes
    """float16 [the encoder's width]."""
    grid: bytes = b""
    """float16, finer features. Pictures: [7, 7, 112], by place, which normality reads. Sounds: [layers, 2, width], by the encoder's
    layers, their mean and deviation over time, which the tone of voices is known by; empty where that is off. Texts: [2, 768], by layers
    before the vector, which their intent is known by."""
    motion: bytes = b""
    """Pictures only: the frame's own `motion`."""
    closeup: bytes = b""
    """Pictures only: the frame's own `closeup`."""
    joint: bytes = b""
    """Pictures only, where `models.picture_text` is set: float16 [its width], the place in the joint space of pictures and texts."""
    things: tuple[Sighting, ...] | None = None
    """Pictures only: people and things in it, the surest first; None where nobody looked for any."""
    source: Ref | None = None
    transcript: Transcript | None = None
    """Text only: the words that the vector stands for."""
    model: str = ""


class Share(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How much one thing mattered: its share of the probability, signed (`monitor.explain`)."""

    at: float
    """Its begin, seconds since the epoch."""
    until: float
    """Its end."""
    share: float
    """Of the probability; below 0 it speaks against it."""
    text: str = ""
    """Words only: the word."""


class Reasons(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why a judgement is as it is, as far as one window tells."""

    text: str = ""
    """One sentence that a person understands."""
    heat: tuple[tuple[float, ...], ...] = ()
    """Row by row from the top left of the picture, 0 to 1: where it comes from; 1 is the strongest place."""
    heat_of: str = ""
    """What the heat shows, in words."""
    picture: Ref | None = None
    """The frame that the heat lies over."""
    pictures: tuple[Share, ...] = ()
    """Shares of the window's pictures."""
    sounds: tuple[Share, ...] = ()
    """Shares of its seconds of sound."""
    words: tuple[Share, ...] = ()
    """Shares of its words."""
    expected: tuple[Ref, ...] = ()
    """Frames of ordinary moments that are nearest to this one."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How probable one kind of incident is in a window, and what speaks for it."""

    kind: str
    probability: float
    """Calibrated, 0 to 1."""
    parts: dict[Modality, float] = {}
    """Each modality's Shapley value: its share of the probability, signed; of the fusion network they add up to it."""
    reasons: Reasons | None = None
    likely: str = ""
    """Of an anomaly: the kind that speaks for it most."""


class Score(Stamped, frozen=True, kw_only=True, gc=False, tag="score"):
    """What the network and the camera's normality say of one window."""

    revision: int
    """0 as soon as picture and sound are in; 1 when the words are."""
    final: bool
    """No higher revision follows."""
    judgements: tuple[Judgement, ...]
    learning: bool
    """The camera's normality has not seen enough yet to judge."""
    shadow: tuple[Judgement, ...] = ()
    """What a candidate for the network says: nothing decides on it."""
    frames: tuple[Ref, ...] = ()
    sounds: tuple[Ref, ...] = ()
    key_frame: Ref | None = None
    """The frame nearest to what speaks for the strongest judgement."""
    things: tuple[Presence, ...] = ()
    """People and things in the key frame, the surest first."""
    transcripts: tuple[Transcript, ...] = ()
    models: tuple[str, ...] = ()


class Severity(StrEnum):
    """How loud an alert is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Phase(StrEnum):
    """The life of an incident, under one id."""

    NEW = "new"
    UPDATE = "update"
    END = "end"


class Alert(Stamped, frozen=True, kw_only=True, gc=False, tag="alert"):
    """One event in the life of an incident; `at` is the incident's begin in every one of them."""

    id: str
    """Of the incident: a digest of camera, kind and first window, so a repeated delivery is the same event."""
    phase: Phase
    """`new`, any number of `update`, `end`."""
    sequence: int
    """0 for `new`, then counting up."""
    kind: str
    """What happens: docs/configuration.md lists the kinds."""
    severity: Severity
    """It may rise from `warning` to `critical`."""
    probability: float
    """The highest so far; 1 for facts, such as a camera that is blind."""
    summary: str
    """One sentence that a person understands."""
    likely: str = ""
    """Of an anomaly: the kind that it most likely is."""
    parts: dict[Modality, float] = {}
    """Each modality's Shapley value: its share of the probability, signed."""
    words: tuple[Word, ...] = ()
    """That were said meanwhile; of a watched phrase, those that it was heard in."""
    text: str = ""
    """What was said meanwhile, with the sentences around a watched phrase."""
    sentiment: float | None = None
    """Of what was said, -1 (hostile, sad, afraid) to 1 (glad): that of the least favourable utterance; None where it can't be told."""
    key_frame: Ref | None = None
    """The frame nearest to what speaks for it most."""
    things: tuple[Presence, ...] = ()
    """People and things in the key frame, the surest first."""
    frames: tuple[Ref, ...] = ()
    """The frames of the strongest window."""
    sounds: tuple[Ref, ...] = ()
    """Its pieces of sound."""
    models: tuple[str, ...] = ()
    """What judged it: names and versions."""
    reasons: Reasons | None = None
    """Of the strongest window."""


class Behind(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far a stage is behind in one partition."""

    partition: int
    records: int
    """That it has not taken yet; 0 also where the bus can't say."""
    seconds: float
    """Wall clock since the newest record that it took was captured; 0 when nothing was left to process."""


class Progress(Message, frozen=True, kw_only=True, gc=False, tag="progress"):
    """How far one process of a stage is behind, told once a second; `camera`, the record's key, is the stage's group."""

    at: float
    """Wall clock."""
    member: str
    """Which process."""
    behind: tuple[Behind, ...] = ()
    """Of the partitions that it works on."""
    leaving: bool = False
    """It ends in good order and is not to be missed."""


class Pressure(Message, frozen=True, kw_only=True, gc=False, tag="pressure"):
    """A capture process takes less, or more again; `camera`, the record's key, is `capture`."""

    at: float
    """Wall clock."""
    member: str
    """Which process."""
    step: int
    """`monitor.pressure.Step`: 0 takes everything."""
    takes: str
    """The step in words."""
    seconds: float
    """How far the slowest stage is behind."""


class Learned(Message, frozen=True, kw_only=True, gc=False, tag="learned"):
    """What a camera's normality, or its budget, has become: the newest of each camera is kept for whoever goes on."""

    at: float
    """Event time up to which it was learned."""
    data: bytes
    """See `workers.fuse.Kept` and, on `budget`, `monitor.budget`; empty when it is to be forgotten."""


class DeadLetter(Message, frozen=True, kw_only=True, gc=False, tag="dead-letter"):
    """A record that could not be decoded or processed, and why."""

    at: float
    """Wall clock."""
    reason: str
    ref: Ref
    data: bytes
    """The record's value, cut to 64 kB."""


TOPIC_MESSAGES: Final[dict[Topic, Any]] = {
    Topic.VIDEO: Frame | Mark,
    Topic.AUDIO: Sound | Mark,
    Topic.CAMERAS: CameraState,
    Topic.TRANSCRIPTS: Transcript | Mark,
    Topic.EMBEDDINGS: Embedding | Mark,
    Topic.SCORES: Score | Mark,
    Topic.ALERTS: Alert,
    Topic.PRESSURE: Progress | Pressure,
    Topic.NORMALITY: Learned,
    Topic.BUDGET: Learned,
    Topic.DEAD_LETTER: DeadLetter,
}
"""What each topic carries."""

MAX_BYTES: Final = 4 * 2**20
"""No record may be larger: a bigger one is refused before it is decoded."""


def floats(data: bytes) -> npt.NDArray[np.float32]:
    """Unpack a message's float16 field to float32 [n]."""
    return np.frombuffer(data, "<f2").astype(np.float32)


def pack(values: npt.NDArray[Any]) -> bytes:
    """Pack an array of any shape to the float16 bytes that `floats` reads."""
    return np.ascontiguousarray(values, "<f2").tobytes()
