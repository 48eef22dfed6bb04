from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.messages import SOUND_HZ
from workers.composing.sources import Sources, Split
from workers.training.alarms import MADE, MAKERS, loading, made, with_made
from workers.training.sounds import Samples


def share_above(samples: Samples, hz: float) -> float:
    """Share of the power."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power[np.fft.rfftfreq(len(samples), 1 / SOUND_HZ) > hz].sum() / power.sum())


def sounds(kind: str) -> list[Samples]:
    return [made(Path(MADE, kind, str(number))) for number in range(12)]


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_made_is_sound_always_the_same_and_never_twice(kind: str) -> None:
    first, second, *_ = sounds(kind)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert np.abs(first).max() == pytest.approx(0.5, abs=1e-3)
    assert 0.4 < len(first) / SOUND_HZ < 8
    np.testing.assert_array_equal(first, made(Path(MADE, kind, "0")))
    assert len(first) != len(second) or not np.array_equal(first, second)


def test_glass_is_high_and_a_siren_is_not() -> None:
    assert np.median([share_above(each, 1800) for each in sounds("glass_break")]) > 0.8
    assert np.median([share_above(each, 4000) for each in sounds("siren")]) < 0.3


def test_a_shot_is_over_in_no_time() -> None:
    for each in sounds("gun_shot"):
        loud = np.abs(each) > 0.1
        assert loud.mean() < 0.25


def test_made_sounds_stand_beside_the_recorded_ones() -> None:
    none = Sources(split=Split.TRAIN, clips=(), footage=(), sounds=(), lines=(), voices=())
    found = with_made(none, 3)
    assert {kind: len(rows) for kind, rows in found.heard.items()} == dict.fromkeys(("gun_shot", "siren", "scream", "glass_break"), 3)
    silence = np.zeros(3, np.float32)
    load = loading(lambda _: silence)
    assert load(Path("some/file.wav")) is silence
    assert len(load(found.heard["siren"][0].path)) > SOUND_HZ
