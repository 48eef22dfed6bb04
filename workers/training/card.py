"""The weights as they are shipped: a safetensors file, and beside it a card that says what they are and what they are worth."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from safetensors.torch import save_file

from monitor.fusion import FusionConfig
from monitor.fusionnet import FusionNet
from workers.training.bank import Bank
from workers.training.fit import Recipe

NAME: Final = "fusion-clips"

LIMITS: Final = (
    "fight: learned from 190 surveillance clips of two seconds in 56 scenes, by how pictures move and change.",
    "fire: known by its crackling alone; flames without sound are not found. No licensed pictures of more than one fire were at hand.",
    "aggression: an angry voice, learned from acted German speech of seven speakers; other languages and real anger were not taught.",
    "crying: a crying baby, from 32 recordings.",
    "distress: words alone, mostly English with some German, Spanish and French; from sentences that were written for it.",
    "Windows were composed of pictures, sounds and words that do not belong together: what they say of each other was not taught.",
    "Probabilities are calibrated on composed windows, in which each kind is far more frequent than in life: they are no odds.",
    (
        "While the recipe was chosen, RAVDESS, UrbanSound8K and (for normality) UCSD Ped2's test clips were looked at: "
        "nothing was taught on them, but figures on them are development figures."
    ),
)

CALIBRATION: Final = "Platt per kind, on windows composed from the fold that each of the cross-validation's networks was not taught on."
VALIDATION: Final = (
    "Figures cv_*: four folds; no scene, speaker, reader, ESC-10 fold or family of phrases on both sides. "
    "The shipped weights were then taught on all folds with the same recipe, so no figure here is of the shipped weights themselves."
)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A data set that taught."""

    name: str
    licence: str
    recordings: int


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside the weights."""

    sha256: str
    name: str
    licence: str
    kinds: tuple[str, ...]
    known_by: dict[str, list[str]]
    encoders: dict[str, str]
    """The models whose features it reads; with others its judgements mean nothing."""
    parameters: int
    config: FusionConfig
    recipe: dict[str, float]
    seed: int
    calibration: str
    calibrated: dict[str, list[float]]
    """Slope and offset of each kind's logit; they stand in the weights as well, as does the normalisation of the features."""
    validation: str
    data: list[Source]
    limits: tuple[str, ...]
    figures: dict[str, float]


SOURCES: Final = {
    "violence/fight_surv": (
        "Fight Detection in Surveillance Videos (Akti, Tataroglu, Ekenel 2019)",
        "MIT (repository; clips originate from YouTube)",
    ),
    "sounds/esc10": ("ESC-10 (Piczak 2015)", "CC-BY-3.0"),
    "emotion/emodb": ("EmoDB (Burkhardt et al. 2005)", "free, cite"),
    "speech/wer": (
        "LibriSpeech, LibriVox, LJSpeech, AISHELL-1 and single clips of open repositories",
        "CC-BY-4.0, public domain, Apache-2.0, MIT, BSD",
    ),
    "speech/diarization": ("AMI meeting corpus", "CC-BY-4.0"),
    "video": (
        "OpenCV vtest, intel-iot-devkit one-by-one, bgslibrary traffic, FURG house6 (picture)",
        "Apache-2.0, CC-BY-4.0, MIT, CC0-1.0",
    ),
    "sentence": ("sentences.csv of this project", "Apache-2.0"),
}


def save(net: FusionNet, out: Path, card: Card) -> Card:
    """Write weights and card. Returns the card with the weights' hash."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{card.name}.safetensors"
    scratch = path.with_suffix(".part")
    metadata = {"config": msgspec.json.encode(net.cfg).decode(), "encoders": msgspec.json.encode(card.encoders).decode()}
    save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, scratch, metadata)
    done = msgspec.structs.replace(card, sha256=hashlib.sha256(scratch.read_bytes()).hexdigest())
    scratch.chmod(0o644)  # safetensors writes for the owner alone
    scratch.replace(path)
    path.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(done), indent=1) + b"\n")
    return done


def load(path: Path) -> Card:
    """Read a card."""
    return msgspec.json.decode(path.read_bytes(), type=Card)


def card(
    net: FusionNet, banks: Sequence[Bank], encoders: Mapping[str, str], recipe: Recipe, seed: int, figures: Mapping[str, float]
) -> Card:
    """Describe a network."""
    return Card(
        sha256="",
        name=NAME,
        licence="Apache-2.0",
        kinds=net.cfg.kinds,
        known_by={kind: [modality.value for modality in modalities] for kind, modalities in net.cfg.known_by.items()},
        encoders=dict(encoders),
        parameters=sum(parameter.numel() for parameter in net.parameters()),
        config=net.cfg,
        recipe={name: float(getattr(recipe, name)) for name in recipe.__dataclass_fields__},
        seed=seed,
        calibration=CALIBRATION,
        calibrated={kind: [round(value, 6) for value in row] for kind, row in zip(net.cfg.kinds, net.calibration.tolist(), strict=True)},
        validation=VALIDATION,
        data=sources(banks),
        limits=LIMITS,
        figures={name: round(value, 4) for name, value in figures.items()},
    )


def sources(banks: Sequence[Bank]) -> list[Source]:
    """The data sets that banks come from, with their licences."""
    return counted(Counter(folder_of(track.name) for bank in banks for track in bank.tracks if track.variant == 0))


def counted(counts: Mapping[str, int]) -> list[Source]:
    """The data sets by how many recordings of each folder taught."""
    return [
        Source(name=name, licence=licence, recordings=counts[folder]) for folder, (name, licence) in SOURCES.items() if counts.get(folder)
    ]


def folder_of(name: str) -> str:
    """The folder of SOURCES that a file is in; empty if it is in none."""
    return next((folder for folder in SOURCES if name.startswith(folder)), "")
