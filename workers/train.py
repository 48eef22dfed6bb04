"""`scenewatch train`: from the real data to the weights that are shipped, with figures of what was held out."""

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
from workers.training.card import card, save
from workers.training.compose import Banks
from workers.training.crossing import calibrate, composed_figures, cross_validate, recording_figures, rule_figures
from workers.training.fit import Recipe, fit
from workers.training.pictures import picture_bank
from workers.training.rows import FOLDS
from workers.training.sounds import sound_bank
from workers.training.texts import text_bank

MODELS: Final = config.Models()
RECIPE: Final = Recipe()
FEATURES_SEED: Final = 0
"""The variants of the recordings are the same for every training, so that the cache can be used."""


def train(data: Path, out: Path, seed: int = 0) -> dict[str, float]:
    """Train on the rows that may be shipped, write weights and card to a folder, and return the cross-validated figures."""
    pictures, sounds, texts = picture_encoder(MODELS), sound_encoder(MODELS), text_encoder(MODELS)
    encoders = {"picture": pictures.name, "sound": sounds.name, "text": texts.name}
    banks = Banks(
        picture_bank(data, pictures, FEATURES_SEED, track),
        sound_bank(data, sounds, FEATURES_SEED, track),
        text_bank(texts, FEATURES_SEED),
    )
    cfg = FusionConfig(motion=banks.pictures.motion.shape[1])
    held = cross_validate(banks, cfg, RECIPE, seed, track)
    calibration = calibrate(held)
    figures = {**composed_figures(held, calibration), **recording_figures(held), **rule_figures(held, calibration)}
    net = fit(banks, frozenset(range(FOLDS)), cfg, RECIPE, seed, track)
    with torch.no_grad():
        net.calibration.copy_(calibration)
    save(net, out, card(net, (banks.pictures, banks.sounds, banks.texts), encoders, RECIPE, seed, figures))
    return figures
