"""Frames, sounds and transcripts become embeddings; whatever can't be read is set aside, and its time passes all the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from monitor.bus import Record
from monitor.errors import MessageError
from monitor.hearing import WINDOW, SoundEncoder
from monitor.jpeg import Image, decode_jpeg
from monitor.language import TextEncoder
from monitor.messages import SOUND_HZ, Embedding, Frame, Mark, Message, Modality, Ref, Sighting, Sound, Transcript, pack
from monitor.pressure import AllTaken
from monitor.sentiment import Sentiment
from monitor.sightings import Sightings
from monitor.vision import PictureEncoder

Item: TypeAlias = Embedding | Mark

ALL: Final = AllTaken()
SOUNDS_AT_ONCE: Final = 8
"""More would be asked for long before they are encoded, and a stage that is too slow would notice late."""
CONTIGUOUS_S: Final = 0.010
"""A gap up to this between two pieces of sound is the clocks' rounding."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that can't be read, and why."""

    message: Frame | Sound
    ref: Ref
    error: MessageError


@dataclass(frozen=True, slots=True)
class Encoded:
    """What became of a batch of records of one modality."""

    modality: Modality
    items: tuple[Item, ...]
    """In the records' order; a mark stands in the place of what was rejected."""
    rejected: tuple[Rejected, ...] = ()
    left_out: tuple[Frame, ...] = ()
    """Of a backlog; a mark stands in the place of each."""
    unheard: tuple[Sound, ...] = ()
    """As many pieces of sound as no embedding holds anything of, though they could be read."""

    @property
    def embeddings(self) -> int:
        """How many of the items are embeddings."""
        return sum(isinstance(item, Embedding) for item in self.items)


class Layers(Protocol):
    """Seconds of sound to what tells the tone of voices (`monitor.layers.VoiceEncoder`)."""

    def __call__(self, sounds: npt.NDArray[np.float32], /) -> npt.NDArray[np.float32]:
        """Float32 [n, 16000] at 16 kHz to float32 [n, features]."""


class Takes(Protocol):
    """Says what is worth the time, by when it was captured."""

    def takes_frame(self, captured: float) -> bool:
        """Whether this frame is."""

    def takes_things(self, captured: float) -> bool:
        """Whether it is to look for people and things in this frame."""

    def hears_one_in(self, captured: float) -> int:
        """Of so many pieces of sound one is; 1 is every piece."""


