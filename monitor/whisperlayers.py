"""Whisper's encoder in torch, told apart by layer: `monitor.layers` is converted from it, once (Radford et al. 2022, arXiv 2212.04356)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional

Weights = Mapping[str, torch.Tensor]


class Norm(torch.nn.Module):
    """Layer normalisation with the weights of a name."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.gamma = torch.nn.Parameter(weights[f"{name}/gamma"])
        self.beta = torch.nn.Parameter(weights[f"{name}/beta"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float32 [..., width] to the same."""
        return functional.layer_norm(x, self.gamma.shape, self.gamma, self.beta)


class Linear(torch.nn.Module):
    """A linear map with the weights of a name."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(weights[f"{name}/weight"])
        self.bias = torch.nn.Parameter(weights[f"{name}/bias"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float32 [..., in] to [..., out]."""
        return functional.linear(x, self.weight, self.bias)


class Block(torch.nn.Module):
    """One layer: attention, then two linear maps, each added to what came in."""

    def __init__(self, weights: Weights, name: str, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before = Norm(weights, f"{name}/self_attention/layer_norm")
        self.asked = Linear(weights, f"{name}/self_attention/linear_0")
        self.answered = Linear(weights, f"{name}/self_attention/linear_1")
        self.between = Norm(weights, f"{name}/ffn/layer_norm")
        self.wide = Linear(weights, f"{name}/ffn/linear_0")
        self.narrow = Linear(weights, f"{name}/ffn/linear_1")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float32 [n, t, width] to the same."""
        count, time, width = x.shape
        asked = self.asked(self.before(x)).reshape(count, time, 3, self.heads, width // self.heads)
        query, key, value = (asked[:, :, part].transpose(1, 2) for part in range(3))  # [n, heads, t, width / heads]
        # not torch's one function for it: OpenVINO 2026.4's, first called with one moment as `inference.load` does, is wrong ever after
        seen = (query @ key.transpose(2, 3) / (width // self.heads) ** 0.5).softmax(3) @ value
        x = x + self.answered(seen.transpose(1, 2).reshape(count, time, width))
        out: torch.Tensor = x + self.narrow(functional.gelu(self.wide(self.between(x))))
        return out


class Encoder(torch.nn.Module):
    """The whole encoder; the first of its layers is what the convolutions make."""

    def __init__(self, weights: Weights, heads: int) -> None:
        super().__init__()
        layers = sum(name.endswith("self_attention/linear_0/weight") for name in weights)
        self.first = torch.nn.ParameterList([weights["encoder/conv1/weight"], weights["encoder/conv1/bias"]])
        self.second = torch.nn.ParameterList([weights["encoder/conv2/weight"], weights["encoder/conv2/bias"]])
        self.places = torch.nn.Parameter(weights["encoder/position_encodings/encodings"])
        self.blocks = torch.nn.ModuleList([Block(weights, f"encoder/layer_{number}", heads) for number in range(layers)])
        self.last = Norm(weights, "encoder/layer_norm")

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """Log-mel float32 [n, t, 80] to mean and deviation over time of each layer [n, layers, 2, width]."""
        x = functional.gelu(functional.conv1d(mel.transpose(1, 2), self.first[0], self.first[1], padding=1))
        x = functional.gelu(functional.conv1d(x, self.second[0], self.second[1], stride=2, padding=1)).transpose(1, 2)  # [n, t / 2, width]
        x = x + self.places[: x.shape[1]]
        seen = [x]
        for block in self.blocks:
            x = block(x)
            seen.append(x)
        seen[-1] = self.last(x)
        states = torch.stack(seen, dim=1)  # [n, layers, t / 2, width]
        return torch.stack([states.mean(2), states.std(2, correction=0)], dim=2)
