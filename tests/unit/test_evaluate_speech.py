from __future__ import annotations

import pytest

from monitor.guard import Evidence, Outcome
from monitor.speech import Heard
from workers.evaluate.speech import Noise, Spoken, count, error_rates, invented, plain


def said(language: str, reference: str, text: str) -> Spoken:
    return Spoken(language=language, reference=reference, text=text, seconds=1)


def noise(label: str, *texts: tuple[str, Outcome]) -> Noise:
    heard = tuple(
        Heard(outcome=o, transcript=None, evidence=Evidence(text=t, seconds=1, speech=1, confidence=1, no_speech=0, language=1))
        for t, o in texts
    )
    return Noise(name=label, label=label, seconds=30, heard=heard)


def test_case_and_punctuation_are_no_errors():
    assert error_rates([said("en", "GO DO YOU HEAR", "Go! Do you hear?")])["wer"] == 0


def test_a_number_in_digits_is_an_error_unless_normalised():
    figures = error_rates([said("en", "the eighteen ships", "The 18 ships.")])
    assert figures["wer"] == pytest.approx(1 / 3)
    assert figures["wer_normalised"] == 0


def test_words_are_pooled_over_the_clips_of_a_language():
    figures = error_rates([said("de", "eins zwei drei", "eins zwei drei"), said("de", "vier", "fünf"), said("en", "a", "a")])
    assert figures["wer_de"] == pytest.approx(1 / 4)


def test_languages_without_spaces_are_counted_in_characters():
    assert error_rates([said("ja", "客観的実在。", "客観 的実存")])["cer_ja"] == pytest.approx(1 / 5)


def test_plain_keeps_the_apostrophe_inside_a_word():
    assert plain("D\u2019Avrigny: “don't”!", "en") == "d'avrigny don't"


@pytest.mark.parametrize(("text", "words"), [("Thank you.", 2), ("ご視聴", 3), ("...", 0), ("그는 집", 3), ("don't", 1)])
def test_words_of_every_language_are_counted(text: str, words: int):
    assert count(text) == words


def test_invented_words_are_those_that_the_guard_let_pass():
    figures = invented({"esc10": [noise("sound:rain", ("Thank you.", Outcome.PHANTOM), ("what", Outcome.ACCEPTED)), noise("sound:rain")]})
    assert figures["invented_wpm"] == 1
    assert figures["invented_wpm_vad_only"] == 3


def test_recordings_with_voices_in_them_are_told_apart():
    figures = invented({"urbansound8k": [noise("sound:street_music", ("la la", Outcome.ACCEPTED)), noise("sound:siren")]})
    assert figures["invented_wpm"] == 0
    assert figures["invented_wpm_voices"] == 4
