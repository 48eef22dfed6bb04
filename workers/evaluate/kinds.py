"""`scenewatch eval fusion-kinds`: the four ways to fuse, taught alike on composed streams and judged on others, in one table.

Each is taught as the shipped one is, by the same streams, and thrown away; val calibrates, and the test split's streams judge, two hours
of them. `ap_*` is the average precision of "an incident is on" over windows, by a leaky noisy-or of the network's kinds alone: no other
head helps it, so kinds that only YAMNet's own tell are missed; `ap_head` is that of the network's own head for any incident, and `event_f1`
of incidents, with the threshold on that noisy-or that the other streams choose. `joint_map` is the mean over kinds of the average precision
of windows ranked by how near what carries a kind lies to its captions in the joint space, `joint_map_reworded` by captions that taught
nothing; by chance it would be `joint_chance`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, get_args

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from monitor import anomaly
from monitor.fusion import FusionConfig, Kind
from monitor.fusionnet import FusionNet
from monitor.language import text_encoder
from monitor.messages import Modality
from workers.composing import fitting, prepare
from workers.composing.events import Said, crossed
from workers.composing.films import Order
from workers.composing.sources import Split
from workers.composing.timeline import Flags, Timeline
from workers.evaluate import Task
from workers.evaluate.incidents import MINUTES, SEED, by_streams, streams_of
from workers.evaluate.interval import with_interval
from workers.training import streamed
from workers.training.captions import Captions, captions
from workers.training.contrast import ENOUGH
from workers.training.figures import average_precision, calibration_error
from workers.training.fit import Recipe
from workers.training.mixing import Taught, config_of, natural
from workers.training.streams import Stream, stream

ROUNDS: Final = 200
FUSED: Final = "fused"
VIEWS: Final[Mapping[str, tuple[Modality, ...]]] = {
    FUSED: tuple(Modality),
    "picture": (Modality.PICTURE,),
    "sound": (Modality.SOUND,),
    "text": (Modality.TEXT,),
    "no_picture": (Modality.SOUND, Modality.TEXT),
    "no_sound": (Modality.PICTURE, Modality.TEXT),
}

Numbers = npt.NDArray[np.float64]


def fusion_kinds(task: Task) -> dict[str, float]:
    """What each way to fuse makes of the test streams. Raises SourceError without the data, ConfigError for an unknown set."""
    count = streams_of(task)
    extent, what = streamed.Extent(), streamed.SETS["default"]
    taught = streamed.gathered(task.data, task.config, extent, what)
    val = streamed.held(task.data, task.config, extent, what)
    test = _test(task, count, tuple(what.known_by))
    reworded = captions(text_encoder(task.config.models), tuple(what.known_by), teach=False)
    figures: dict[str, float] = {"streams": float(len(test))}
    for kind in get_args(Kind):
        cfg = msgspec.structs.replace(config_of(taught, flow=what.flow), kind=kind)
        figures |= {f"{kind}_{name}": value for name, value in judged(cfg, taught, val, test, reworded).items()}
    return figures


class Tested(NamedTuple):
    """A stream that judges, and its truth."""

    stream: Stream
    truth: Timeline


def _test(task: Task, count: int, kinds: tuple[str, ...]) -> list[Tested]:
    order = Order(data=task.data, out=Path(), split=Split.TEST, seed=SEED, minutes=MINUTES, streams=count)
    ready = prepare.ready(order, task.config)
    return [Tested(stream(truth, items, task.config, kinds), truth) for truth, items in prepare.streams(ready, task.config)]


def judged(
    cfg: FusionConfig,
    taught: Taught,
    val: Sequence[Stream],
    test: Sequence[Tested],
    reworded: Captions | None = None,
    recipe: Recipe = streamed.RECIPE,
) -> dict[str, float]:
    """One network: taught, calibrated on val, judged on test with all modalities and with only some of them, and by captions."""
    net = streamed.teach(taught, cfg, recipe, 0)
    streamed.calibrate(net, val, taught)
    truth, given = _sure(val, probabilities(net, val, taught, tuple(Modality)))
    combined = fitting.combined(cfg.incidents, incidents(net, given), truth, cfg.kind)
    figures: dict[str, float] = {"parameters": float(sum(parameter.numel() for parameter in net.parameters()))}
    streams = [each.stream for each in test]
    for view, shown in VIEWS.items():
        said = probabilities(net, streams, taught, shown)
        anomalies = [combined(cfg.incidents, incidents(net, row)) for row in said]
        figures |= _of(view, anomalies, streams)
        if view == FUSED:
            figures |= by_streams("event_f1", crossed([_said(each, row) for each, row in zip(test, anomalies, strict=True)]))
        if view == FUSED and anomaly.KIND in cfg.kinds:
            figures |= _of("head", [row[:, cfg.kinds.index(anomaly.KIND)] for row in said], streams)
    figures["map"] = streamed.judged(net, streams, taught, "test")["test_map"]
    if cfg.joint and taught.captions is not None:
        figures |= by_captions(net, streams, taught, taught.captions, "joint")
        if reworded is not None:
            figures["joint_map_reworded"] = by_captions(net, streams, taught, reworded, "joint")["joint_map"]
    return figures


def _said(tested: Tested, anomalies: Numbers) -> Said:
    """As if words were known at once: when they are is the same for every way to fuse."""
    untils = tested.stream.untils
    return Said(tested.truth, untils, untils, anomalies, anomalies)


def probabilities(net: FusionNet, streams: Sequence[Stream], taught: Taught, shown: Sequence[Modality]) -> list[Numbers]:
    """Of each stream's windows [n, K]."""
    with torch.inference_mode():
        return [net.probabilities(natural(each, taught, shown).batch).numpy().astype(np.float64) for each in streams]


