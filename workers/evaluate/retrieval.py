"""`scenewatch eval retrieval`: a caption finds its photo among all the others, by the joint spaces of pictures and texts.

Settings (the classes' temperature, how strongly the map is held) were chosen on every third photo, by a digest of its name; those
photos are left out of the figures, whichever set is given. The map is learned from them and their captions: it says what a few hundred
pairs would give, and is not shipped, for Flickr8k's licence does not let weights that it taught be.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.progress import track

from monitor.errors import SourceError
from monitor.jpeg import decode_jpeg
from monitor.vision import PictureEncoder, picture_encoder
from monitor.zeroshot import Conse, conse, unit
from workers.evaluate import Task
from workers.evaluate.interval import with_interval
from workers.training.bank import Bank, Tokens, Track, cached, gather
from workers.training.figures import area_under_roc
from workers.training.rows import held_out

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

SET: Final = "image_text/flickr8k"
CAPTIONS: Final = Path("image_text/flickr8k_captions.csv")
FALLS: Final = "images/fall"
LYING: Final = "a person lying on the floor"
"""The example that `alerts.look_for` is asked for with."""
RANKS: Final = (1, 5, 10)
SPARED: Final = 3
"""One photo in so many was used to choose settings, teaches the map, and is left out."""
FEWEST: Final = 20
"""From fewer photos no map is learned."""
HELD: Final = 1.0
"""How strongly the map is held to zero, in units of the photos' mean square length."""


@dataclass(frozen=True, slots=True)
class Photos:
    """Photos and what is said of them."""

    names: tuple[str, ...]
    pictures: Floats
    """The visual encoder's vectors [n, 1280]."""
    captions: Floats
    """The captions' vectors [m, 768]."""
    of: Integers
    """Which photo each caption is of [m]."""

    def means(self) -> Floats:
        """The mean of each photo's captions [n, 768]."""
        return np.stack([self.captions[self.of == photo].mean(axis=0) for photo in range(len(self.names))])


def retrieval(task: Task) -> dict[str, float]:
    """Share of captions whose photo is among the first 1, 5 and 10; by ConSE, by a learned map, and by chance."""
    space, encoder = conse(task.config.models), picture_encoder(task.config.models)
    told = captions(task.data)
    fallen = _fallen(task.data, space, encoder)
    photos = read(task.data, {name: said for name, said in told.items() if not spared(name)}, space, encoder)
    placed = space.place(photos.pictures)
    figures = {**fallen, "photos": float(len(photos.names)), "captions": float(len(photos.of))}
    figures |= {f"chance_at_{rank}": min(1.0, rank / len(photos.names)) for rank in RANKS}
    figures |= _recalls("", ranks(photos.captions @ placed.T, photos.of), photos)
    lessons = {name: said for name, said in told.items() if spared(name)}
    if len(lessons) < FEWEST:
        sys.stderr.write(f"retrieval: {len(lessons)} photos are too few to learn a map from: its figures are left out\n")
        return figures
    return figures | _recalls("_map", mapped(photos, placed, read(task.data, lessons, space, encoder)), photos)


def _fallen(data: Path, space: Conse, encoder: PictureEncoder) -> dict[str, float]:
    """How well a text that is looked for tells people who have fallen from others: the area under the ROC, over stills."""
    rows = held_out(data, FALLS)
    truth = np.array([row.label == "fall" for row in rows])
    if truth.all() or not truth.any():
        sys.stderr.write(f"retrieval: {data / FALLS} holds no stills of both kinds: its figure is left out\n")
        return {}
    names = [row.name for row in rows]
    bank = cached("falls", [encoder.name, names], lambda: _looked_at(data, names, encoder))
    fits = space.place(bank.values.astype(np.float32)) @ space.texts([LYING])[0]
    return with_interval("lying_auc", lambda chosen: area_under_roc(truth[chosen].tolist(), fits[chosen].tolist()), range(len(rows)))


