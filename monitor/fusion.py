"""Judging windows: their embeddings go into the fusion network, and judgements with their reasons come out.

On the CPU the network (`monitor.fusionnet`) runs in OpenVINO, converted once and kept in the cache folder; on a GPU it runs
in torch, which takes seconds to import and is not needed here. Letters of the shapes: B windows, P pictures, S sounds,
T texts, O people and things, K kinds, M numbers of motion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from monitor import anomaly, config, inference, traits
from monitor.align import Window
from monitor.errors import ModelError
from monitor.messages import Embedding, Judgement, Modality, floats
from monitor.models import Located, device, locate

Floats = npt.NDArray[np.float32]
Here = npt.NDArray[np.bool_]
Unpack: TypeAlias = Callable[[bytes], Floats]

Kind: TypeAlias = Literal["attention", "bottleneck", "concat", "late"]
"""How the modalities meet (`monitor.fusionnet`)."""

KNOWN_BY: Final[dict[str, tuple[Modality, ...]]] = {
    "fight": (Modality.PICTURE,),
    "fire": (Modality.SOUND,),
    "aggression": (Modality.SOUND,),
    "crying": (Modality.SOUND,),
    "distress": (Modality.TEXT,),
}
"""What each kind of the shipped weights was taught by. In a window with none of these its probability is 0: there is no way to know it."""

KINDS: Final = tuple(KNOWN_BY)
"""The incidents that the shipped weights judge beside the anomaly, in the order of the logits; others: `Fusion.kinds`."""

EXPLAIN_FROM: Final = 0.2
"""The modalities' parts are worked out for windows in which some kind is at least so probable: weak ones together may be an anomaly."""

LIMITS: Final[dict[Modality, int]] = {Modality.PICTURE: 16, Modality.SOUND: 16, Modality.TEXT: 8}
"""Tokens of each modality that a window may hold; of more, the newest are read."""


class FusionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The network's measures; they stand in the metadata of its weights."""

    motion: int
    """Numbers of motion a picture (`monitor.motion`), the first of M."""
    flow: int = 0
    """Numbers of flow behind them (`monitor.flowfield`); 0: none is read."""
    all_layers: int = 0
    """Numbers of what all layers of the sound encoder hear (`monitor.layers`), behind those of `sound`; 0: none is read."""
    things: int = 0
    """Numbers of each person and thing that the pictures show (`monitor.traits`); 0: none is read."""
    joint: int = 0
    """J, the width of the space in which what is seen, heard and said lies beside its captions; 0: there is none."""
    picture: int = 1280
    sound: int = 1024
    text: int = 768
    width: int = 64
    """D."""
    layers: int = 2
    heads: int = 4
    dropout: float = 0.4
    change_dropout: float = 0.5
    """Share of the training windows that show how pictures move but not how their features change, for these overfit."""
    kind: Kind = "attention"
    bottlenecks: int = 4
    """Tokens that the modalities share, of kind bottleneck."""
    known_by: dict[str, tuple[Modality, ...]] = msgspec.field(default_factory=lambda: dict(KNOWN_BY))
    """The incidents that it judges, in the order of the logits, and what each was taught by; `monitor.anomaly.KIND` is any of them."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The incidents that it judges."""
        return tuple(self.known_by)

    @property
    def incidents(self) -> tuple[str, ...]:
        """Those of them that are one kind by itself: not the anomaly, which is any."""
        return tuple(kind for kind in self.known_by if kind != anomaly.KIND)

    @property
    def moves(self) -> int:
        """M, all numbers of a picture's movement."""
        return self.motion + self.flow

    @property
    def heard(self) -> int:
        """All numbers of a sound."""
        return self.sound + self.all_layers


class Inputs(NamedTuple):
    """What the network reads of B windows, padded to the longest; a modality that is in none of them has one token of padding.

    Ages are seconds from a token's begin to its window's end; `here` is False where there is padding.
    """

    pictures: Floats
    """[B, P, features]."""
    picture_ages: Floats
    pictures_here: Here
    motion: Floats
    """[B, P, M], NaN where a picture has none, and where its flow was not measured."""
    sounds: Floats
    """[B, S, features]; NaN where a sound's layers were not heard."""
    sound_ages: Floats
    sounds_here: Here
    texts: Floats
    """[B, T, features]."""
    text_ages: Floats
    texts_here: Here
    things: Floats | None = None
    """[B, O, numbers of `monitor.traits`]: people and things of the pictures; None for a network that reads none, as their ages."""
    thing_ages: Floats | None = None
    things_here: Here | None = None

    def arrays(self) -> list[npt.NDArray[Any]]:
        """What the network is given, in this order."""
        return [array for array in self if array is not None]

    def present(self) -> Here:
        """Which windows have something of which modality, [B, 3] in the order of Modality."""
        return np.stack([here.any(1) for here in (self.pictures_here, self.sounds_here, self.texts_here)], axis=1)


