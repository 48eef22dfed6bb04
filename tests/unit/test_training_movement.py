"""Teaching the head for fights: what is moved in a mirror."""

import numpy as np

from monitor.messages import floats
from monitor.motion import COLUMNS, ROWS, Motion
from workers.training.movement import mirrored


def test_movement_in_a_mirror_is_that_of_mirrored_pictures() -> None:
    rng = np.random.default_rng(0)
    seen, mirror = Motion(), Motion()
    for number in range(5):
        luma = np.full((ROWS, COLUMNS), 90, np.uint8)
        luma[9:27, 4 * number : 4 * number + 8] = rng.integers(0, 256, (18, 8))  # somebody goes from left to right
        seen.push(number / 10, luma)
        mirror.push(number / 10, np.ascontiguousarray(luma[:, ::-1]))
    there, back = (np.stack([floats(one.take())]) for one in (seen, mirror))
    assert not np.allclose(there, back)
    np.testing.assert_allclose(mirrored(there), back, atol=1e-5)
    np.testing.assert_array_equal(mirrored(mirrored(there)), there)
