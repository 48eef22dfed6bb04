"""Reasons beside the judges of the fuse stage, and several judges as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from monitor import anomaly
from monitor.align import Window
from monitor.anomaly import Anomaly, Numbers, logit, sigmoid
from monitor.explain import Explainer, Floats
from monitor.fusion import Fusion, judged
from monitor.heard import KINDS, SUREST, TRUST, Heard
from monitor.messages import Mark, Score
from monitor.moving import KIND as FIGHT
from monitor.moving import Moving
from workers.fuse import Judged, Judges, Network

ANGER: Final = "aggression"


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
    anomaly: Anomaly | None = None
    """Makes one probability of the kinds'; None where it was not fitted for this network."""
    forgets: Sequence[Callable[[str], None]] = ()
    """What else lets go of a camera."""

    def each(self, items: Sequence[Window | Mark], known: Iterator[Judged]) -> Iterator[Score | Mark]:
        """Give what is probable its reasons, one after the other: a camera's end forgets what the windows before it are explained by."""
        for item, made in zip(items, Judges.each(self, items, known), strict=True):
            whole = self._whole(made)
            reasoned = self._reasoned(item, whole)
            yield whole if reasoned is whole else self._whole(reasoned)

    def forget(self, camera: str) -> None:
        """Let go of a camera, as if it had never been there."""
        Judges.forget(self, camera)
        for forget in self.forgets:
            forget(camera)
        if self.explain is not None:
            self.explain.forget(camera)

    def _whole(self, made: Score | Mark) -> Score | Mark:
        """Add the anomaly, or work out anew what it rests on: it has the reasons of a kind, which it first asks for."""
        if self.anomaly is None or isinstance(made, Mark):
            return made
        return msgspec.structs.replace(made, judgements=self.anomaly.added(made.judgements))

    def _reasoned(self, item: Window | Mark, made: Score | Mark) -> Score | Mark:
        if self.explain is None or isinstance(item, Mark) or isinstance(made, Mark):
            return made
        return self.explain(item, made)


@dataclass(frozen=True, slots=True)
class Listening:
    """The fusion network, and what two heads beside it say of the kinds that they know better.

    Of a sound that both know the weighed mean of what they say counts (`TRUST`), of a fight what the movement is like alone. Where nobody
    speaks or shouts nobody is angry: the network was taught among other sounds than there are.
    """

    fusion: Fusion
    heard: Heard | None
    """None with a sound encoder that it does not read."""
    moving: Moving | None = None

    @property
    def name(self) -> str:
        """All of their names."""
        return ", ".join(each.name for each in (self.fusion, self.heard, self.moving) if each is not None)

    @property
    def kinds(self) -> tuple[str, ...]:
        """In the order of the judgements and of the probabilities."""
        known = self.fusion.kinds
        return (*known, *(kind for kind in self._beside if kind not in known))

    def __call__(self, windows: Sequence[Window], /) -> Sequence[Judged]:
        """Judge windows: for each one Judgement a kind."""
        return judged(self.kinds, windows, self._with_heads(windows, self.fusion.probabilities(windows)), self.probabilities)

    def probabilities(self, windows: Sequence[Window]) -> Floats:
        """The same without the modalities' parts [n, kinds], of all windows in one batch: for explaining."""
        return self._with_heads(windows, self.fusion.at_once(windows)).astype(np.float32)

    def _with_heads(self, windows: Sequence[Window], network: Floats) -> Numbers:
        """What the network says [n, its kinds], where a head knows the kind together with that, and what else the heads know [n, kinds]."""
        found = np.zeros((len(windows), len(self.kinds)))
        found[:, : network.shape[1]] = network
        for kind, said in zip(self._beside, self._said(windows).T, strict=True):
            at = self.kinds.index(kind)
            if kind in self.fusion.kinds:
                known = found[:, at]
                found[:, at] = np.where(known > 0, _together(kind, known, said), 0.0)
            else:
                found[:, at] = said
        return found

    @property
    def _beside(self) -> tuple[str, ...]:
        """The kinds that the heads know."""
        return (*(KINDS if self.heard else ()), *((ANGER,) if self._asked else ()), *((FIGHT,) if self.moving else ()))

    @property
    def _asked(self) -> bool:
        """Whether it matters that somebody speaks."""
        return self.heard is not None and ANGER in self.fusion.kinds

    def _said(self, windows: Sequence[Window]) -> Floats:
        """What they say of them [n, kinds]; 0 where there is nothing to judge by."""
        heard = [self.heard.probabilities(windows)] if self.heard else []
        spoken = [_spoken(self.heard, windows)] if self.heard and self._asked else []
        moving = [self.moving.probabilities(windows)[:, None]] if self.moving else []
        return np.hstack([*heard, *spoken, *moving, np.zeros((len(windows), 0), np.float32)])


def _spoken(heard: Heard, windows: Sequence[Window]) -> Floats:
    """How probable anger is at most [n, 1]: hardly where no voice is heard."""
    return np.array([[1.0 if heard.speaks(window) else anomaly.CERTAIN] for window in windows], np.float32).reshape(-1, 1)


def _together(kind: str, network: npt.ArrayLike, beside: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """What the network and a head say of the same kind, as one probability."""
    if kind == ANGER:
        return np.minimum(network, beside)
    if kind != FIGHT:
        return sigmoid((np.clip(logit(network), -SUREST, SUREST) + TRUST * logit(beside)) / (1 + TRUST))
    return np.where(np.asarray(beside) > 0, beside, network)
