"""Judges of composed streams that these did not teach: the head for tone learns from the speakers of all splits, and is taught anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.progress import track

from monitor.config import Config
from monitor.errors import ConfigError
from monitor.intent import Intent
from monitor.layers import voice_encoder
from monitor.models import locate
from monitor.tone import Tone
from workers import build
from workers.composing.sources import Split
from workers.composing.timeline import Timeline
from workers.fuse import Judges, Network
from workers.reasons import Beside, Reasoned
from workers.training import card, voices
from workers.training.rows import FOLDS, trainable

HELD: Final = {Split.VAL: 2, Split.TEST: 3}
"""The fold that teaches nothing where a split is judged."""


def judges(data: Path, split: Split, timelines: Sequence[Timeline], settings: Config) -> Judges:
    """The fuse stage's judges; where the streams' speakers taught the shipped head for tone, with one that their split did not teach.

    The fusion networks learn from the train split alone, and the head for intent never saw the streams' sentences. A camera's own
    normality is left out: composed streams are cut from many places, so that nothing is usual in them. Raises ConfigError for a network
    that clips of every split taught.
    """
    if locate(settings.models.fusion).name == card.NAME:
        raise ConfigError(f"{card.NAME} was taught by clips of every split: no composed stream can judge it. scenewatch eval fusion does")
    bare = settings.model_copy(update={"normality": settings.normality.model_copy(update={"enabled": False})})
    made = build.judges(bare)
    if isinstance(made, Reasoned):
        made.explain = None  # nobody reads the reasons, and they take longer than judging
        made.anomaly = None  # it is worked out for each view
    if split in HELD and taught(data, timelines) and isinstance(made.network, Beside):
        made.network = Beside(_held(made.network.networks, data, HELD[split]))
    return made


def _held(networks: Sequence[Network], data: Path, fold: int) -> list[Network]:
    """The same judges, with a tone that a fold did not teach."""
    tone = next(tone_without(data, fold, each.tone) for each in networks if isinstance(each, Intent))
    return [replace(each, tone=tone) if isinstance(each, Intent) else tone if isinstance(each, Tone) else each for each in networks]


def tone_without(data: Path, fold: int, shipped: Tone) -> Tone:
    """The head for tone without the speakers of a fold; its calibration is the shipped one's, which was cross-validated."""
    known = voices.known(data, voice_encoder(), 0, track)
    head = voices.teach(known, frozenset(range(FOLDS)) - {fold})
    return replace(shipped, head=head, name=f"{shipped.name} without fold {fold}")


def taught(data: Path, timelines: Sequence[Timeline]) -> bool:
    """Whether recordings that taught the shipped head for tone are heard in streams."""
    known = {row.name for folder in voices.FOLDERS for row in trainable(data, folder)}
    return any(source in known for timeline in timelines for source in timeline.sources)
