"""Reasons beside the judges of the fuse stage, and several judges as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.align import Window
from monitor.explain import Explainer, Floats
from monitor.fusion import Fusion, collate
from monitor.heard import Heard
from monitor.messages import Mark, Score
from workers.fuse import Judged, Judges, Network


@dataclass(frozen=True, slots=True)
class Beside:
    """Several networks that judge each window, each its own kinds."""

    networks: Sequence[Network]

    @property
    def name(self) -> str:
        """All of their names."""
        return ", ".join(network.name for network in self.networks)

    def __call__(self, windows: Sequence[Window], /) -> Sequence[Judged]:
        """Judge each window: what all of them say, in their order."""
        said = [network(windows) for network in self.networks]
        return [tuple(judgement for judged in row for judgement in judged) for row in zip(*said, strict=True)]


@dataclass(slots=True)
class Reasoned(Judges):
    """Judges whose scores carry reasons."""

    explain: Explainer | None = None
    forgets: Sequence[Callable[[str], None]] = ()
    """What else lets go of a camera."""

    def each(self, items: Sequence[Window | Mark], known: Iterator[Judged]) -> Iterator[Score | Mark]:
        """Give what is probable its reasons, one after the other: a camera's end forgets what the windows before it are explained by."""
        for item, made in zip(items, Judges.each(self, items, known), strict=True):
            yield self._reasoned(item, made)

    def forget(self, camera: str) -> None:
        """Let go of a camera, as if it had never been there."""
        Judges.forget(self, camera)
        for forget in self.forgets:
            forget(camera)
        if self.explain is not None:
            self.explain.forget(camera)

    def _reasoned(self, item: Window | Mark, made: Score | Mark) -> Score | Mark:
        if self.explain is None or isinstance(item, Mark) or isinstance(made, Mark):
            return made
        return self.explain(item, made)


@dataclass(frozen=True, slots=True)
class Probabilities:
    """The fusion network without the modalities' parts, and what is heard beside it: all windows in one batch, for explaining."""

    fusion: Fusion
    heard: Sequence[Heard] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """In the order of the probabilities."""
        return (*self.fusion.kinds, *(kind for each in self.heard for kind in each.kinds))

    def __call__(self, windows: Sequence[Window]) -> Floats:
        """Probabilities [n, kinds]."""
        said = self.fusion.network(collate(windows, self.fusion.cfg))
        return np.hstack([said, *(each.probabilities(windows) for each in self.heard)])
