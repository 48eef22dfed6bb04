"""Why a window was judged as it was: the tokens, words and places that mattered, and the ordinary moments nearest to it.

A token's share is what the probability loses when it alone is left out (occlusion: Zeiler and Fergus 2014, arXiv 1311.2901); a
word's the same, with its utterance read anew without it; a place's the same, with the movement in that cell of the raster stilled. All
variants of a window go through the network in one batch. For what is unusual there is no such network: there the heat is how much
farther each place is from the same place in the camera's own ordinary moments than these are from each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from monitor.align import Window
from monitor.language import TextEncoder
from monitor.messages import Embedding, Judgement, Modality, Reasons, Ref, Score, Share, Word, floats, pack
from monitor.motion import CELLS
from monitor.novelty import CHANNELS, PLACES, SHRINK, SIDE
from monitor.told import told

Floats = npt.NDArray[np.float32]

Probabilities = Callable[[Sequence[Window]], Floats]
"""The network on windows, in one batch: probabilities [n, kinds]."""

EXPLAIN_FROM: Final = 0.5
"""A judgement that is less probable needs no reasons."""
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
LEAST: Final = 0.005
"""Smaller shares of a probability are not worth telling."""
WORDS: Final = 40
"""So many words, the newest, are left out one by one."""
MOVES: Final = "movement that the probability rests on"
DIFFERS: Final = "unlike this place in ordinary moments"


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
    _ordinary: dict[str, Ordinary] = field(default_factory=dict)

    def __call__(self, window: Window, made: Score) -> Score:
        """Add reasons to what is probable; a window in which nothing is teaches what is ordinary."""
        ordinary = self._ordinary.setdefault(window.camera, Ordinary())
        if made.revision == 0 and window.pictures and all(judgement.probability < ORDINARY for judgement in made.judgements):
            ordinary.take(window.pictures[-1])
        asked = {judgement.kind for judgement in made.judgements if _asks(judgement, made)}
        if not asked:
            return made
        variants = self._variants(window) if asked.intersection(self.kinds) else None
        explained = tuple(
            self._explained(each, window, made, ordinary, variants) if each.kind in asked else each for each in made.judgements
        )
        return msgspec.structs.replace(made, judgements=explained)

    def forget(self, camera: str) -> None:
        """Let go of a camera, as if it had never been there."""
        self._ordinary.pop(camera, None)

    def _variants(self, window: Window) -> _Shares:
        """Ask the network of everything that can be left out, in one batch."""
        left_out = [*_without_tokens(window), *_without_movement(window), *self._without_words(window)]
        said = self.network([window, *(variant for _, variant in left_out)])
        return _Shares([what for what, _ in left_out], said[0] - said[1:])

    def _without_words(self, window: Window) -> Iterator[tuple[_Part, Window]]:
        if self.texts is None:
            return
        words = [(row, n) for row, item in enumerate(window.texts) if item.transcript for n in range(len(item.transcript.words))][-WORDS:]
        shorter = [" ".join(word.text for m, word in enumerate(_words(window.texts[row])) if m != n) for row, n in words]
        for (row, n), vector in zip(words, self.texts(shorter), strict=True):
            item = msgspec.structs.replace(window.texts[row], vector=pack(vector))
            word = _words(window.texts[row])[n]
            variant = replace(window, texts=(*window.texts[:row], item, *window.texts[row + 1 :]))
            yield _Part("word", n, Share(at=word.at, until=word.until, share=0.0, text=word.text)), variant

    def _explained(self, judgement: Judgement, window: Window, made: Score, ordinary: Ordinary, variants: _Shares | None) -> Judgement:
        """One judgement with its reasons."""
        shown = next((item for item in window.pictures if item.source is not None and item.source == made.key_frame), None)
        reasons = Reasons()
        if variants is not None and judgement.kind in self.kinds:
            reasons = variants.of(self.kinds.index(judgement.kind))
        elif shown is not None and judgement.kind == "unusual_picture":
            reasons = Reasons(heat=_rows(ordinary.heat(shown)), heat_of=DIFFERS)
        if shown is not None and Modality.PICTURE in judgement.parts:
            reasons = msgspec.structs.replace(reasons, expected=ordinary.expected(shown))
        if reasons.heat:
            reasons = msgspec.structs.replace(reasons, picture=made.key_frame)
        reasons = msgspec.structs.replace(reasons, text=told(reasons, judgement.parts, window.until))
        return msgspec.structs.replace(judgement, reasons=reasons)


@dataclass(frozen=True, slots=True)
class _Part:
    """Something of a window that can be left out."""

    what: str
    """picture, sound, word or place."""
    number: int
    share: Share


@dataclass(frozen=True, slots=True)
class _Shares:
    """What was left out, and what each kind's probability lost by it [n, kinds]."""

    parts: Sequence[_Part]
    lost: Floats

    def of(self, kind: int) -> Reasons:
        """The reasons of one kind."""
        lost = self.lost[:, kind]
        found: Mapping[str, list[Share]] = {"picture": [], "sound": [], "word": []}
        heat = np.zeros(CELLS * CELLS, np.float32)
        for part, share in zip(self.parts, lost.tolist(), strict=True):
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


def _without_tokens(window: Window) -> Iterator[tuple[_Part, Window]]:
    """The window without each of its pictures, and without each of its sounds."""
    for n, item in enumerate(window.pictures):
        rest = (*window.pictures[:n], *window.pictures[n + 1 :])
        yield _Part("picture", n, Share(at=item.at, until=item.until, share=0.0)), replace(window, pictures=rest)
    for n, item in enumerate(window.sounds):
        rest = (*window.sounds[:n], *window.sounds[n + 1 :])
        yield _Part("sound", n, Share(at=item.at, until=item.until, share=0.0)), replace(window, sounds=rest)


def _without_movement(window: Window) -> Iterator[tuple[_Part, Window]]:
    """The window with each cell of the motion raster stilled in all of its pictures; those that do not move anyway are left out."""
    motions = [floats(item.motion) for item in window.pictures]
    for cell in range(CELLS * CELLS):
        if any(len(motion) and motion[cell] > 0 for motion in motions):
            pictures = tuple(_stilled(item, motion, cell) for item, motion in zip(window.pictures, motions, strict=True))
            yield _Part("place", cell, Share(at=window.at, until=window.until, share=0.0)), replace(window, pictures=pictures)


def _stilled(item: Embedding, motion: Floats, cell: int) -> Embedding:
    if not len(motion):
        return item
    still = motion.copy()
    still[cell] = 0.0
    return msgspec.structs.replace(item, motion=pack(still))


def _asks(judgement: Judgement, made: Score) -> bool:
    """Whether it is to be explained; of a window that only adds words, what rests on words."""
    new = made.revision == 0 or Modality.TEXT in judgement.parts
    return new and judgement.reasons is None and judgement.probability >= EXPLAIN_FROM


def _words(item: Embedding) -> tuple[Word, ...]:
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
