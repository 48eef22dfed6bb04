"""What the network says of composed streams: window by window, with all modalities and with only some of them, and in alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from monitor.align import Window
from monitor.anomaly import KIND as ANOMALY
from monitor.anomaly import Anomaly
from monitor.config import RULES, Config
from monitor.decide import Decider
from monitor.messages import Modality, Phase, Score
from workers.composing.timeline import Timeline, labels
from workers.fuse import Judges

PICTURE, SOUND, TEXT = Modality.PICTURE, Modality.SOUND, Modality.TEXT
FUSED: Final = "fused"
VIEWS: Final[Mapping[str, tuple[Modality, ...]]] = {
    FUSED: (PICTURE, SOUND, TEXT),
    "picture": (PICTURE,),
    "sound": (SOUND,),
    "text": (TEXT,),
    "no_words": (PICTURE, SOUND),
    "no_picture": (SOUND, TEXT),
}
"""What the network is shown of each window; a camera without a microphone has its picture alone."""
AT_NIGHT: Final[Mapping[str, tuple[Modality, ...]]] = {view: VIEWS[view] for view in (FUSED, "picture")}
"""What changes when only the pictures do."""
CHUNK: Final = 256

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An alert from its begin to its end, in seconds of the stream."""

    kind: str
    at: float
    """When it could be told, which for words is when the utterance was over."""
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One stream: its truth, and what was said of each of its windows [n]."""

    timeline: Timeline
    untils: Numbers
    """[n], when each window ends …"""
    told: Numbers
    """… and when its words are known."""
    kinds: tuple[str, ...]
    said: Mapping[str, Numbers]
    """Each view's probabilities [n, K]."""
    on: Flags
    """[n]: an incident is on."""
    counts: Flags
    """[n]: whether that can be said."""
    raised: tuple[Raised, ...]
    """What the rules raise, as they are shipped, …"""
    as_kinds: tuple[Raised, ...] = ()
    """… were the anomaly's not enabled, …"""
    as_one: tuple[Raised, ...] = ()
    """… and were it the only one."""


def judge(
    timeline: Timeline,
    windows: Sequence[Window],
    judges: Judges,
    settings: Config,
    shows: Mapping[str, tuple[Modality, ...]] = VIEWS,
    anomaly: Anomaly | None = None,
) -> Judged:
    """Judge a stream as the fuse and alert stages do, and its last revisions once more for each other view that is to be shown.

    `judges` leave the anomaly out, which is worked out for each view; without a calibration there is none.
    """
    scores = judged(judges, windows)
    with_anomaly = (
        scores if anomaly is None else [msgspec.structs.replace(made, judgements=anomaly.added(made.judgements)) for made in scores]
    )
    final = [window for window in windows if window.final]
    views = {view: judged(judges, [shown(window, modalities) for window in final]) for view, modalities in shows.items() if view != FUSED}
    whole = [made for made in scores if made.final]
    every = {FUSED: whole, **views}
    told = {judgement.kind for some in every.values() for made in some for judgement in made.judgements}
    kinds = tuple(sorted(told - {ANOMALY}))  # what a network thinks of all of them is no further kind
    untils = np.array([made.until for made in whole])
    on, counts = labels(timeline.incidents, untils, settings.fusion.window_s)
    return Judged(
        timeline=timeline,
        untils=untils,
        told=np.array([known_at(made, settings) for made in whole]),
        kinds=kinds,
        said={view: probabilities(some, kinds) for view, some in every.items()},
        on=on,
        counts=counts,
        raised=tuple(raised(with_anomaly, settings)),
        as_kinds=tuple(raised(with_anomaly, only(settings, lambda kind: kind != ANOMALY))),
        as_one=tuple(raised(with_anomaly, only(settings, lambda kind: kind == ANOMALY))),
    )


def only(settings: Config, some: Callable[[str], bool]) -> Config:
    """The settings with no rules but those of some kinds."""
    alerts = settings.alerts
    off = {kind: alerts.rule(kind).model_copy(update={"enabled": False}) for kind in RULES if not some(kind)}
    return settings.model_copy(update={"alerts": alerts.model_copy(update={"rules": {**alerts.rules, **off}})})


def shown(window: Window, modalities: Sequence[Modality]) -> Window:
    """A window of which only some modalities are there."""
    return replace(
        window,
        revision=0,
        unchanged=False,
        pictures=window.pictures if PICTURE in modalities else (),
        sounds=window.sounds if SOUND in modalities else (),
        texts=window.texts if TEXT in modalities else (),
    )


def judged(judges: Judges, windows: Sequence[Window]) -> list[Score]:
    """The scores of one camera's windows, in order; nothing is remembered of it."""
    made = [each for at in range(0, len(windows), CHUNK) for each in judges(windows[at : at + CHUNK])]
    for window in windows[:1]:
        judges.forget(window.camera)
    return [each for each in made if isinstance(each, Score)]


def probabilities(scores: Sequence[Score], kinds: Sequence[str]) -> Numbers:
    """Probability of each kind in each window [n, K]; 0 where nothing is said of it."""
    columns = {kind: at for at, kind in enumerate(kinds)}
    found = np.zeros((len(scores), len(kinds)))
    for row, made in enumerate(scores):
        for judgement in made.judgements:
            if judgement.kind in columns:
                found[row, columns[judgement.kind]] = judgement.probability
    return found


def known_at(made: Score, settings: Config) -> float:
    """When a score can be given: an utterance is over when it has been silent for a while."""
    return max([made.until, *(transcript.until + settings.speech.silence_s for transcript in made.transcripts)])


def raised(scores: Sequence[Score], settings: Config) -> Iterator[Raised]:
    """The alerts that the configured rules raise."""
    decider = Decider(settings.alerts)
    begun: dict[str, tuple[str, float]] = {}
    last = 0.0
    for made in scores:
        last = max(last, made.until)
        for alert in decider.score(made):
            if alert.phase is Phase.NEW:
                begun[alert.id] = (alert.kind, known_at(made, settings) if made.revision else made.until)
            elif alert.phase is Phase.END:
                kind, at = begun.pop(alert.id)
                yield Raised(kind=kind, at=at, end=max(at, made.until))
    for kind, at in begun.values():
        yield Raised(kind=kind, at=at, end=max(at, last))
