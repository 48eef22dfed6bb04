from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.guard import PHANTOMS, Evidence, Outcome, folded, phantom, repeats, verdict


def evidence(text: str = "The lift is broken again.", **fields: float) -> Evidence:
    usual = {"seconds": 2.0, "speech": 0.9, "confidence": 0.8, "no_speech": 0.02, "language": 0.98}
    return Evidence(text=text, **(usual | fields))


def test_ordinary_speech_is_accepted():
    assert verdict(evidence()) is Outcome.ACCEPTED


@pytest.mark.parametrize("text", ["", " ", "...", "♪♪", "?!", "- -"])
def test_a_text_without_letters_is_empty(text: str):
    assert verdict(evidence(text)) is Outcome.EMPTY


def test_no_speech_is_believed_unless_the_words_are_sure():
    assert verdict(evidence(no_speech=0.8, confidence=0.5)) is Outcome.NO_SPEECH
    assert verdict(evidence(no_speech=0.8, confidence=0.8)) is Outcome.ACCEPTED


def test_two_weak_witnesses_are_not_believed():
    assert verdict(evidence(confidence=0.45, speech=0.55)) is Outcome.LOW_CONFIDENCE
    assert verdict(evidence(confidence=0.45, speech=0.95)) is Outcome.ACCEPTED


def test_a_short_sound_needs_more_than_a_long_one():
    assert verdict(evidence(confidence=0.4, speech=0.9, seconds=0.8)) is Outcome.LOW_CONFIDENCE
    assert verdict(evidence(confidence=0.4, speech=0.9, seconds=3.0)) is Outcome.ACCEPTED


@pytest.mark.parametrize(
    "text",
    [
        "AHHHHHHHHHHHHHHHHHHHHHHHHH",
        "BAM BAM BAM BAM BAM BAM BAM BAM BAM",
        "in 1813, in 1813, in 1813, in 1813",
        "Today it rains. Today it rains. Today it rains. Today it rains.",
        "H-H-H-H-H-H-H-H-H-H",
        "ははははははははははは",
        "no ''''''''''''''",
    ],
)
def test_a_text_that_goes_round_in_circles_is_a_repetition(text: str):
    assert verdict(evidence(text, seconds=8.0)) is Outcome.REPETITION


@pytest.mark.parametrize("text", ["Help! Help! Help!", "No, no, no, no!", "very very good, very very good", "Feuer, Feuer, hilf mir!"])
def test_who_calls_for_help_may_say_it_more_than_once(text: str):
    assert verdict(evidence(text)) is Outcome.ACCEPTED


def test_nobody_speaks_that_fast():
    assert verdict(evidence("The quick brown fox jumps over the lazy dog by the river bank today", seconds=1.0)) is Outcome.TOO_FAST


def test_a_language_that_nobody_could_tell_is_rejected_only_with_unsure_words():
    assert verdict(evidence(language=0.2, confidence=0.5)) is Outcome.LANGUAGE
    assert verdict(evidence(language=0.2, confidence=0.8)) is Outcome.ACCEPTED


@pytest.mark.parametrize(
    "text",
    [
        "Thank you.",
        "Thanks for watching!",
        " you",
        "Thank you. Bye.",
        "Bye, bye.",
        "Untertitel im Auftrag des ZDF für funk, 2017",
        "Sous-titrage Société Radio-Canada",
        "Subtitles by the Amara.org community",
        "ご視聴ありがとうございました",
        "请不吝点赞 订阅 转发",
        "Продолжение следует...",
    ],
)
def test_a_phantom_phrase_with_weak_evidence_is_rejected(text: str):
    assert verdict(evidence(text, confidence=0.6, speech=0.75)) is Outcome.PHANTOM


def test_thanks_that_were_really_said_are_accepted():
    assert verdict(evidence("Thank you.", confidence=0.85, speech=0.95)) is Outcome.ACCEPTED


def test_a_phantom_phrase_inside_a_longer_sentence_is_no_phantom():
    assert not phantom("Thank you for the parcel, the driver is here.")


def test_phantoms_are_kept_as_folded_gives_them():
    assert {phrase for phrase in PHANTOMS if folded(phrase) != phrase} == set()


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), *(st.floats(0, 1) for _ in range(4)), st.floats(0.1, 20))
def test_every_evidence_has_a_verdict(text: str, speech: float, confidence: float, no_speech: float, language: float, seconds: float):
    said = Evidence(text=text, seconds=seconds, speech=speech, confidence=confidence, no_speech=no_speech, language=language)
    assert verdict(said) in Outcome


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["fire", "in", "the", "hall", "come", "quick"]), min_size=1, max_size=3), st.integers(8, 12))
def test_what_is_said_eight_times_in_a_row_is_a_repetition(words: list[str], times: int):
    assert repeats(" ".join(words * times))
