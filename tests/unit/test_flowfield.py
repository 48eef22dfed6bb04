from __future__ import annotations

import numpy as np
import pytest

from monitor.flowfield import FLOW, FlowField, statistics, steadied


def field(right: float = 0.0, down: float = 0.0) -> np.ndarray:
    return np.broadcast_to(np.array([right, down], np.float32), (48, 64, 2)).copy()


def patch(right: float, down: float = 0.0) -> np.ndarray:
    """Something that moves in a corner of a still picture."""
    velocity = field()
    velocity[8:16, 8:16] = right, down
    return velocity


def test_nothing_moves() -> None:
    assert not statistics(field(), field()).any()


def test_a_camera_that_pans_is_one_number() -> None:
    found = statistics(field(0.3, 0.4), None)
    assert found[20] == pytest.approx(0.5)
    assert not found[:20].any()


def test_one_thing_on_its_way_agrees_with_itself() -> None:
    found = statistics(patch(0.2), None)
    assert found[14] == pytest.approx(1, abs=1e-3)
    assert found[13] == pytest.approx(0, abs=1e-3)
    assert found[7] == pytest.approx(64 / (48 * 64))


def test_a_tumult_agrees_in_nothing() -> None:
    rng = np.random.default_rng(0)
    velocity = rng.normal(0, 0.3, (48, 64, 2)).astype(np.float32)
    found, after = statistics(velocity, None), statistics(velocity, -velocity)
    assert found[13] > 0.95
    assert found[14] < 0.2
    assert found[17] > statistics(patch(0.2), None)[17]
    assert after[10] == pytest.approx(2 * found[5], rel=0.05)


def test_numbers_do_not_depend_on_resolution() -> None:
    small, large = patch(0.2), np.repeat(np.repeat(patch(0.2), 2, axis=0), 2, axis=1)
    np.testing.assert_allclose(statistics(small, None)[:10], statistics(large, None)[:10], rtol=1e-5)


def test_flow_is_in_widths_a_second() -> None:
    rng = np.random.default_rng(0)
    texture = np.kron(rng.integers(0, 255, (24, 32)), np.ones((4, 4))).astype(np.uint8)
    velocity = FlowField()(texture, np.roll(texture, 4, axis=1), 0.5)
    assert velocity.shape == (96, 128, 2)
    whole = steadied(velocity)[1]
    assert whole == pytest.approx(4 / 128 / 0.5, rel=0.1)
    assert statistics(velocity, None).shape == (FLOW,)
