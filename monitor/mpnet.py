"""The language encoder's network in torch: a GPU runs it, and the CPU's is converted from it once (`monitor.language`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModel, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from monitor import inference
from monitor.int8 import with_int8
from monitor.language import BATCH, LAYERS, TextFeatures, Tokens, in_batches
from monitor.models import Device, Located


class Sentence(torch.nn.Module):
    """Tokens to one vector: the mean of their states, scaled to length 1; and the same of some layers before the last."""

    def __init__(self, network: PreTrainedModel) -> None:
        super().__init__()
        self.embeddings = network.get_submodule("embeddings")
        self.encoder: Any = network.get_submodule("encoder")

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Turn int64 [n, tokens] and its mask of 1 (read) and 0 (padding) into float32 [n, VECTOR] and [n, LAYERS, VECTOR]."""
        read = mask.float()
        hidden = (1 - read)[:, None, None, :] * torch.finfo(torch.float32).min  # added to the attention's logits [n, heads, tokens, tokens]
        seen = [self.embeddings(ids)]  # [n, tokens, VECTOR] each
        distances = self.encoder.compute_position_bias(seen[0])  # [n, heads, tokens, tokens]
        for layer in self.encoder.layer:
            seen.append(layer(seen[-1], hidden, distances)[0])
        states = torch.stack([*(seen[layer] for layer in LAYERS), seen[-1]], dim=1)  # [n, LAYERS + 1, tokens, VECTOR]
        # never empty: a text's begin and end are always there
        mean = (states * read[:, None, :, None]).sum(2) / read.sum(1)[:, None, None]
        unit = torch.nn.functional.normalize(mean, dim=2)
        return unit[:, -1], unit[:, :-1]


class TorchTexts:
    """MPNet in torch, on a GPU or the CPU."""

    def __init__(self, located: Located, device: Device) -> None:
        self.name = located.version
        self._device = torch.device(device)
        self._tokens = Tokens(located)
        self._network = mpnet(located).to(self._device)

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Texts of any length to float32 [n, VECTOR], each of length 1."""
        return self.features(texts).vectors

    def features(self, texts: Sequence[str]) -> TextFeatures:
        """The same vectors, and what the layers before them make of the texts."""
        return in_batches(texts, self._infer, BATCH)

    def together(self, texts: Sequence[str]) -> TextFeatures:
        """The same: there is no other way here."""
        return self.features(texts)

    @torch.inference_mode()
    def _infer(self, texts: Sequence[str]) -> TextFeatures:
        ids, mask = (torch.from_numpy(array).to(self._device) for array in self._tokens(texts))
        vectors, layers = self._network(ids, mask)
        return TextFeatures(vectors.cpu().numpy(), layers.cpu().numpy())


def mpnet(located: Located) -> Sentence:
    """The network with its weights, ready to infer."""
    disable_progress_bar()  # type: ignore[no-untyped-call]  # for the whole process: a bar over 440 MB from the disk only disturbs the console
    return Sentence(AutoModel.from_pretrained(located.folder, local_files_only=True, dtype=torch.float32)).eval()


def convert(located: Located) -> inference.Graph:
    """The network for OpenVINO: int64 [n, tokens] and its mask to float32 [n, VECTOR] and [n, LAYERS, VECTOR]."""
    ids, mask = torch.tensor([[0, 2397, 2], [0, 2, 1]]), torch.tensor([[1, 1, 1], [1, 1, 0]])
    return with_int8(inference.convert(mpnet(located), [ids, mask], free=2))
