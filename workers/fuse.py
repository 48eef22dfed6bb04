"""The fuse stage: embeddings meet in windows, and each window is judged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec
import structlog

from monitor.align import Aligner, Window
from monitor.bus import Batch, Bus
from monitor.errors import MessageError
from monitor.holding import Holding
from monitor.levels import Learned as Sounding
from monitor.levels import Levels, Taken, lowered
from monitor.logs import named
from monitor.messages import Embedding, Judgement, Learned, Mark, Score, Topic
from monitor.metrics import Metrics
from monitor.normality import DRIFT
from monitor.scoring import score

log: Any = structlog.get_logger()

STAGE: Final = "fuse"
KEEP_S: Final = 60.0
"""Event time after which what a camera's normality has learned is kept again: so much is lost when this process dies."""
NEWEST: Final = 10_000
"""Records of what was learned that are read back; compaction leaves about one a camera."""
LIMIT: Final = 128
"""Records a batch; each closes about one window, and all of a batch's windows go through the network at once."""

Judged = tuple[Judgement, ...]


class Network(Protocol):
    """The fusion network: judges windows in one batch; called from one thread."""

    @property
    def name(self) -> str:
        """Name and hash of its weights."""

    def __call__(self, windows: Sequence[Window], /) -> Sequence[Judged]:
        """Judge each window: one Judgement a kind."""
        ...


class Usual(Protocol):
    """One camera's normality: learns as it judges, in the windows' order."""

    def judge(self, window: Window, /) -> tuple[Judged, bool]:
        """Judge a window of revision 0, and say whether it is still learning."""
        ...

    @property
    def examples(self) -> int:
        """How many moments it remembers."""
        ...

    def learned(self) -> bytes:
        """What it has become; empty while that is nothing."""
        ...

    def resume(self, learned: bytes, /) -> None:
        """Go on from what it had become. Raises MessageError for bytes that are none of its own."""
        ...


class Shadow(Protocol):
    """Judges beside the network, and is only counted."""

    def __call__(self, asked: Sequence[Window], items: Sequence[Window | Mark], made: list[Score | Mark], /) -> list[Score | Mark]:
        """Add what it says of the windows that the network was asked about."""
        ...

    def count(self, metrics: Metrics, scores: Sequence[Score | Mark], /) -> None:
        """Count where both agree."""
        ...


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What a camera has become, as the bytes of `Learned`: its normality, empty while that is nothing, and the levels of its sounds."""

    usual: bytes
    levels: Sounding


@dataclass(slots=True)
class Judges:
    """The network and the cameras' normalities, with what they said of the windows that are not final yet."""

    network: Network
    normality: Callable[[], Usual | None]
    """Makes the normality of a camera that is new; None where it is off."""
    shadow: Shadow | None = None
    """A candidate that judges beside the network."""
    _usual: dict[str, Usual | None] = field(default_factory=dict)
    _open: dict[str, dict[float, tuple[Score, Taken]]] = field(default_factory=dict)
    """By camera and end: revision 0 and what was taken off it, until the final one has come."""
    _levels: dict[str, Levels] = field(default_factory=dict)
    _kept: dict[str, float] = field(default_factory=dict)
    """By camera: up to when what was learned is kept."""
    _learned: dict[str, bytes] = field(default_factory=dict)
    """By camera that has not come yet: what another learned of it."""

    def __call__(self, items: Sequence[Window | Mark]) -> list[Score | Mark]:
        """Judge windows in order; a mark, which ends a camera, is passed on and makes its normality forget."""
        asked = [item for item in items if isinstance(item, Window) and not item.unchanged]
        known = iter(self.network(asked) if asked else ())
        made = list(self.each(items, known))
        return made if self.shadow is None else self.shadow(asked, items, made)

    def forget(self, camera: str) -> None:
        """Let go of a camera, as if it had never been there; that something of it was kept is known until that is to be forgotten, too."""
        for known in (self._usual, self._open, self._levels, self._learned):
            known.pop(camera, None)

    def remember(self, learned: Learned) -> None:
        """Take in what another learned of a camera, for when its windows come."""
        self._learned[learned.camera] = learned.data

    def examples(self, camera: str) -> int | None:
        """How much a camera's normality remembers; None where there is none."""
        usual = self._usual.get(camera)
        return None if usual is None else usual.examples

    def to_keep(self, scores: Sequence[Score | Mark]) -> list[Learned]:
        """What cameras have become, of those that it is time for; and what is to be forgotten, because its camera has ended."""
        return [learned for made in scores for learned in self._to_keep(made)]

    def _to_keep(self, made: Score | Mark) -> Iterator[Learned]:
        if isinstance(made, Mark):
            if self._kept.pop(made.camera, None) is not None:
                yield Learned(camera=made.camera, at=made.until, data=b"")
            return
        levels = self._levels.get(made.camera)
        if levels is not None and made.revision == 0 and made.until >= self._kept.setdefault(made.camera, made.until) + KEEP_S:
            self._kept[made.camera] = made.until
            usual = self._usual.get(made.camera)
            kept = Kept(b"" if usual is None else usual.learned(), levels.learned())
            if kept.usual or kept.levels:
                yield Learned(camera=made.camera, at=made.until, data=msgspec.msgpack.encode(kept))

    def each(self, items: Sequence[Window | Mark], known: Iterator[Judged]) -> Iterator[Score | Mark]:
        """Judge item after item, with what the network says of the windows that were asked about."""
        for item in items:
            if isinstance(item, Mark):
                self.forget(item.camera)
                yield item
            elif item.revision == 0:
                yield self._first(item, next(known))
            else:
                yield self._final(item, None if item.unchanged else next(known))

    def _first(self, window: Window, fused: Judged) -> Score:
        if window.camera not in self._usual:
            self._usual[window.camera] = self._new(window.camera)
        usual = self._usual[window.camera]
        unusual, learning = ((), False) if usual is None else usual.judge(window)
        taken = self._levels[window.camera].take(fused)
        made = score(window, tuple(lowered(fused, taken)), unusual, learning=learning, models=(self.network.name,))
        if not window.final:
            self._open.setdefault(window.camera, {})[window.until] = made, taken
        return made

    def _new(self, camera: str) -> Usual | None:
        """A camera's normality, with what another has learned of it; the levels of its sounds, too."""
        usual, learned = self.normality(), self._learned.pop(camera, b"")
        self._levels[camera] = Levels()
        if learned:
            try:
                kept = msgspec.msgpack.decode(learned, type=Kept)
                self._levels[camera].resume(kept.levels)
                if usual is not None and kept.usual:
                    usual.resume(kept.usual)
            except (msgspec.MsgspecError, MessageError) as error:
                log.warning("what is usual for a camera is learned anew", camera=camera, error=str(error))
        return usual

    def _final(self, window: Window, fused: Judged | None) -> Score:
        """Normality and the levels have judged this window before: they read no words, and must not learn a window twice."""
        first, taken = self._open.get(window.camera, {}).pop(window.until, (None, {}))
        before = () if first is None else first.judgements
        judged = {judgement.kind for judgement in fused or ()}
        kept = tuple(judgement for judgement in before if judgement.kind not in judged)
        return score(
            window, tuple(lowered(fused or (), taken)), kept, learning=first is not None and first.learning, models=(self.network.name,)
        )


