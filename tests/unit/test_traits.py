from __future__ import annotations

import math

import numpy as np
import pytest

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
