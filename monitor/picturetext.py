"""SigLIP or CLIP as the joint space of pictures and texts, through transformers: a folder, or a hub's repository.

SigLIP: Zhai et al. 2023 (arXiv 2303.15343), and SigLIP 2: Tschannen et al. 2025 (arXiv 2502.14786); CLIP: Radford et al. 2021
(arXiv 2103.00020). The whole picture is squeezed to the network's square, as `monitor.vision` does, and not cropped as CLIP's own
processor would: what happens at the edge of a camera's view matters too. Weights are read from safetensors alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils.hub import cached_file

from monitor import config
from monitor.errors import ModelError
from monitor.jpeg import Image
from monitor.messages import Embedding, floats
from monitor.models import device
from monitor.vision import PictureEncoder, PictureFeatures
from monitor.zeroshot import unit

Floats = npt.NDArray[np.float32]

KINDS: Final = frozenset({"clip", "siglip"})
"""What transformers calls the networks that are read; SigLIP 2 of a fixed size is a `siglip` too."""
BATCH: Final = 16


@dataclass(frozen=True, slots=True)
class Pixels:
    """How the network wants its pictures, from its preprocessor_config.json."""

    side: int
    mean: Floats
    deviation: Floats

    def __call__(self, images: Sequence[Image]) -> torch.Tensor:
        """RGB uint8 pictures of any size to float32 [n, 3, side, side]."""
        squares = [cv2.resize(image, (self.side, self.side), interpolation=cv2.INTER_AREA) for image in images]
        scaled = (np.stack(squares).astype(np.float32) / 255 - self.mean) / self.deviation
        return torch.from_numpy(scaled.transpose(0, 3, 1, 2).copy())


class PictureText:
    """One network with two halves; one thread at a time."""

    things: ClassVar = False

    def __init__(self, name: str, network: Any, tokenizer: Any, pixels: Pixels, length: int, place: str) -> None:
        self.name = name
        self._network, self._tokenizer, self._pixels, self._length = network.to(place).eval(), tokenizer, pixels, length
        self._device = torch.device(place)

    @classmethod
    def load(cls, models: config.Models) -> PictureText:
        """Load the network that `models.picture_text` names. Raises ModelError if it is not there, or is another kind of network."""
        where = models.picture_text
        try:
            settings = AutoConfig.from_pretrained(where)
            if settings.model_type not in KINDS:
                raise ModelError(f"models.picture_text: {where} is a {settings.model_type}; give one of {', '.join(sorted(KINDS))}")
            network = AutoModel.from_pretrained(where, dtype=torch.float32, use_safetensors=True)
            tokenizer = AutoTokenizer.from_pretrained(where)
            pixels = _pixels(where, settings.vision_config.image_size)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"models.picture_text: {where} can't be loaded: {str(error).splitlines()[0]}. "
                "Give a folder with its files, or a repository of a hub that can be reached."
            ) from error
        version = getattr(settings, "_commit_hash", None) or "local"
        length = settings.text_config.max_position_embeddings
        return cls(f"{Path(where).name}@{version[:8]}", network, tokenizer, pixels, length, device(models))

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Floats:
        """Texts to [n, d], each of length 1."""
        # SigLIP was trained on texts of full length, and reads the padding; CLIP masks it
        tokens = self._tokenizer(list(texts), padding="max_length", truncation=True, max_length=self._length, return_tensors="pt")
        tokens = {key: value.to(self._device) for key, value in tokens.items() if key in ("input_ids", "attention_mask")}
        if self._network.config.model_type != "clip":
            tokens.pop("attention_mask", None)
        return unit(self._network.get_text_features(**tokens).pooler_output.cpu().numpy())

    @torch.inference_mode()
    def images(self, images: Sequence[Image]) -> Floats:
        """RGB pictures of any size to [n, d], each of length 1: what the encode stage packs into `Embedding.joint`."""
        if not images:
            return self.texts([""])[:0]
        batches = [self._pixels(images[at : at + BATCH]).to(self._device) for at in range(0, len(images), BATCH)]
        found = [self._network.get_image_features(pixel_values=batch).pooler_output.cpu().numpy() for batch in batches]
        return unit(np.concatenate(found))

    def pictures(self, items: Sequence[Embedding]) -> Floats:
        """Embeddings of pictures, as the encode stage made them, to [n, d]; zeros for one that was made without this network."""
        width = next((len(item.joint) // 2 for item in items if item.joint), 1)
        return unit(np.stack([floats(item.joint) if item.joint else np.zeros(width, np.float32) for item in items]))


class JointPictures:
    """The visual encoder, and beside its features each picture's place in the joint space."""

    def __init__(self, encoder: PictureEncoder, network: PictureText) -> None:
        self.name, self.at_once = encoder.name, encoder.at_once
        self._encoder, self._network = encoder, network

    def __call__(self, images: Sequence[Image]) -> PictureFeatures:
        """RGB pictures of any size, in any number."""
        return replace(self._encoder(images), joint=self._network.images(images))


def _pixels(where: str, side: int) -> Pixels:
    """How pictures are prepared: side and normalisation as the repository says, both of SigLIP's if it doesn't."""
    path = cached_file(where, "preprocessor_config.json", _raise_exceptions_for_missing_entries=False)
    said = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    mean, deviation = (np.array(said.get(key, (0.5, 0.5, 0.5)), np.float32) for key in ("image_mean", "image_std"))
    return Pixels(side, mean, deviation)
