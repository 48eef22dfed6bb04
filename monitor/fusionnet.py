"""The fusion networks in torch: picture, sound and words meet in one of four ways, and heads judge the window.

    z = f_d( f_c( f_v(x), f_a(s), f_l(y) ) )

The encoders f_v, f_a, f_l ran before (`monitor.vision`, `hearing`, `language`); f_c and f_d are here. Letters of the
shapes: B windows, P pictures, S sounds, T texts, O people and things, N tokens in all, D width, K kinds, M numbers of motion,
J width of the joint space. People and things are tokens of the pictures' modality, where they are read (`FusionConfig.things`).
All are causal: a token that begins at or after its window's end is not read. The ways to fuse, `FusionConfig.kind`:

    attention   the tokens of all modalities attend to each other; one learned query a kind reads them, as ViT's class token does
    bottleneck  each modality attends to itself, and to the others through a few shared tokens (Nagrani et al. 2021, arXiv 2107.00135)
    concat      two layers on the modalities' summaries, side by side
    late        the average of what each modality says by itself

The heads are of one multi-task model: each kind, any of them (`monitor.anomaly.KIND`, a kind like the others), and the joint space, in
which each modality of a window lies beside its captions and beside the others (`FusionConfig.joint`).

They are trained here, and a GPU runs them; the CPU's is converted from it once (`monitor.fusion`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from monitor import inference
from monitor.errors import ModelError
from monitor.fusion import FusionConfig, Inputs, Kind
from monitor.fusionparts import (
    Batch,
    Block,
    JointSpace,
    PictureTokens,
    Projection,
    ThingTokens,
    TimeEncoding,
    Tokens,
    sound_tokens,
    summaries,
    together,
)
from monitor.messages import Modality
from monitor.models import Device, Located


class FusionNet(nn.Module):
    """Any subset of the modalities in, one logit a kind out; how they meet is the subclasses'."""

    calibration: Tensor
    """[K, 2]: the calibrated logit of a kind is slope · logit + offset (Platt 1999)."""

    def __init__(self, cfg: FusionConfig) -> None:
        super().__init__()
        d = cfg.width
        self.cfg = cfg
        self.pictures, self.sounds, self.texts = PictureTokens(cfg), sound_tokens(cfg), Projection(cfg.text, cfg)
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in Modality)
        self.bias = nn.Parameter(torch.full((len(cfg.kinds),), -2.0))
        self.register_buffer("calibration", torch.tensor([[1.0, 0.0]] * len(cfg.kinds)))
        self.things = ThingTokens(cfg) if cfg.things else None
        self.joint = JointSpace(cfg) if cfg.joint else None

    def forward(self, batch: Batch) -> Tensor:
        """Windows -> logits [B, K], not calibrated."""
        return self.judge_of(*self.projected(batch))

    def both(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Windows -> what `forward` and `embed` give, for one price. Raises ValueError without a joint space."""
        values, tokens = self.projected(batch)
        return self.judge_of(values, tokens), self._placed(values, tokens, batch)

    def embed(self, batch: Batch) -> Tensor:
        """Windows -> each modality's place in the joint space [B, 3, J], of length 1; zeros for what isn't there. Raises ValueError."""
        return self._placed(*self.projected(batch), batch)

    def embed_text(self, vectors: Tensor) -> Tensor:
        """Captions' sentence vectors [C, text] -> their places in the joint space [C, J], of length 1. Raises ValueError without one."""
        return self.space().told(vectors)

    def space(self) -> JointSpace:
        """The joint space. Raises ValueError for a network that has none."""
        if self.joint is None:
            raise ValueError("This network has no joint space: FusionConfig.joint is 0")
        return self.joint

    def projected(self, batch: Batch) -> tuple[list[Tensor], list[Tokens]]:
        """Each modality's tokens in the common space [B, n, D], and when and where they are; behind them people and things, if read."""
        values = [
            self.pictures(batch.pictures, batch.motion),
            self.sounds(batch.sounds.values),
            self.texts(batch.texts.values),
        ]  # [B, n, D]
        tokens = [batch.pictures, batch.sounds, batch.texts]
        if self.things is not None and batch.things is not None:
            values.append(self.things(batch.things.values))  # [B, O, D]
            tokens.append(batch.things)
        return values, tokens

    def judge_of(self, values: Sequence[Tensor], tokens: Sequence[Tokens]) -> Tensor:
        """What `projected` gives -> logits [B, K]."""
        logits: Tensor = self.fused(values, tokens) + self.bias  # [B, K]
        return logits

    def normed(self, values: Sequence[Tensor]) -> list[Tensor]:
        """Tokens [B, n, D] of each modality, and of people and things, normed each by its own."""
        norms = [*self.norms, *([] if self.things is None else [self.things.norm])]
        return [norm(value) for norm, value in zip(norms, values, strict=False)]

    def _placed(self, values: Sequence[Tensor], tokens: Sequence[Tokens], batch: Batch) -> Tensor:
        placed: Tensor = self.space()(summaries(values, tokens), batch.present())  # [B, 3, J]
        return placed

    def fused(self, values: Sequence[Tensor], tokens: Sequence[Tokens]) -> Tensor:
        """What `projected` gives -> [B, K]."""
        raise NotImplementedError

    def probabilities(self, batch: Batch) -> Tensor:
        """Windows -> calibrated probabilities [B, K]; 0 for a kind in a window with nothing that it is known by."""
        calibrated: Tensor = self(batch) * self.calibration[:, 0] + self.calibration[:, 1]  # [B, K]
        return calibrated.sigmoid() * knowable(batch, self.cfg.known_by)


class Attending(FusionNet):
    """What the kinds with attention have: tokens that know their time and modality, a query a kind, and a linear way past them."""

    def __init__(self, cfg: FusionConfig) -> None:
        super().__init__(cfg)
        d, k = cfg.width, len(cfg.kinds)
        self.time = TimeEncoding(d)
        self.modality = nn.Parameter(torch.randn(len(Modality), d) * 0.1)
        self.queries = nn.Parameter(torch.randn(k, d) * 0.1)
        self.blocks = self.layers(cfg)
        self.out_norm = nn.LayerNorm(d)
        self.summaries = nn.ModuleList(nn.Linear(2 * d, k, bias=False) for _ in Modality)
        self.head = nn.Parameter(torch.randn(k, d) * 0.02)

    def layers(self, cfg: FusionConfig) -> nn.ModuleList:
        """What the tokens go through."""
        raise NotImplementedError

    def read(self, placed: Sequence[Tensor], here: Sequence[Tensor]) -> Tensor:
        """Each modality's tokens, that know their time and modality [B, n, D], and which are here -> what the queries found [B, K, D]."""
        raise NotImplementedError

    def fused(self, values: Sequence[Tensor], tokens: Sequence[Tokens]) -> Tensor:
        """[B, n, D] each -> [B, K]."""
        modalities = [*self.modality, self.modality[0]][: len(values)]
        placed = [
            value + self.time(token.ages) + modality  # [B, n, D]
            for value, token, modality in zip(self.normed(values), tokens, modalities, strict=True)
        ]
        plain = [head(row) for head, row in zip(self.summaries, summaries(values, tokens), strict=True)]  # [B, K] each
        logits: Tensor = (self.read(*together(placed, tokens)) * self.head).sum(-1) + torch.stack(plain).sum(0)  # [B, K]
        return logits


class AttentionNet(Attending):
    """All tokens attend to all."""

    def layers(self, cfg: FusionConfig) -> nn.ModuleList:
        """One block a layer."""
        return nn.ModuleList(Block(cfg) for _ in range(cfg.layers))

    def read(self, placed: Sequence[Tensor], here: Sequence[Tensor]) -> Tensor:
        """[B, n, D] and [B, n] each -> [B, K, D]."""
        b, k = placed[0].shape[0], len(self.queries)  # a shape is traced, a length is not
        x = torch.cat([self.queries.expand(b, -1, -1), *placed], dim=1)  # [B, K+N, D]
        asks = torch.ones(b, k, dtype=torch.bool, device=x.device)  # [B, K]: so attention always has something to read
        read_from = torch.cat([asks, *here], dim=1)  # [B, K+N]
        for block in self.blocks:
            x = block(x, read_from)  # [B, K+N, D]
        read: Tensor = self.out_norm(x[:, :k])  # [B, K, D]
        return read


class BottleneckNet(Attending):
    """Each modality has blocks of its own, and what it has for the others goes through a few tokens that all share."""

    def __init__(self, cfg: FusionConfig) -> None:
        super().__init__(cfg)
        self.shared = nn.Parameter(torch.randn(cfg.bottlenecks, cfg.width) * 0.1)

    def layers(self, cfg: FusionConfig) -> nn.ModuleList:
        """One block a layer and modality."""
        return nn.ModuleList(nn.ModuleList(Block(cfg) for _ in Modality) for _ in range(cfg.layers))

    def read(self, placed: Sequence[Tensor], here: Sequence[Tensor]) -> Tensor:
        """[B, n, D] and [B, n] each -> [B, K, D]: the mean over the modalities that are there."""
        b, s, k = placed[0].shape[0], len(self.shared), len(self.queries)
        shared = self.shared.expand(b, -1, -1)  # [B, S, D]
        states = [torch.cat([self.queries.expand(b, -1, -1), value], dim=1) for value in placed]  # [B, K+n, D] each
        asks = torch.ones(b, s + k, dtype=torch.bool, device=shared.device)  # [B, S+K]
        masks = [torch.cat([asks, some], dim=1) for some in here]  # [B, S+K+n] each
        present = torch.stack([some.any(1) for some in here]).float()[..., None, None]  # [3, B, 1, 1]
        for layer in self.blocks:
            done = [block(torch.cat([shared, x], dim=1), mask) for block, x, mask in zip(layer.children(), states, masks, strict=True)]
            shared = _mean(torch.stack([x[:, :s] for x in done]), present)  # [B, S, D]
            states = [x[:, s:] for x in done]
        return _mean(torch.stack([self.out_norm(x[:, :k]) for x in states]), present)  # [B, K, D]


def _mean(states: Tensor, present: Tensor) -> Tensor:
    """[3, B, n, D] over the modalities that are there [3, B, 1, 1]: [B, n, D]; zeros without any."""
    mean: Tensor = (states * present).sum(0) / present.sum(0).clamp(min=1)
    return mean


class ConcatNet(FusionNet):
    """Two layers on the summaries of the modalities, side by side: what attention has to be better than."""

    def __init__(self, cfg: FusionConfig) -> None:
        super().__init__(cfg)
        d, m = cfg.width, len(Modality)
        self.judge = nn.Sequential(nn.Linear(m * (2 * d + 1), 2 * d), nn.GELU(), nn.Dropout(cfg.dropout), nn.Linear(2 * d, len(cfg.kinds)))

    def fused(self, values: Sequence[Tensor], tokens: Sequence[Tokens]) -> Tensor:
        """[B, n, D] each -> [B, K]."""
        rows = summaries(self.normed(values), tokens)  # [B, 2 D] each
        present = [token.here.any(1, keepdim=True).float() for token in tokens[: len(Modality)]]  # [B, 1] each
        logits: Tensor = self.judge(torch.cat([*rows, *present], dim=1))  # [B, K]
        return logits


class LateNet(FusionNet):
    """Each modality judges by itself; the judgements of those that are there, and by which a kind is known, are averaged."""

    knows: Tensor

    def __init__(self, cfg: FusionConfig) -> None:
        super().__init__(cfg)
        d = cfg.width
        self.judges = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * d, d), nn.GELU(), nn.Dropout(cfg.dropout), nn.Linear(d, len(cfg.kinds))) for _ in Modality
        )
        knows = torch.tensor([[float(modality in those) for those in cfg.known_by.values()] for modality in Modality])  # [3, K]
        self.register_buffer("knows", knows, persistent=False)

    def fused(self, values: Sequence[Tensor], tokens: Sequence[Tokens]) -> Tensor:
        """[B, n, D] each -> [B, K]."""
        rows = [judge(row) for judge, row in zip(self.judges, summaries(self.normed(values), tokens), strict=True)]  # [B, K] each
        present = torch.stack([token.here.any(1, keepdim=True).float() for token in tokens[: len(Modality)]])  # [3, B, 1]
        counts = present * self.knows[:, None]  # [3, B, K]
        logits: Tensor = (torch.stack(rows) * counts).sum(0) / counts.sum(0).clamp(min=1)  # [B, K]
        return logits


