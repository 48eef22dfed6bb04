"""Why a window was judged as it was: the tokens, words and places that mattered, and the ordinary moments nearest to it.

A part's share is the mean of what the probability loses without it and gains by it alone, its modality's other parts away: the two ends
of its Shapley value, for a network that is sure anyway misses no single one. Parts are pictures, sounds, words (their utterance is read
anew) and places (the movement in the raster's other cells is stilled). All variants of a window go through the network in one batch.
For what is unusual there is no such network: there the heat is how much farther each place is from the same place in the camera's own
ordinary moments than these are from each other.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from monitor.align import Window
from monitor.closeup import HOW
from monitor.language import TextEncoder
from monitor.messages import Embedding, Judgement, Modality, Reasons, Ref, Score, Share, Word, floats, pack
from monitor.motion import CELLS
from monitor.novelty import CHANNELS, PLACES, SHRINK, SIDE
from monitor.told import told

Floats = npt.NDArray[np.float32]

Probabilities = Callable[[Sequence[Window]], Floats]
"""The network on windows, in one batch: probabilities [n, kinds]."""

EXPLAIN_FROM: Final = 0.3
"""A judgement that is less probable needs no reasons: no rule that is shipped raises at less."""
AGAIN_S: Final = 5.0
"""What was explained is not explained anew for so long, …"""
STRONGER: Final = 0.05
"""… unless it has become so much more probable."""
ORDINARY: Final = 0.3
"""A moment in which nothing is as probable as this is kept as an example of what is ordinary, …"""
EVERY_S: Final = 60.0
"""… one in so many seconds, …"""
KEPT: Final = 60
"""… so many of them: an hour, as long as Kafka keeps their pictures."""
FEWEST: Final = 5
"""With fewer examples nothing is expected yet."""
EXPECTED: Final = 2
"""So many of the nearest are named."""
LEAST: Final = 0.01
"""Smaller shares of a probability are not worth telling."""
WORDS: Final = 24
"""So many words of a window, the newest, are asked for."""
READ: Final = 64
"""So many utterances are remembered as they were read word by word: the next window holds the same ones."""
MOVES: Final = "movement that the probability rests on"
DIFFERS: Final = "unlike this place in ordinary moments"


class Spoken(NamedTuple):
    """What judges what is said: of its windows, words alone are left out."""

    probabilities: Probabilities
    kinds: Sequence[str]
    """In the order of its probabilities."""


@dataclass(frozen=True, slots=True)
class Example:
    """An ordinary moment."""

    at: float
    picture: Ref | None
    vector: Floats
    """Of length 1 [features]."""
    grid: Floats
    """[49, 112]."""


@dataclass(slots=True)
class Ordinary:
    """One camera's ordinary moments of the last hour."""

    examples: deque[Example] = field(default_factory=lambda: deque(maxlen=KEPT))

    def take(self, picture: Embedding) -> None:
        """Keep a picture, if its turn has come; a stream that begins anew is another scene."""
        if self.examples and picture.at < self.examples[-1].at:
            self.examples.clear()
        if picture.grid and (not self.examples or picture.at >= self.examples[-1].at + EVERY_S):
            self.examples.append(Example(picture.at, picture.source, _direction(picture), _grid(picture)))

    def expected(self, picture: Embedding) -> tuple[Ref, ...]:
        """Where the ordinary pictures that are most like this one lie, the nearest first."""
        direction = _direction(picture)
        near = sorted(self.examples, key=lambda example: -float(example.vector @ direction))
        return tuple(example.picture for example in near if example.picture is not None)[:EXPECTED]

    def heat(self, picture: Embedding) -> Floats:
        """How strange each place [7, 7] is beside the examples of it, 0 to 1: 1 is the strangest."""
        if len(self.examples) < FEWEST or not picture.grid:
            return np.zeros((SIDE, SIDE), np.float32)
        grids = np.stack([example.grid for example in self.examples])  # [n, 49, 112]
        return scaled(strangeness(_grid(picture), grids).reshape(SIDE, SIDE))


