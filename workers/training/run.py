"""A run card: what a training was told, what it read, and how it went, beside the weights that it made."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from monitor.fusionnet import FusionNet
from workers.training import board
from workers.training.bank import Bank
from workers.training.card import Card, Source, save
from workers.training.checkpoint import Checkpoint, Curves
from workers.training.curves import plot
from workers.training.heeded import Counted, Heeded
from workers.training.settings import Training


class RunCard(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in `<weights>.run.json`; the curves are a picture too, in `<weights>.run.png`."""

    name: str
    weights_sha256: str
    data_sha256: str
    """Of all features that were read, and of the names of what they are of."""
    data: list[Source]
    """With licences."""
    settings: dict[str, Any]
    python: str
    torch: str
    device: str
    curves: Curves
    figures: dict[str, float]
    feedback: Counted | None = None
    """What people said of alerts, and how much of it taught."""


def data_hash(banks: Sequence[Bank]) -> str:
    """SHA-256 over tracks and features."""
    digest = hashlib.sha256()
    for bank in banks:
        digest.update(msgspec.json.encode(bank.tracks))
        for values in (bank.times, bank.values, bank.motion):
            digest.update(values.tobytes())
    return digest.hexdigest()


def training_key(settings: Training, digest: str) -> str:
    """What tells one training from another: what it is told, and what it reads."""
    return hashlib.sha256(f"{settings.model_dump_json()} {digest}".encode()).hexdigest()


def run_card(settings: Training, digest: str, data: list[Source], card: Card, curves: Curves, feedback: Counted | None = None) -> RunCard:
    """Describe a training that is done."""
    return RunCard(
        name=card.name,
        weights_sha256=card.sha256,
        data_sha256=digest,
        data=data,
        settings=settings.model_dump(mode="json"),
        python=platform.python_version(),
        torch=str(torch.__version__),
        device="cuda" if torch.cuda.is_available() else "cpu",
        curves=curves,
        figures=card.figures,
        feedback=feedback,
    )


def keeping(out: Path, name: str, settings: Training, digest: str) -> Checkpoint | None:
    """Where an interrupted training goes on from, if that is wanted."""
    if not settings.checkpoint_every:
        return None
    return Checkpoint(out / f"{name}.checkpoint.safetensors", training_key(settings, digest), settings.checkpoint_every)


def finish(
    net: FusionNet,
    out: Path,
    card: Card,
    settings: Training,
    digest: str,
    curves: Curves,
    *,
    run: bool,
    heeded: Heeded | None,
    checkpoint: Checkpoint | None,
) -> None:
    """Write the weights and their card, with `run` or feedback a run card, too; what was kept of the way there goes."""
    if heeded:
        owner = Source(name="feedback on alerts of this installation", licence="its owner's", recordings=heeded.counted.verdicts)
        card = msgspec.structs.replace(card, data=[*card.data, owner])
    done = save(net, out, card)
    if run or heeded:
        write(run_card(settings, digest, done.data, done, curves, heeded.counted if heeded else None), out)
    if settings.tensorboard:
        board.write(curves, done.figures, Path(settings.tensorboard))
    if checkpoint:
        checkpoint.remove()


def write(card: RunCard, out: Path) -> None:
    """Write the card and its curves to a folder."""
    (out / f"{card.name}.run.json").write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n")
    plot(card.curves, out / f"{card.name}.run.png")
