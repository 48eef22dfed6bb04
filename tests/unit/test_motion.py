import numpy as np
import pytest

from monitor.messages import floats
from monitor.motion import COLUMNS, MOTION, ROWS, Motion, change

RNG = np.random.default_rng(0)
SCENE = RNG.integers(60, 190, (ROWS, COLUMNS)).astype(np.uint8)


def with_block(x: int, y: int, level: int = 250) -> np.ndarray:
    image = SCENE.copy()
    image[y : y + 9, x : x + 16] = level
    return image


def measured(*images: np.ndarray, step: float = 0.04) -> np.ndarray:
    motion = Motion()
    for index, image in enumerate(images, 1):
        motion.push(index * step, image)
    return floats(motion.take())


def test_nothing_moves_in_a_still_picture() -> None:
    numbers = measured(*[SCENE] * 5)
    assert numbers.shape == (MOTION,)
    assert not numbers[:30].any()
    assert numbers[30] == pytest.approx(SCENE.mean() / 255, abs=1e-3)


def test_a_single_frame_has_no_motion() -> None:
    assert not measured(SCENE)[:30].any()
    assert not floats(Motion().take()).any()


def test_movement_shows_in_its_cell() -> None:
    numbers = measured(SCENE, with_block(48, 27))
    assert numbers[:16].argmax() == 15
    assert numbers[27] > 0.7
    assert numbers[20] == pytest.approx(1 / 16, abs=0.01)


def test_a_lamp_that_goes_on_is_brightness_and_not_motion() -> None:
    numbers = measured(SCENE, SCENE + np.uint8(40))
    assert numbers[16] == pytest.approx(0, abs=1e-3)
    assert numbers[29] == pytest.approx(40 / 255 / 0.04, rel=0.01)


def test_the_same_change_in_half_the_time_is_twice_as_fast() -> None:
    slow, fast = (measured(SCENE, with_block(0, 0), step=step) for step in (0.08, 0.04))
    assert fast[16] == pytest.approx(2 * slow[16], rel=0.01)


def test_what_jumps_about_is_unsteady_and_travels() -> None:
    steady = measured(*[with_block(x, 9) for x in range(0, 40, 4)])
    wild = measured(*[with_block(*place) for place in RNG.integers(0, 27, (10, 2))])
    assert wild[25] > 2 * steady[25]
    assert wild[28] > steady[28]


def test_each_sample_begins_anew_but_compares_with_the_frame_before() -> None:
    motion = Motion()
    motion.push(0.04, SCENE)
    motion.take()
    motion.push(0.08, with_block(0, 0))
    assert floats(motion.take())[0] > 0
    motion.push(0.12, with_block(0, 0))
    assert floats(motion.take())[0] == 0


def test_frames_out_of_order_or_far_apart_are_not_compared() -> None:
    motion = Motion()
    for at in (1.0, 0.9, 1.0, 100.0):
        motion.push(at, RNG.integers(0, 255, SCENE.shape).astype(np.uint8))
    assert not floats(motion.take())[:30].any()


def test_the_largest_change_fits_float16() -> None:
    numbers = measured(*[np.full_like(SCENE, 255 * (n % 2)) for n in range(10)], step=1e-3)
    assert np.isfinite(numbers).all()
    assert change(SCENE, 255 - SCENE, 1e-3).cells.max() > 0
