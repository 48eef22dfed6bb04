import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from saying import heard, intent, said, tone, window

from monitor.heads import Head
from monitor.intent import BUCKETS, INTENTS, MEANT, READ, WORDS, Intent, log_odds, meant, probability, text_features, words_of
from monitor.language import LAYERS, VECTOR, TextFeatures
from monitor.messages import Embedding
from monitor.tone import Voice

THREAT, CALL, ORDINARY = [1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0]


def judged(judge: Intent, *texts: Embedding, sounds: tuple[Embedding, ...] = ()) -> dict[str, float]:
    return {item.kind: item.probability for item in judge([window(*texts, sounds=sounds)])[0]}


def test_words_are_compared_without_case_accents_and_marks():
    assert words_of("Don’t — HELP, à l'aide! 9") == ["don't", "help", "a", "l'aide"]  # noqa: RUF001


def test_where_nothing_is_said_nothing_is_meant():
    assert judged(intent(tone(0)), sounds=(heard(),)) == {"threat": 0.0, "call_for_help": 0.0}


def test_a_call_for_help_is_one_whatever_the_voice():
    calm, tense = (judged(intent(tone(odds)), said(CALL), sounds=(heard(),))["call_for_help"] for odds in (-4, 4))
    assert calm == tense > 0.9


def test_a_film_line_in_a_calm_voice_is_no_threat():
    assert judged(intent(tone(-4)), said(THREAT), sounds=(heard(),))["threat"] < 0.2


def test_the_same_words_in_a_tense_voice_are_a_threat():
    assert judged(intent(tone(4)), said(THREAT), sounds=(heard(),))["threat"] > 0.8


def test_a_tense_voice_alone_is_no_threat():
    assert judged(intent(tone(4)), said(ORDINARY), sounds=(heard(),))["threat"] < 0.01


def test_words_without_a_voice_are_meant_as_often_as_stated():
    assert judged(intent(tone(0)), said(THREAT))["threat"] == pytest.approx(MEANT, abs=0.01)


def test_parts_add_up_to_the_probability():
    (threat, call) = intent(tone(2))([window(said(THREAT), sounds=(heard(),))])[0]
    assert sum(threat.parts.values()) == pytest.approx(threat.probability)
    assert sum(call.parts.values()) == pytest.approx(call.probability)


def test_the_most_telling_utterance_counts_and_none_from_after_the_window():
    judge = intent(tone(0))
    assert judged(judge, said(ORDINARY), said(CALL))["call_for_help"] == judged(judge, said(CALL))["call_for_help"]
    assert judged(judge, said(CALL, at=5.0))["call_for_help"] == 0


@given(st.floats(0.01, 1), st.floats(0.01, 1), st.floats(-9, 9))
def test_less_confidence_never_makes_it_more_probable(one: float, other: float, odds: float):
    low, high = sorted((one, other))
    assert probability(odds, low, (1.0, 0.5, 0.1)) <= probability(odds, high, (1.0, 0.5, 0.1))


@given(st.floats(0.001, 0.999), st.floats(0.05, 0.95))
def test_what_was_heard_only_moves_how_far_words_are_meant(tense: float, prior: float):
    assert 0.09 < meant(Voice(tense, prior)) < 0.91
    assert meant(Voice(prior, prior)) == pytest.approx(MEANT)


def nothing(texts: int) -> TextFeatures:
    return TextFeatures(np.zeros((texts, VECTOR), np.float32), np.zeros((texts, len(LAYERS), VECTOR), np.float32))


@given(st.text(max_size=60))
def test_features_of_any_text_are_finite_and_no_longer_than_said(text: str):
    features = text_features(nothing(1), [text])
    assert features.shape == (1, READ + BUCKETS)
    assert np.linalg.norm(features) <= WORDS + 1e-4


def test_no_text_is_no_row():
    assert text_features(nothing(0), []).shape == (0, READ + BUCKETS)


def test_distress_speaks_for_a_call_for_help():
    head = Head(INTENTS, np.zeros((5, 1), np.float32), np.log(np.array([0.1, 0.2, 0.4, 0.1, 0.2], np.float32)))
    assert log_odds(head, np.zeros((1, 1), np.float32), "call_for_help")[0] == pytest.approx(math.log(0.6 / 0.4), abs=1e-5)
