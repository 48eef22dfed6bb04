"""A joint space of pictures and texts, so that what is looked for can be said in words.

By default pictures come into the space of the sentence encoder (`monitor.language`) by what the visual encoder's own classifier
takes them for: the convex combination of the class names' vectors, weighted with their probabilities (ConSE: Norouzi et al. 2014,
arXiv 1312.5650). It knows a thousand kinds of things and no pairs of picture and text. Where `models.picture_text` names a SigLIP or
CLIP, its space is taken (`monitor.picturetext`), and the encode stage puts each picture's place in it on the bus.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from monitor import config
from monitor.cache import cache_dir, write_atomically
from monitor.errors import ModelError
from monitor.language import TextEncoder, text_encoder
from monitor.messages import Embedding, floats
from monitor.models import locate

Floats = npt.NDArray[np.float32]

NAMES: Final = Path(__file__).parent / "weights" / "imagenet-names.txt"
TEMPERATURE: Final = 2.0
"""Of the classes' probabilities: what is in the picture beside the most probable thing counts too. Chosen on photos that the
evaluation leaves out."""


class Space(Protocol):
    """Where pictures and texts lie near each other if they fit."""

    @property
    def name(self) -> str:
        """The models that span it, and their versions."""

    def texts(self, texts: Sequence[str]) -> Floats:
        """Texts to [n, d], each of length 1."""

    def pictures(self, items: Sequence[Embedding]) -> Floats:
        """Embeddings of pictures to [n, d], each of length 1; zeros for one that was not made for this space."""


@dataclass(frozen=True, slots=True)
class Conse:
    """The visual encoder's classifier, and its classes' names as sentences."""

    name: str
    encode: TextEncoder
    classifier: Floats
    """[classes, features]."""
    bias: Floats
    """[classes]."""
    classes: Floats
    """The names' vectors [classes, d], each of length 1."""

    def texts(self, texts: Sequence[str]) -> Floats:
        """Texts to [n, 768], each of length 1."""
        return self.encode(texts)

    def pictures(self, items: Sequence[Embedding]) -> Floats:
        """Embeddings of pictures to [n, 768], each of length 1."""
        return self.place(np.stack([floats(item.vector) for item in items])) if items else np.empty((0, self.classes.shape[1]), np.float32)

    def place(self, vectors: Floats) -> Floats:
        """The visual encoder's vectors [n, features] to [n, 768], each of length 1; from the names' centre, which all pictures are near."""
        likely = softmax((vectors @ self.classifier.T + self.bias) / TEMPERATURE)
        return unit(likely @ self.classes - self.classes.mean(0))


def conse(models: config.Models) -> Conse:
    """The default space of the encoders that the configuration names; made once, then kept in the cache folder. Raises ModelError."""
    located, encode = locate(models.picture), text_encoder(models)
    key = hashlib.sha256("\0".join((located.sha256, encode.name, *class_names())).encode()).hexdigest()[:16]
    path = cache_dir() / "zeroshot" / f"conse-{key}.safetensors"
    if not path.is_file():
        from monitor.efficientnet import classifier  # noqa: PLC0415 (torch)

        weights, bias = classifier(located)
        write_atomically(path, save({"classifier": weights, "bias": bias, "classes": encode(class_names())}))
    try:
        kept = load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} can't be read: {error}. Remove it: it is made again.") from error
    return Conse(f"conse:{located.version}+{encode.name}", encode, kept["classifier"], kept["bias"], kept["classes"])


def class_names() -> tuple[str, ...]:
    """The names of ImageNet's classes, in the classifier's order."""
    lines = NAMES.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def space(models: config.Models) -> Space:
    """The space that the configuration names. Raises ModelError saying what to install or to correct."""
    if not models.picture_text:
        return conse(models)
    from monitor.picturetext import PictureText  # noqa: PLC0415 (torch and transformers)

    return PictureText.load(models)


def softmax(logits: Floats) -> Floats:
    """Logits [n, k] to probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def unit(vectors: Floats) -> Floats:
    """Vectors [n, d] scaled to length 1; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Floats = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled
