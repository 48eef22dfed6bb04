"""Sentences beneath fields, of a class and of what it comes of."""

from __future__ import annotations

import msgspec
import pytest

from monitor.documented import documented
from monitor.messages import Alert


class Above(msgspec.Struct):
    """A class."""

    height: float
    """In metres,
    from the ground."""
    bare: int = 0


class Below(Above):
    """Another."""

    width: float = 1.0
    """In metres."""
    "no sentence of anything: a field has one"
    height: float = 2.0
    """In feet."""


def test_a_field_has_the_sentence_beneath_it() -> None:
    assert documented(Above) == {"height": "In metres, from the ground."}


def test_a_class_says_it_anew() -> None:
    assert documented(Below) == {"height": "In feet.", "width": "In metres."}


@pytest.mark.parametrize("kind", [object, int, msgspec.Struct])
def test_what_has_no_source_has_no_sentences(kind: type) -> None:
    assert documented(kind) == {}


def test_inherited_fields_of_messages_are_known() -> None:
    assert {"camera", "at", "captured", "phase", "summary"} <= documented(Alert).keys()
