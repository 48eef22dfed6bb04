"""Looking for what was said in words: how well a window's pictures fit a text, and how rarely this camera's pictures fit it so well.

A similarity by itself says nothing: in every place another one is ordinary. So each camera's own moments are the measure, as in
`monitor.normality`: a moment is judged before it is counted, `monitor.tails` says what share r of the ordinary moments fit as
well, and the probability is prior / (prior + r). What a camera shows all the time, it therefore never raises an alert for. Where it
matters for the space what was found in a picture, moments at which nobody looked (under pressure people and things are left out first)
are measured by others of their kind alone.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from monitor.align import RESTART_S, Window
from monitor.config import Sight
from monitor.messages import Embedding, Judgement, Modality
from monitor.tails import Tail, probability
from monitor.zeroshot import Space

Floats = npt.NDArray[np.float32]

PRIOR: Final = 1e-3
"""Of a moment to be none of the ordinary ones; the same as normality's."""
LEAST: Final = 0.01
"""Cosines that differ by less than this, on average, above the upper quartile are noise."""
ORDINARY: Final = 0.5
"""Moments that are less probable than this count among the ordinary ones …"""
LATER_S: Final = 900.0
"""… so much later: an incident must not teach that it is usual while it lasts."""
GAP_S: Final = 5.0
"""No more of a hole in the stream counts as having been watched."""


@dataclass(slots=True)
class _Watched:
    """One camera: its ordinary similarities to each name, and how long it has been watched."""

    tails: dict[str, Tail]
    until: float = -math.inf
    seconds: float = 0.0
    later: deque[tuple[float, dict[str, float]]] = field(default_factory=deque)

    def advance(self, until: float) -> bool:
        """Take the time of the next window; False for one that was judged before."""
        if self.until - RESTART_S <= until <= self.until:
            return False
        if until < self.until:
            self.later.clear()
        self.seconds += min(max(until - self.until, 0.0), GAP_S) if math.isfinite(self.until) else 0.0
        self.until = until
        return True


class Looking:
    """Looks for each name in every camera's pictures; windows of one camera come in order."""

    def __init__(self, space: Space, sights: Mapping[str, Sight], warm_up_s: float) -> None:
        self.name = space.name
        self._space = space
        self._texts = {name: space.texts(sight.texts) for name, sight in sights.items()}
        self._warm_up_s = warm_up_s
        self._cameras: dict[tuple[str, bool], _Watched] = {}
        """By camera, and whether people and things were looked for."""

    def __call__(self, windows: Sequence[Window]) -> list[tuple[Judgement, ...]]:
        """Judge windows: one Judgement a name; none before `warm_up_s` were watched, nor for a window that only adds words."""
        return [self._judge(window) for window in windows]

    def forget(self, camera: str) -> None:
        """Let go of a camera, as if it had never been there."""
        for looked in (False, True):
            self._cameras.pop((camera, looked), None)

    def fits(self, items: Sequence[Embedding]) -> dict[str, float]:
        """How well pictures fit each name: their mean cosine with its best text."""
        pictures = self._space.pictures(items)  # [n, d]
        return {name: float((texts @ pictures.T).mean(axis=1).max()) for name, texts in self._texts.items()}

    def _judge(self, window: Window) -> tuple[Judgement, ...]:
        if window.revision or not window.pictures:
            return ()
        looked = tuple(item for item in window.pictures if self._space.things and item.things is not None)
        watched = self._cameras.setdefault((window.camera, bool(looked)), _Watched({name: Tail(0.0, LEAST) for name in self._texts}))
        if not watched.advance(window.until):
            return ()
        fits = self.fits(looked or window.pictures)
        if watched.seconds < self._warm_up_s:
            _count(watched, fits)
            return ()
        chances = {name: probability(PRIOR / watched.tails[name].rarity(fit)) for name, fit in fits.items()}
        watched.later.append((window.until, {name: fit for name, fit in fits.items() if chances[name] < ORDINARY}))
        while watched.later[0][0] <= window.until - LATER_S:
            _count(watched, watched.later.popleft()[1])
        return tuple(
            Judgement(kind=f"sees:{name}", probability=chance, parts={Modality.PICTURE: chance}) for name, chance in chances.items()
        )


def _count(watched: _Watched, fits: Mapping[str, float]) -> None:
    """Count similarities among the ordinary ones."""
    for name, fit in fits.items():
        watched.tails[name].add(fit)
