"""Records become embeddings: with encoders that are simple sums, so that what they were given can be told from what they gave."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest
from saying import Read

from monitor.bus import Record
from monitor.embedding import Sounds, pictures, spoken, texts
from monitor.heads import Head
from monitor.jpeg import Image, encode_jpeg
from monitor.language import LAYERS
from monitor.messages import Embedding, Frame, Mark, Message, Modality, Ref, Sound, Topic, Transcript, Word, floats
from monitor.sentiment import VALENCE, Sentiment
from monitor.vision import PictureFeatures

BOTH = (Modality.PICTURE, Modality.SOUND, Modality.TEXT)


class Brightness:
    """The mean of a picture as its vector and grid."""

    name = "brightness@1"
    at_once = 2

    def __call__(self, images: Sequence[Image]) -> PictureFeatures:
        means = np.array([[image.mean()] for image in images], np.float32).reshape(-1, 1)
        return PictureFeatures(means, np.broadcast_to(means[:, None, None], (len(images), 7, 7, 112)))


class Halves:
    """The means of the two halves of a second as its vector."""

    name = "halves@1"

    def __call__(self, sounds: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        assert sounds.shape[1:] == (16_000,)
        return sounds.reshape(-1, 2, 8_000).mean(2)


@dataclass
class Taken:
    """Takes what it was told to, one after the other."""

    frames: list[bool] = field(default_factory=list)
    one_in: list[int] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)

    def takes_frame(self, captured: float) -> bool:
        self.asked.append(captured)
        return self.frames[len(self.asked) - 1]

    def takes_things(self, captured: float) -> bool:
        return captured >= 0

    def hears_one_in(self, captured: float) -> int:
        self.asked.append(captured)
        return self.one_in[len(self.asked) - 1]


class Lengths(Read):
    """The length of a text as its vector."""

    name = "lengths@1"

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.array([[len(text)] for text in texts], np.float32).reshape(-1, 1)


def record(message: Message, offset: int = 0) -> Record[Message]:
    return Record(message=message, ref=Ref(topic=Topic.VIDEO, partition=0, offset=offset))


def frame(at: float, grey: int = 100, camera: str = "door", jpeg: bytes | None = None) -> Frame:
    data = encode_jpeg(np.full((16, 16, 3), grey, np.uint8)) if jpeg is None else jpeg
    return Frame(
        camera=camera, at=at, until=at + 0.5, captured=at + 1, modalities=BOTH, seq=0, jpeg=data, width=16, height=16, motion=b"moves"
    )


def sound(at: float, value: float, camera: str = "door", samples: int = 8_000) -> Sound:
    pcm = np.full(samples, value * 32768, "<i2").tobytes()
    return Sound(camera=camera, at=at, until=at + samples / 16_000, captured=at + 1, modalities=BOTH, seq=0, pcm=pcm)


def mark(until: float, modality: Modality, camera: str = "door", *, last: bool = False) -> Mark:
    return Mark(camera=camera, at=until, until=until, captured=until, modalities=BOTH, modality=modality, last=last)


def vectors(items: Sequence[Message]) -> list[list[float]]:
    return [[round(float(value), 2) for value in floats(item.vector)] for item in items if isinstance(item, Embedding)]


def test_a_frame_becomes_an_embedding_with_its_times_motion_and_place():
    [embedding] = pictures(Brightness(), [record(frame(5.0), offset=7)]).items
    assert isinstance(embedding, Embedding)
    assert (embedding.camera, embedding.at, embedding.until, embedding.captured) == ("door", 5.0, 5.5, 6.0)
    assert (embedding.modality, embedding.modalities, embedding.motion) == (Modality.PICTURE, BOTH, b"moves")
    assert embedding.source == Ref(topic=Topic.VIDEO, partition=0, offset=7)
    assert embedding.model == "brightness@1"
    assert floats(embedding.grid).shape == (7 * 7 * 112,)


def test_marks_keep_their_place_between_the_frames():
    batch = [frame(0, 10), mark(0.5, Modality.PICTURE), frame(0.5, 20), frame(0, 30, "gate"), mark(1, Modality.PICTURE, last=True)]
    encoded = pictures(Brightness(), [record(message) for message in batch])
    assert [type(item) for item in encoded.items] == [Embedding, Mark, Embedding, Embedding, Mark]
    assert [item.camera for item in encoded.items] == ["door", "door", "door", "gate", "door"]
    assert vectors(encoded.items) == [[10], [20], [30]]
    assert encoded.embeddings == 3


def test_a_broken_picture_is_set_aside_and_its_time_passes():
    encoded = pictures(Brightness(), [record(frame(0, 10)), record(frame(0.5, jpeg=b"no picture"), offset=3), record(frame(1, 30))])
    assert [type(item) for item in encoded.items] == [Embedding, Mark, Embedding]
    passed = encoded.items[1]
    assert isinstance(passed, Mark)
    assert (passed.modality, passed.until, passed.last) == (Modality.PICTURE, 1.0, False)
    [rejected] = encoded.rejected
    assert (rejected.ref.offset, rejected.error.reason) == (3, "undecodable")


def test_a_frame_is_left_out_when_it_is_its_turn_and_its_time_passes():
    takes = Taken(frames=[True, False, True, False, True])
    encoded = pictures(Brightness(), [record(frame(at, 10)) for at in (0, 0.5, 1, 1.5, 2)], takes)
    assert [type(item) for item in encoded.items] == [Embedding, Mark, Embedding, Mark, Embedding]
    assert [lost.at for lost in encoded.left_out] == [0.5, 1.5]
    assert takes.asked == [1, 1.5, 2, 2.5, 3]


def test_nothing_but_broken_pictures_is_no_embedding():
    encoded = pictures(Brightness(), [record(frame(0, jpeg=b""))])
    assert (encoded.embeddings, len(encoded.items), len(encoded.rejected)) == (0, 1, 1)


def test_a_sound_is_heard_with_the_half_second_before_it():
    encoded = Sounds(Halves())([record(sound(at, value)) for at, value in ((0, 0.1), (0.5, 0.2), (1.0, 0.3))])
    assert vectors(encoded.items) == [[0, 0.1], [0.1, 0.2], [0.2, 0.3]]
    assert [(item.at, item.until) for item in encoded.items] == [(0, 0.5), (0.5, 1.0), (1.0, 1.5)]


def test_under_pressure_nobody_asks_for_the_tone_of_voices():
    sounds = Sounds(Halves(), Taken(one_in=[1, 2, 2, 1]), layers=lambda seconds: seconds[:, -1:].reshape(-1, 1, 1, 1))
    encoded = sounds([record(sound(at, value)) for at, value in ((0, 0.1), (0.5, 0.2), (1.0, 0.3), (1.5, 0.4))])
    layers = [floats(item.grid).tolist() for item in encoded.items if isinstance(item, Embedding)]
    assert layers == [[pytest.approx(0.1, abs=1e-3)], [], [pytest.approx(0.4, abs=1e-3)]]


def test_under_pressure_every_other_half_second_is_heard_with_the_next_one():
    sounds = Sounds(Halves(), Taken(one_in=[2, 2, 2, 2, 1, 1]))
    encoded = sounds([record(sound(at / 2, at / 10)) for at in range(6)])
    assert [type(item) for item in encoded.items] == [Mark, Embedding, Mark, Embedding, Embedding, Embedding]
    assert vectors(encoded.items) == [[0, 0.1], [0.2, 0.3], [0.3, 0.4], [0.4, 0.5]]
    assert [item.until for item in encoded.items] == [0.5, 1, 1.5, 2, 2.5, 3]
    assert not encoded.unheard


def test_under_lasting_pressure_what_no_embedding_holds_is_counted():
    sounds = Sounds(Halves(), Taken(one_in=[4] * 8))
    encoded = sounds([record(sound(at / 2, at / 10)) for at in range(8)])
    assert [type(item) for item in encoded.items] == [Mark, Mark, Mark, Embedding] * 2
    assert vectors(encoded.items) == [[0.2, 0.3], [0.6, 0.7]]
    assert len(encoded.unheard) == 4


def test_the_half_second_before_is_remembered_from_batch_to_batch_and_camera_by_camera():
    encode = Sounds(Halves())
    encode([record(sound(0, 0.1)), record(sound(0, 0.4, "gate"))])
    assert vectors(encode([record(sound(0.5, 0.2)), record(sound(0.5, 0.3, "gate"))]).items) == [[0.1, 0.2], [0.4, 0.3]]


def test_what_lies_before_a_gap_is_not_heard():
    encode = Sounds(Halves())
    assert vectors(encode([record(sound(0, 0.1)), record(sound(0.52, 0.2))]).items) == [[0, 0.1], [0, 0.2]]
    assert vectors(encode([record(sound(1.025, 0.3))]).items) == [[0.2, 0.3]]


def test_a_clock_that_jumps_back_joins_nothing():
    assert vectors(Sounds(Halves())([record(sound(10, 0.1)), record(sound(3, 0.2))]).items) == [[0, 0.1], [0, 0.2]]


def test_a_short_last_piece_ends_its_second():
    encoded = Sounds(Halves())([record(sound(0, 0.2)), record(sound(0.5, 0.4, samples=4_000))])
    assert vectors(encoded.items) == [[0, 0.2], [0.1, 0.3]]


def test_a_long_piece_is_heard_by_its_end():
    assert vectors(Sounds(Halves())([record(sound(0, 0.2, samples=40_000))]).items) == [[0.2, 0.2]]


def test_an_empty_piece_is_silence():
    assert vectors(Sounds(Halves())([record(sound(0, 0.2, samples=0))]).items) == [[0, 0]]


def test_after_its_last_mark_a_camera_is_forgotten():
    encode = Sounds(Halves())
    encode([record(sound(0, 0.1)), record(mark(0.5, Modality.SOUND, last=True))])
    assert vectors(encode([record(sound(0.5, 0.2))]).items) == [[0, 0.2]]


def test_half_a_sample_is_set_aside_and_its_time_passes():
    odd = Sound(camera="door", at=0, until=0.5, captured=0, modalities=BOTH, seq=0, pcm=b"\0" * 15_999)
    encoded = Sounds(Halves())([record(odd)])
    [passed] = encoded.items
    assert isinstance(passed, Mark)
    assert (passed.modality, passed.until) == (Modality.SOUND, 0.5)
    assert "15999 bytes" in str(encoded.rejected[0].error)


def test_words_become_embeddings_that_carry_them():
    said = Transcript(
        camera="door", at=0, until=2, captured=3, modalities=BOTH, text="help me", language="en", confidence=0.9, no_speech=0.1
    )
    encoded = texts(Lengths(), [record(mark(0, Modality.TEXT)), record(said), record(mark(2, Modality.TEXT))])
    assert [type(item) for item in encoded.items] == [Mark, Embedding, Mark]
    assert vectors(encoded.items) == [[7]]
    assert isinstance(encoded.items[1], Embedding)
    assert floats(encoded.items[1].grid).tolist() == [7] * len(LAYERS)
    assert encoded.items[1].transcript == said


def test_how_favourable_words_are_goes_with_them():
    def said(text: str, language: str) -> Record[Message]:
        return record(
            Transcript(
                camera="door", at=0, until=2, captured=3, modalities=BOTH, text=text, language=language, confidence=0.9, no_speech=0.1
            )
        )

    weight = np.full((1, 1 + len(LAYERS)), 0.05, np.float32)  # a third of it for each letter: the text's length, and both its layers'
    judge = Sentiment(Head((VALENCE,), weight, np.array([-0.6], np.float32)), "long@1")
    slots = [said("help", "en"), record(mark(2, Modality.TEXT)), said("Hilfe", "de"), said("well done", "en")]
    found = [item.transcript.sentiment for item in texts(Lengths(), slots, judge).items if isinstance(item, Embedding) and item.transcript]
    assert found == [0.0, None, 0.75]


def test_words_last_from_the_first_to_the_last_of_them():
    def said(*words: Word) -> Transcript:
        return Transcript(
            camera="door", at=0, until=4, captured=4, modalities=BOTH, text="help me", language="en", confidence=1, no_speech=0, words=words
        )

    timed = said(Word(text="help", at=0.5, until=1, probability=1), Word(text="me", at=2, until=3, probability=1))
    assert spoken(timed) == (0.5, 3)
    assert spoken(said()) == (0, 4)
    assert spoken(said(Word(text="help", at=4, until=4, probability=1))) == (0, 4)  # not timed
    [embedded] = texts(Lengths(), [record(timed)]).items
    assert (embedded.at, embedded.until) == (0.5, 3)


def test_marks_alone_need_no_encoder():
    assert texts(Lengths(), [record(mark(1, Modality.TEXT))]).items == (mark(1, Modality.TEXT),)
    assert Sounds(Halves())([record(mark(1, Modality.SOUND))]).items == (mark(1, Modality.SOUND),)
    assert pictures(Brightness(), [record(mark(1, Modality.PICTURE))]).items == (mark(1, Modality.PICTURE),)
