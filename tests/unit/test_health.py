import cv2
import numpy as np
import pytest

from monitor.health import Blindness, Health, Lasting, look
from monitor.messages import State
from monitor.motion import COLUMNS, ROWS

RNG = np.random.default_rng(0)
LIVE = (State.LIVE,)


def scene() -> np.ndarray:
    image = np.full((252, 448), 90, np.uint8)
    for _ in range(60):
        x, y, w, h = RNG.integers(0, 400), RNG.integers(0, 220), RNG.integers(10, 80), RNG.integers(10, 60)
        cv2.rectangle(image, (int(x), int(y)), (int(x + w), int(y + h)), int(RNG.integers(20, 230)), -1)
    return noisy(image, 2)


def noisy(image: np.ndarray, level: float) -> np.ndarray:
    return np.clip(image + RNG.normal(0, level, image.shape), 0, 255).astype(np.uint8)


SCENE = scene()
BLIND = {
    "black": noisy(np.full_like(SCENE, 16), 1),
    "white": noisy(np.full_like(SCENE, 240), 1),
    "covered": noisy(60 + 40 * np.linspace(0, 1, 448)[None].repeat(252, axis=0), 2),
    "out of focus": cv2.GaussianBlur(SCENE, (0, 0), 6),
}
SEEING = {
    "night": noisy(SCENE * 0.12 + 14, 2),
    "dim": (SCENE * 0.4).astype(np.uint8),
    "noise": noisy(SCENE, 10),
    "a little soft": cv2.GaussianBlur(SCENE, (0, 0), 0.8),
    "somebody in front": np.where(np.arange(448)[None] < 150, 40, SCENE).astype(np.uint8),
}


def used_to_the_scene() -> Blindness:
    blindness = Blindness()
    for _ in range(20):
        assert not blindness.sees_nothing(look(noisy(SCENE, 2)))
    return blindness


@pytest.mark.parametrize("why", BLIND)
def test_a_blind_picture_is_recognised_and_named(why: str) -> None:
    blindness = used_to_the_scene()
    assert blindness.sees_nothing(look(BLIND[why]))
    assert blindness.why == why


@pytest.mark.parametrize("what", SEEING)
def test_a_picture_that_shows_something_is_not_blind(what: str) -> None:
    assert not used_to_the_scene().sees_nothing(look(SEEING[what]))


def test_being_blind_does_not_become_usual() -> None:
    blindness = used_to_the_scene()
    seen = look(BLIND["out of focus"])
    assert all(blindness.sees_nothing(seen) for _ in range(200))


def test_a_condition_must_last_and_its_end_too() -> None:
    lasting = Lasting(3.0)
    assert [lasting.update(at, holds=True) for at in (0, 1, 2.9, 3.0)] == [False, False, False, True]
    assert [lasting.update(at, holds=False) for at in (4, 6.9, 7)] == [True, True, False]
    assert not lasting.update(8, holds=True)
    assert not lasting.update(9, holds=False)
    assert not lasting.update(12.5, holds=True)


SEEN = look(SCENE)


BASE = np.random.default_rng(1).integers(30, 200, (ROWS, COLUMNS))


def luma(seed: int = 0, change: int = 0) -> np.ndarray:
    return (BASE + np.random.default_rng(seed).integers(0, change + 1, BASE.shape)).astype(np.uint8)


def watch(seconds: float, *, keys_every: int | None, change_at_keys: int = 0, change: int = 0) -> tuple[State, ...]:
    health = Health(3.0, has_sound=False)
    at = 0.0
    for n in range(round(seconds * 25)):
        at = n / 25
        key = keys_every is not None and n % keys_every == 0
        seed = n if change else n // keys_every if keys_every and change_at_keys else 0
        health.decoded(at, luma(seed, max(change, change_at_keys)), key=key)
        if n % 12 == 0:
            health.sampled(at, SEEN)
    return health.states(at)


def test_a_picture_that_never_changes_is_frozen_once_a_key_frame_confirms_it() -> None:
    assert watch(6, keys_every=50) == (State.FROZEN,)
    assert watch(2.5, keys_every=50) == LIVE


def test_skipped_blocks_alone_are_no_proof_until_much_later() -> None:
    assert watch(9, keys_every=None) == LIVE
    assert watch(31, keys_every=None) == (State.FROZEN,)


def test_a_still_scene_whose_key_frames_show_noise_is_not_frozen() -> None:
    assert watch(40, keys_every=50, change_at_keys=2) == LIVE


def test_a_scene_with_noise_is_not_frozen() -> None:
    assert watch(40, keys_every=1, change=2) == LIVE


def test_a_frozen_picture_that_moves_again_is_live_at_once() -> None:
    health = Health(3.0, has_sound=False)
    for n in range(200):
        health.decoded(n / 25, luma(0 if n < 190 else n, 40), key=n % 25 == 0)
        if n % 12 == 0:
            health.sampled(n / 25, SEEN)
        if n == 180:
            assert health.states(n / 25) == (State.FROZEN,)
    assert health.states(8) == LIVE


def test_black_is_blind_and_not_frozen() -> None:
    health = Health(3.0, has_sound=False)
    for n in range(200):
        health.decoded(n / 25, np.full((ROWS, COLUMNS), 16, np.uint8), key=n % 25 == 0)
        if n % 12 == 0:
            health.sampled(n / 25, look(BLIND["black"]))
    assert health.states(8) == (State.BLIND,)
    assert health.detail == "black"


def test_silence_takes_ten_times_as_long_and_one_sound_ends_it() -> None:
    health = Health(3.0, has_sound=True)
    for n in range(100):
        health.sound(n / 2, 1 if n else 500)
        assert (State.SILENT in health.states(n / 2)) == (n >= 60)
    health.sound(50.0, 300)
    assert health.states(50.0) == LIVE


def test_no_sound_at_all_is_silence_only_where_sound_is_expected() -> None:
    for has_sound in (True, False):
        health = Health(3.0, has_sound=has_sound)
        assert health.states(0) == LIVE
        assert health.states(31) == ((State.SILENT,) if has_sound else LIVE)