NETWORKS: Final[Mapping[Kind, type[FusionNet]]] = MappingProxyType(
    {"attention": AttentionNet, "bottleneck": BottleneckNet, "concat": ConcatNet, "late": LateNet}
)


def network(cfg: FusionConfig) -> FusionNet:
    """A network of the kind that the configuration names, not taught yet."""
    return NETWORKS[cfg.kind](cfg)


def knowable(batch: Batch, known_by: Mapping[str, Sequence[Modality]]) -> Tensor:
    """1 where a kind can be known by what the window holds, else 0: float32 [B, K]."""
    present = {
        Modality.PICTURE: batch.pictures.here.any(1),  # [B]
        Modality.SOUND: batch.sounds.here.any(1),
        Modality.TEXT: batch.texts.here.any(1),
    }
    return torch.stack([torch.stack([present[m] for m in those]).any(0) for those in known_by.values()], dim=1).float()


def read(path: str) -> FusionNet:
    """Build the network of a safetensors file. Raises what safetensors, msgspec and torch raise of a file that is another's."""
    with safe_open(path, framework="pt") as file:
        metadata: dict[str, Any] = file.metadata() or {}
        cfg = msgspec.json.decode(metadata["config"], type=FusionConfig)
        state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a dict
    net = network(cfg)
    net.load_state_dict(state)
    return net