class Network(Protocol):
    """The network, wherever it runs; one thread at a time."""

    def __call__(self, inputs: Inputs) -> Floats:
        """Calibrated probabilities [B, K]; 0 for a kind in a window with nothing that it is known by."""


class OpenVinoFusion:
    """The network in OpenVINO, on the CPU."""

    def __init__(self, path: Path, threads: int) -> None:
        # it is small: one thread is the fastest unless told otherwise
        self._request = inference.load(path, threads or 1)

    def __call__(self, inputs: Inputs) -> Floats:
        """Calibrated probabilities [B, K]."""
        found: Floats = self._request.infer(inputs.arrays(), share_inputs=True)[0]
        return found


@dataclass(frozen=True, slots=True)
class Fusion:
    """The trained network, ready to judge windows; not to be called from two threads at once."""

    network: Network
    cfg: FusionConfig
    name: str
    """Name and hash of the weights, for scores and alerts."""
    together: bool
    """Whether windows are judged in one batch, as a GPU likes it."""

    @classmethod
    def load(cls, models: config.Models) -> Fusion:
        """Read the weights that the configuration names. Raises ModelError if they are missing, wrong or another network's."""
        located = locate(models.fusion)
        place = device(models)
        cfg = measures(located)
        if place == "cpu":
            path = inference.kept(located, _convert, *(Path(__file__).with_name(f"{name}.py") for name in ("fusionnet", "fusionparts")))
            return cls(OpenVinoFusion(path, models.threads), cfg, located.version, together=False)
        from monitor import fusionnet  # noqa: PLC0415 (torch)

        return cls(fusionnet.TorchFusion(fusionnet.load(located), place), cfg, located.version, together=True)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The incidents that these weights judge."""
        return self.cfg.kinds

    def __call__(self, windows: Sequence[Window]) -> list[tuple[Judgement, ...]]:
        """Judge windows: for each one Judgement a kind, in the order of `kinds`."""
        return judged(self.kinds, windows, self.probabilities(windows), self.at_once)

    def probabilities(self, windows: Sequence[Window]) -> Floats:
        """The same without the modalities' parts [n, kinds].

        A CPU takes one at a time: in a batch, padding and the choice of kernels change a probability's last digits, and the
        same records would not give the same alerts again.
        """
        batches = [windows] if self.together else [[window] for window in windows]
        found = [self.at_once(batch) for batch in batches if batch]
        return np.concatenate(found) if found else np.zeros((0, len(self.kinds)), np.float32)

    def at_once(self, windows: Sequence[Window]) -> Floats:
        """Those of the variants by which a window is explained [n, kinds], in one batch wherever it runs."""
        return self.network(collate(windows, self.cfg))


def judged(
    kinds: Sequence[str], windows: Sequence[Window], probabilities: npt.NDArray[Any], network: Callable[[Sequence[Window]], Floats]
) -> list[tuple[Judgement, ...]]:
    """Judgements with what is known [n, kinds] of windows, and each modality's part in what is probable.

    `network` is asked, for each such window, of all its SUBSETS in one batch.
    """
    parts: dict[int, dict[Modality, list[float]]] = {}
    for n in np.flatnonzero(probabilities.max(1, initial=0.0) >= EXPLAIN_FROM).tolist():
        worth = network(subsets(windows[n]))
        worth[-1] = probabilities[n]
        present = windows[n].pictures, windows[n].sounds, windows[n].texts
        shares = zip(Modality, shapley(worth[None])[0].tolist(), present, strict=True)
        parts[n] = {modality: share for modality, share, here in shares if here}
    return [tuple(_judgements(kinds, row, parts.get(n, {}))) for n, row in enumerate(probabilities.tolist())]


def subsets(window: Window) -> list[Window]:
    """A window with only some of its modalities, in the order of SUBSETS."""
    return [
        replace(window, pictures=window.pictures if seen else (), sounds=window.sounds if heard else (), texts=window.texts if said else ())
        for seen, heard, said in SUBSETS.tolist()
    ]


SUBSETS: Final[Here] = np.array([[number >> bit & 1 for bit in range(len(Modality))] for number in range(2 ** len(Modality))], np.bool_)
"""All sets of modalities, [8, 3]: from none to all."""


def shapley(values: Floats) -> Floats:
    """The Shapley value of each modality (Shapley 1953), exactly, from what each of SUBSETS is worth: [B, 8, K] -> [B, 3, K]."""
    shares = np.zeros((len(values), len(Modality), values.shape[2]), np.float32)
    sizes = SUBSETS.sum(1)
    weight = np.array([1 / 3, 1 / 6, 1 / 3], np.float32)  # |S|! (2 - |S|)! / 3!
    for player in range(len(Modality)):
        without = np.flatnonzero(~SUBSETS[:, player])
        gains = values[:, without + 2**player] - values[:, without]
        shares[:, player] = (gains * weight[sizes[without]][None, :, None]).sum(1)
    return shares


def _judgements(kinds: Sequence[str], probabilities: list[float], parts: dict[Modality, list[float]]) -> Iterator[Judgement]:
    for index, (kind, probability) in enumerate(zip(kinds, probabilities, strict=True)):
        shared = {modality: shares[index] for modality, shares in parts.items() if shares[index]}
        yield Judgement(kind=kind, probability=probability, parts=shared)


def collate(windows: Sequence[Window], cfg: FusionConfig) -> Inputs:
    """Windows as padded arrays; of too many tokens the newest are kept, and none that begins after its window's end."""
    numbers_of = cache(floats)  # the variants by which a window is explained hold the same tokens again and again
    pictures = [_seen(window.pictures, window.until, LIMITS[Modality.PICTURE]) for window in windows]
    sounds = [_seen(window.sounds, window.until, LIMITS[Modality.SOUND]) for window in windows]
    texts = [_seen(window.texts, window.until, LIMITS[Modality.TEXT]) for window in windows]
    ends = [window.until for window in windows]
    seen = _tokens(pictures, ends, cfg.picture, numbers_of)
    motion = np.full((*seen[1].shape, cfg.moves), np.nan, np.float32)
    for row, items in enumerate(pictures):
        for column, item in enumerate(items):
            numbers = numbers_of(item.motion)[: cfg.moves]
            motion[row, column, : len(numbers)] = numbers
    things = _things(pictures, ends) if cfg.things else ()
    return Inputs(*seen, motion, *_heard(sounds, ends, cfg, numbers_of), *_tokens(texts, ends, cfg.text, numbers_of), *things)


