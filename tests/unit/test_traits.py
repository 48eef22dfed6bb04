from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import traits
from monitor.messages import Embedding, Modality, Pose, Sighting, pack


def thing(label: str = "person", confidence: float = 0.5, **fields: object) -> Sighting:
    return Sighting(label=label, confidence=confidence, **{"box": (0.2, 0.4, 0.4, 0.8), **fields})


def picture(*things: Sighting, looked: bool = True) -> Embedding:
    return Embedding(
        camera="c",
        at=0,
        until=0.5,
        captured=0,
        modalities=tuple(Modality),
        modality=Modality.PICTURE,
        vector=pack(np.zeros(2)),
        things=things if looked else None,
    )


def test_a_person_is_so_many_numbers() -> None:
    numbers = traits.traits(thing(speed=0.0125, pose=Pose.LYING, dwell_s=1.0))
    assert len(numbers) == traits.NUMBERS
    assert numbers == pytest.approx([1, 0, 0, 0, 0.5, 0.3, 0.8, math.log(0.4), math.log(0.5), math.log(2), 1, 0, 1, math.log(2)])


@pytest.mark.parametrize(("label", "group"), [("person", 0), ("motorcycle", 1), ("truck", 2), ("dog", 3)])
def test_what_behaves_alike_is_of_one_group(label: str, group: int) -> None:
    assert traits.traits(thing(label))[:4] == [float(n == group) for n in range(4)]


def test_what_is_not_known_is_zero_and_said_to_be() -> None:
    numbers = traits.traits(thing("balloon"))
    assert numbers[:4] == [0, 0, 0, 0]
    assert numbers[9:] == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("fields", [{"box": (0.5, 0.5, 0.5, 0.5)}, {"dwell_s": 1e9}, {"dwell_s": -1.0}, {"speed": 1e6}])
def test_numbers_stay_finite(fields: dict[str, object]) -> None:
    numbers = traits.traits(thing(**fields))
    assert np.isfinite(numbers).all()
    assert numbers[-1] <= math.log1p(traits.LONGEST_S)


def test_the_surest_of_a_picture_are_read() -> None:
    found = traits.of(picture(*(thing(confidence=n / 100) for n in range(20))))
    assert found[:, 4].tolist() == pytest.approx([n / 100 for n in range(19, 19 - traits.MOST, -1)])
    assert traits.of(picture(looked=False)).shape == (0, traits.NUMBERS)


def test_things_have_the_age_of_their_picture_and_those_of_the_oldest_are_left_out() -> None:
    pictures = [np.full((n % 3, traits.NUMBERS), n, np.float32) for n in range(10)]
    values, ages = traits.tokens(pictures, [10.0 - n for n in range(10)])
    assert values[:, 0].tolist() == [2, 2, 4, 5, 5, 7, 8, 8]
    assert ages.tolist() == [8, 8, 6, 5, 5, 3, 2, 2]
    empty, none = traits.tokens([], [])
    assert empty.shape == (0, traits.NUMBERS)
    assert none.shape == (0,)


def moved(thing: Sighting, zoom: float, right: float, down: float, *, mirrored: bool) -> Sighting:
    """What another camera would see of it."""
    left, top, end, bottom = thing.box
    left, end = (1 - end, 1 - left) if mirrored else (left, end)
    box = tuple(0.5 + zoom * (at - 0.5) + by for at, by in ((left, right), (top, down), (end, right), (bottom, down)))
    return Sighting(
        label=thing.label,
        confidence=thing.confidence,
        box=box,
        speed=None if thing.speed is None else zoom * thing.speed,
        pose=thing.pose,
        dwell_s=thing.dwell_s,
    )


@given(st.floats(0.5, 2), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.booleans(), st.none() | st.floats(0, 2))
def test_another_camera_gives_what_it_would_see(zoom: float, right: float, down: float, mirrored: bool, speed: float | None) -> None:
    given_ = thing(speed=speed, pose=Pose.LYING, dwell_s=3.0)
    seen = traits.seen_from(traits.of(picture(given_)), zoom, right, down, mirrored=mirrored)
    expected = traits.of(picture(moved(given_, zoom, right, down, mirrored=mirrored)))
    np.testing.assert_allclose(seen, expected, atol=1e-4)


def test_what_is_seen_from_elsewhere_leaves_what_was_given_as_it_is() -> None:
    before = traits.of(picture(thing(speed=1.0)))
    kept = before.copy()
    traits.seen_from(before, 2.0, 0.1, 0.1, mirrored=True)
    np.testing.assert_array_equal(before, kept)
    assert traits.seen_from(np.zeros((0, traits.NUMBERS), np.float32), 2.0, 0.1, 0.1, mirrored=True).shape == (0, traits.NUMBERS)