@dataclass(slots=True)
class Sounds:
    """The last piece of sound of each camera: the encoder hears a second, and a piece is half of one.

    After a restart, or a gap, the first piece is heard with silence before it. Where not every sound is to be taken, one in
    so many is, with the piece before it, and nobody asks for the tone of voices: of two, nothing is unheard.
    """

    encoder: SoundEncoder
    takes: Takes = ALL
    layers: Layers | None = None
    """What tells the tone of voices; None where that is off."""
    _last: dict[str, tuple[float, npt.NDArray[np.float32]]] = field(default_factory=dict)
    _spared: dict[str, int] = field(default_factory=dict)
    """By camera: pieces since the last one that was encoded."""

    def __call__(self, records: Sequence[Record[Message]]) -> Encoded:
        """Encode the sounds among records of `audio`, over all cameras; `takes` is asked of each when it is its turn."""
        return _joint(Modality.SOUND, [self._part(part) for part in _parts(records, SOUNDS_AT_ONCE)])

    def _part(self, records: Sequence[Record[Message]]) -> Encoded:
        seconds: list[npt.NDArray[np.float32]] = []
        whole: list[bool] = []
        slots: list[Record[Message] | Mark] = []
        rejected: list[Rejected] = []
        unheard: list[Sound] = []
        for record in records:
            match record.message:
                case Sound() as sound if len(sound.pcm) % 2:
                    rejected.append(
                        Rejected(sound, record.ref, MessageError(f"PCM of 16 bits in {len(sound.pcm)} bytes, an odd number", "undecodable"))
                    )
                    slots.append(passed(sound, Modality.SOUND))
                case Sound() as sound:
                    second = self._second(sound)
                    one_in = self.takes.hears_one_in(sound.captured)
                    if self._spares(sound, one_in):
                        slots.append(passed(sound, Modality.SOUND))
                        unheard += [sound] * (self._spared[sound.camera] > 1)
                    else:
                        seconds.append(second)
                        whole.append(one_in == 1 and self.layers is not None)
                        slots.append(record)
                case Mark() as mark:
                    self._forget(mark)
                    slots.append(mark)
        stacked = np.stack(seconds) if seconds else np.empty((0, WINDOW), np.float32)
        vectors = self.encoder(stacked) if seconds else ()
        layered = iter(self.layers(stacked[whole]) if self.layers is not None and any(whole) else ())
        layers = [next(layered) if one else None for one in whole]
        items = _fill(slots, vectors, Modality.SOUND, self.encoder.name, layers)
        return Encoded(Modality.SOUND, items, tuple(rejected), unheard=tuple(unheard))

    def remember(self, records: Sequence[Record[Message]]) -> None:
        """Take records in that were encoded before: what follows them begins in their last half second."""
        for record in records:
            if isinstance(record.message, Sound) and not len(record.message.pcm) % 2:
                self._second(record.message)
            elif isinstance(record.message, Mark):
                self._forget(record.message)

    def needed(self, camera: str) -> float:
        """From what event time on a camera's sound is needed to encode what follows; infinity if none is."""
        until, samples = self._last.get(camera, (np.inf, None))
        return until if samples is None else until - len(samples) / SOUND_HZ

    def forget(self, camera: str) -> None:
        """Let go of a camera, as if it had never been heard."""
        self._last.pop(camera, None)
        self._spared.pop(camera, None)

    def _spares(self, sound: Sound, one_in: int) -> bool:
        """Whether a piece is left out, and if it is the last one before the next that is not, heard with that one."""
        count = self._spared.get(sound.camera, 0) + 1
        self._spared[sound.camera] = count if count < one_in else 0
        return count < one_in

    def _second(self, sound: Sound) -> npt.NDArray[np.float32]:
        """The second that ends with this piece, float32 [16000]; silence where nothing was heard."""
        samples = sound.samples()[-WINDOW:]
        until, before = self._last.get(sound.camera, (-np.inf, samples[:0]))
        self._last[sound.camera] = (sound.until, samples)
        heard = np.concatenate([before, samples])[-WINDOW:] if abs(sound.at - until) <= CONTIGUOUS_S else samples
        return np.pad(heard, (WINDOW - len(heard), 0))

    def _forget(self, mark: Mark) -> None:
        if mark.last:
            self.forget(mark.camera)


def pictures(
    encoder: PictureEncoder, records: Sequence[Record[Message]], takes: Takes = ALL, sightings: Sightings | None = None
) -> Encoded:
    """Encode the frames among records of `video`, over all cameras; `takes` is asked of each when it is its turn.

    With `sightings`, people and things are looked for too.
    """
    return _joint(Modality.PICTURE, [_pictures(encoder, part, takes, sightings) for part in _parts(records, encoder.at_once)])


def _joint(modality: Modality, parts: Sequence[Encoded]) -> Encoded:
    """What became of a batch, from its parts."""
    return Encoded(
        modality,
        tuple(item for part in parts for item in part.items),
        tuple(lost for part in parts for lost in part.rejected),
        tuple(frame for part in parts for frame in part.left_out),
        tuple(sound for part in parts for sound in part.unheard),
    )


def _parts(records: Sequence[Record[Message]], size: int) -> Iterator[Sequence[Record[Message]]]:
    return (records[first : first + size] for first in range(0, len(records), size))


def _pictures(encoder: PictureEncoder, records: Sequence[Record[Message]], takes: Takes, sightings: Sightings | None) -> Encoded:
    images: list[Image] = []
    things: list[tuple[Sighting, ...] | None] = []
    slots: list[Record[Message] | Mark] = []
    rejected: list[Rejected] = []
    left_out: list[Frame] = []
    for record in records:
        match record.message:
            case Frame() as frame if not takes.takes_frame(frame.captured):
                left_out.append(frame)
                slots.append(passed(frame, Modality.PICTURE))
            case Frame() as frame:
                try:
                    images.append(decode_jpeg(frame.jpeg))
                    things.append(_things(sightings, frame, images[-1], takes))
                    slots.append(record)
                except MessageError as error:
                    rejected.append(Rejected(frame, record.ref, error))
                    slots.append(passed(frame, Modality.PICTURE))
            case Mark() as mark:
                if sightings:
                    sightings.passed(mark)
                slots.append(mark)
    features = encoder(images)
    items = _joined(_fill(slots, features.vectors, Modality.PICTURE, encoder.name, features.grids, things), features.joint)
    return Encoded(Modality.PICTURE, items, tuple(rejected), tuple(left_out))


