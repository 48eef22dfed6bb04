from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from faster_whisper.tokenizer import _LANGUAGE_CODES
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from records import handed_over

from monitor.bus import Record
from monitor.config import Camera
from monitor.holding import Holding
from monitor.languages import LANGUAGES
from monitor.messages import SOUND_HZ, Mark, Modality, Ref, Sound, Topic
from monitor.utterances import WINDOW, Rules
from monitor.voice import AFRESH_S, Ears, Memory, Samples, Segmenter, Utterance

BY = Rules(threshold=0.5, release=0.35, silence=10, longest=150, shortest=3, padding=6)
BOTH = (Modality.SOUND, Modality.TEXT)


def loudness(samples: Samples, memory: Memory) -> tuple[list[float], Memory]:
    """A voice detector for tests: what is loud is speech."""
    return [float(np.abs(window).mean() > 0.1) for window in samples.reshape(-1, WINDOW)], memory


def segmenter(camera: str = "door") -> Segmenter:
    return Segmenter(camera, loudness, BY)


def tone(*spans: tuple[float, float], seconds: float) -> Samples:
    """Silence, loud between the seconds given; each sample tells its place."""
    samples = np.zeros(round(seconds * SOUND_HZ), np.float32)
    for begin, end in spans:
        samples[round(begin * SOUND_HZ) : round(end * SOUND_HZ)] = 0.5
    return samples


def sounds(samples: Samples, at: float = 1000.0, sizes: tuple[int, ...] = (8000,), camera: str = "door") -> list[Sound]:
    made, first = [], 0
    while first < samples.size:
        piece = samples[first : first + sizes[len(made) % len(sizes)]]
        begin = at + first / SOUND_HZ
        made.append(
            Sound(
                camera=camera,
                at=begin,
                until=begin + piece.size / SOUND_HZ,
                captured=begin + 50,
                modalities=BOTH,
                seq=len(made),
                pcm=(piece * 32768).astype("<i2").tobytes(),
            )
        )
        first += piece.size
    return made


def ref(offset: int) -> Ref:
    return Ref(topic=Topic.AUDIO, partition=0, offset=offset)


def hear(listening: Segmenter, pieces: list[Sound]) -> list[Utterance]:
    ended = [utterance for n, sound in enumerate(pieces) for utterance in listening.push(sound, ref(n))[0]]
    return ended + listening.flush()[0]


def spans(utterances: list[Utterance]) -> list[tuple[float, float]]:
    return [(round(utterance.at - 1000, 2), round(utterance.until - 1000, 2)) for utterance in utterances]


def test_an_utterance_lies_where_it_was_said_in_event_time():
    (utterance,) = hear(segmenter(), sounds(tone((1.0, 2.0), seconds=4)))
    assert utterance.at == pytest.approx(1000.8, abs=0.04)
    assert utterance.until == pytest.approx(1002.2, abs=0.04)
    assert utterance.seconds == pytest.approx(utterance.until - utterance.at)


def test_an_utterance_names_the_first_record_of_its_sound_and_the_capture_of_its_last():
    (utterance,) = hear(segmenter(), sounds(tone((1.1, 1.9), seconds=4)))
    assert utterance.source == ref(1)
    assert utterance.captured == 1052.0
    assert (utterance.camera, utterance.modalities) == ("door", BOTH)


def test_its_samples_are_the_sound_itself():
    samples = tone((1.0, 2.0), seconds=4)
    (utterance,) = hear(segmenter(), sounds(samples))
    first = round((utterance.at - 1000) * SOUND_HZ)
    assert np.array_equal(utterance.samples, samples[first : first + utterance.samples.size])


def test_an_utterance_ends_while_the_sound_goes_on():
    listening = segmenter()
    pieces = sounds(tone((0.5, 1.0), seconds=4))
    assert [bool(listening.push(piece)[0]) for piece in pieces[:4]] == [False, False, True, False]


def test_a_hole_in_the_sound_ends_the_utterance():
    loud = tone((0, 1), seconds=1)
    utterances = hear(segmenter(), [*sounds(loud), *sounds(loud, at=1001.5)])
    assert spans(utterances) == [(0.0, 1.0), (1.5, 2.5)]


def test_jitter_of_the_clock_does_not_end_it():
    loud = tone((0, 1), seconds=1)
    assert len(hear(segmenter(), [*sounds(loud), *sounds(loud, at=1001.02)])) == 1


def test_sound_that_is_delivered_twice_is_heard_once():
    pieces = sounds(tone((0.5, 2.0), seconds=4))
    twice = [*pieces[:3], *pieces[1:]]
    assert spans(hear(segmenter(), twice)) == spans(hear(segmenter(), pieces))


def test_a_clock_that_was_set_back_begins_anew():
    loud = tone((0, 1), seconds=2)
    utterances = hear(segmenter(), [*sounds(loud), *sounds(loud, at=500.0)])
    assert [round(utterance.at) for utterance in utterances] == [1000, 500]


def test_a_promise_that_no_sound_follows_ends_the_utterance():
    listening = segmenter()
    for piece in sounds(tone((0, 1), seconds=1)):
        listening.push(piece)
    assert listening.skip(1001.0) == ([], listening.promised)
    ended, until = listening.skip(1003.0)
    assert (len(ended), until) == (1, 1003.0)