def strangeness(grid: Floats, grids: Floats) -> Floats:
    """How much farther each place is from the nearest of n examples than these are from each other; [49, c], [n, 49, c] to [49].

    In the metric of normality's own score: whitened with the covariance of all places of the examples (`monitor.novelty`).
    """
    flat = grids.reshape(-1, grids.shape[-1])
    variance, axes = np.linalg.eigh(np.cov(flat.T.astype(np.float64)))
    whiten = (axes / np.sqrt(np.maximum(variance, 0) + SHRINK * variance.mean() + 1e-9)).astype(np.float32)
    now, examples = grid @ whiten, grids @ whiten
    nearest = np.sqrt(((examples - now) ** 2).sum(-1)).min(axis=0)  # [49]
    squares = (examples**2).sum(-1).T  # [49, n]
    among = squares[:, :, None] + squares[:, None, :] - 2 * np.einsum("ipc,jpc->pij", examples, examples, optimize=True)  # [49, n, n]
    among[:, np.arange(len(grids)), np.arange(len(grids))] = np.inf
    usual = np.sqrt(np.maximum(among.min(axis=2), 0)).mean()
    found: Floats = np.maximum(nearest - usual, 0).astype(np.float32)
    return found


def scaled(heat: Floats) -> Floats:
    """Cut below 0, and scale so that the strongest place is 1; all zeros stay."""
    cut = np.maximum(heat, 0)
    highest = float(cut.max(initial=0))
    shares: Floats = (cut / highest if highest > 0 else cut).astype(np.float32)
    return shares


@dataclass(slots=True)
class Explainer:
    """Gives the judgements of a window their reasons; keeps a few ordinary moments of each camera."""

    network: Probabilities
    kinds: Sequence[str]
    """In the order of the network's probabilities."""
    texts: TextEncoder | None = None
    """Reads utterances anew, for the words' shares; without it there are none."""
    spoken: Spoken | None = None
    """Whose kinds are explained by words alone."""
    _ordinary: dict[str, Ordinary] = field(default_factory=dict)
    _readings: dict[tuple[str, ...], tuple[Sequence[_Reading], Sequence[_Reading]]] = field(default_factory=dict)
    """By the words of an utterance: it without each of the last WORDS of them, and each of them alone."""
    _told: dict[str, dict[tuple[str, bool], tuple[float, float]]] = field(default_factory=dict)
    """By camera, kind and whether the words were known: when it was explained last, and how probable it was.

    How windows with and without their words follow each other is up to chance, and reasons are not.
    """

    def __call__(self, window: Window, made: Score) -> Score:
        """Add reasons to what is probable; a window in which nothing is teaches what is ordinary."""
        ordinary = self._ordinary.setdefault(window.camera, Ordinary())
        if made.revision == 0 and window.pictures and all(judgement.probability < ORDINARY for judgement in made.judgements):
            ordinary.take(window.pictures[-1])
        news = [each for each in made.judgements if _asks(each, made) and self._is_news(each, made)]
        asked = {each.likely or each.kind for each in news}
        if not asked:
            return made
        shares = self._shares(window, asked)
        explained = tuple(self._explained(each, window, made, ordinary, shares) if each.kind in asked else each for each in made.judgements)
        return msgspec.structs.replace(made, judgements=explained)

    def forget(self, camera: str) -> None:
        """Let go of a camera, as if it had never been there."""
        self._ordinary.pop(camera, None)
        self._told.pop(camera, None)

    def _is_news(self, judgement: Judgement, made: Score) -> bool:
        """Whether it was not just explained; it is from now on. Explaining takes longer than judging, and an incident lasts."""
        told = self._told.setdefault(made.camera, {})
        key = judgement.kind, made.revision > 0
        at, probability = told.get(key, (-math.inf, 0.0))
        if at <= made.until < at + AGAIN_S and judgement.probability < probability + STRONGER:
            return False
        told[key] = (made.until, judgement.probability)
        return True

    def _shares(self, window: Window, asked: set[str]) -> dict[str, Reasons]:
        """What the parts' shares give, by the kinds that are asked for."""
        of_network = asked.intersection(self.kinds)
        of_words = asked.intersection(self.spoken.kinds) if self.spoken is not None else set()
        words = list(self._words(window)) if of_network or of_words else []
        found: dict[str, Reasons] = {}
        if of_network:
            shares = _variants(window, [*_tokens(window), *_places(window), *words], self.network)
            found |= {kind: shares.of(self.kinds.index(kind)) for kind in of_network}
        if self.spoken is not None and of_words:
            shares = _variants(window, words, self.spoken.probabilities)
            found |= {kind: shares.of(self.spoken.kinds.index(kind)) for kind in of_words}
        return found

    def _words(self, window: Window) -> Iterator[_Part]:
        if self.texts is None:
            return
        for row, n in [(row, n) for row, item in enumerate(window.texts) for n in range(len(_said(item)))][-WORDS:]:
            item = window.texts[row]
            words = _said(item)
            less, only = (
                readings[n - len(words)].of(item) for readings in self._read(self.texts, tuple(word.text.strip() for word in words))
            )
            yield _Part(
                "word",
                Share(at=words[n].at, until=words[n].until, share=0.0, text=words[n].text),
                replace(window, texts=(*window.texts[:row], less, *window.texts[row + 1 :])),
                replace(window, texts=(only,)),
            )

    def _read(self, encoder: TextEncoder, words: tuple[str, ...]) -> tuple[Sequence[_Reading], Sequence[_Reading]]:
        """An utterance without each of its last words, and each alone; which are read together depends on nothing but the utterance."""
        if words not in self._readings:
            if len(self._readings) >= READ:
                self._readings.pop(next(iter(self._readings)))
            asked = range(max(0, len(words) - WORDS), len(words))
            less = [" ".join((*words[:n], *words[n + 1 :])) for n in asked]
            self._readings[words] = _readings(encoder, less), _readings(encoder, [words[n] for n in asked])
        return self._readings[words]

    def _explained(self, judgement: Judgement, window: Window, made: Score, ordinary: Ordinary, shares: Mapping[str, Reasons]) -> Judgement:
        """One judgement with its reasons."""
        shown = next((item for item in window.pictures if item.source is not None and item.source == made.key_frame), None)
        reasons = shares.get(judgement.kind, Reasons())
        if shown is not None and judgement.kind == "unusual_picture":
            reasons = Reasons(heat=_rows(ordinary.heat(shown)), heat_of=DIFFERS)
        if shown is not None and made.revision == 0 and Modality.PICTURE in judgement.parts:
            reasons = msgspec.structs.replace(reasons, expected=ordinary.expected(shown))
        if reasons.heat:
            reasons = msgspec.structs.replace(reasons, picture=made.key_frame)
        reasons = msgspec.structs.replace(reasons, text=told(reasons, judgement.parts, window.until))
        return msgspec.structs.replace(judgement, reasons=reasons)


