"""Watched phrases are heard whole and exactly, whatever their case, accents and punctuation."""

from __future__ import annotations

import pytest

from monitor.config import Phrase
from monitor.messages import Modality, Transcript, Word
from monitor.phrases import Match, matches, tokens, watched


def transcript(text: str, *, probability: float = 0.9, words: bool = True) -> Transcript:
    said = tuple(
        Word(text=f" {word}", at=10 + index, until=10.5 + index, probability=probability) for index, word in enumerate(text.split())
    )
    return Transcript(
        camera="hall",
        at=10,
        until=10 + len(text.split()),
        captured=0,
        modalities=(Modality.SOUND, Modality.TEXT),
        text=text,
        language="en",
        confidence=0.8,
        no_speech=0.0,
        words=said if words else (),
    )


def heard(phrase: str, text: str) -> list[Match]:
    return matches(transcript(text), watched({"entry": Phrase(phrases=(phrase,))}))


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("help me", "Please, help me!"),
        ("Help, me", "HELP ME"),
        ("don't shoot", "No, don't shoot..."),
        ("don't shoot", "don\u2019t shoot"),
        ("a l'aide", "À l'aide !"),
        ("Straße", "die STRASSE brennt"),
        ("ambulance*", "two ambulances"),
        ("ambulance*", "an ambulance, quick"),
        ("call * ", "please call"),
        ("救命", "救命啊"),
        ("ช่วยด้วย", "ใครก็ได้ช่วยด้วย"),
        ("помогите", "Помогите!"),
        ("9 1 1", "call 9-1-1"),
    ],
)
def test_it_is_heard(phrase: str, text: str) -> None:
    assert heard(phrase, text)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("help me", "he helps me"),
        ("help me", "help all of me"),
        ("shooting", "they are shouting"),
        ("fire", "a firefighter"),
        ("gun", "it has begun"),
        ("help", ""),
        ("...", "anything ..."),
    ],
)
def test_it_is_not_heard(phrase: str, text: str) -> None:
    assert not heard(phrase, text)


def test_a_match_carries_its_words_and_their_times() -> None:
    (match,) = heard("help me", "please help me now")
    assert [word.text for word in match.words] == [" help", " me"]
    assert (match.at, match.until, match.probability) == (11, 12.5, 0.9)


def test_every_place_is_a_match() -> None:
    assert [match.at for match in heard("help", "help oh help")] == [10, 12]


def test_a_transcript_without_words_matches_by_its_text() -> None:
    (match,) = matches(transcript("Help me!", words=False), watched({"entry": Phrase(phrases=("help me",))}))
    assert (match.at, match.until, match.probability) == (10, 12, 0.8)


def test_words_that_were_hardly_recognised_do_not_count() -> None:
    watch = watched({"entry": Phrase(phrases=("help me",), min_probability=0.5)})
    assert not matches(transcript("help me", probability=0.4), watch)
    assert matches(transcript("help me", probability=0.5), watch)


def test_tokens_of_scripts_without_spaces_are_characters() -> None:
    assert tokens("OK 救命!") == ["ok", "救", "命"]
