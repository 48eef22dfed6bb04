"""What is measured of a voice: pitch as it is, nothing of the microphone's gain, and always numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.prosody import MEASURED, MIDDLE_HZ, NUMBERS, POOLED, apart, pooled, prosody

Floats = npt.NDArray[np.float32]
PITCH = MEASURED.index("pitch")


def voice(hz: float, loudness: float = 0.1, seconds: int = 1, bend: float = 0.0) -> Floats:
    """A buzz with the tilt of a voice, whose pitch moves by so many octaves a second; [seconds, 16000]."""
    at = np.arange(16_000 * seconds) / 16_000
    pitch = hz * 2 ** (bend * at)
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    tones = sum(np.sin(number * phase) / number**1.5 for number in range(1, int(3500 / hz)))
    noise = np.random.default_rng(0).normal(0, 1e-3, at.size)
    return (loudness * (tones + noise)).astype(np.float32).reshape(seconds, -1)


@pytest.mark.parametrize("hz", [80, 120, 200, 300, 430, 500])
def test_the_pitch_of_a_voice_is_found(hz: float):
    told = apart(prosody(voice(hz)))
    assert told.voiced[0] > 0.9
    assert MIDDLE_HZ * 2 ** told.means[0, PITCH] == pytest.approx(hz, rel=0.05)


def test_a_voice_that_rises_varies_more_than_one_that_does_not():
    flat, rising = (apart(prosody(voice(150, bend=bend))) for bend in (0.0, 1.0))
    assert rising.deviations[0, PITCH] > 5 * flat.deviations[0, PITCH]


@given(st.floats(0.02, 5.0))
def test_how_loud_the_microphone_is_does_not_matter(gain: float):
    sound = voice(180, loudness=0.05, bend=0.3)
    np.testing.assert_allclose(pooled(prosody(np.float32(gain) * sound)), pooled(prosody(sound)), rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros((2, 16_000), np.float32),
        np.full((1, 16_000), 0.5, np.float32),
        np.sign(voice(200)),
        np.random.default_rng(1).uniform(-1, 1, (2, 16_000)).astype(np.float32),
        np.eye(1, 16_000, 5_000, dtype=np.float32),
        np.zeros((0, 16_000), np.float32),
        np.ones((1, 400), np.float32),
    ],
    ids=["silence", "offset", "clipped", "noise", "click", "nothing", "less than a frame"],
)
def test_whatever_sounds_gives_numbers(sound: Floats):
    found = prosody(sound)
    assert found.shape == (len(sound), NUMBERS)
    assert np.isfinite(found).all()
    assert np.isfinite(found.astype(np.float16)).all()  # as they are sent


def test_where_nobody_speaks_there_is_no_pitch():
    noise = np.random.default_rng(1).normal(0, 0.1, (1, 16_000)).astype(np.float32)
    assert apart(prosody(noise)).voiced[0] < 0.1
    assert not prosody(np.zeros((1, 16_000), np.float32)).any()


def test_silent_seconds_do_not_change_what_a_stretch_sounds_like():
    spoken = prosody(voice(160))
    both = np.concatenate([spoken, np.zeros_like(spoken)])
    assert pooled(both).shape == (POOLED,)
    np.testing.assert_allclose(pooled(both)[1:], pooled(spoken)[1:], rtol=1e-5)
    assert pooled(both)[0] == pytest.approx(pooled(spoken)[0] / 2)


def test_a_change_between_seconds_is_a_deviation():
    low, high = prosody(voice(100)), prosody(voice(200))
    spread = pooled(np.concatenate([low, high]))[1 + len(MEASURED) - 1 + PITCH]
    assert spread == pytest.approx(0.5, abs=0.1)  # an octave apart
