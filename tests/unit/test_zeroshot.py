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

from monitor.messages import Embedding, Pose, Sighting, pack
from monitor.zeroshot import FAINT, Conse, class_names, softmax, telling, unit

LOGITS = arrays(np.float32, (3, 5), elements=st.floats(-50, 50, width=32))


class Letters:
    name = "letters"

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.read += texts
        return unit(np.array([[text.count(letter) for letter in "abc"] for text in texts], np.float32))


def space() -> Conse:
    letters, classifier, bias = Letters(), np.eye(3, dtype=np.float32) * 20, np.zeros(3, np.float32)
    return Conse("test", letters, classifier, bias, letters(["a", "b", "c"]), lambda said: letters([said])[0])


def showing(*things: Sighting) -> Embedding:
    return msgspec.structs.replace(picture(0), vector=pack(np.array([0.0, 1.0, 0.0])), things=things)


def one(label: str, confidence: float = 0.9, pose: Pose | None = None) -> Sighting:
    return Sighting(label=label, confidence=confidence, box=(0.1, 0.1, 0.2, 0.4), pose=pose)


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


def test_what_is_found_in_a_picture_draws_it_towards_its_sentence() -> None:
    plain, drawn = space().pictures([showing(), showing(one("cc"))])
    assert (drawn @ [0, 0, 1]) > (plain @ [0, 0, 1])
    assert (drawn @ [0, 1, 0]) > 0.9 * (plain @ [0, 1, 0])


@pytest.mark.parametrize("nothing", [(), (one("cc", confidence=FAINT - 0.01),)])
def test_where_nothing_is_found_a_picture_is_what_it_is_taken_for(nothing: tuple[Sighting, ...]) -> None:
    taken_for = space().place(np.array([[0.0, 1.0, 0.0]], np.float32))[0]
    alone, beside = space().pictures([showing(*nothing), showing(one("cc"))])
    assert alone == pytest.approx(taken_for, abs=1e-6)
    assert alone != pytest.approx(beside, abs=1e-3)


def test_nothing_is_drawn_where_nobody_looked() -> None:
    unseen = msgspec.structs.replace(showing(), things=None)
    assert space().pictures([unseen]) == pytest.approx(space().pictures([showing()]), abs=1e-6)


def test_a_sentence_is_read_once() -> None:
    letters = Letters()
    told = telling(letters)
    first = told("a cab")
    read = len(letters.read)
    assert told("a cab") == pytest.approx(first)
    assert len(letters.read) == read
    told("a cabbage")
    assert len(letters.read) == read + 1


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