def incidents(net: FusionNet, said: Numbers) -> Numbers:
    """Of all kinds' probabilities [n, K] those that are one kind by itself."""
    return said[:, [net.cfg.kinds.index(kind) for kind in net.cfg.incidents]]


def by_captions(net: FusionNet, streams: Sequence[Stream], taught: Taught, told: Captions, prefix: str) -> dict[str, float]:
    """Windows ranked by how near what carries a kind lies to its captions: mean average precision over kinds, and chance.

    A kind's captions count as their mean direction (Radford et al. 2021 ensemble prompts so). Windows that hold too little of a kind to
    say whether it is on, or nothing of what carries it, are left out.
    """
    windows = [natural(each, taught) for each in streams]
    with torch.inference_mode():
        placed = torch.cat([net.embed(each.batch) for each in windows])  # [n, 3, J]
        wanted = torch.nn.functional.normalize(told.of.T @ net.embed_text(told.vectors), dim=-1)  # [K+1, J]
        near = (placed @ wanted.T).numpy()  # [n, 3, K+1]
    overlaps = torch.cat([each.overlaps for each in windows if each.overlaps is not None]).numpy()
    present = torch.cat([each.batch.present() for each in windows]).numpy()
    ranked = [
        (on[clear], near[clear, m, k])
        for k, modalities in enumerate(taught.known_by.values())
        for m, modality in enumerate(Modality)
        if modality in modalities and told.of[:, k].any()
        for on, clear in [_on(overlaps[:, m, k], present[:, m])]
        if on[clear].any()
    ]
    found = [average_precision(truth, said) for truth, said in ranked]
    return {f"{prefix}_map": _mean(found), f"{prefix}_chance": _mean([float(truth.mean()) for truth, _ in ranked])}


def _on(seconds: npt.NDArray[np.float32], present: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Whether a modality carries a kind in each window [n], and whether that can be said."""
    on = seconds >= ENOUGH
    return on, present & (on | (seconds == 0))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def _of(view: str, anomalies: Sequence[Numbers], streams: Sequence[Stream]) -> dict[str, float]:
    truth, said = _sure(streams, anomalies)
    groups = [each.name for each in streams for _ in range(int(each.sure.sum()))]
    figures = with_interval(f"ap_{view}", lambda rows: average_precision(truth[rows], said[rows]), groups, rounds=ROUNDS)
    return figures | ({"ece": calibration_error(truth, said)} if view == FUSED else {})


def _sure(streams: Sequence[Stream], said: Sequence[Numbers]) -> tuple[Flags, Numbers]:
    """Whether an incident is on, and what is said, of all windows of which the former can be said."""
    on = np.concatenate([each.on[each.sure] for each in streams])
    return on, np.concatenate([row[each.sure] for each, row in zip(streams, said, strict=True)])
