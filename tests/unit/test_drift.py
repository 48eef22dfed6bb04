"""A camera that was moved is told and, later, accepted; a passing incident and a slow season are neither."""

from __future__ import annotations

import numpy as np

from monitor.drift import ACCEPTED_S, GAP_S, LEARNED, RAISED, TOLD_S, Drift


def watched(distances, drift: Drift | None = None) -> list[tuple[bool, bool]]:
    """What was told and accepted after each moment; they come once a second."""
    drift = drift or Drift()
    said = []
    for second, distance in enumerate(distances):
        drift.update(float(second), float(distance))
        said.append((drift.told, drift.accepted))
    return said


def usual(count: int, level: float = 1.0, seed: int = 0) -> np.ndarray:
    return level * np.exp(np.random.default_rng(seed).normal(0, 0.1, count))


def test_what_stays_usual_is_no_drift() -> None:
    assert not any(told for told, _ in watched(usual(20_000)))


def test_a_moved_camera_is_told_after_minutes_and_accepted_later() -> None:
    said = watched(np.concatenate([usual(2000), usual(1000, 2.0, 1)]))
    told = next(second for second, (told, _) in enumerate(said) if told)
    accepted = next(second for second, (_, accepted) in enumerate(said) if accepted)
    assert TOLD_S <= told - 2000 < TOLD_S + RAISED
    assert ACCEPTED_S <= accepted - 2000 < ACCEPTED_S + RAISED


def test_an_incident_of_two_minutes_is_no_drift() -> None:
    assert not any(told for told, _ in watched(np.concatenate([usual(2000), usual(120, 3.0, 1), usual(2000, 1.0, 2)])))


def test_a_camera_that_is_put_back_before_it_is_accepted_has_not_drifted() -> None:
    said = watched(np.concatenate([usual(2000), usual(400, 3.0, 1), usual(300, 1.0, 2)]))
    assert any(told for told, _ in said)
    assert not said[-1][0]
    assert not any(accepted for _, accepted in said)


def test_a_season_is_followed() -> None:
    assert not any(told for told, _ in watched(usual(40_000) * np.linspace(1, 1.5, 40_000)))


def test_what_becomes_more_familiar_is_no_drift() -> None:
    assert not any(told for told, _ in watched(np.concatenate([usual(2000), usual(2000, 0.3, 1)])))


def test_time_that_was_not_seen_does_not_count() -> None:
    drift = Drift()
    watched(np.concatenate([usual(2000), usual(60, 3.0, 1)]), drift)
    lasted = drift.lasted
    drift.update(2060 + 3600.0, 3.0)
    assert drift.lasted == lasted + GAP_S
    assert not drift.told


def test_it_knows_what_it_has_learned_and_nothing_before() -> None:
    drift = Drift()
    watched(usual(LEARNED - 1), drift)
    assert not drift.knows(1.0)
    watched([1.0], drift)
    assert drift.knows(1.0)
    assert not drift.knows(2.0)