def captions(data: Path) -> dict[str, list[str]]:
    """Captions by photo, of those that are there. Raises SourceError if none is."""
    told: dict[str, list[str]] = defaultdict(list)
    for path, caption in _lines(data / CAPTIONS):
        if (data / path).is_file():
            told[path].append(caption)
    if all(spared(path) for path in told):
        raise SourceError(f"{data / SET} holds no photo that {CAPTIONS.name} tells of. Name the folder of the real data: --data DIR.")
    return told


def read(data: Path, told: Mapping[str, Sequence[str]], space: Conse, encoder: PictureEncoder) -> Photos:
    """Encode photos and their captions, or take them from the cache."""
    names, texts = tuple(told), [caption for said in told.values() for caption in said]
    pictures = cached("retrieval", [encoder.name, names], lambda: _looked_at(data, names, encoder))
    sentences = cached("captions", [space.encode.name, texts], lambda: _said(texts, space))
    of = np.repeat(np.arange(len(names)), [len(said) for said in told.values()])
    return Photos(names, pictures.values.astype(np.float32), sentences.values.astype(np.float32), of)


def spared(path: str) -> bool:
    """Whether settings were chosen on this photo."""
    return sha256(Path(path).name.encode()).digest()[0] % SPARED == 0


def ranks(similar: Floats, of: Integers) -> Integers:
    """How many photos are nearer to each caption than its own: similarities [m, n] to [m]."""
    own = similar[np.arange(len(of)), of]
    found: Integers = (similar > own[:, None]).sum(axis=1)
    return found


def mapped(photos: Photos, placed: Floats, lessons: Photos) -> Integers:
    """Ranks by ConSE and, beside it, a map that was learned from other photos and their captions."""
    targets = lessons.means()
    learned = unit(ridge(lessons.pictures, targets, photos.pictures))
    return ranks((photos.captions - targets.mean(axis=0)) @ unit(learned + placed).T, photos.of)


def ridge(taught: Floats, targets: Floats, asked: Floats) -> Floats:
    """Predict vectors by ridge regression in its dual form, on roots of the features: [n, f], [n, d], [m, f] to [m, d], centred."""
    roots = np.sqrt(np.maximum(taught, 0))
    centre = roots.mean(axis=0)
    known, new = roots - centre, np.sqrt(np.maximum(asked, 0)) - centre
    kernel = known @ known.T
    weights = np.linalg.solve(kernel + HELD * np.trace(kernel) / len(kernel) * np.eye(len(kernel)), targets - targets.mean(axis=0))
    found: Floats = (new @ known.T @ weights).astype(np.float32)
    return found


def _recalls(suffix: str, found: Integers, photos: Photos) -> dict[str, float]:
    """Recall at each rank with its interval, over photos."""
    figures: dict[str, float] = {}
    for rank in RANKS:
        figures |= with_interval(f"recall_at_{rank}{suffix}", partial(_share, found < rank), photos.of.tolist())
    return figures | {f"median_rank{suffix}": float(np.median(found)) + 1}


def _share(hits: npt.NDArray[np.bool_], rows: Integers) -> float:
    return float(hits[rows].mean())


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                yield line["path"], line["caption"]
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror}. Name the folder of the real data: --data DIR.") from error


def _looked_at(data: Path, names: Sequence[str], encoder: PictureEncoder) -> Bank:
    vectors = (encoder([decode_jpeg((data / name).read_bytes())]).vectors for name in track(names, SET))
    pairs = zip(names, vectors, strict=True)
    return gather((Track(name=name, label="", group=name, fold=0), Tokens(np.zeros(1, np.float32), vector)) for name, vector in pairs)


def _said(texts: Sequence[str], space: Conse) -> Bank:
    vectors = space.texts(texts)
    return gather([(Track(name="captions", label="", group="", fold=0), Tokens(np.zeros(len(texts), np.float32), vectors))])
