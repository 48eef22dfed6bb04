"""The visual encoder's network in torch: a GPU runs it, and the CPU's is converted from it once (`monitor.vision`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from monitor import inference
from monitor.errors import ModelError
from monitor.jpeg import Image
from monitor.models import Device, Located
from monitor.vision import BATCH, SIDE, PictureFeatures, chunks, features

MEAN: Final = 127.0
SCALE: Final = 128.0
"""The network's own normalisation: MEAN_RGB and STDDEV_RGB of TensorFlow's efficientnet_lite_builder.py."""
GRID_BLOCKS: Final = 11
"""After so many blocks there are 112 channels at 14 by 14 places."""


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

    at_once = BATCH

    def __init__(self, located: Located, device: Device) -> None:
        self.name = located.version
        self._device = torch.device(device)
        self._network = efficientnet(located).to(self._device)

    @torch.inference_mode()
    def __call__(self, images: Sequence[Image]) -> PictureFeatures:
        """RGB pictures of any size, in any number."""
        outputs = [self._network(torch.from_numpy(chunk).to(self._device)) for chunk in chunks(images)]
        return features([(vector.cpu().numpy(), grid.cpu().numpy()) for vector, grid in outputs])


def efficientnet(located: Located) -> EfficientNetLite:
    """The network with its weights, ready to infer. The file is a pickle: it is read as bare tensors, after its hash was checked."""
    try:
        from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ModelError(f"Model {located.name}: its network is missing. Install it: pip install 'scenewatch[embedded]'") from error
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(located.weights, map_location="cpu", weights_only=True))
    return EfficientNetLite(network).eval()


def convert(located: Located) -> inference.Graph:
    """The network for OpenVINO: uint8 [n, 224, 224, 3] to float32 [n, 1280] and [n, 7, 7, 112]."""
    return inference.convert(efficientnet(located), [torch.zeros((1, SIDE, SIDE, 3), dtype=torch.uint8)], free=1)


def classifier(located: Located) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The network's own last layer: what its vector is multiplied with for ImageNet's 1000 logits [1000, 1280], and their bias [1000]."""
    weights = torch.load(located.weights, map_location="cpu", weights_only=True)
    return np.ascontiguousarray(weights["_fc.weight"].numpy()), weights["_fc.bias"].numpy()
