"""Reasons beside the judges of the fuse stage, and several judges as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from monitor import anomaly
from monitor.align import Window
from monitor.anomaly import Anomaly
from monitor.explain import Explainer, Floats
from monitor.fusion import Fusion, collate
from monitor.heard import KINDS, Heard, agreed
from monitor.messages import Judgement, Mark, Modality, Score
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
    anomaly: Anomaly | None = None
    """Makes one probability of the kinds'; None where it was not fitted for this network."""
    forgets: Sequence[Callable[[str], None]] = ()
    """What else lets go of a camera."""

    def each(self, items: Sequence[Window | Mark], known: Iterator[Judged]) -> Iterator[Score | Mark]:
        """Give what is probable its reasons, one after the other: a camera's end forgets what the windows before it are explained by."""
        for item, made in zip(items, Judges.each(self, items, known), strict=True):
            yield self._whole(self._reasoned(item, made))

    def forget(self, camera: str) -> None:
        """Let go of a camera, as if it had never been there."""
        Judges.forget(self, camera)
        for forget in self.forgets:
            forget(camera)
        if self.explain is not None:
            self.explain.forget(camera)

    def _whole(self, made: Score | Mark) -> Score | Mark:
        """Add the anomaly; in place of the network's own, which knows no other head."""
        if self.anomaly is None or isinstance(made, Mark):
            return made
        others = tuple(each for each in made.judgements if each.kind != anomaly.KIND)
        return msgspec.structs.replace(made, judgements=(*others, self.anomaly.judged(others)))

    def _reasoned(self, item: Window | Mark, made: Score | Mark) -> Score | Mark:
        if self.explain is None or isinstance(item, Mark) or isinstance(made, Mark):
            return made
        return self.explain(item, made)


@dataclass(frozen=True, slots=True)
class Listening:
    """The fusion network, and what is heard beside it: of a sound that both know, the weighed mean of what they say counts."""

    fusion: Fusion
    heard: Heard | None
    """None with a sound encoder that it does not read."""

    @property
    def name(self) -> str:
        """Both of their names."""
        return self.fusion.name if self.heard is None else f"{self.fusion.name}, {self.heard.name}"

    @property
    def kinds(self) -> tuple[str, ...]:
        """In the order of the judgements and of the probabilities."""
        known = self.fusion.kinds
        return known if self.heard is None else (*known, *(kind for kind in KINDS if kind not in known))

    def __call__(self, windows: Sequence[Window], /) -> Sequence[Judged]:
        """Judge windows: for each one Judgement a kind."""
        judged = self.fusion(windows)
        if self.heard is None:
            return judged
        return [
            tuple(_both(row, dict(zip(KINDS, said, strict=True))))
            for row, said in zip(judged, self.heard.probabilities(windows).tolist(), strict=True)
        ]

    def probabilities(self, windows: Sequence[Window]) -> Floats:
        """The same without the modalities' parts [n, kinds], of all windows in one batch: for explaining."""
        said = self.fusion.network(collate(windows, self.fusion.cfg))
        if self.heard is None:
            return said
        known, heard = self.fusion.kinds, self.heard.probabilities(windows)
        for column, kind in enumerate(KINDS):
            if kind in known:
                said[:, known.index(kind)] = agreed(said[:, known.index(kind)], heard[:, column])
        return np.hstack([said, heard[:, [column for column, kind in enumerate(KINDS) if kind not in known]]])


def _both(judged: Judged, heard: Mapping[str, float]) -> Iterator[Judgement]:
    """What the fusion network judged, where it is a sound together with what is heard; and what else is heard."""
    for one in judged:
        if not one.probability or one.kind not in heard:
            yield one
            continue
        probability = float(agreed(one.probability, heard[one.kind]))
        share = probability / one.probability
        parts = {modality: part * share for modality, part in one.parts.items()}
        yield msgspec.structs.replace(one, probability=probability, parts=parts)
    known = {one.kind for one in judged}
    for kind, probability in heard.items():
        if kind not in known:
            yield Judgement(kind=kind, probability=probability, parts={Modality.SOUND: probability} if probability else {})
