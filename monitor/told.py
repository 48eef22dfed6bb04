"""Reasons as one sentence that a person understands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from monitor.messages import Modality, Reasons, Share

VERBS: Final[Mapping[Modality, str]] = {Modality.PICTURE: "seen", Modality.SOUND: "heard", Modality.TEXT: "said"}
LEAST_PART: Final = 0.05
"""A modality with a smaller share is not named."""
WORDS: Final = 3
"""So many words are quoted."""
ROWS: Final = ("upper", "middle", "lower")
COLUMNS: Final = ("left", "centre", "right")


def told(reasons: Reasons, parts: Mapping[Modality, float], until: float) -> str:
    """Say by which sense it is known, and where, when and by which words; `until` is the end of the window."""
    ranked = sorted(((share, modality) for modality, share in parts.items() if abs(share) >= LEAST_PART), reverse=True)
    said = [_sense(reasons, modality, until) for share, modality in ranked if share > 0]
    against = [f"what is {VERBS[modality]} speaks against it" for share, modality in ranked if share < 0]
    sentence = "; ".join([*said, *against])
    return f"{sentence[0].upper()}{sentence[1:]}" if sentence else ""


def place(heat: Sequence[Sequence[float]]) -> str:
    """Where the strongest place of a heat map lies: upper left …; nothing for an empty one."""
    if not heat:
        return ""
    _, row, column = max((value, row, column) for row, values in enumerate(heat) for column, value in enumerate(values))
    vertical, horizontal = ROWS[3 * row // len(heat)], COLUMNS[3 * column // len(heat[0])]
    return "centre" if (vertical, horizontal) == ("middle", "centre") else f"{vertical} {horizontal}"


def strongest(shares: Sequence[Share]) -> Share | None:
    """What speaks for it most."""
    return max((share for share in shares if share.share > 0), key=lambda share: share.share, default=None)


def _sense(reasons: Reasons, modality: Modality, until: float) -> str:
    verb = VERBS[modality]
    if modality is Modality.PICTURE:
        where = place(reasons.heat)
        return f"{verb}, most of all at the {where} of the picture" if where else verb
    if modality is Modality.SOUND:
        moment = strongest(reasons.sounds)
        return f"{verb}, most of all {_before(until - moment.until)}" if moment else verb
    words = sorted((word for word in reasons.words if word.share > 0), key=lambda word: -word.share)[:WORDS]
    return f"{verb}, most of all {', '.join(f'“{word.text.strip()}”' for word in words)}" if words else verb


def _before(seconds: float) -> str:
    return "at the end" if seconds < 0.25 else f"{seconds:.1f} s before the end"
