"""A training that can be interrupted: everything that its next step depends on, in one safetensors file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from monitor.errors import ModelError


class Curves(msgspec.Struct):
    """How the loss went."""

    taught: list[float] = msgspec.field(default_factory=list)
    """Of each step's windows."""
    looks: list[int] = msgspec.field(default_factory=list)
    """Steps at which the fold that teaches nothing was looked at …"""
    held_out: list[float] = msgspec.field(default_factory=list)
    """… and the loss there."""


class _Header(msgspec.Struct, frozen=True):
    """What is no tensor."""

    key: str
    step: int
    curves: Curves
    draws: str
    """The state of the generator that composes windows, as JSON by itself: its integers have 128 bits."""


@dataclass(slots=True)
class State:
    """Where a training stands."""

    net: torch.nn.Module
    averaged: AveragedModel
    optimiser: torch.optim.Optimizer
    draws: np.random.Generator
    step: int = 0
    curves: Curves = field(default_factory=Curves)
    best: dict[str, Tensor] = field(default_factory=dict)
    """The averaged weights that were best on the held-out fold."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The file, and what the training is that it belongs to."""

    path: Path
    key: str
    """Settings and data: the file of another training is not taken up."""
    every: int

    def keep(self, state: State) -> None:
        """Write everything; what was there before stays whole until that is done."""
        header = _Header(self.key, state.step, state.curves, json.dumps(state.draws.bit_generator.state))
        tensors = {
            **_named("net", state.net.state_dict()),
            **_named("averaged", state.averaged.state_dict()),
            **_named("best", state.best),
            **{
                f"adam.{index}.{name}": value for index, row in state.optimiser.state_dict()["state"].items() for name, value in row.items()
            },
            "torch": torch.get_rng_state(),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_suffix(".part")
        save_file({name: value.contiguous() for name, value in tensors.items()}, scratch, {"header": msgspec.json.encode(header).decode()})
        scratch.replace(self.path)

    def resume(self, state: State) -> None:
        """Go on from the file, if there is one. Raises ModelError if it is another training's."""
        if not self.path.is_file():
            return
        try:
            with safe_open(self.path, framework="pt") as file:
                header = msgspec.json.decode((file.metadata() or {})["header"], type=_Header)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        except (SafetensorError, msgspec.DecodeError, KeyError) as error:
            raise ModelError(f"{self.path}: no checkpoint of a training: {error}. Remove it to begin anew.") from error
        if header.key != self.key:
            raise ModelError(f"{self.path}: the checkpoint of another training (other settings or data). Remove it to begin anew.")
        state.net.load_state_dict(_under("net", tensors))
        state.averaged.load_state_dict(_under("averaged", tensors))
        state.best = _under("best", tensors)
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("adam", tensors).items():
            index, part = name.split(".")
            moments.setdefault(int(index), {})[part] = value
        state.optimiser.load_state_dict({"state": moments, "param_groups": state.optimiser.state_dict()["param_groups"]})
        state.draws.bit_generator.state = json.loads(header.draws)
        torch.set_rng_state(tensors["torch"])
        state.step, state.curves = header.step, header.curves

    def remove(self) -> None:
        """It is done."""
        self.path.unlink(missing_ok=True)


def _named(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}