class Judging(nn.Module):
    """The network as it judges: the tensors of `monitor.fusion.Inputs`, one by one, to calibrated probabilities."""

    def __init__(self, net: FusionNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> Tensor:
        """Arrays in the order of `Inputs.arrays` -> float32 [B, K]."""
        return self.net.probabilities(batch(inputs))


def batch(inputs: Sequence[Tensor]) -> Batch:
    """Tensors in the order of `Inputs.arrays` as a batch."""
    seen, seen_ages, seen_here, motion, heard, heard_ages, heard_here, said, said_ages, said_here, *things = inputs
    return Batch(
        Tokens(seen, seen_ages, seen_here),
        motion,
        Tokens(heard, heard_ages, heard_here),
        Tokens(said, said_ages, said_here),
        Tokens(*things) if things else None,
    )


class TorchFusion:
    """The network in torch, on a GPU or the CPU."""

    def __init__(self, net: FusionNet, device: Device) -> None:
        self._device = torch.device(device)
        self._judging = Judging(net).to(self._device).eval()

    @torch.inference_mode()
    def __call__(self, inputs: Inputs) -> npt.NDArray[np.float32]:
        """Calibrated probabilities [B, K]."""
        given = (torch.from_numpy(array).to(self._device) for array in inputs.arrays())
        found: npt.NDArray[np.float32] = self._judging(*given).cpu().numpy()
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
    return inference.convert(Judging(net), [torch.from_numpy(array) for array in example(net.cfg).arrays()], free=2)


def example(cfg: FusionConfig) -> Inputs:
    """Two windows with a few tokens of everything, some of them padding."""
    rng = np.random.default_rng(0)

    def tokens(count: int, features: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        here = np.ones((2, count), np.bool_)
        here[0, -1] = False
        return rng.standard_normal((2, count, features), np.float32), rng.random((2, count), np.float32), here

    seen, motion = tokens(3, cfg.picture), rng.random((2, 3, cfg.moves), np.float32)
    heard, said = tokens(4, cfg.heard), tokens(2, cfg.text)
    return Inputs(*seen, motion, *heard, *said, *(tokens(5, cfg.things) if cfg.things else ()))
