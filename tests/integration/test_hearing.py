import numpy as np
import pytest

from monitor.config import Models
from monitor.hearing import WHISPER, SoundEncoder, sound_encoder


@pytest.fixture(scope="module", params=["yamnet", WHISPER])
def encoder(request: pytest.FixtureRequest) -> SoundEncoder:
    return sound_encoder(Models(sound=request.param))


def tones(count: int) -> np.ndarray:
    """A different note in each second."""
    time = np.arange(16_000) / 16_000
    return np.stack([0.3 * np.sin(2 * np.pi * 200 * (number + 1) * time) for number in range(count)]).astype(np.float32)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_seconds_become_vectors(encoder: SoundEncoder):
    vectors = encoder(tones(3))
    assert vectors.shape == (3, encoder.width)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert encoder.name in {"yamnet@e2d7db5a", "whisper-tiny-encoder@1a5afae0"}


def test_no_second_is_no_vector(encoder: SoundEncoder):
    assert encoder(tones(1)[:0]).shape == (0, encoder.width)


def test_a_second_has_the_same_vector_alone_and_in_a_batch(encoder: SoundEncoder):
    sounds = tones(33)
    np.testing.assert_array_equal(encoder(sounds)[32], encoder(sounds[32:])[0])
    np.testing.assert_array_equal(encoder(sounds)[5], encoder(sounds[3:6])[2])


def test_different_sounds_differ_more_than_the_same_a_little_quieter(encoder: SoundEncoder):
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    tone, hiss, quieter = encoder(np.stack([tones(1)[0], noise, noise * 0.8]))
    assert cosine(hiss, quieter) > cosine(hiss, tone)


def test_digital_silence_and_full_scale_are_finite(encoder: SoundEncoder):
    loudest = np.sign(tones(1)[0])
    assert np.isfinite(encoder(np.stack([np.zeros(16_000, np.float32), loudest]))).all()
