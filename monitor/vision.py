"""The visual encoder f_v: pictures become vectors and grids of features.

EfficientNet-Lite0 (Tan and Le 2019, arXiv 1905.11946; "lite": no squeeze-and-excitation, ReLU6) at 224 pixels. The whole
picture is squeezed to the square, not cropped: what happens at the edge of a camera's view matters too. On the CPU it
runs in OpenVINO, converted once and kept in the cache folder; on a GPU the same network runs in torch
(`monitor.efficientnet`), which takes seconds to import and is not needed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from monitor import config, inference
from monitor.jpeg import Image
from monitor.models import Located, device, locate

SIDE: Final = 224
VECTOR: Final = 1280
GRID: Final = (7, 7, 112)
BATCH: Final = 16
"""A GPU's; larger ones are no faster for one picture, and only take memory."""


@dataclass(frozen=True, slots=True)
class PictureFeatures:
    """What the encoder makes of n pictures."""

    vectors: npt.NDArray[np.float32]
    """[n, 1280]: the last features, averaged over the picture."""
    grids: npt.NDArray[np.float32]
    """[n, 7, 7, 112]: features half way up, by place."""
    joint: npt.NDArray[np.float32] | None = None
    """[n, d], where `models.picture_text` is set: places in the joint space of pictures and texts."""


class PictureEncoder(Protocol):
    """Pictures of any size to features; one thread at a time."""

    @property
    def name(self) -> str:
        """Model and version."""

    @property
    def at_once(self) -> int:
        """So many pictures are computed together; more in one call take as much longer."""

    def __call__(self, images: Sequence[Image]) -> PictureFeatures:
        """RGB pictures of any size, in any number."""


class OpenVinoPictures:
    """EfficientNet-Lite0 in OpenVINO, on the CPU."""

    at_once = 1

    def __init__(self, located: Located, threads: int) -> None:
        self.name = located.version
        # The precision is OpenVINO's choice: bfloat16 where the CPU computes in it, else float32.
        self._request = inference.load(inference.kept(located, _convert, Path(__file__).with_name("efficientnet.py")), threads)

    def __call__(self, images: Sequence[Image]) -> PictureFeatures:
        """RGB pictures of any size, in any number; one at a time, so that what comes of one does not depend on its neighbours."""
        return features([self._infer(squeeze(image)[np.newaxis]) for image in images])

    def _infer(self, pixels: Image) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        result = self._request.infer(pixels, share_inputs=True)
        return result[0], result[1]


def picture_encoder(models: config.Models) -> PictureEncoder:
    """The encoder that the configuration names. Raises ModelError saying what to install."""
    if models.picture_text:
        from monitor.picturetext import JointPictures, PictureText  # noqa: PLC0415 (torch and transformers)

        return JointPictures(_encoder(models), PictureText.load(models))
    return _encoder(models)


def _encoder(models: config.Models) -> PictureEncoder:
    located = locate(models.picture)
    place = device(models)
    if place == "cpu":
        return OpenVinoPictures(located, models.threads)
    from monitor.efficientnet import TorchPictures  # noqa: PLC0415 (torch)

    return TorchPictures(located, place)


def _convert(located: Located) -> inference.Graph:
    from monitor.efficientnet import convert  # noqa: PLC0415 (torch)

    return convert(located)


def squeeze(image: Image) -> Image:
    """The whole picture as the network's square [224, 224, 3], by area, so that nothing aliases."""
    if image.shape[:2] == (SIDE, SIDE):
        return image
    return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def chunks(images: Sequence[Image]) -> list[Image]:
    """The squares in batches [<= 16, 224, 224, 3]."""
    return [np.stack([squeeze(image) for image in images[at : at + BATCH]]) for at in range(0, len(images), BATCH)]


def features(outputs: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]) -> PictureFeatures:
    """The batches' vectors and grids as one."""
    if not outputs:
        return PictureFeatures(np.empty((0, VECTOR), np.float32), np.empty((0, *GRID), np.float32))
    return PictureFeatures(np.concatenate([vector for vector, _ in outputs]), np.concatenate([grid for _, grid in outputs]))
