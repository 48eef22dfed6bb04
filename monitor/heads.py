"""Small heads on frozen encoders' features: linear maps to classes, whose weights ship with this project and say what they read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from monitor.errors import ModelError
from monitor.models import Located

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Head:
    """A multinomial logistic regression."""

    classes: tuple[str, ...]
    """K names."""
    weight: Floats
    """[K, d]; the features' standardisation is within it."""
    bias: Floats
    """[K]."""

    def logits(self, features: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Features [n, d] to logits [n, K]."""
        said: npt.NDArray[np.float64] = features.astype(np.float64) @ self.weight.T + self.bias
        return said

    def log_probabilities(self, features: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Features [n, d] to log-probabilities [n, K] that add up to 1."""
        said = self.logits(features)
        top = said.max(1, keepdims=True)
        normalised: npt.NDArray[np.float64] = said - top - np.log(np.exp(said - top).sum(1, keepdims=True))
        return normalised

    def log_odds(self, features: npt.NDArray[Any], name: str) -> npt.NDArray[np.float64]:
        """Features [n, d] to the log-odds of one class against all others [n]."""
        said = self.logits(features)
        k = self.classes.index(name)
        others = np.delete(said, k, axis=1)
        top = others.max(1, keepdims=True)
        against: npt.NDArray[np.float64] = said[:, k] - top[:, 0] - np.log(np.exp(others - top).sum(1))
        return against


class HeadConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the metadata of a head's weights."""

    classes: tuple[str, ...]
    encoder: str
    """The model whose features it reads."""
    calibration: dict[str, tuple[float, ...]] = {}
    """By class: Platt's slope and offset, and what else its judge needs."""


def load(located: Located) -> tuple[Head, HeadConfig]:
    """A head and what it says of itself. Raises ModelError if the file is none."""
    try:
        with safe_open(str(located.weights), framework="np") as file:
            config = msgspec.json.decode((file.metadata() or {})["config"], type=HeadConfig)
            return Head(config.classes, file.get_tensor("weight"), file.get_tensor("bias")), config
    except (SafetensorError, msgspec.DecodeError, KeyError) as error:
        raise ModelError(f"Model {located.name}: {located.weights} does not hold a head of this version: {error}") from error


def tensors(head: Head) -> Mapping[str, Floats]:
    """What is written of it."""
    return {"weight": head.weight, "bias": head.bias}
