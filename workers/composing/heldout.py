"""Networks that were not taught on the clips which they are judged by: the shipped one's recipe on the other folds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from rich.progress import track
from safetensors.torch import load_file, save_file

from monitor.cache import cache_dir
from monitor.config import Config
from monitor.fusion import Fusion, FusionConfig
from monitor.fusionnet import FusionNet, TorchFusion, network
from monitor.hearing import sound_encoder
from monitor.intent import Intent
from monitor.language import text_encoder
from monitor.layers import voice_encoder
from monitor.models import locate
from monitor.tone import Tone
from monitor.vision import picture_encoder
from workers import build
from workers.composing.sources import Split
from workers.composing.timeline import Timeline
from workers.fuse import Judges, Network
from workers.reasons import Beside, Listening, Reasoned
from workers.training import card, voices
from workers.training.compose import Banks
from workers.training.fit import Recipe, fit
from workers.training.pictures import picture_bank
from workers.training.rows import FOLDS, trainable
from workers.training.sounds import sound_bank
from workers.training.texts import text_bank

HELD: Final = {Split.VAL: 2, Split.TEST: 3}
"""The fold that teaches nothing where a split is judged."""
OF_TRAIN_ALONE: Final = frozenset({"fusion-research", "fusion-streams"})
"""Networks that neither val nor test taught: they are judged as they are."""
CODE: Final = (
    "fit.py",
    "compose.py",
    "rows.py",
    "sentences.csv",
    "scenes.csv",
    "../../monitor/fusionnet.py",
    "../../monitor/fusionparts.py",
)


def judges(data: Path, split: Split, timelines: Sequence[Timeline], settings: Config) -> Judges:
    """The fuse stage's judges; where these streams taught the shipped network, with one that their split did not teach.

    So is the head for tone, which their speakers taught; the one for intent never saw the streams' sentences. A camera's own normality
    is left out: composed streams are cut from many places, so that nothing is usual in them.
    """
    bare = settings.model_copy(update={"normality": settings.normality.model_copy(update={"enabled": False})})
    made = build.judges(bare)
    if isinstance(made, Reasoned):
        made.explain = None  # nobody reads the reasons, and they take longer than judging
        made.anomaly = None  # it is worked out for each view
    if split in HELD and taught(data, timelines) and isinstance(made.network, Beside):
        made.network = Beside(_held(made.network.networks, data, HELD[split], settings))
    return made


def _held(networks: Sequence[Network], data: Path, fold: int, settings: Config) -> list[Network]:
    """The same judges, taught without a fold; of fusion networks that no fold of these taught the one that it is."""
    tone = next(tone_without(data, fold, each.tone) for each in networks if isinstance(each, Intent))
    held: list[Network] = []
    for each in networks:
        if isinstance(each, Listening) and settings.models.fusion not in OF_TRAIN_ALONE:
            held.append(replace(each, fusion=without(data, fold, each.fusion, settings)))
        elif isinstance(each, Intent):
            held.append(replace(each, tone=tone))
        else:
            held.append(tone if isinstance(each, Tone) else each)
    return held


def tone_without(data: Path, fold: int, shipped: Tone) -> Tone:
    """The head for tone without the speakers of a fold; its calibration is the shipped one's, which was cross-validated."""
    known = voices.known(data, voice_encoder(), 0, track)
    head = voices.teach(known, frozenset(range(FOLDS)) - {fold})
    return replace(shipped, head=head, name=f"{shipped.name} without fold {fold}")


def taught(data: Path, timelines: Sequence[Timeline]) -> bool:
    """Whether streams show clips that the shipped network learned from: scenes.csv names those."""
    known = {row.name for row in trainable(data, "violence/fight_surv") if row.group != Path(row.name).stem}
    return any(source in known for timeline in timelines for source in timeline.sources)


def without(data: Path, fold: int, shipped: Fusion, settings: Config) -> Fusion:
    """Teach a network without a fold, or read it from the cache; its calibration is the shipped one's, which was cross-validated."""
    names = [row.name for row in trainable(data, "violence/fight_surv")]
    folder = Path(card.__file__).parent
    code = b"".join((folder / name).read_bytes() for name in CODE)
    key = hashlib.sha256(code + repr((fold, shipped.name, names, Recipe())).encode()).hexdigest()[:16]
    path = cache_dir() / "incidents" / f"without-fold-{fold}-{key}.safetensors"
    if path.is_file():
        net = network(shipped.cfg)
        net.load_state_dict(load_file(path))
    else:
        net = _fit(data, fold, shipped.cfg, settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".part")
        save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, scratch)
        scratch.replace(path)
    return Fusion(TorchFusion(net.eval(), "cpu"), shipped.cfg, f"{shipped.name} without fold {fold}", together=True)


def _fit(data: Path, fold: int, cfg: FusionConfig, settings: Config) -> FusionNet:
    banks = Banks(
        picture_bank(data, picture_encoder(settings.models), 0, track),
        sound_bank(data, sound_encoder(settings.models), 0, track),
        text_bank(text_encoder(settings.models), 0),
    )
    net = fit(banks, frozenset(range(FOLDS)) - {fold}, cfg, Recipe(), fold, track)
    calibrated = card.load(locate(settings.models.fusion).weights.with_suffix(".json")).calibrated
    with torch.no_grad():
        net.calibration.copy_(torch.from_numpy(np.array(list(calibrated.values()), np.float32)))
    return net
