"""The head for what is heard: rows of YAMNet's last layer, and a calibration on composed sounds whose clips may be shipped.

Of the incidents only crying has such clips. What a log odds of YAMNet's is worth in a window over an ambience is learned from it, and
from all that is none of the kinds: one slope and one offset, which all kinds share.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.heads import Head
from monitor.heard import CLASSES, KINDS, log_odds
from monitor.hearing import SoundEncoder
from monitor.messages import SOUND_HZ
from monitor.models import Located
from monitor.yamnet import kinds
from workers.composing.plan import heard_only
from workers.composing.sound import load, mixed, speaking
from workers.composing.sources import Sources
from workers.composing.timeline import labels
from workers.training.compose import HOP_S, WINDOW_S
from workers.training.figures import average_precision, calibration_error, platt
from workers.training.sounds import PIECE, Progress, seconds

STREAMS: Final = 24
STREAM_S: Final = 120.0
PIECES: Final = int(WINDOW_S / HOP_S)
"""Half seconds in a window."""
CLASS_MAP: Final = "assets/yamnet_class_map.csv"

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Known(NamedTuple):
    """Windows of one kind's log odds, and whether it is heard in them; those where that can't be said are left out."""

    odds: Numbers
    on: Flags


def taken(located: Located) -> Head:
    """YAMNet's last layer, as far as it tells incidents."""
    weight, bias = kinds(located)
    with (located.folder.parent / CLASS_MAP).open(encoding="utf-8", newline="") as file:
        names = [row["display_name"] for row in csv.DictReader(file)]
    rows = [names.index(name) for name in CLASSES]
    return Head(CLASSES, weight[rows], bias[rows])


def windows(head: Head, encoder: SoundEncoder, sources: Sources, seed: int, progress: Progress) -> dict[str, Known]:
    """What the head says of composed sounds, by kind."""
    streams = list(_streams(head, encoder, sources, seed, progress(range(STREAMS), f"{sources.split} sounds", STREAMS)))
    return {
        kind: Known(np.concatenate([each[kind].odds for each in streams]), np.concatenate([each[kind].on for each in streams]))
        for kind in KINDS
    }


def _streams(head: Head, encoder: SoundEncoder, sources: Sources, seed: int, numbers: Iterable[int]) -> Iterator[dict[str, Known]]:
    say = speaking()
    for number in numbers:
        planned = heard_only(sources, STREAM_S, np.random.default_rng((seed, number)), load, say)
        said = log_odds(head, encoder(seconds(mixed(planned))))
        highest = np.stack([said[max(0, last - PIECES + 1) : last + 1].max(0) for last in range(len(said))])
        untils = (np.arange(len(said)) + 1) * PIECE / SOUND_HZ
        found = {}
        for column, kind in enumerate(KINDS):
            on, clear = labels([event for event in planned.events if event.kind == kind], untils, WINDOW_S)
            found[kind] = Known(highest[clear, column], on[clear])
        yield found


def calibrate(known: dict[str, Known]) -> tuple[float, float]:
    """Slope and offset that all kinds share."""
    return platt(np.concatenate([each.on for each in known.values()]), np.concatenate([each.odds for each in known.values()]))


def figures(known: dict[str, Known], calibration: tuple[float, float]) -> dict[str, float]:
    """Of kinds that are heard: average precision; and the error of all probabilities."""
    found = {f"val_{kind}_ap": average_precision(each.on, each.odds) for kind, each in known.items() if each.on.any()}
    slope, offset = calibration
    odds, on = np.concatenate([each.odds for each in known.values()]), np.concatenate([each.on for each in known.values()])
    return found | {"val_ece": calibration_error(on, 1 / (1 + np.exp(-slope * odds - offset)))}
