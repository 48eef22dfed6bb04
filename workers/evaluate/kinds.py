"""`scenewatch eval fusion-kinds`: the four ways to fuse, taught alike on composed streams and judged on others, in one table.

All of the train split's clips teach (these networks are thrown away), val calibrates, and the test split's streams judge. `ap_*` is the
average precision of "an incident is on" over windows, by a leaky noisy-or of the network's kinds alone: no other head helps it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, get_args

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from monitor.anomaly import Anomaly
from monitor.fusion import FusionConfig, Kind
from monitor.fusionnet import FusionNet
from monitor.hearing import sound_encoder
from monitor.messages import Modality
from workers.composing import fitting, prepare
from workers.composing.films import Order
from workers.composing.sources import Split
from workers.evaluate import Task
from workers.evaluate.incidents import MINUTES, SEED, SETS
from workers.evaluate.interval import with_interval
from workers.training import streamed
from workers.training.figures import average_precision, calibration_error
from workers.training.mixing import Taught, config_of, natural
from workers.training.streams import KNOWN_BY, Stream, stream

ROUNDS: Final = 200
STREAMS: Final = 3
"""Composed streams that teach each network, beside sound by itself."""
VIEWS: Final[Mapping[str, tuple[Modality, ...]]] = {
    "fused": tuple(Modality),
    "picture": (Modality.PICTURE,),
    "sound": (Modality.SOUND,),
    "text": (Modality.TEXT,),
    "no_picture": (Modality.SOUND, Modality.TEXT),
    "no_sound": (Modality.PICTURE, Modality.TEXT),
}
SMALL: Final = "small"

Numbers = npt.NDArray[np.float64]


def fusion_kinds(task: Task) -> dict[str, float]:
    """What each way to fuse makes of the test streams, and its parameters. Raises SourceError without the data."""
    extent, what = streamed.Extent(streams=STREAMS), streamed.SETS["research"]
    taught = streamed.gathered(task.data, task.config, extent, what)
    val = streamed.held(task.data, task.config, extent, what)
    test = _test(task)
    figures: dict[str, float] = {"streams": float(len(test))}
    for kind in get_args(Kind):
        cfg = msgspec.structs.replace(config_of(taught, sound_encoder(task.config.models).width), kind=kind)
        figures |= {f"{kind}_{name}": value for name, value in judged(cfg, taught, val, test).items()}
    return figures


def _test(task: Task) -> list[Stream]:
    order = Order(data=task.data, out=Path(), split=Split.TEST, seed=SEED, minutes=MINUTES, streams=SETS[task.of or SMALL])
    ready = prepare.ready(order, task.config)
    return [stream(truth, items, task.config, tuple(KNOWN_BY)) for truth, items in prepare.streams(ready, task.config)]


def judged(cfg: FusionConfig, taught: Taught, val: Sequence[Stream], test: Sequence[Stream]) -> dict[str, float]:
    """One network: taught, calibrated on val, judged on test with all modalities and with only some of them."""
    net = streamed.teach(taught, cfg, streamed.RECIPE, 0)
    streamed.calibrate(net, val, taught)
    truth = np.concatenate([each.on[each.sure] for each in val])
    anomaly = fitting.combined(cfg.kinds, probabilities(net, val, taught, tuple(Modality)), truth, cfg.kind)
    figures: dict[str, float] = {"parameters": float(sum(parameter.numel() for parameter in net.parameters()))}
    for view, shown in VIEWS.items():
        figures |= _of(view, anomaly, probabilities(net, test, taught, shown), test)
    figures["map"] = streamed.judged(net, test, taught, "test")["test_map"]
    return figures


def probabilities(net: FusionNet, streams: Sequence[Stream], taught: Taught, shown: Sequence[Modality]) -> Numbers:
    """Of the windows that count [n, K]."""
    with torch.inference_mode():
        said = [net.probabilities(natural(each, taught, shown).batch).numpy()[each.sure] for each in streams]
    return np.concatenate(said).astype(np.float64)


def _of(view: str, anomaly: Anomaly, given: Numbers, streams: Sequence[Stream]) -> dict[str, float]:
    truth = np.concatenate([each.on[each.sure] for each in streams])
    said = anomaly(anomaly.kinds, given)
    groups = [each.name for each in streams for _ in range(int(each.sure.sum()))]
    figures = with_interval(f"ap_{view}", lambda rows: average_precision(truth[rows], said[rows]), groups, rounds=ROUNDS)
    return figures | ({"ece": calibration_error(truth, said)} if view == "fused" else {})
