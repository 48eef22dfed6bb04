"""A score says where its evidence lies and which models spoke."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from monitor.align import Window
from monitor.messages import Embedding, Judgement, Modality, Pose, Presence, Ref, Sighting, Topic, Transcript, pack
from monitor.motion import MOTION
from monitor.scoring import movement, score

HAS = (Modality.PICTURE, Modality.SOUND, Modality.TEXT)


def ref(topic: Topic, offset: int) -> Ref:
    return Ref(topic=topic, partition=0, offset=offset)


def picture(at: float, change: float, *, source: bool = True) -> Embedding:
    motion = np.zeros(MOTION, np.float32)
    motion[:16] = change
    motion[30] = 1 - change
    return Embedding(
        camera="hall",
        at=at,
        until=at + 0.5,
        captured=at,
        modalities=HAS,
        modality=Modality.PICTURE,
        vector=b"",
        motion=pack(motion),
        source=ref(Topic.VIDEO, round(2 * at)) if source else None,
        model="picture-1",
    )


def words(text: str) -> Embedding:
    said = Transcript(
        camera="hall", at=1, until=2, captured=2, modalities=HAS, text=text, language="en", confidence=0.9, no_speech=0, model="speech-1"
    )
    return Embedding(
        camera="hall", at=1, until=2, captured=2, modalities=HAS, modality=Modality.TEXT, vector=b"", transcript=said, model="text-1"
    )


def window(*pictures: Embedding, texts: tuple[Embedding, ...] = ()) -> Window:
    return Window(
        camera="hall",
        at=0,
        until=4,
        captured=3,
        modalities=HAS,
        revision=1 if texts else 0,
        final=bool(texts),
        pictures=pictures,
        texts=texts,
    )


FIGHT = (Judgement(kind="fight", probability=0.7),)


def test_the_key_frame_is_the_one_that_moved_most() -> None:
    made = score(window(picture(0, 0.1), picture(1, 0.8), picture(2, 0.3)), FIGHT, (), learning=False)
    assert made.key_frame == ref(Topic.VIDEO, 2)
    assert [frame.offset for frame in made.frames] == [0, 2, 4]


def test_of_still_pictures_the_newest_is_the_key_frame() -> None:
    assert score(window(picture(0, 0), picture(1, 0)), FIGHT, (), learning=False).key_frame == ref(Topic.VIDEO, 2)


def test_attention_chooses_the_key_frame() -> None:
    made = score(window(picture(0, 0.1), picture(1, 0.8)), FIGHT, (), learning=False, attention=(0.9, 0.1))
    assert made.key_frame == ref(Topic.VIDEO, 0)


def test_a_picture_without_a_reference_is_no_key_frame() -> None:
    assert score(window(picture(0, 1, source=False)), FIGHT, (), learning=False).key_frame is None


def test_people_and_things_of_the_key_frame_are_told_without_what_they_look_like() -> None:
    person = Sighting(label="person", confidence=0.8, box=(0, 0, 0.1, 0.2), speed=0.1, pose=Pose.LYING, track=3, dwell_s=2.0, look=b"12")
    moved = replace(picture(0, 0.8), things=(person, replace(person, confidence=0.21)))
    (told,) = score(window(moved, picture(1, 0.1)), FIGHT, (), learning=False).things
    assert type(told) is Presence
    assert (told.label, told.box, told.speed, told.pose, told.track, told.dwell_s) == ("person", (0, 0, 0.1, 0.2), 0.1, "lying", 3, 2.0)
    assert score(window(picture(1, 0.1)), FIGHT, (), learning=False).things == ()


def test_motion_that_was_not_measured_is_none() -> None:
    still = Embedding(camera="hall", at=0, until=1, captured=0, modalities=HAS, modality=Modality.PICTURE, vector=b"")
    assert movement(still) == 0


def test_judgements_words_and_models_are_merged() -> None:
    unusual = (Judgement(kind="unusual_picture", probability=0.2),)
    made = score(window(picture(0, 0), texts=(words("help me"),)), FIGHT, unusual, learning=True, models=("fusion-1",))
    assert made.judgements == FIGHT + unusual
    assert [transcript.text for transcript in made.transcripts] == ["help me"]
    assert made.models == ("fusion-1", "picture-1", "text-1", "speech-1")
    assert (made.revision, made.final, made.learning, made.captured) == (1, True, True, 3)
