"""Pictures come into the sentences' space by what they are taken for."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from moments import picture

from monitor.messages import pack
from monitor.zeroshot import Conse, class_names, softmax, unit

LOGITS = arrays(np.float32, (3, 5), elements=st.floats(-50, 50, width=32))


class Letters:
    name = "letters"

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        return unit(np.array([[text.count(letter) for letter in "abc"] for text in texts], np.float32))


def space() -> Conse:
    return Conse("test", Letters(), np.eye(3, dtype=np.float32) * 20, np.zeros(3, np.float32), Letters()(["a", "b", "c"]))


def test_a_picture_lies_nearest_to_the_name_of_its_class() -> None:
    conse = space()
    for number, name in enumerate("abc"):
        item = msgspec.structs.replace(picture(0), vector=pack(np.eye(3)[number]))
        near = (conse.texts(["a", "b", "c"]) @ conse.pictures([item])[0]).argmax()
        assert "abc"[near] == name
    assert conse.pictures([]).shape == (0, 3)


def test_a_picture_of_two_things_lies_between_their_names() -> None:
    placed = space().place(np.array([[1.0, 1.0, 0.0]], np.float32))[0]
    assert placed[0] == pytest.approx(placed[1], abs=1e-6)
    assert placed[0] > 0 > placed[2]


def test_there_is_a_name_for_each_of_a_thousand_classes() -> None:
    names = class_names()
    assert len(names) == 1000
    assert (names[0], names[999]) == ("tench", "toilet paper")
    assert all(name and name == name.strip() for name in names)


@given(LOGITS)
def test_probabilities_add_up_to_one(logits: np.ndarray) -> None:
    assert softmax(logits).sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)


@given(LOGITS)
def test_lengths_are_one_or_none(vectors: np.ndarray) -> None:
    lengths = np.linalg.norm(unit(vectors), axis=1)
    assert all(length == pytest.approx(1, abs=1e-4) or not vectors[row].any() or length < 1 for row, length in enumerate(lengths))
