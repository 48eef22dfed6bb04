import numpy as np
import pytest

from monitor.novelty import CHANNELS, PLACES, Places, Sounds


def grids(n: int, seed: int = 0) -> np.ndarray:
    """A still picture of 49 different places, with noise."""
    still = np.random.default_rng(99).normal(0, 5, (PLACES, CHANNELS))
    return (still + np.random.default_rng(seed).normal(0, 0.3, (n, PLACES, CHANNELS))).astype(np.float32)


def places(memory: int = 500) -> Places:
    return Places(memory, grids(40), np.full((40, 16), 0.01, np.float32))


def test_what_was_seen_is_near_and_what_was_not_is_far():
    kept = places()
    usual = grids(1, seed=5)[0]
    changed = usual.copy()
    changed[24] += 20
    assert kept.see(changed, 0.0).distances[24] > 3 * kept.see(usual, 0.0).distances.max()
    assert np.array_equal(np.delete(kept.see(changed, 0.0).distances, 24), np.delete(kept.see(usual, 0.0).distances, 24))


def test_what_a_neighbour_looks_like_is_no_news_but_what_the_far_corner_looks_like_is():
    kept = places()
    still = grids(1, seed=5)[0]
    beside, across = still.copy(), still.copy()
    beside[24] = still[25]
    across[24] = still[0]
    assert kept.see(beside, 0.0).distances[24] < 0.5 * kept.see(across, 0.0).distances[24]


def test_what_was_learned_is_known():
    kept = places()
    changed = grids(1, seed=5)[0]
    changed[24] += 20
    seen = kept.see(changed, 1.0)
    assert list(seen.new) == [24]
    kept.learn(seen)
    assert kept.see(changed, 2.0).distances[24] == pytest.approx(0, abs=0.1)


def test_the_memory_is_thinned_when_it_is_full_and_what_it_saw_stays_known_coarsely():
    kept = places(memory=200)
    rng = np.random.default_rng(3)
    still = grids(1, seed=5)[0]
    for time in range(300):
        moved = still.copy()
        moved[24] += rng.normal(0, 20, CHANNELS).astype(np.float32)
        kept.learn(kept.see(moved, float(time)))
    assert kept._count <= 200
    assert kept.see(still, 301.0).distances.max() <= kept.least


def test_restlessness_is_measured_by_the_cameras_own_stillness():
    moving = np.full(16, 0.01, np.float32)
    moving[0] = 0.08
    restless = places().restless(moving)
    assert restless[0] == pytest.approx(8, rel=0.05)
    assert restless[-1] == pytest.approx(1, rel=0.05)


def test_a_camera_without_motion_is_never_restless():
    assert np.array_equal(places().restless(np.empty(0, np.float32)), np.ones(PLACES))


def test_the_smallest_memory_that_can_be_set_is_enough_to_begin_with():
    assert places(memory=50).see(grids(1, seed=5)[0], 0.0).distances.max() < np.inf


def varied(n: int, spread: float, centre: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(centre, spread, (n, 64)).astype(np.float32)


def heard() -> Sounds:
    """A hum that hardly varies, and speech that varies widely."""
    vectors = np.concatenate([varied(60, 0.1, 0.0, 1), varied(60, 3.0, 5.0, 2)])
    kept = Sounds(200, vectors)
    for time, vector in enumerate(vectors):
        kept.learn(kept.hear(vector, 10.0 * time))
    return kept


def test_another_sentence_is_as_usual_as_another_second_of_the_hum():
    kept = heard()
    assert kept.hear(varied(1, 0.1, 0.0, 7)[0], 1e4).factor < 1.5
    assert kept.hear(varied(1, 3.0, 5.0, 8)[0], 1e4).factor < 1.6


def test_a_sound_unlike_both_is_unusual():
    assert heard().hear(varied(1, 0.1, -6.0, 9)[0], 1e4).factor > 1.8


def test_the_same_sound_a_moment_ago_is_no_neighbour():
    kept = heard()
    new = varied(1, 0.1, -6.0, 9)[0]
    for time in (1e4, 1e4 + 0.5, 1e4 + 1.0):
        kept.learn(kept.hear(new, time))
    assert kept.hear(new, 1e4 + 1.5).factor > 1.8


def test_sounds_stay_within_their_memory():
    kept = Sounds(50, varied(60, 1.0, 0.0, 1))
    for time, vector in enumerate(varied(400, 1.0, 0.0, 2)):
        kept.learn(kept.hear(vector, 10.0 * time))
    assert kept._count == 50
