"""The fusion network in torch: tokens of picture, sound and words attend to each other, and five heads judge the window.

    z = f_d( f_c( f_v(x), f_a(s), f_l(y) ) )

The encoders f_v, f_a, f_l ran before (`monitor.vision`, `hearing`, `language`); f_c and f_d are here, in one file. Letters
of the shapes: B windows, P pictures, S sounds, T texts, N tokens in all, D width, K kinds, M numbers of motion.
The network is causal: a token that begins at or after its window's end is not read. Attention: Vaswani et al. 2017
(arXiv 1706.03762), with the norm first; one learned query a kind reads the tokens, as the class token of ViT does.

It is trained here, and a GPU runs it; the CPU's is converted from it once (`monitor.fusion`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from monitor import inference
from monitor.errors import ModelError
from monitor.fusion import KINDS, KNOWN_BY, FusionConfig, Inputs
from monitor.messages import Modality
from monitor.models import Device, Located

PLACE: Final = 2
"""The last numbers of motion, brightness and contrast, say where it is and not how it moves: they are not read."""

OLDEST_S: Final = 16.0
"""Ages beyond this count as this: an utterance may begin long before the window's end."""


class Tokens(NamedTuple):
    """The tokens of one modality, padded to the longest window."""

    values: Tensor
    """float32 [B, n, features]."""
    ages: Tensor
    """float32 [B, n], seconds from the token's begin to the window's end."""
    here: Tensor
    """bool [B, n], False where it is padding."""


class Batch(NamedTuple):
    """Windows as tensors."""

    pictures: Tokens
    motion: Tensor
    """float32 [B, P, M], NaN where a picture has none."""
    sounds: Tokens
    texts: Tokens

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Change every tensor: move it, or pick rows."""
        pictures, sounds, texts = (Tokens(*map(change, tokens)) for tokens in (self.pictures, self.sounds, self.texts))
        return Batch(pictures, change(self.motion), sounds, texts)


class Standard(nn.Module):
    """Features to mean 0 and deviation 1, as measured on the training windows and stored with the weights."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))

    def forward(self, values: Tensor) -> Tensor:
        """Float32 [..., features] in and out; what lies far outside the training's range is cut at ±8."""
        return ((values - self.mean) / self.deviation).clamp(-8, 8)


class WindowDropout(nn.Module):
    """Drops features in all of a window's tokens at once (Gal and Ghahramani 2016, arXiv 1512.05287); nothing once trained."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(rate)

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, features] in and out."""
        return x * self.dropout(x.new_ones(len(x), 1, x.shape[-1])) if self.training else x


class TimeEncoding(nn.Module):
    """A token's age as sines and cosines with periods from 0.5 to 64 s."""

    periods: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("periods", torch.logspace(math.log10(0.5), math.log10(64), 16))
        self.project = nn.Linear(32, width)

    def forward(self, ages: Tensor) -> Tensor:
        """Seconds [B, n] -> [B, n, D]."""
        turns = 2 * math.pi * ages.clamp(0, OLDEST_S).unsqueeze(-1) / self.periods  # [B, n, 16]
        encoded: Tensor = self.project(torch.cat((turns.sin(), turns.cos()), dim=-1))  # [B, n, D]
        return encoded


class Block(nn.Module):
    """Self-attention over the tokens of all modalities, then a layer on each; the norm first, both residual."""

    def __init__(self, cfg: FusionConfig) -> None:
        super().__init__()
        d = cfg.width
        self.heads = cfg.heads
        self.attention_norm, self.layer_norm = nn.LayerNorm(d), nn.LayerNorm(d)
        self.query_key_value, self.mix = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.layer = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))
        self.dropout = WindowDropout(cfg.dropout)

    def forward(self, x: Tensor, here: Tensor) -> Tensor:
        """[B, N, D] and bool [B, N] -> [B, N, D]; nothing reads a token that is not here."""
        b, n, d = x.shape
        qkv = self.query_key_value(self.attention_norm(x)).view(b, n, 3, self.heads, d // self.heads)  # [B, N, 3, H, D/H]
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [B, H, N, D/H]
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=here[:, None, None, :])  # [B, H, N, D/H]
        x = x + self.dropout(self.mix(y.transpose(1, 2).reshape(b, n, d)))  # [B, N, D]
        done: Tensor = x + self.dropout(self.layer(self.layer_norm(x)))  # [B, N, D]
        return done


