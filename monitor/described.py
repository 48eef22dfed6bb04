"""What is to be seen, in a few words that a person understands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from monitor.messages import Pose, Presence

BELIEVED: Final = 0.3
"""What is found with less confidence is not spoken of."""
NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
PLURALS: Final = {"person": "people", "bus": "buses"}


def described(things: Iterable[Presence], least: float = BELIEVED) -> str:
    """Say how many of what there are, people first: `two people, one lying, and a car`; empty where there is nothing so sure."""
    believed = [thing for thing in things if thing.confidence >= least]
    counts = Counter(thing.label for thing in believed)
    lying = sum(thing.pose is Pose.LYING for thing in believed)
    told = [counted(label, count) for label, count in sorted(counts.items(), key=lambda each: (each[0] != "person", -each[1], each[0]))]
    if lying:
        told[0] += " lying" if counts["person"] == lying == 1 else f", {'all' if counts['person'] == lying else _number(lying)} lying"
    separator = ", and " if lying and len(told) > 1 else " and "
    return separator.join(filter(None, (", ".join(told[:-1]), told[-1]))) if told else ""


def counted(label: str, count: int) -> str:
    """So many of a kind: `a person`, `two cars`."""
    if count == 1:
        return f"{'an' if label[0] in 'aeiou' else 'a'} {label}"
    return f"{_number(count)} {PLURALS.get(label, f'{label}s')}"


def _number(count: int) -> str:
    return NUMBERS[count] if count < len(NUMBERS) else str(count)
