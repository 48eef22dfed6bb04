"""Teaching the head that tells a fight by its movement: windows of composed train streams, as the live stages perceive them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.anomaly import sigmoid
from monitor.config import Config
from monitor.heads import Head
from monitor.motion import CELLS
from monitor.moving import CLASSES, FEWEST, KIND, NONE, WHOLE, Floats, features, measured
from workers.composing import fitting, prepare
from workers.composing.perceive import windows
from workers.composing.sources import Split, sources
from workers.composing.timeline import Timeline, labels
from workers.features import Item
from workers.training.card import counted, folder_of
from workers.training.figures import area_under_roc, average_precision, calibration_error, platt
from workers.training.linear import Block, fit_blocks
from workers.training.taught import HeadCard, rounded, save

DECAY: Final = 0.1
"""With the mirrored windows, what a split's few scenes teach is of more use in another's than with a tenth of it, in both directions."""
CLOSE: Final = 0.5
"""What the liveliest part is like has a head of its own, which counts half: taught together the two rely on each other, which carries
over to fewer scenes, on average over the directions in which one or two splits can teach for another."""
LIMITS: Final = (
    "Learned from surveillance clips of two seconds, played forward and back. What moves as fights do is taken for one: sport, dancing.",
    "Cuts from one scene to another, which a camera does not have, are in what taught it.",
    "It reads a raster of 64 by 36 points, and the liveliest part of one of 160 by 120: where much else moves, few who fight hardly count.",
)


class Known(NamedTuple):
    """Windows in which it can be said whether there is a fight."""

    features: npt.NDArray[np.float64]
    """[n, numbers of `monitor.moving.features`]."""
    on: npt.NDArray[np.bool_]


def train_moving(data: Path, out: Path) -> dict[str, float]:
    """Compose, perceive, teach, calibrate and write; figures are of the val split."""
    settings = Config()
    taught = _windows(data, Split.TRAIN, settings, mirror=True)
    blocks = (Block(slice(0, WHOLE), DECAY), Block(slice(WHOLE, None), DECAY, CLOSE))
    head = fit_blocks(taught.features, [KIND if on else NONE for on in taught.on], blocks, classes=CLASSES)
    held = _windows(data, Split.VAL, settings)
    odds = head.log_odds(held.features, KIND)
    slope, offset = platt(held.on, odds)
    figures = {
        "val_ap": average_precision(held.on, odds),
        "val_auc": area_under_roc(held.on, odds),
        "val_ece": calibration_error(held.on, sigmoid(slope * odds + offset)),
        "val_share": float(held.on.mean()),
    }
    recipe = {"windows": len(taught.on), "mirrored": 0.5, "streams": fitting.STREAMS, "decay": DECAY, "close": CLOSE}
    save(head, out, _card(data, head, (slope, offset), recipe, figures))
    return figures


def _windows(data: Path, split: Split, settings: Config, *, mirror: bool = False) -> Known:
    """Of streams of clips that may be shipped; each also as in a mirror, if that is asked for: a fight is one from either side."""
    ready = prepare.ready(fitting.order(data, split, shippable=True), settings)
    found = [row for truth, items in prepare.streams(ready, settings) for row in _of_stream(truth, items, settings)]
    if mirror:
        found += [(mirrored(numbers), on) for numbers, on in found]
    return Known(np.stack([features(numbers) for numbers, _ in found]), np.array([on for _, on in found]))


def mirrored(numbers: Floats) -> Floats:
    """The movement [t, MOVES] of the same pictures in a mirror: the raster's columns change places."""
    cells = np.arange(CELLS**2).reshape(CELLS, CELLS)[:, ::-1]
    return numbers[:, [*cells.ravel(), *range(CELLS**2, numbers.shape[1])]]


def _of_stream(truth: Timeline, items: Sequence[Item], settings: Config) -> Iterator[tuple[Floats, bool]]:
    """The movement of each window of which it can be said whether there is a fight, and whether there is."""
    final = [window for window in windows(items, settings) if window.final]
    fights = [event for event in truth.incidents if event.kind == KIND]
    on, sure = labels(fights, [window.until for window in final], settings.fusion.window_s)
    for window, here, counts in zip(final, on.tolist(), sure.tolist(), strict=True):
        numbers = measured(window)
        if counts and len(numbers) >= FEWEST:
            yield numbers, here


def _card(data: Path, head: Head, calibration: tuple[float, float], recipe: dict[str, float], figures: dict[str, float]) -> HeadCard:
    found = sources(data, Split.TRAIN, shippable=True)
    return HeadCard(
        name="moving-default",
        classes=head.classes,
        encoder="monitor/motion.py, monitor/closeup.py",
        parameters=head.weight.size + head.bias.size,
        recipe=recipe,
        seed=fitting.SEEDS[Split.TRAIN],
        calibration={KIND: calibration},
        validation="val_*: windows of composed streams of the val split, which calibrated it; none of its clips taught it.",
        data=tuple(counted(Counter(folder_of(row.name) for row in (*found.clips, *found.footage)))),
        limits=LIMITS,
        figures=rounded(figures),
    )