class Projection(nn.Module):
    """One modality's features into the common space."""

    def __init__(self, features: int, cfg: FusionConfig) -> None:
        super().__init__()
        self.standard = Standard(features)
        self.dropout, self.project = WindowDropout(cfg.dropout), nn.Linear(features, cfg.width)

    def forward(self, values: Tensor) -> Tensor:
        """[B, n, features] -> [B, n, D]."""
        projected: Tensor = self.project(self.dropout(self.standard(values)))
        return projected


class PictureTokens(nn.Module):
    """How a picture moves, and how its features changed since the last one; not what it looks like: that is the place, and no fight."""

    def __init__(self, cfg: FusionConfig) -> None:
        super().__init__()
        self.motion, self.change = Projection(cfg.motion - PLACE, cfg), Projection(cfg.picture, cfg)
        self.change_dropout = cfg.change_dropout

    def forward(self, pictures: Tokens, motion: Tensor) -> Tensor:
        """Tokens [B, P, 1280] and motion [B, P, M] -> [B, P, D]."""
        moves = ~motion.isnan().any(-1, keepdim=True)  # [B, P, 1]
        token: Tensor = self.motion(movement(motion.masked_fill(motion.isnan(), 0.0))) * moves  # [B, P, D]
        before, was_here = F.pad(pictures.values, (0, 0, 1, -1)), F.pad(pictures.here, (1, -1))  # the picture before each
        follows = (pictures.here & was_here).unsqueeze(-1)  # [B, P, 1]
        placed: Tensor = token + self.change(pictures.values - before) * follows * self._shown(token)  # [B, P, D]
        return placed

    def _shown(self, token: Tensor) -> Tensor:
        """1 or 0 a window [B, 1, 1]: whether the change is read; always, scaled to the same mean, once trained."""
        if not self.training:
            return token.new_full((token.shape[0], 1, 1), 1 - self.change_dropout)
        return (torch.rand(len(token), 1, 1, device=token.device) >= self.change_dropout).float()


class FusionNet(nn.Module):
    """f_c and f_d: any subset of the modalities in, one logit a kind out."""

    def __init__(self, cfg: FusionConfig) -> None:
        super().__init__()
        d = cfg.width
        self.cfg = cfg
        self.pictures, self.sounds, self.texts = PictureTokens(cfg), Projection(cfg.sound, cfg), Projection(cfg.text, cfg)
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in Modality)
        self.time = TimeEncoding(d)
        self.modality = nn.Parameter(torch.randn(len(Modality), d) * 0.1)
        self.queries = nn.Parameter(torch.randn(len(KINDS), d) * 0.1)
        self.blocks = nn.ModuleList(Block(cfg) for _ in range(cfg.layers))
        self.out_norm = nn.LayerNorm(d)
        self.summaries = nn.ModuleList(nn.Linear(2 * d, len(KINDS), bias=False) for _ in Modality)
        self.head = nn.Parameter(torch.randn(len(KINDS), d) * 0.02)
        self.bias = nn.Parameter(torch.full((len(KINDS),), -2.0))
        self.register_buffer("calibration", torch.tensor([[1.0, 0.0]] * len(KINDS)))

    calibration: Tensor
    """[K, 2]: the calibrated logit of a kind is slope · logit + offset (Platt 1999)."""

    def forward(self, batch: Batch) -> Tensor:
        """Windows -> logits [B, K], not calibrated."""
        tokens = (batch.pictures, batch.sounds, batch.texts)
        values = (
            self.pictures(batch.pictures, batch.motion),
            self.sounds(batch.sounds.values),
            self.texts(batch.texts.values),
        )  # [B, n, D]
        placed = [
            norm(value) + self.time(token.ages) + kind  # [B, n, D]
            for norm, value, token, kind in zip(self.norms, values, tokens, self.modality, strict=True)
        ]
        b, k = batch.motion.shape[0], len(KINDS)  # a shape is traced, a length is not
        x = torch.cat([self.queries.expand(b, -1, -1), *placed], dim=1)  # [B, K+N, D]
        asks = torch.ones(b, k, dtype=torch.bool, device=x.device)  # [B, K]: so attention always has something to read
        here = torch.cat([asks, *(token.here for token in tokens)], dim=1)  # [B, K+N]
        for block in self.blocks:
            x = block(x, here)  # [B, K+N, D]
        z = self.out_norm(x[:, :k])  # [B, K, D]
        plain = [head(summary(value, token.here)) for head, value, token in zip(self.summaries, values, tokens, strict=True)]  # [B, K] each
        logits: Tensor = (z * self.head).sum(-1) + torch.stack(plain).sum(0) + self.bias  # [B, K]
        return logits

    def probabilities(self, batch: Batch) -> Tensor:
        """Windows -> calibrated probabilities [B, K]; 0 for a kind in a window with nothing that it is known by."""
        calibrated: Tensor = self(batch) * self.calibration[:, 0] + self.calibration[:, 1]  # [B, K]
        return calibrated.sigmoid() * knowable(batch)


