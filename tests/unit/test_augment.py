"""Pictures and sounds as they might have been: what is said of each change is so, and a seed gives the same again."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from monitor.messages import SOUND_HZ
from workers.training.augment import full_scale, night, noisy, pitched, rain, reverberant

IMAGE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8), (0, 0), 3)
TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(SOUND_HZ) / SOUND_HZ)).astype(np.float32)
NOISE = np.random.default_rng(1).normal(0, 1, SOUND_HZ // 2).astype(np.float32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.square(samples).mean()))


@pytest.mark.parametrize("change", [night, rain])
def test_weather_is_the_same_again_and_changes_the_picture(change) -> None:
    changed = change(IMAGE, rng(), rng(1))
    assert changed.shape == IMAGE.shape
    assert changed.dtype == np.uint8
    assert np.array_equal(changed, change(IMAGE, rng(), rng(1)))
    assert not np.array_equal(changed, change(IMAGE, rng(), rng(2)))


def test_night_is_grey_and_darker() -> None:
    dark = night(IMAGE, rng(), rng(1))
    assert np.ptp(dark, axis=2).max() == 0
    assert dark.mean() < IMAGE.mean()


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0])
def test_noise_is_as_far_below_as_is_said(snr_db: float) -> None:
    added = noisy(TONE, NOISE, snr_db) - TONE
    assert 20 * np.log10(level(TONE) / level(added)) == pytest.approx(snr_db, abs=0.05)


def test_a_room_rings_on_and_is_as_loud() -> None:
    clap = np.zeros(SOUND_HZ, np.float32)
    clap[100:200] = 0.5
    wet = reverberant(clap, 0.5, rng())
    assert level(wet) == pytest.approx(level(clap), rel=1e-3)
    assert level(wet[2000:6000]) > 0
    assert level(wet[12_000:]) < 1e-3 * level(wet)


def test_an_octave_is_twice_the_frequency_and_half_the_time() -> None:
    high = pitched(TONE, 12)
    assert len(high) == pytest.approx(len(TONE) / 2, abs=1)
    spectrum = np.abs(np.fft.rfft(high))
    assert np.fft.rfftfreq(len(high), 1 / SOUND_HZ)[spectrum.argmax()] == pytest.approx(880, abs=3)


def test_nothing_is_louder_than_full_scale() -> None:
    assert np.abs(full_scale(4 * TONE)).max() <= 0.98
    assert np.array_equal(full_scale(TONE), TONE)
    assert full_scale(np.empty(0, np.float32)).size == 0