def test_while_nobody_speaks_the_watermark_follows_the_sound():
    listening = segmenter()
    behind = [piece.until - listening.push(piece)[1] for piece in sounds(tone(seconds=10))]
    assert max(behind) < 0.25


QUARTERS = st.lists(st.integers(0, 40), max_size=12)


@settings(max_examples=40, deadline=None)
@given(QUARTERS, st.lists(st.integers(1, 9000), min_size=1, max_size=4))
def test_how_the_sound_is_cut_into_pieces_makes_no_difference(edges: list[int], sizes: list[int]):
    samples = tone(*((a / 6, b / 6) for a, b in list(pairwise(sorted(edges)))[::2]), seconds=AFRESH_S)
    whole = hear(segmenter(), sounds(samples, sizes=(samples.size,)))
    assert spans(hear(segmenter(), sounds(samples, sizes=(*sizes, 8000)))) == spans(whole)


@settings(max_examples=40, deadline=None)
@given(QUARTERS, st.floats(0, 3))
def test_no_utterance_begins_before_a_promise_and_promises_only_grow(edges: list[int], hole: float):
    samples = tone(*((a / 4, b / 4) for a, b in list(pairwise(sorted(edges)))[::2]), seconds=11)
    listening, promised = segmenter(), float("-inf")
    for piece in [*sounds(samples), *sounds(samples, at=1011 + hole)]:
        ended, until = listening.push(piece)
        assert all(utterance.at >= promised for utterance in ended)
        assert until >= promised
        promised = until
    assert all(utterance.at >= promised for utterance in listening.flush()[0])


def records(*messages: Sound | Mark) -> list[Record]:
    return [Record(message=message, ref=ref(n)) for n, message in enumerate(messages)]


def moody(samples: Samples, memory: Memory) -> tuple[list[float], Memory]:
    """A voice detector that judges by all that it has heard since it began."""
    mood, probabilities = float(memory.h[0, 0, 0]), []
    for window in samples.reshape(-1, WINDOW):
        mood = 0.9 * mood + 0.1 * float(np.abs(window).mean())
        probabilities.append(min(1.0, 4 * mood))
    return probabilities, memory._replace(h=np.full((1, 1, 128), mood, np.float32))


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 240), max_size=12), st.integers(0, 121))
def test_a_successor_hears_what_its_predecessor_would_have(edges: list[int], cut: int):
    samples = tone(*((a / 4, b / 4) for a, b in list(pairwise(sorted(edges)))[::2]), seconds=60)
    given = records(*sounds(samples), end(1060.0))
    ears, holding = Ears(lambda camera: Segmenter(camera, moody, BY)), Holding(grain_s=0.0)
    heard = ears(given[:cut])
    for record in given[:cut]:
        holding.saw(record)
    kept = holding.keep(lambda _, camera: ears.needed(camera))
    successor = Ears(lambda camera: Segmenter(camera, moody, BY))
    successor(handed_over(given, cut, kept))
    heard += successor(given[cut:])
    whole = Ears(lambda camera: Segmenter(camera, moody, BY))(given)
    assert spans(utterances(heard)) == spans(utterances(whole))
    assert [item.until for item in heard if isinstance(item, Mark)] == [item.until for item in whole if isinstance(item, Mark)]


def utterances(items: list[Utterance | Mark]) -> list[Utterance]:
    return [item for item in items if isinstance(item, Utterance)]


def end(at: float, camera: str = "door") -> Mark:
    return Mark(camera=camera, at=at, until=at, captured=0, modalities=BOTH, modality=Modality.SOUND, last=True)


def test_marks_come_behind_the_utterances_that_they_pass():
    items = Ears(segmenter)(records(*sounds(tone((0.5, 1), seconds=3)), end(1003.0)))
    kinds = [type(item).__name__ for item in items]
    assert kinds.count("Utterance") == 1
    at = next(item.at for item in items if isinstance(item, Utterance))
    assert all(item.until <= at for item in items[: kinds.index("Utterance")])


def test_the_end_of_the_sound_is_the_end_of_the_text():
    last = Ears(segmenter)(records(*sounds(tone((0, 1), seconds=1)), end(1001.0)))[-1]
    assert isinstance(last, Mark)
    assert (last.modality, last.last, last.until) == (Modality.TEXT, True, 1001.0)


def test_a_camera_without_any_sound_ends_too():
    (mark,) = Ears(segmenter)(records(end(1001.0)))
    assert isinstance(mark, Mark)
    assert mark.last


def test_each_half_second_moves_the_mark():
    items = Ears(segmenter)(records(*sounds(tone(seconds=5))))
    assert len(items) == 10
    assert [item.until for item in items] == sorted(item.until for item in items)


@pytest.mark.parametrize(("told", "taken"), [("de", "de"), ("", None), ("klingon", None)])
def test_what_is_spoken_there_comes_with_the_sound(told: str, taken: str | None):
    pieces = [msgspec.structs.replace(piece, language=told) for piece in sounds(tone((1.1, 1.9), seconds=4))]
    (utterance,) = hear(segmenter(), pieces)
    assert utterance.language == taken


def test_the_languages_are_those_of_the_recogniser():
    assert set(_LANGUAGE_CODES) == LANGUAGES


def test_a_language_that_whisper_does_not_know_is_a_mistake_of_the_configuration():
    with pytest.raises(ValidationError, match="'klingon'"):
        Camera(source="door.mp4", language="klingon")