def summary(values: Tensor, here: Tensor) -> Tensor:
    """Mean and maximum of the tokens that are here: [B, n, D] -> [B, 2 D]; zeros without any.

    What the attention's norms take away, how large a feature is, reaches the heads by this way.
    """
    padded, shown = F.pad(values, (0, 0, 0, 1)), here.unsqueeze(-1)  # [B, n+1, D], [B, n, 1]
    mean = (values * shown).sum(1) / shown.sum(1).clamp(min=1)  # [B, D]
    highest = padded.masked_fill(~F.pad(shown, (0, 0, 0, 1)), -torch.inf).amax(1)  # [B, D]
    return torch.cat((mean, highest.where(here.any(1, keepdim=True), 0.0)), dim=1)


def movement(motion: Tensor) -> Tensor:
    """Numbers of motion [..., M] to what is read of them [..., M - PLACE]: roots, for most are small and a few very large."""
    read: Tensor = motion[..., :-PLACE].clamp(min=0).sqrt()
    return read


def knowable(batch: Batch) -> Tensor:
    """1 where a kind can be known by what the window holds, else 0: float32 [B, K]."""
    present = {
        Modality.PICTURE: batch.pictures.here.any(1),  # [B]
        Modality.SOUND: batch.sounds.here.any(1),
        Modality.TEXT: batch.texts.here.any(1),
    }
    return torch.stack([torch.stack([present[m] for m in KNOWN_BY[kind]]).any(0) for kind in KINDS], dim=1).float()


def read(path: str) -> FusionNet:
    """Build the network of a safetensors file. Raises what safetensors, msgspec and torch raise of a file that is another's."""
    with safe_open(path, framework="pt") as file:
        metadata: dict[str, Any] = file.metadata() or {}
        cfg = msgspec.json.decode(metadata["config"], type=FusionConfig)
        state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a dict
    net = FusionNet(cfg)
    net.load_state_dict(state)
    return net


class Judging(nn.Module):
    """The network as it judges: the tensors of `monitor.fusion.Inputs`, one by one, to calibrated probabilities."""

    def __init__(self, net: FusionNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> Tensor:
        """Arrays in the order of `Inputs` -> float32 [B, K]."""
        return self.net.probabilities(batch(inputs))


def batch(inputs: Sequence[Tensor]) -> Batch:
    """Tensors in the order of `Inputs` as a batch."""
    seen, seen_ages, seen_here, motion, heard, heard_ages, heard_here, said, said_ages, said_here = inputs
    return Batch(Tokens(seen, seen_ages, seen_here), motion, Tokens(heard, heard_ages, heard_here), Tokens(said, said_ages, said_here))


class TorchFusion:
    """The network in torch, on a GPU or the CPU."""

    def __init__(self, net: FusionNet, device: Device) -> None:
        self._device = torch.device(device)
        self._judging = Judging(net).to(self._device).eval()

    @torch.inference_mode()
    def __call__(self, inputs: Inputs) -> npt.NDArray[np.float32]:
        """Calibrated probabilities [B, K]."""
        found: npt.NDArray[np.float32] = self._judging(*(torch.from_numpy(array).to(self._device) for array in inputs)).cpu().numpy()
        return found


def load(located: Located) -> FusionNet:
    """The network with its weights, ready to judge. Raises ModelError if they are another network's."""
    try:
        return read(str(located.weights)).eval()
    except (SafetensorError, msgspec.DecodeError, RuntimeError, KeyError) as error:
        raise ModelError(f"Model {located.name}: {located.weights} does not hold this version's network: {error}") from error


def convert(located: Located) -> inference.Graph:
    """The network for OpenVINO, for any number of windows and tokens."""
    net = load(located)
    return inference.convert(Judging(net), [torch.from_numpy(array) for array in example(net.cfg)], free=2)


def example(cfg: FusionConfig) -> Inputs:
    """Two windows with a few tokens of everything, some of them padding."""
    rng = np.random.default_rng(0)

    def tokens(count: int, features: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        here = np.ones((2, count), np.bool_)
        here[0, -1] = False
        return rng.standard_normal((2, count, features), np.float32), rng.random((2, count), np.float32), here

    return Inputs(*tokens(3, cfg.picture), rng.random((2, 3, cfg.motion), np.float32), *tokens(4, cfg.sound), *tokens(2, cfg.text))
