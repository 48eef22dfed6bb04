import msgspec
import numpy as np
import pytest
from saying import LAYERS, heard, said, tone, window

from monitor.heads import Head
from monitor.heard import CLASSES as CLASSES_HEARD
from monitor.heard import SPEECH, Heard
from monitor.layers import WIDTH
from monitor.messages import pack
from monitor.prosody import NUMBERS, POOLED
from monitor.tone import CLASSES, Tone, pooled


def test_a_window_is_the_means_of_its_layers_and_its_prosody():
    seconds = np.zeros((2, 2 * 2 * WIDTH + NUMBERS), np.float32)
    seconds[:, : 2 * WIDTH] = [[1.0], [3.0]]  # the first layer's mean and deviation
    seconds[:, -NUMBERS] = 0.5  # half of either second has a pitch
    found = pooled(seconds)
    assert found.shape == (2 * WIDTH + POOLED,)
    np.testing.assert_allclose(found[:WIDTH], 2)
    np.testing.assert_allclose(found[WIDTH : 2 * WIDTH], 0)
    assert found[2 * WIDTH] == 0.5


def test_a_tense_voice_is_judged_as_calibrated():
    judge = Tone(tone(1.0).head, (2.0, -1.0, 0.3), "t")
    [[judgement]] = judge([window(sounds=(heard(),))])
    assert judgement.kind == "tense_voice"
    assert judgement.probability == pytest.approx(1 / (1 + np.exp(-1.0)), abs=1e-3)
    assert sum(judgement.parts.values()) == judgement.probability


def test_where_nobody_speaks_no_voice_is_tense():
    [[judgement]] = tone(5.0, none=9.0)([window(sounds=(heard(),))])
    assert judgement.probability == 0


def test_without_layers_there_is_no_voice():
    assert tone(5.0).voice(window(said([0, 0, 0, 0]))) is None


def test_sound_from_after_the_window_is_not_heard():
    weight = np.zeros((3, LAYERS), np.float32)
    judge = Tone(Head(CLASSES, weight, np.zeros(3, np.float32)), (1.0, 0.0, 0.5), "t")
    assert judge.voice(window(sounds=(heard(at=4.0),))) is None


def test_what_does_not_speak_has_no_tense_voice():
    """Children who shout at play sound tense to the head, and YAMNet knows what they are."""
    calm = Tone(tone(5.0).head, (1.0, 0.0, 0.5), "t", heard=speech(-1.0))
    tense = Tone(tone(5.0).head, (1.0, 0.0, 0.5), "t", heard=speech(1.0))
    sounds = (msgspec.structs.replace(heard(), vector=pack(np.ones(4, np.float32))),)
    assert calm.voice(window(sounds=sounds)) is None
    assert tense.voice(window(sounds=sounds)) is not None


def speech(odds: float) -> Heard:
    """Hears speech with these log odds, and nothing else."""
    bias = np.array([odds if name in SPEECH else -9.0 for name in CLASSES_HEARD], np.float32)
    return Heard(Head(CLASSES_HEARD, np.zeros((len(CLASSES_HEARD), 4), np.float32), bias), (1.0, 0.0), "heard@test")
