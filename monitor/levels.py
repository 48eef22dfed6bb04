"""How a camera sounds all the time: what a kind's log odds are three quarters of the time is no sign of it there.

A street band that YAMNet half takes for crying does so for hours. Each kind of sound has a level, which follows the upper quartile of
its log odds by stochastic approximation (Robbins & Monro 1951): a step's share up where they are above, less down where they are not.
The steps shrink from a camera's first window on, so that within ten seconds it is known what the place sounds like. Where the level is
above what ordinary sound reaches, so much is taken off. An incident is over before it has become usual, and the first windows of one
that begins with the camera are believed; what lasts for minutes ends its alert.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from monitor.anomaly import logit, sigmoid
from monitor.errors import MessageError
from monitor.messages import Judgement
from monitor.scoring import believed

KINDS: Final = frozenset({"aggression", "crying", "fire", "glass_break", "gun_shot", "scream", "siren", "tense_voice"})
"""What is heard. Words and pictures have no such ground."""
QUANTILE: Final = 0.75
STEP: Final = 0.05
"""Log odds a window, in the long run: 0.075 a second up, 0.025 down, at two windows a second."""
FIRST: Final = 2.0
"""What a step is longer at a kind's first window …"""
HALVED: Final = 5
"""… and half of that after so many: as a harmonic series, which forgets where it began."""
BEGIN: Final = -8.0
ORDINARY: Final = -4.0
"""Log odds up to which a level takes nothing away."""

Taken = Mapping[str, float]
"""By kind: log odds that are taken off."""
Learned = dict[str, tuple[float, int]]
"""By kind: its level, and how many windows it was learned from."""


@dataclass(slots=True)
class Levels:
    """One camera's."""

    _levels: Learned = field(default_factory=dict)

    def take(self, judged: Iterable[Judgement]) -> Taken:
        """What is taken off the next window's log odds; then learn from them. What is not heard (probability 0) teaches nothing."""
        taken = {}
        for one in judged:
            if one.kind in KINDS and one.probability:
                level, windows = self._levels.get(one.kind, (BEGIN, 0))
                taken[one.kind] = max(0.0, level - ORDINARY)
                step = STEP + FIRST / (1 + windows / HALVED)
                self._levels[one.kind] = level + step * (QUANTILE - (float(logit(one.probability)) < level)), windows + 1
        return taken

    def learned(self) -> Learned:
        """What they have become."""
        return dict(self._levels)

    def resume(self, learned: Learned) -> None:
        """Go on from what they had become. Raises MessageError for what is none."""
        if not all(kind in KINDS and math.isfinite(level) and windows > 0 for kind, (level, windows) in learned.items()):
            raise MessageError(f"levels of sounds that are none: {learned}")
        self._levels = dict(learned)


def lowered(judged: Iterable[Judgement], taken: Taken) -> Iterator[Judgement]:
    """Judgements without what a camera's levels take off them; a modality's part shrinks with its kind."""
    for one in judged:
        less = taken.get(one.kind, 0.0)
        yield believed(one, float(sigmoid(logit(one.probability) - less))) if less and one.probability else one
