"""Sentences that a person understands."""

from __future__ import annotations

import pytest

from monitor.messages import Modality, Phase
from monitor.sentences import LONGEST, sentence

PICTURE, SOUND, TEXT = Modality.PICTURE, Modality.SOUND, Modality.TEXT


@pytest.mark.parametrize(
    ("said", "sentence_"),
    [
        (
            sentence("hall", "fight", Phase.NEW, 0.873, {PICTURE: 0.62, SOUND: 0.11}, "", 4),
            "hall: people fight, 87 % probable (picture +0.62, sound +0.11)",
        ),
        (
            sentence("hall", "distress", Phase.UPDATE, 0.999, {TEXT: 0.9, SOUND: -0.05, PICTURE: 0.0}, "help me\nplease", 12),
            'hall: someone calls for help or threatens ("help me please"), for 12 s now, 99 % probable (words +0.90, sound -0.05)',
        ),
        (
            sentence("hall", "fire", Phase.END, 0.97, {SOUND: 0.9}, "", 14.2),
            "hall: something burns, over after 14 s, at most 97 % probable",
        ),
        (sentence("yard", "camera:blind", Phase.NEW, 1, {}, "", 0), "yard: the camera is blind"),
        (sentence("yard", "camera:offline", Phase.NEW, 1, {}, "refused", 0), "yard: the camera is offline (refused)"),
        (
            sentence("yard", "phrase:panic", Phase.NEW, 0.91, {}, "help me", 1),
            'yard: watched words are said, panic ("help me"), 91 % probable',
        ),
        (
            sentence("hall", "fight", Phase.NEW, 0.873, {PICTURE: 0.62}, "", 4, "two people, one lying"),
            "hall: people fight; in the picture two people, one lying; 87 % probable (picture +0.62)",
        ),
        (sentence("yard", "some_thing", Phase.NEW, 0.5, {}, "", 1), "yard: some thing, 50 % probable"),
    ],
)
def test_a_sentence_says_what_how_sure_and_by_which_sense(said: str, sentence_: str) -> None:
    assert said == sentence_


def test_long_speech_is_shortened() -> None:
    assert len(sentence("hall", "distress", Phase.NEW, 1, {}, "word " * 500, 1)) < LONGEST + 80
