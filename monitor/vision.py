"""The visual encoder f_v: pictures become vectors and grids of features.

EfficientNet-Lite0 (Tan and Le 2019, arXiv 1905.11946; "lite": no squeeze-and-excitation, ReLU6) at 224 pixels. The whole
picture is squeezed to the square, not cropped: what happens at the edge of a camera's view matters too. On the CPU it
runs in OpenVINO, converted once and kept in the cache folder; on a GPU the same network runs in torch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch

from monitor import config, inference
from monitor.cache import cache_dir, place_folder
from monitor.errors import ModelError
from monitor.jpeg import Image
from monitor.models import Located, locate

SIDE: Final = 224
MEAN: Final = 127.0
SCALE: Final = 128.0
"""The network's own normalisation: MEAN_RGB and STDDEV_RGB of TensorFlow's efficientnet_lite_builder.py."""
VECTOR: Final = 1280
GRID: Final = (7, 7, 112)
GRID_BLOCKS: Final = 11
"""After so many blocks there are 112 channels at 14 by 14 places."""
BATCH: Final = 16
"""Larger batches are no faster for one picture, and only take memory."""


@dataclass(frozen=True, slots=True)
class PictureFeatures:
    """What the encoder makes of n pictures."""

    vectors: npt.NDArray[np.float32]
    """[n, 1280]: the last features, averaged over the picture."""
    grids: npt.NDArray[np.float32]
    """[n, 7, 7, 112]: features half way up, by place."""


class PictureEncoder(Protocol):
    """Pictures of any size to features; one thread at a time."""

    @property
    def name(self) -> str:
        """Model and version."""

    def __call__(self, images: Sequence[Image]) -> PictureFeatures:
        """RGB pictures of any size, in any number."""


class EfficientNetLite(torch.nn.Module):
    """Pixels to the two outputs, with the normalisation inside."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        part = network.get_submodule
        blocks = list(part("_blocks").children())
        self.stem = torch.nn.Sequential(part("_conv_stem"), part("_bn0"), part("_swish"))
        self.lower = torch.nn.Sequential(*blocks[:GRID_BLOCKS])
        self.upper = torch.nn.Sequential(*blocks[GRID_BLOCKS:])
        self.head = torch.nn.Sequential(part("_conv_head"), part("_bn1"), part("_swish"))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Turn RGB uint8 [n, 224, 224, 3] into float32 [n, 1280] and [n, 7, 7, 112]."""
        x = (pixels.permute(0, 3, 1, 2).float() - MEAN) / SCALE  # [n, 3, 224, 224]
        middle = self.lower(self.stem(x))  # [n, 112, 14, 14]
        grid = torch.nn.functional.avg_pool2d(middle, 2).permute(0, 2, 3, 1)  # [n, 7, 7, 112]
        return self.head(self.upper(middle)).mean((2, 3)), grid  # [n, 1280, 7, 7] averaged


class TorchPictures:
    """EfficientNet-Lite0 in torch, on a GPU or the CPU."""

    def __init__(self, located: Located, device: torch.device) -> None:
        self.name = located.version
        self._device = device
        self._network = efficientnet(located).to(device)

    @torch.inference_mode()
    def __call__(self, images: Sequence[Image]) -> PictureFeatures:
        """RGB pictures of any size, in any number."""
        outputs = [self._network(torch.from_numpy(chunk).to(self._device)) for chunk in _chunks(images)]
        return _features([(vector.cpu().numpy(), grid.cpu().numpy()) for vector, grid in outputs])


class OpenVinoPictures:
    """EfficientNet-Lite0 in OpenVINO, on the CPU."""

    def __init__(self, located: Located, threads: int) -> None:
        self.name = located.version
        # The precision is OpenVINO's choice: bfloat16 where the CPU computes in it, else float32.
        properties: inference.Properties = {"PERFORMANCE_HINT": "LATENCY"} | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
        self._request = inference.load(_converted(located), properties)

    def __call__(self, images: Sequence[Image]) -> PictureFeatures:
        """RGB pictures of any size, in any number."""
        return _features([self._infer(chunk) for chunk in _chunks(images)])

    def _infer(self, pixels: Image) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        result = self._request.infer(pixels, share_inputs=True)
        return result[0], result[1]


def picture_encoder(models: config.Models) -> PictureEncoder:
    """The encoder that the configuration names. Raises ModelError saying what to install."""
    located = locate(models.picture)
    device = torch_device(models)
    return OpenVinoPictures(located, models.threads) if device.type == "cpu" else TorchPictures(located, device)


def torch_device(models: config.Models) -> torch.device:
    """Where torch runs. Raises ModelError if a GPU is asked for that isn't there."""
    cuda = models.device != "cpu" and torch.cuda.is_available()
    if models.device == "cuda" and not cuda:
        raise ModelError("models.device is cuda, but torch finds no GPU here. Set it to cpu or auto, or install torch for this GPU.")
    return torch.device("cuda" if cuda else "cpu")


def efficientnet(located: Located) -> EfficientNetLite:
    """The network with its weights, ready to infer. The file is a pickle: it is read as bare tensors, after its hash was checked."""
    try:
        from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ModelError(f"Model {located.name}: its network is missing. Install it: pip install 'scenewatch[embedded]'") from error
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(located.weights, map_location="cpu", weights_only=True))
    return EfficientNetLite(network).eval()


def squeeze(image: Image) -> Image:
    """The whole picture as the network's square [224, 224, 3], by area, so that nothing aliases."""
    if image.shape[:2] == (SIDE, SIDE):
        return image
    return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _chunks(images: Sequence[Image]) -> list[Image]:
    """The squares in batches [<= 16, 224, 224, 3]."""
    return [np.stack([squeeze(image) for image in images[at : at + BATCH]]) for at in range(0, len(images), BATCH)]


def _features(outputs: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]) -> PictureFeatures:
    if not outputs:
        return PictureFeatures(np.empty((0, VECTOR), np.float32), np.empty((0, *GRID), np.float32))
    return PictureFeatures(np.concatenate([vector for vector, _ in outputs]), np.concatenate([grid for _, grid in outputs]))


def _converted(located: Located) -> Path:
    """The network as OpenVINO's files, converted once for these weights and this OpenVINO."""
    folder = cache_dir() / "openvino" / f"{located.name}-{located.sha256[:12]}-{inference.version()}"
    path = folder / "model.xml"
    if path.is_file():
        return path
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made = Path(scratch, "made")
        example = torch.zeros((1, SIDE, SIDE, 3), dtype=torch.uint8)
        inference.save(inference.convert(efficientnet(located), example), made / "model.xml")
        place_folder(made, folder)
    return path
