"""A head as it is shipped: a safetensors file, and beside it a card that says what it is and what it is worth."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from safetensors.numpy import save_file

from monitor.heads import Head, HeadConfig, tensors
from workers.training.card import Source


class HeadCard(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside a head's weights."""

    sha256: str = ""
    name: str
    licence: str = "Apache-2.0"
    classes: tuple[str, ...]
    encoder: str
    parameters: int
    recipe: dict[str, float]
    seed: int
    calibration: dict[str, tuple[float, ...]]
    validation: str
    data: tuple[Source, ...]
    limits: tuple[str, ...]
    figures: dict[str, float]


def save(head: Head, out: Path, card: HeadCard) -> HeadCard:
    """Write weights and card to a folder. Returns the card with the weights' hash."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{card.name}.safetensors"
    scratch = path.with_suffix(".part")
    config = HeadConfig(classes=head.classes, encoder=card.encoder, calibration=card.calibration)
    save_file(dict(tensors(head)), scratch, {"config": msgspec.json.encode(config).decode()})
    done = msgspec.structs.replace(card, sha256=hashlib.sha256(scratch.read_bytes()).hexdigest())
    scratch.chmod(0o644)  # safetensors writes for the owner alone
    scratch.replace(path)
    path.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(done), indent=1) + b"\n")
    return done


def rounded(figures: Mapping[str, float]) -> dict[str, float]:
    """Figures as a card states them."""
    return {name: round(value, 4) for name, value in figures.items()}