class _Reading(NamedTuple):
    """A text as the encoder reads it."""

    text: str
    vector: bytes
    grid: bytes

    def of(self, item: Embedding) -> Embedding:
        """An utterance of which only this was said."""
        transcript = item.transcript and msgspec.structs.replace(item.transcript, text=self.text)
        return msgspec.structs.replace(item, vector=self.vector, grid=self.grid, transcript=transcript)


def _readings(encoder: TextEncoder, texts: Sequence[str]) -> list[_Reading]:
    read = encoder.together(texts)
    return [_Reading(text, pack(vector), pack(grid)) for text, vector, grid in zip(texts, read.vectors, read.layers, strict=True)]


@dataclass(frozen=True, slots=True)
class _Part:
    """Something of a window that can be left out."""

    what: str
    """picture, sound, word or place."""
    share: Share
    without: Window
    alone: Window
    """With nothing else of its kind."""
    number: int = 0
    """Of a place."""


@dataclass(frozen=True, slots=True)
class _Shares:
    """Parts, and their shares of each kind's probability [n, kinds]."""

    parts: Sequence[_Part]
    shares: Floats

    def of(self, kind: int) -> Reasons:
        """The reasons of one kind."""
        found: Mapping[str, list[Share]] = {"picture": [], "sound": [], "word": []}
        heat = np.zeros(CELLS * CELLS, np.float32)
        for part, share in zip(self.parts, self.shares[:, kind].tolist(), strict=True):
            if part.what == "place":
                heat[part.number] = share if share >= LEAST else 0.0
            elif abs(share) >= LEAST:
                found[part.what].append(msgspec.structs.replace(part.share, share=round(share, 4)))
        moved = bool(heat.any())
        return Reasons(
            heat=_rows(scaled(heat.reshape(CELLS, CELLS))) if moved else (),
            heat_of=MOVES if moved else "",
            pictures=tuple(found["picture"]),
            sounds=tuple(found["sound"]),
            words=tuple(found["word"]),
        )


