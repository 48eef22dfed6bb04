import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor

from monitor.whispersounds import FLOOR, LogMel

NOISE = np.random.default_rng(0).normal(0, 0.1, (3, 16_000)).astype(np.float32)


def test_log_mel_is_whispers_own_where_the_sound_is_loud():
    ours = LogMel()(NOISE)
    theirs = FeatureExtractor()(NOISE[1], padding=0)
    assert ours.shape == (3, 80, 100)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours[1], theirs, atol=1e-5)


def test_a_second_sounds_the_same_whatever_else_is_in_the_batch():
    np.testing.assert_allclose(LogMel()(NOISE[2:]), LogMel()(NOISE)[2:], atol=1e-6)


def test_silence_lies_on_the_floor():
    np.testing.assert_allclose(LogMel()(np.zeros((1, 16_000), np.float32)), (FLOOR + 4) / 4, atol=1e-6)


def test_loudness_survives():
    loud, quiet = LogMel()(np.stack([NOISE[0], NOISE[0] / 10]))
    np.testing.assert_allclose((loud - quiet).mean(), 2 / 4, atol=1e-2)
