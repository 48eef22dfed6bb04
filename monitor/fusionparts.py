"""What the fusion networks are built of: tokens of the modalities, their way into one space, and a block of attention.

Letters of the shapes: B windows, P pictures, n tokens of a modality, N tokens in all, D width, O people and things, K kinds,
M numbers of motion, J width of the joint space, C captions.
Attention: Vaswani et al. 2017 (arXiv 1706.03762), with the norm first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from monitor.fusion import FusionConfig
from monitor.messages import Modality

PLACE: Final = 2
"""The last numbers of motion (before those of flow), brightness and contrast, say where it is and not how it moves: they are not read."""

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
    things: Tokens | None = None
    """People and things of the pictures (`monitor.traits`); None where none are read."""

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Change every tensor: move it, or pick rows."""
        pictures, sounds, texts = (Tokens(*map(change, tokens)) for tokens in (self.pictures, self.sounds, self.texts))
        things = None if self.things is None else Tokens(*map(change, self.things))
        return Batch(pictures, change(self.motion), sounds, texts, things)

    def present(self) -> Tensor:
        """Which windows have something of which modality: bool [B, 3] in the order of Modality."""
        return torch.stack([tokens.here.any(1) for tokens in (self.pictures, self.sounds, self.texts)], dim=1)


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
        self.flow = Projection(cfg.flow, cfg) if cfg.flow else None
        self.measured = cfg.motion
        self.change_dropout = cfg.change_dropout

    def forward(self, pictures: Tokens, motion: Tensor) -> Tensor:
        """Tokens [B, P, 1280] and motion [B, P, M] -> [B, P, D]."""
        raster, flow = motion[..., : self.measured], motion[..., self.measured :]
        token: Tensor = self.motion(movement(_filled(raster))) * _known(raster)  # [B, P, D]
        if self.flow is not None:
            token = token + self.flow(_filled(flow).clamp(min=0).sqrt()) * _known(flow)  # [B, P, D]
        before, was_here = F.pad(pictures.values, (0, 0, 1, -1)), F.pad(pictures.here, (1, -1))  # the picture before each
        follows = (pictures.here & was_here).unsqueeze(-1)  # [B, P, 1]
        placed: Tensor = token + self.change(pictures.values - before) * follows * self._shown(token)  # [B, P, D]
        return placed

    def _shown(self, token: Tensor) -> Tensor:
        """1 or 0 a window [B, 1, 1]: whether the change is read; always, scaled to the same mean, once trained."""
        if not self.training:
            return token.new_full((token.shape[0], 1, 1), 1 - self.change_dropout)
        return (torch.rand(len(token), 1, 1, device=token.device) >= self.change_dropout).float()


class SoundTokens(nn.Module):
    """What the encoder's last layer says of a second, and what all of its layers hear, where that is known."""

    def __init__(self, cfg: FusionConfig) -> None:
        super().__init__()
        self.width = cfg.sound
        self.last, self.layers = Projection(cfg.sound, cfg), Projection(cfg.all_layers, cfg)

    def forward(self, values: Tensor) -> Tensor:
        """[B, S, sound + layers], NaN where no layers are known -> [B, S, D]."""
        layers = values[..., self.width :]
        token: Tensor = self.last(values[..., : self.width]) + self.layers(_filled(layers)) * _known(layers)
        return token


def sound_tokens(cfg: FusionConfig) -> nn.Module:
    """A sound's way into the common space."""
    return SoundTokens(cfg) if cfg.all_layers else Projection(cfg.sound, cfg)


class ThingTokens(nn.Module):
    """People and things of the pictures: tokens beside the pictures' own, of the same modality."""

    def __init__(self, cfg: FusionConfig) -> None:
        super().__init__()
        self.project, self.norm = Projection(cfg.things, cfg), nn.LayerNorm(cfg.width)

    def forward(self, values: Tensor) -> Tensor:
        """[B, O, numbers] -> [B, O, D]."""
        token: Tensor = self.project(values)
        return token


class JointSpace(nn.Module):
    """What is seen, heard and said, and captions of it, as directions in one space (CLIP: Radford et al. 2021, arXiv 2103.00020)."""

    WARMEST: Final = 100.0
    """Similarities are not scaled by more."""

    def __init__(self, cfg: FusionConfig) -> None:
        super().__init__()
        d, j = cfg.width, cfg.joint
        self.modalities = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * d, 2 * d), nn.GELU(), nn.Dropout(cfg.dropout), nn.Linear(2 * d, j)) for _ in Modality
        )
        self.captions = nn.Linear(cfg.text, j)
        self.temperature = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        """The logarithm of what similarities are scaled by."""

    def forward(self, rows: Sequence[Tensor], present: Tensor) -> Tensor:
        """A summary for each modality [B, 2 D], and which are there [B, 3] -> [B, 3, J] of length 1; zeros for what isn't there."""
        placed = torch.stack([place(row) for place, row in zip(self.modalities, rows, strict=True)], dim=1)  # [B, 3, J]
        return F.normalize(placed.float(), dim=-1) * present.unsqueeze(-1)

    def told(self, vectors: Tensor) -> Tensor:
        """Sentences' vectors [C, text] -> [C, J] of length 1."""
        return F.normalize(self.captions(vectors).float(), dim=-1)

    def scale(self) -> Tensor:
        """What similarities are scaled by."""
        return self.temperature.exp().clamp(max=self.WARMEST)


def _known(values: Tensor) -> Tensor:
    """Whether a token has these numbers: [B, n, features] -> [B, n, 1]."""
    return ~values.isnan().any(-1, keepdim=True)


def _filled(values: Tensor) -> Tensor:
    """The same with zeros where nothing is known."""
    return values.masked_fill(values.isnan(), 0.0)


def summary(values: Tensor, here: Tensor) -> Tensor:
    """Mean and maximum of the tokens that are here: [B, n, D] -> [B, 2 D]; zeros without any.

    What the attention's norms take away, how large a feature is, reaches the heads by this way.
    """
    padded, shown = F.pad(values, (0, 0, 0, 1)), here.unsqueeze(-1)  # [B, n+1, D], [B, n, 1]
    mean = (values * shown).sum(1) / shown.sum(1).clamp(min=1)  # [B, D]
    highest = padded.masked_fill(~F.pad(shown, (0, 0, 0, 1)), -torch.inf).amax(1)  # [B, D]
    return torch.cat((mean, highest.where(here.any(1, keepdim=True), 0.0)), dim=1)


def summaries(values: Sequence[Tensor], tokens: Sequence[Tokens]) -> list[Tensor]:
    """A summary for each modality [B, 2 D]; what people and things, the fourth, come to is added to the pictures'."""
    rows = [summary(value, token.here) for value, token in zip(values, tokens, strict=True)]
    return rows if len(rows) == len(Modality) else [rows[0] + rows[-1], *rows[1:-1]]


def together(values: Sequence[Tensor], tokens: Sequence[Tokens]) -> tuple[list[Tensor], list[Tensor]]:
    """The tokens of each modality [B, n, D] and which are here [B, n]; people and things, the fourth, stand behind the pictures."""
    here = [token.here for token in tokens]
    if len(values) == len(Modality):
        return list(values), here
    return [torch.cat([values[0], values[-1]], dim=1), *values[1:-1]], [torch.cat([here[0], here[-1]], dim=1), *here[1:-1]]


def movement(motion: Tensor) -> Tensor:
    """Numbers of motion [..., M] to what is read of them [..., M - PLACE]: roots, for most are small and a few very large."""
    read: Tensor = motion[..., :-PLACE].clamp(min=0).sqrt()
    return read
