"""`scenewatch train`: fusion networks that composed streams teach, as live stages perceive them.

`default` learns from rows whose licence lets weights be shipped. `research` learns from all of the data, whatever its licence: it knows
more kinds, must not be shipped, has a notice of its own, and is kept in the cache folder. The train split of the composer teaches them
(dense streams, and sound by itself), the val split calibrates; of the test split they have seen nothing.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch
from rich.progress import track

from monitor import anomaly
from monitor.config import Config, Models
from monitor.errors import ConfigError
from monitor.fusion import FusionConfig
from monitor.fusionnet import FusionNet, network
from monitor.hearing import sound_encoder
from monitor.language import text_encoder
from monitor.layers import voice_encoder
from monitor.messages import Modality
from monitor.vision import picture_encoder
from workers.composing import fitting, prepare
from workers.composing.sources import Split, sources
from workers.training.bank import Bank
from workers.training.captions import captions
from workers.training.card import Card, Source
from workers.training.checkpoint import Checkpoint, Curves
from workers.training.figures import average_precision, calibration_error, platt
from workers.training.fit import Recipe, Watch, learn, logits
from workers.training.heeded import Heeded, Heeding, read
from workers.training.mixing import Mixer, Taught, config_of, natural, standardised
from workers.training.rows import FOLDS
from workers.training.run import finish, keeping
from workers.training.settings import Training
from workers.training.streams import ANY, KNOWN_BY, UNTAUGHT, Stream, heard_bank, heard_stream, stream
from workers.training.texts import text_bank

FEATURES_SEED: Final = 0
NOTICE: Final = """{name}: weights for research, not for commercial use, and not to be shipped

They were trained by `scenewatch train --set research` on composed streams of the following data, some of which is licensed for
non-commercial use only, and some of which states no licence. Whoever uses them must keep to each of these licences.

{data}
They judge voices, screams and shots that they were taught by a few recordings; {name}.json has the figures and the limits.
"""
CALIBRATION: Final = (
    "Platt per kind, on all windows of composed streams of the val split, in which kinds are as frequent as in the composer's plan."
)
VALIDATION: Final = (
    "Figures val_*: windows of composed streams of the val split; no clip, scene, recording, speaker or voice of it taught anything."
)
LIMITS: Final = (
    "fight: by how pictures move, of surveillance clips of two seconds that streams are cut from.",
    "Streams were composed: their incidents follow each other more often than in life, and what is seen, heard and said is independent.",
    "It reads what every layer of Whisper's encoder hears (models.tone: true); without that it tells anger less well, and fire hardly.",
    "anomaly: any incident, by one head; monitor.anomaly's probability, which is made of the other kinds', does not read it.",
    "Its joint space lies beside a few captions a kind: it tells those kinds apart, and knows no others.",
)
READS_FLOW: Final = "It reads dense flow where that is measured (capture.flow: true)."
READS_THINGS: Final = "People and things are read where somebody looks for them (models.objects); half of what taught it had none."
READS_NO_THINGS: Final = "It reads no people and things: nobody looked for any in what taught it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """What a set of weights may learn from, and what is said of it."""

    name: str
    shippable: bool
    known_by: Mapping[str, tuple[Modality, ...]]
    """The kinds that there are recordings of, and what each is known by."""
    licence: str
    flow: bool
    """Whether it reads dense flow, which nobody measures who does not ask for it."""
    limits: tuple[str, ...]


SETS: Final[Mapping[str, Set]] = {
    "research": Set(
        name="fusion-research",
        shippable=False,
        known_by={**KNOWN_BY, **ANY},
        licence="research only, non-commercial: see data and fusion-research.NOTICE",
        flow=True,
        limits=(
            "Not for commercial use: part of the data is licensed for non-commercial use, or states no licence (see data).",
            "gun_shot, siren, scream and glass_break are known by their sound alone, from UrbanSound8K and a few other recordings.",
            "aggression: acted anger in German and English.",
            *LIMITS,
        ),
    ),
    "default": Set(
        name="fusion-default",
        shippable=True,
        known_by={kind: by for kind, by in {**KNOWN_BY, **ANY}.items() if kind not in UNTAUGHT},
        licence="Apache-2.0",
        flow=False,
        limits=(
            "aggression: acted anger in German; fire and crying: from the 16 recordings of each that the train split has.",
            *LIMITS,
        ),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is composed."""

    streams: int = fitting.STREAMS
    """That teach, dense, and as many that calibrate, of `minutes`."""
    minutes: float = fitting.MINUTES

    @property
    def heard(self) -> int:
        """Pieces of two minutes of sound alone."""
        return 5 * self.streams


RECIPE: Final = Training().recipe


