"""What people said of alerts: stored a line each, read by the alert stage, and by whoever trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

from monitor.errors import ConfigError


class Verdict(StrEnum):
    """What a person says."""

    RIGHT = "right"
    ORDINARY = "not an anomaly"
    MISSED = "missed"

    @property
    def word(self) -> str:
        """One word, for a metric's label."""
        return "wrong" if self is Verdict.ORDINARY else self.value


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict about one span of a camera's time."""

    camera: str
    at: float
    until: float
    verdict: Verdict
    given: float
    """When it was said, seconds since the epoch: no threshold knows of it before."""
    kind: str = ""
    """Of incident; empty for whatever was going on."""
    alert: str = ""
    """The alert's id."""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A labelled span, to be trained on."""

    camera: str
    at: float
    until: float
    label: str
    """`ordinary`, or the kind of incident (`anomaly` where nobody said which)."""


def to_line(item: Feedback) -> bytes:
    """One line of JSON."""
    return msgspec.json.encode(item) + b"\n"


def from_lines(data: bytes) -> tuple[Feedback, ...]:
    """Read what was stored; the same verdict twice counts once. Raises ConfigError naming the line that is none."""
    items: dict[Feedback, None] = {}
    for number, line in enumerate(data.splitlines(), 1):
        try:
            items[msgspec.json.decode(line, type=Feedback)] = None
        except msgspec.MsgspecError as error:
            raise ConfigError(f"feedback, line {number}: {error}. Take the line out, or give it anew") from error
    return tuple(items)


def examples(items: Iterable[Feedback]) -> Iterator[Example]:
    """What training learns from it: what was no anomaly is ordinary, what was told rightly or missed is an incident."""
    for item in items:
        label = "ordinary" if item.verdict is Verdict.ORDINARY else item.kind or "anomaly"
        yield Example(camera=item.camera, at=item.at, until=item.until, label=label)