def _heard(
    sounds: Sequence[Sequence[Embedding]], ends: Sequence[float], cfg: FusionConfig, numbers_of: Unpack
) -> tuple[Floats, Floats, Here]:
    """Sounds as tokens, each with what its layers hear behind it, if that is read."""
    values, ages, here = _tokens(sounds, ends, cfg.sound, numbers_of)
    if not cfg.all_layers:
        return values, ages, here
    layers = np.full((*ages.shape, cfg.all_layers), np.nan, np.float32)
    for row, items in enumerate(sounds):
        for column, item in enumerate(items):
            numbers = numbers_of(item.grid)[: cfg.all_layers]  # what is newer than the weights stands behind
            if len(numbers) == cfg.all_layers:
                layers[row, column] = numbers
    return np.concatenate([values, layers], axis=2), ages, here


def _things(pictures: Sequence[Sequence[Embedding]], ends: Sequence[float]) -> tuple[Floats, Floats, Here]:
    """People and things of each window's pictures as tokens."""
    rows = [
        traits.tokens([traits.of(item) for item in items], [end - item.at for item in items])
        for items, end in zip(pictures, ends, strict=True)
    ]
    longest = max(1, *(len(values) for values, _ in rows))
    values = np.zeros((len(rows), longest, traits.NUMBERS), np.float32)
    ages = np.zeros((len(rows), longest), np.float32)
    here = np.zeros((len(rows), longest), np.bool_)
    for row, (held, since) in enumerate(rows):
        values[row, : len(held)], ages[row, : len(held)], here[row, : len(held)] = held, since, True
    return values, ages, here


def _seen(items: Sequence[Embedding], until: float, limit: int) -> list[Embedding]:
    return [item for item in items if item.at < until][-limit:]


def _tokens(rows: Sequence[Sequence[Embedding]], ends: Sequence[float], features: int, numbers_of: Unpack) -> tuple[Floats, Floats, Here]:
    """Embeddings by window -> values, ages and what is here."""
    longest = max(1, *map(len, rows))
    values = np.zeros((len(rows), longest, features), np.float32)
    ages = np.zeros((len(rows), longest), np.float32)
    here = np.zeros((len(rows), longest), np.bool_)
    for row, (items, end) in enumerate(zip(rows, ends, strict=True)):
        for column, item in enumerate(items):
            values[row, column], ages[row, column], here[row, column] = numbers_of(item.vector), end - item.at, True
    return values, ages, here


def measures(located: Located) -> FusionConfig:
    """The network's measures, from the metadata of its weights. Raises ModelError if it has none."""
    try:
        with safe_open(str(located.weights), framework="np") as file:
            return msgspec.json.decode((file.metadata() or {})["config"], type=FusionConfig)
    except (SafetensorError, msgspec.DecodeError, KeyError) as error:
        raise ModelError(f"Model {located.name}: {located.weights} does not hold this version's network: {error}") from error


def _convert(located: Located) -> inference.Graph:
    from monitor.fusionnet import convert  # noqa: PLC0415 (torch)

    return convert(located)