def _joined(items: tuple[Item, ...], joint: npt.NDArray[np.float32] | None) -> tuple[Item, ...]:
    """Put each picture's place in the joint space of pictures and texts, if there is one, into its embedding."""
    if joint is None:
        return items
    places = iter(joint)
    return tuple(msgspec.structs.replace(item, joint=pack(next(places))) if isinstance(item, Embedding) else item for item in items)


def _things(sightings: Sightings | None, frame: Frame, image: Image, takes: Takes) -> tuple[Sighting, ...] | None:
    """People and things in a frame; None where nobody is to look for any."""
    if sightings is None:
        return None
    if not takes.takes_things(frame.captured):
        sightings.remember(frame, image)
        return None
    return sightings(frame, image)


def remember(sightings: Sightings, records: Sequence[Record[Message]]) -> None:
    """Take in frames that were looked at before: speeds in those that follow are measured from them."""
    for record in records:
        match record.message:
            case Frame() as frame:
                with suppress(MessageError):
                    sightings.remember(frame, decode_jpeg(frame.jpeg))
            case Mark() as mark:
                sightings.passed(mark)


def texts(encoder: TextEncoder, records: Sequence[Record[Message]], sentiment: Sentiment | None = None) -> Encoded:
    """Encode the utterances among records of `transcripts`, in one batch over all cameras, and say how favourable they are."""
    said = [record.message for record in records if isinstance(record.message, Transcript)]
    read = encoder.features([each.text for each in said])
    found = iter([None] * len(said) if sentiment is None else sentiment(read, [each.language for each in said]))
    slots: list[Record[Message] | Mark] = [
        record.message
        if isinstance(record.message, Mark)
        else msgspec.structs.replace(record, message=msgspec.structs.replace(record.message, sentiment=next(found)))
        for record in records
    ]
    return Encoded(Modality.TEXT, _fill(slots, read.vectors, Modality.TEXT, encoder.name, read.layers))


def passed(lost: Frame | Sound, modality: Modality) -> Mark:
    """What says that the time of a lost frame or sound is over."""
    return Mark(camera=lost.camera, at=lost.at, until=lost.until, captured=lost.captured, modalities=lost.modalities, modality=modality)


def _fill(
    slots: Sequence[Record[Message] | Mark],
    vectors: Sequence[npt.NDArray[np.float32]] | npt.NDArray[np.float32],
    modality: Modality,
    model: str,
    grids: Sequence[npt.NDArray[np.float32] | None] | npt.NDArray[np.float32] | None = None,
    things: Sequence[tuple[Sighting, ...] | None] = (),
) -> tuple[Item, ...]:
    """Put the vectors in the places of their records."""
    numbers = iter(range(len(vectors)))
    items: list[Item] = []
    for slot in slots:
        if isinstance(slot, Mark):
            items.append(slot)
        else:
            number = next(numbers)
            grid = None if grids is None else grids[number]
            items.append(embedding(slot, modality, model, vectors[number], grid, things[number] if things else None))
    return tuple(items)


def embedding(
    record: Record[Message],
    modality: Modality,
    model: str,
    vector: npt.NDArray[np.float32],
    grid: npt.NDArray[np.float32] | None,
    things: tuple[Sighting, ...] | None = None,
) -> Embedding:
    """One embedding with the times of what it was made of."""
    message = record.message
    assert isinstance(message, Frame | Sound | Transcript)
    at, until = spoken(message) if isinstance(message, Transcript) else (message.at, message.until)
    return Embedding(
        camera=message.camera,
        at=at,
        until=until,
        captured=message.captured,
        modalities=message.modalities,
        modality=modality,
        vector=pack(vector),
        grid=b"" if grid is None else pack(grid),
        motion=message.motion if isinstance(message, Frame) else b"",
        closeup=message.closeup if isinstance(message, Frame) else b"",
        things=things,
        source=record.ref,
        transcript=message if isinstance(message, Transcript) else None,
        model=model,
    )


def spoken(said: Transcript) -> tuple[float, float]:
    """From the first word's begin to the last one's end: an utterance has quiet sound before and after, in which nothing is said."""
    words = [word for word in said.words if word.until > word.at]
    if not words:
        return said.at, said.until
    return max(said.at, words[0].at), min(said.until, max(word.until for word in words))
