"""A joint space of pictures and texts, so that what is looked for can be said in words.

By default pictures come into the space of the sentence encoder (`monitor.language`) by what the visual encoder's own classifier
takes them for: the convex combination of the class names' vectors, weighted with their probabilities (ConSE: Norouzi et al. 2014,
arXiv 1312.5650), each name in a sentence such as captions are (Radford et al. 2021, arXiv 2103.00020, section 3.1.4). It knows a
thousand kinds of things and no pairs of picture and text. Where people and things are looked for, what was found in a picture draws it
towards the sentence that says so (`monitor.described`): how many of what, and who lies. Where `models.picture_text` names a SigLIP or
CLIP, its space is taken (`monitor.picturetext`), and the encode stage puts each picture's place in it on the bus.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Final, Protocol

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from monitor import config
from monitor.cache import cache_dir, write_atomically
from monitor.described import counted, described
from monitor.errors import ModelError
from monitor.language import TextEncoder, text_encoder
from monitor.messages import Embedding, floats
from monitor.models import locate
from monitor.objects import KINDS

Floats = npt.NDArray[np.float32]

NAMES: Final = Path(__file__).parent / "weights" / "imagenet-names.txt"
CALLED: Final = "there is a {} in the picture"
"""The sentence that has a class' name in it."""
SHOWN: Final = "{} in the picture"
"""The same of what was found."""
TEMPERATURE: Final = 3.0
"""Of the classes' probabilities: what is in the picture beside the most probable thing counts too. Chosen on photos that the
evaluation leaves out."""
FAINT: Final = 0.2
"""What is found with so much confidence is said of a picture: a wrong word costs less here than a missing one."""
SEEN: Final = 0.3
"""How far what is found draws a picture, beside what its classifier takes it for. Chosen on the same photos, as FAINT and the
sentences were."""
SENTENCES: Final = 1024
"""So many of what was found are remembered; most cameras show the same few."""


class Space(Protocol):
    """Where pictures and texts lie near each other if they fit."""

    @property
    def name(self) -> str:
        """The models that span it, and their versions."""

    @property
    def things(self) -> bool:
        """Whether it matters for a picture's place what was found in it, and that anybody looked."""

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
    """The vectors of the sentences with their names [classes, d], each of length 1."""
    told: Callable[[str], Floats]
    """A sentence of what was found to [d], of length 1."""
    things: ClassVar = True

    def texts(self, texts: Sequence[str]) -> Floats:
        """Texts to [n, 768], each of length 1."""
        return self.encode(texts)

    def pictures(self, items: Sequence[Embedding]) -> Floats:
        """Embeddings of pictures to [n, 768], each of length 1."""
        if not items:
            return np.empty((0, self.classes.shape[1]), np.float32)
        return self.place(np.stack([floats(item.vector) for item in items]), [described(item.things or (), FAINT) for item in items])

    def place(self, vectors: Floats, found: Sequence[str] = ()) -> Floats:
        """The visual encoder's vectors [n, features], and sentences of what was found [n], to [n, 768], each of length 1.

        All is seen from the names' centre, which all pictures are near. Where nothing was found, the sentence is empty.
        """
        likely = softmax((vectors @ self.classifier.T + self.bias) / TEMPERATURE)
        taken_for = unit(likely @ self.classes - self.classes.mean(0))
        if not any(found):
            return taken_for
        nothing = np.zeros(taken_for.shape[1], np.float32)
        return unit(taken_for + SEEN * np.stack([self.told(sentence) if sentence else nothing for sentence in found]))


def conse(models: config.Models) -> Conse:
    """The default space of the encoders that the configuration names; made once, then kept in the cache folder. Raises ModelError."""
    located, encode = locate(models.picture), text_encoder(models)
    sentences = [CALLED.format(name) for name in class_names()]
    key = hashlib.sha256("\0".join((located.sha256, encode.name, *sentences)).encode()).hexdigest()[:16]
    path = cache_dir() / "zeroshot" / f"conse-{key}.safetensors"
    if not path.is_file():
        from monitor.efficientnet import classifier  # noqa: PLC0415 (torch)

        weights, bias = classifier(located)
        write_atomically(path, save({"classifier": weights, "bias": bias, "classes": encode(sentences)}))
    try:
        kept = load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} can't be read: {error}. Remove it: it is made again.") from error
    return Conse(f"conse:{located.version}+{encode.name}", encode, kept["classifier"], kept["bias"], kept["classes"], telling(encode))


def telling(encode: TextEncoder) -> Callable[[str], Floats]:
    """A sentence of what was found to its vector [d], of length 1, seen from the centre of all kinds; those said before are remembered."""

    @lru_cache(1)
    def centre() -> Floats:
        middle: Floats = encode([SHOWN.format(counted(kind, 1)) for kind in KINDS]).mean(0)
        return middle

    @lru_cache(SENTENCES)
    def told(sentence: str) -> Floats:
        (vector,) = unit(encode([SHOWN.format(sentence)]) - centre())
        return np.asarray(vector, np.float32)

    return told


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