def train(
    data: Path,
    what: Set,
    folder: Path,
    settings: Training | None = None,
    *,
    extent: Extent | None = None,
    run: bool = False,
    feedback: Path | None = None,
) -> dict[str, float]:
    """Compose, perceive, teach, calibrate and write weights and card; figures are of the val split.

    With `run`, a run card and the curves are written beside them; `feedback` is a file of verdicts that teach, too. Raises ConfigError
    for weights that must not be shipped and a folder of the package.
    """
    extent, settings = extent or Extent(), settings or Training()
    package = Path(anomaly.__file__).parent.resolve()
    if not what.shippable and package in (folder.resolve(), *folder.resolve().parents):
        raise ConfigError(f"{folder} is in the package, and weights for research must not be shipped with it. Name another folder: --out")
    stages = Config(models=Models(fusion=what.name))
    val, taught = held(data, stages, extent, what), gathered(data, stages, extent, what)
    heeded = None if feedback is None else read(feedback, taught.banks, settings.feedback, taught.sound - taught.last)
    digest = taught.sha256() + (heeded.counted.sha256 if heeded else "")
    checkpoint, curves = keeping(folder, what.name, settings, digest), Curves()
    cfg = msgspec.structs.replace(config_of(taught, flow=what.flow), kind=settings.kind)
    watch = None
    if stopping := settings.stopping:
        watch = Watch(Mixer(replace(taught, streams=val), settings.seed + 100).draw(stopping.windows), stopping.every, stopping.patience)
    net = teach(taught, cfg, settings.recipe, settings.seed, curves, watch=watch, checkpoint=checkpoint, heeded=heeded)
    calibrate(net, val, taught)
    figures = judged(net, val, taught)
    encoders = {"picture": picture_encoder(stages.models).name, "sound": sound_encoder(stages.models).name}
    encoders["text"] = text_encoder(stages.models).name
    sources = used(data, what)
    said = card(net, what, encoders, sources, told(settings.recipe, extent), settings.seed, figures)
    finish(net, folder, said, settings, digest, curves, run=run, heeded=heeded, checkpoint=checkpoint)
    if not what.shippable:
        notice = NOTICE.format(name=what.name, data="".join(f"{each.name}: {each.licence}\n" for each in sources))
        (folder / f"{what.name}.NOTICE").write_text(notice, "utf-8")
    written = stages.model_copy(update={"models": Models(fusion=str(folder.resolve() / f"{what.name}.safetensors"))})
    combined = fitting.calibrate(data, folder, written, shippable=what.shippable, streams=extent.streams, minutes=extent.minutes)
    return figures | {f"anomaly_{name}": value for name, value in combined.items()}


def gathered(data: Path, settings: Config, extent: Extent, what: Set) -> Taught:
    """Everything to learn from, out of the cache where it is there."""
    films = _perceived(data, Split.TRAIN, settings, extent, what)
    layers = voice_encoder(settings.models.threads)
    found = sources(data, Split.TRAIN, shippable=what.shippable)
    heard = heard_bank(found, extent.heard, FEATURES_SEED, sound_encoder(settings.models), layers, track)
    alone = [heard_stream(heard, each, tuple(what.known_by)) for each in heard.tracks]
    encoder = text_encoder(settings.models)
    sentences = _of_train(text_bank(encoder, FEATURES_SEED))
    picture, sound = (films[0].lanes[modality].values.shape[1] for modality in (Modality.PICTURE, Modality.SOUND))
    told = captions(encoder, tuple(what.known_by))
    last = sound_encoder(settings.models).width
    return Taught([*films, *alone], sentences, what.known_by, picture, sound, last, sentences.values.shape[1], told)


def held(data: Path, settings: Config, extent: Extent, what: Set) -> list[Stream]:
    """The streams that calibrate."""
    return _perceived(data, Split.VAL, settings, extent, what)


def _perceived(data: Path, split: Split, settings: Config, extent: Extent, what: Set) -> list[Stream]:
    order = fitting.order(data, split, shippable=what.shippable, streams=extent.streams, minutes=extent.minutes)
    ready = prepare.ready(order, settings)
    return [stream(truth, items, settings, tuple(what.known_by)) for truth, items in prepare.streams(ready, settings)]


def _of_train(bank: Bank) -> Bank:
    """The sentences that the train split may say."""
    return Bank(tuple(each for each in bank.tracks if each.fold in (0, 1)), bank.times, bank.values, bank.motion)


def teach(
    taught: Taught,
    cfg: FusionConfig,
    recipe: Recipe,
    seed: int,
    curves: Curves | None = None,
    *,
    watch: Watch | None = None,
    checkpoint: Checkpoint | None = None,
    heeded: Heeded | None = None,
) -> FusionNet:
    """A network that windows of the streams taught, and those that people spoke of."""
    torch.manual_seed(seed)
    mixer = Mixer(taught, seed)
    draws = mixer if heeded is None else Heeding(mixer, heeded, frozenset(range(FOLDS)))
    net, name = standardised(network(cfg), taught), f"{cfg.kind}, composed streams"
    return learn(net, draws, recipe, name, track, watch=watch, checkpoint=checkpoint, curves=curves)


def calibrate(net: FusionNet, val: Sequence[Stream], taught: Taught) -> None:
    """Slope and offset of each kind, from all windows of the streams."""
    windows = [natural(each, taught) for each in val]
    said = torch.cat([logits(net, each) for each in windows]).numpy()
    truth, counts = (torch.cat([getattr(each, name) for each in windows]).numpy() for name in ("labels", "counts"))
    fitted = [
        platt(truth[counts[:, k] > 0, k], said[counts[:, k] > 0, k]) if truth[counts[:, k] > 0, k].any() else (1.0, 0.0)
        for k in range(len(taught.kinds))
    ]
    with torch.no_grad():
        net.calibration.copy_(torch.tensor(fitted))


def judged(net: FusionNet, val: Sequence[Stream], taught: Taught, prefix: str = "val") -> dict[str, float]:
    """Of each kind that there is, over windows: average precision with all modalities and with what it is known by alone, and ECE.

    The mean is over the kinds by themselves, without the anomaly.
    """
    figures: dict[str, float] = {}
    every = [natural(each, taught) for each in val]
    said = torch.cat([net.probabilities(each.batch) for each in every]).detach().numpy()
    truth, counts = (torch.cat([getattr(each, name) for each in every]).numpy() for name in ("labels", "counts"))
    for k, (kind, modalities) in enumerate(taught.known_by.items()):
        rows = counts[:, k] > 0
        if not truth[rows, k].any():
            continue
        figures[f"{prefix}_{kind}_ap"] = average_precision(truth[rows, k], said[rows, k])
        if kind in net.cfg.incidents:
            alone = torch.cat([net.probabilities(natural(each, taught, modalities).batch) for each in val]).detach().numpy()
            figures[f"{prefix}_{kind}_alone_ap"] = average_precision(truth[rows, k], alone[rows, k])
        figures[f"{prefix}_{kind}_ece"] = calibration_error(truth[rows, k], said[rows, k])
        figures[f"{prefix}_{kind}_share"] = float(truth[rows, k].mean())
    each = [figures[name] for kind in net.cfg.incidents if (name := f"{prefix}_{kind}_ap") in figures]
    figures[f"{prefix}_map"] = float(np.mean(each)) if each else 0.0
    return figures


def told(recipe: Recipe, extent: Extent) -> dict[str, float]:
    """What the training was told, in numbers."""
    said = {name: float(getattr(recipe, name)) for name in recipe.__dataclass_fields__}
    return said | {"streams": float(extent.streams), "minutes": extent.minutes, "heard": float(extent.heard)}


def used(data: Path, what: Set) -> list[Source]:
    """The data sets that the train split is of, with their licences from the manifest."""
    found = sources(data, Split.TRAIN, shippable=what.shippable)
    names = {row.name for row in (*found.clips, *found.footage, *found.sounds)}
    with (data / "manifest.csv").open(encoding="utf-8", newline="") as file:
        lines = [row for row in csv.DictReader(file) if row["path"] in names]
    counts = Counter((row["path"].rsplit("/", 1)[0] + ": " + row["source"], row["licence"]) for row in lines)
    ours = [Source(name=f"{name} of this project", licence="Apache-2.0", recordings=0) for name in ("sentences.csv", "captions.csv")]
    return [*(Source(name=name, licence=licence, recordings=n) for (name, licence), n in sorted(counts.items())), *ours]


def card(
    net: FusionNet,
    what: Set,
    encoders: Mapping[str, str],
    found: Sequence[Source],
    recipe: Mapping[str, float],
    seed: int,
    figures: Mapping[str, float],
) -> Card:
    """Describe the network."""
    return Card(
        sha256="",
        name=what.name,
        licence=what.licence,
        kinds=net.cfg.kinds,
        known_by={kind: [modality.value for modality in modalities] for kind, modalities in net.cfg.known_by.items()},
        encoders=dict(encoders),
        parameters=sum(parameter.numel() for parameter in net.parameters()),
        config=net.cfg,
        recipe=dict(recipe),
        seed=seed,
        calibration=CALIBRATION,
        calibrated={kind: [round(value, 6) for value in row] for kind, row in zip(net.cfg.kinds, net.calibration.tolist(), strict=True)},
        validation=VALIDATION,
        data=list(found),
        limits=(*what.limits, *((READS_FLOW,) if net.cfg.flow else ()), READS_THINGS if net.cfg.things else READS_NO_THINGS),
        figures={name: round(value, 4) for name, value in figures.items()},
    )