async def run(bus: Bus, aligner: Aligner, judges: Judges, metrics: Metrics) -> None:
    """Align the embeddings of every camera, judge the windows that closed, and publish their scores.

    The Mark(last) that ends a camera on `scores` carries the first of its modalities, and holds for all of them.
    """
    loop = asyncio.get_running_loop()
    holding = Holding()
    with ThreadPoolExecutor(1, STAGE, named(STAGE)) as thread:
        async with bus.subscribe(Topic.EMBEDDINGS, group=STAGE, limit=LIMIT) as batches:
            async for batch in batches:
                with metrics.working(STAGE, batch):
                    for camera in await _hand_over(bus, batch, aligner, judges, holding):
                        metrics.forget(camera, metrics.of_windows)
                    closed = _closed(aligner, batch, holding, metrics)
                    if closed:
                        scores = await loop.run_in_executor(thread, judges, closed)
                        if not batch.again:
                            await bus.publish(Topic.SCORES, scores)
                            metrics.published(STAGE, Topic.SCORES, scores)
                            _count(metrics, closed, scores, judges)
                            if judges.shadow is not None:
                                judges.shadow.count(metrics, scores)
                            if learned := await loop.run_in_executor(thread, judges.to_keep, scores):
                                await bus.publish(Topic.NORMALITY, learned)
                    batches.keep(holding.keep(lambda _, camera: aligner.needed(camera)))


async def _hand_over(bus: Bus, batch: Batch, aligner: Aligner, judges: Judges, holding: Holding) -> Collection[str]:
    """Forget the cameras of partitions that were lost, which it gives, and learn what is known of those that were gained."""
    lost = holding.forget(batch.lost)
    for camera in lost:
        aligner.forget(camera)
        judges.forget(camera)
    for partition in batch.gained:  # one at a time: a camera's memory takes megabytes
        for record in await bus.newest(Topic.NORMALITY, [partition], NEWEST):
            if isinstance(record.message, Learned):
                judges.remember(record.message)
    return lost


def _closed(aligner: Aligner, batch: Batch, holding: Holding, metrics: Metrics) -> list[Window | Mark]:
    """The windows that a batch closes."""
    late = aligner.late
    closed: list[Window | Mark] = []
    for record in batch:
        holding.saw(record)
        if isinstance(record.message, Embedding | Mark):
            closed += aligner.advance(record.message)
    metrics.embeddings_late.inc(aligner.late - late)
    return closed


def _count(metrics: Metrics, closed: Sequence[Window | Mark], scores: Sequence[Score | Mark], judges: Judges) -> None:
    for window in closed:
        if isinstance(window, Window):
            metrics.windows.labels(metrics.camera(window.camera), str(window.revision)).inc()
            metrics.windows_late.labels(metrics.camera(window.camera)).inc(not window.complete)
    for made in scores:
        if isinstance(made, Mark):
            metrics.forget(made.camera, metrics.of_windows)
            continue
        metrics.scored(made)
        metrics.show(metrics.learning, made.camera, made.learning)
        metrics.show(metrics.drift, made.camera, any(judgement.kind == DRIFT for judgement in made.judgements))
    for camera in {made.camera for made in scores if isinstance(made, Score)}:
        if (examples := judges.examples(camera)) is not None:
            metrics.show(metrics.examples, camera, examples)
