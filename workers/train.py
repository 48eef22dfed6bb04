"""`scenewatch train --set clips`: windows put together of single clips, by whose folds what the network learns is cross-validated."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from rich.progress import track

from monitor import config
from monitor.fusion import FusionConfig
from monitor.hearing import sound_encoder
from monitor.language import text_encoder
from monitor.vision import picture_encoder
from workers.training.card import NAME, card
from workers.training.checkpoint import Curves
from workers.training.compose import Banks, Composer
from workers.training.crossing import calibrate, composed_figures, cross_validate, recording_figures, rule_figures
from workers.training.fit import Watch, fit
from workers.training.heeded import Heeded, read
from workers.training.pictures import picture_bank
from workers.training.rows import FOLDS
from workers.training.run import data_hash, finish, keeping
from workers.training.settings import OfClips
from workers.training.sounds import sound_bank
from workers.training.texts import text_bank

MODELS: Final = config.Models()
FEATURES_SEED: Final = 0
"""The variants of the recordings are the same for every training, so that the cache can be used."""


def train(data: Path, out: Path, settings: OfClips, *, run: bool = False, feedback: Path | None = None) -> dict[str, float]:
    """Train on the rows that may be shipped, write weights and card to a folder, and return the cross-validated figures.

    With `run`, a run card and the curves are written beside them; `feedback` is a file of verdicts that teach, too.
    """
    pictures, sounds, texts = picture_encoder(MODELS), sound_encoder(MODELS), text_encoder(MODELS)
    encoders = {"picture": pictures.name, "sound": sounds.name, "text": texts.name}
    banks = Banks(
        picture_bank(data, pictures, FEATURES_SEED, track, weather=settings.weather),
        sound_bank(data, sounds, FEATURES_SEED, track, changed=settings.changed_sounds),
        text_bank(texts, FEATURES_SEED),
    )
    return teach(banks, encoders, out, settings, run=run, heeded=None if feedback is None else read(feedback, banks, settings.feedback))


def teach(
    banks: Banks, encoders: dict[str, str], out: Path, settings: OfClips, *, run: bool, heeded: Heeded | None = None
) -> dict[str, float]:
    """Cross-validate, calibrate, teach, and write."""
    cfg = FusionConfig(
        motion=banks.pictures.motion.shape[1],
        picture=banks.pictures.values.shape[1],
        sound=banks.sounds.values.shape[1],
        text=banks.texts.values.shape[1],
        kind=settings.kind,
    )
    figures, calibration = _validated(banks, cfg, settings, heeded)
    curves = Curves()
    digest = data_hash((banks.pictures, banks.sounds, banks.texts)) + (heeded.counted.sha256 if heeded else "")
    checkpoint = keeping(out, NAME, settings, digest)
    folds = frozenset(range(FOLDS)) - ({settings.stopping.fold} if settings.stopping else set())
    watch = _watch(banks, settings)
    net = fit(banks, folds, cfg, settings.recipe, settings.seed, track, watch=watch, checkpoint=checkpoint, curves=curves, heeded=heeded)
    if calibration is not None:
        with torch.no_grad():
            net.calibration.copy_(calibration)
    whole = (banks.pictures, banks.sounds, banks.texts)
    said = card(net, whole, encoders, settings.recipe, settings.seed, figures)
    finish(net, out, said, settings, digest, curves, run=run, heeded=heeded, checkpoint=checkpoint)
    return figures


def _validated(banks: Banks, cfg: FusionConfig, settings: OfClips, heeded: Heeded | None) -> tuple[dict[str, float], torch.Tensor | None]:
    """Figures of what was held out, and the calibration; neither without folds."""
    if not settings.folds:
        return {}, None
    held = cross_validate(banks, cfg, settings.recipe, settings.seed, track, settings.folds, heeded)
    calibration = calibrate(held)
    return {**composed_figures(held, calibration), **recording_figures(held), **rule_figures(held, calibration)}, calibration


def _watch(banks: Banks, settings: OfClips) -> Watch | None:
    stopping = settings.stopping
    if stopping is None:
        return None
    examples = Composer(banks, frozenset({stopping.fold}), settings.seed + 100 + stopping.fold).draw(stopping.windows)
    return Watch(examples, stopping.every, stopping.patience)