def _variants(window: Window, parts: Sequence[_Part], network: Probabilities) -> _Shares:
    """Ask a network of every part that can be left out, and be there alone, in one batch."""
    none = {"picture": replace(window, pictures=()), "sound": replace(window, sounds=()), "word": replace(window, texts=())}
    none["place"] = _moving(window, np.zeros(CELLS * CELLS, np.bool_))
    said = network([window, *none.values(), *(part.without for part in parts), *(part.alone for part in parts)])
    base = dict(zip(none, said[1:5], strict=True))
    without, alone = np.split(said[5:], 2)
    gained = alone - np.array([base[part.what] for part in parts]).reshape(alone.shape)
    return _Shares(parts, (said[0] - without + gained) / 2)


def _tokens(window: Window) -> Iterator[_Part]:
    """The pictures and the sounds."""
    for n, item in enumerate(window.pictures):
        rest = (*window.pictures[:n], *window.pictures[n + 1 :])
        share = Share(at=item.at, until=item.until, share=0.0)
        yield _Part("picture", share, replace(window, pictures=rest), replace(window, pictures=(item,)))
    for n, item in enumerate(window.sounds):
        rest = (*window.sounds[:n], *window.sounds[n + 1 :])
        share = Share(at=item.at, until=item.until, share=0.0)
        yield _Part("sound", share, replace(window, sounds=rest), replace(window, sounds=(item,)))


def _places(window: Window) -> Iterator[_Part]:
    """The cells of the motion raster in which anything moves."""
    motions = [floats(item.motion)[: CELLS * CELLS] for item in window.pictures if item.motion]
    moves = np.max(motions, axis=0) > 0 if motions else np.zeros(CELLS * CELLS, np.bool_)
    for cell in np.flatnonzero(moves).tolist():
        this = np.arange(CELLS * CELLS) == cell
        share = Share(at=window.at, until=window.until, share=0.0)
        yield _Part("place", share, _moving(window, ~this), _moving(window, this), cell)


def _moving(window: Window, cells: npt.NDArray[np.bool_]) -> Window:
    """The window with movement in some cells [16] only."""
    return replace(window, pictures=tuple(_stilled(item, ~cells) for item in window.pictures))


def _stilled(item: Embedding, cells: npt.NDArray[np.bool_]) -> Embedding:
    if not item.motion:
        return item
    motion = floats(item.motion).copy()
    motion[: CELLS * CELLS][cells] = 0.0
    across, down = _closest(item)
    closeup = b"" if cells[down * CELLS + across] else item.closeup
    return msgspec.structs.replace(item, motion=pack(motion), closeup=closeup)


def _closest(item: Embedding) -> tuple[int, int]:
    """Column and row of the cell in which the middle of the liveliest part lies."""
    x, y = floats(item.closeup)[HOW:] if item.closeup else (0.0, 0.0)
    return min(int(x * CELLS), CELLS - 1), min(int(y * CELLS), CELLS - 1)


def _asks(judgement: Judgement, made: Score) -> bool:
    """Whether it is to be explained; of a window that only adds words, what rests on words. What a camera is, is a fact.

    An anomaly, by the kind that it may be, where it is decided.
    """
    if judgement.kind.startswith("camera:"):
        return False
    new = made.final if judgement.likely else made.revision == 0 or Modality.TEXT in judgement.parts
    return new and judgement.reasons is None and judgement.probability >= EXPLAIN_FROM


def _said(item: Embedding) -> tuple[Word, ...]:
    return item.transcript.words if item.transcript else ()


def _rows(heat: Floats) -> tuple[tuple[float, ...], ...]:
    """A heat map as plain numbers; nothing if it is nowhere warm."""
    return tuple(tuple(round(value, 3) for value in row) for row in heat.tolist()) if heat.any() else ()


def _direction(picture: Embedding) -> Floats:
    vector = floats(picture.vector)
    direction: Floats = vector / np.float32(np.linalg.norm(vector) + 1e-12)
    return direction


def _grid(picture: Embedding) -> Floats:
    return floats(picture.grid).reshape(PLACES, CHANNELS)
