"""A camera that was moved is told once; a passing incident and a slow season are not."""

from __future__ import annotations

import numpy as np

from monitor.drift import Drift


def told(distances, drift: Drift | None = None) -> list[int]:
    drift = drift or Drift()
    return [index for index, distance in enumerate(distances) if drift.update(index / 2, float(distance))]


def usual(count: int, level: float = 1.0, seed: int = 0) -> np.ndarray:
    return level * np.exp(np.random.default_rng(seed).normal(0, 0.1, count))


def test_what_stays_usual_is_no_drift() -> None:
    assert not told(usual(20_000))


def test_a_moved_camera_is_told_once_after_minutes() -> None:
    (at,) = told(np.concatenate([usual(2000), usual(3000, 2.0, 1)]))
    assert 2000 + 360 <= at < 2000 + 480


def test_an_incident_of_a_minute_is_no_drift() -> None:
    assert not told(np.concatenate([usual(2000), usual(120, 3.0, 1), usual(2000, 1.0, 2)]))


def test_a_season_is_followed() -> None:
    assert not told(usual(40_000) * np.linspace(1, 1.5, 40_000))
