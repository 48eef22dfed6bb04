"""What a training can be told: one frozen section, read from YAML with the same errors as the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, model_validator

from monitor import configfile
from monitor.config import Section
from monitor.fusion import Kind
from workers.training.fit import Recipe


class Stopping(Section):
    """When to stop before the last step: the network that was best on what teaches nothing is kept."""

    fold: int = Field(0, ge=0, le=3)
    """Of single clips the fold that is held out of the network that is kept, too; of composed streams it is those that calibrate."""
    every: int = Field(25, ge=1)
    """Steps from one look to the next."""
    patience: int = Field(4, ge=1)
    """So many looks without anything better, and it ends."""
    windows: int = Field(1000, ge=50)
    """Put together of it, the same for every look."""


class Training(Section):
    """How the fusion network is taught by composed streams; the defaults are those of the shipped weights."""

    seed: int = 0
    kind: Kind = "attention"
    """How the modalities meet."""
    steps: int = Field(400, ge=1)
    batch: int = Field(64, ge=2)
    rate: float = Field(1e-3, gt=0)
    decay: float = Field(0.3, ge=0)
    average: float = Field(0.98, ge=0, lt=1)
    """Of the running average of the weights, which is what is kept."""
    warm_up: int = Field(40, ge=1)
    focal: float = Field(0.0, ge=0, le=5)
    """Focus on what is hard (Lin et al. 2017): 0 is plain cross-entropy."""
    weighted: bool = False
    """Rare kinds count more: each kind's windows with it as much as those without."""
    joint: float = Field(0.1, ge=0)
    """Weight of the joint space's contrastive loss; 0: it is not taught."""
    stopping: Stopping | None = None
    """Left out, the number of steps is fixed beforehand, and everything teaches."""
    checkpoint_every: int = Field(0, ge=0)
    """Steps after which all is kept, so that a training that was interrupted goes on; 0: never."""
    feedback: float = Field(0.1, ge=0, le=0.5)
    """The share of what is taught that is what people said of alerts, where that is given: `scenewatch train --feedback FILE`."""
    tensorboard: str = ""
    """A folder for TensorBoard's event files (needs scenewatch[tensorboard]); left out, none are written."""

    @property
    def recipe(self) -> Recipe:
        """Its part that `fit` reads."""
        return Recipe(**{name: getattr(self, name) for name in Recipe.__dataclass_fields__ if name in type(self).model_fields})

    @model_validator(mode="after")
    def _in_order(self) -> Training:
        if self.warm_up > self.steps:
            raise ValueError("warm_up must not be longer than steps")
        return self


class OfClips(Training):
    """How it is taught by windows that are put together of single clips."""

    steps: int = Field(300, ge=1)
    batch: int = Field(96, ge=2)
    warm_up: int = Field(25, ge=1)
    joint: Literal[0] = 0
    """These windows have no captions."""
    weather: bool = False
    """Teach every clip at night and in the rain, too."""
    changed_sounds: bool = False
    """Teach every recording once more at another pitch, in a room, and in noise at 0 to 20 dB."""
    folds: int = Field(4, ge=0, le=4)
    """Folds that the cross-validation judges; its judgements calibrate the weights. 0: neither figures nor calibration."""


Settings = TypeVar("Settings", bound=Training)


def read(of: type[Settings], path: Path | None, seed: int | None = None) -> Settings:
    """The settings of a file, or the defaults; a seed that is given goes before. Raises ConfigError naming file, line and key."""
    settings = of() if path is None else configfile.check(of, *configfile.read(path))
    return settings if seed is None else settings.model_copy(update={"seed": seed})
