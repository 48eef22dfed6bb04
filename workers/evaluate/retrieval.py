"""`scenewatch eval retrieval`: a caption finds its photo among all the others, by the joint spaces of pictures and texts.

Settings (the classes' temperature, how strongly a map is held) were chosen on every third photo, by a digest of its name; those
photos are left out here, whichever set is given. The map is learned from photos and captions of the others, cross-validated: it says
what pairs would give, and is not shipped, for Flickr8k's licence does not let weights that were taught by it be.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
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

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

SET: Final = "image_text/flickr8k"
CAPTIONS: Final = Path("image_text/flickr8k_captions.csv")
RANKS: Final = (1, 5, 10)
SPARED: Final = 3
"""One photo in so many was used to choose settings, and is left out."""
FOLDS: Final = 5
HELD: Final = 1.0
"""How strongly the map is held to zero, in units of the photos' mean square length."""


@dataclass(frozen=True, slots=True)
class Photos:
    """Photos and what is said of them."""

    names: tuple[str, ...]
    pictures: Floats
    """The visual encoder's vectors [n, 1280]."""
    captions: Floats
    """The captions' vectors [m, 384]."""
    of: Integers
    """Which photo each caption is of [m]."""


def retrieval(task: Task) -> dict[str, float]:
    """Share of captions whose photo is among the first 1, 5 and 10; by ConSE, by a learned map, and by chance."""
    space = conse(task.config.models)
    photos = read(task.data, space, picture_encoder(task.config.models))
    placed = space.place(photos.pictures)
    figures = {"photos": float(len(photos.names)), "captions": float(len(photos.of))}
    figures |= {f"chance_at_{rank}": min(1.0, rank / len(photos.names)) for rank in RANKS}
    figures |= _recalls("", ranks(photos.captions @ placed.T, photos.of), photos)
    if len(photos.names) < 2 * FOLDS:
        sys.stderr.write(f"retrieval: {len(photos.names)} photos are too few to learn a map from: its figures are left out\n")
        return figures
    return figures | _recalls("_map", mapped(photos, placed), photos)


def read(data: Path, space: Conse, encoder: PictureEncoder) -> Photos:
    """Photos with their captions, without those that settings were chosen on. Raises SourceError if there are none."""
    said: dict[str, list[str]] = defaultdict(list)
    for path, caption in _captions(data / CAPTIONS):
        if not spared(path) and (data / path).is_file():
            said[path].append(caption)
    if not said:
        raise SourceError(f"{data / SET} holds no photo that {CAPTIONS.name} tells of. Name the folder of the real data: --data DIR.")
    names = tuple(said)
    tracks = ((Track(name=name, label="", group=name, fold=0), name) for name in track(names, SET))
    bank = cached("retrieval", [encoder.name, names], lambda: gather((item, _seen(data / name, encoder)) for item, name in tracks))
    texts = [caption for name in names for caption in said[name]]
    captions = cached("captions", [space.encode.name, texts], lambda: _said(texts, space))
    of = np.repeat(np.arange(len(names)), [len(said[name]) for name in names])
    return Photos(names, bank.values.astype(np.float32), captions.values.astype(np.float32), of)


def spared(path: str) -> bool:
    """Whether settings were chosen on this photo."""
    return sha256(Path(path).name.encode()).digest()[0] % SPARED == 0


def ranks(similar: Floats, of: Integers) -> Integers:
    """How many photos are nearer to each caption than its own: similarities [m, n] to [m]."""
    own = similar[np.arange(len(of)), of]
    found: Integers = (similar > own[:, None]).sum(axis=1)
    return found


def mapped(photos: Photos, placed: Floats) -> Integers:
    """Ranks by ConSE and a learned map together, each photo placed by a map that learned from the other folds' photos and captions."""
    means = np.stack([photos.captions[photos.of == photo].mean(axis=0) for photo in range(len(photos.names))])
    folds = np.arange(len(photos.names)) % FOLDS
    learned = np.zeros_like(placed)
    for fold in range(FOLDS):
        taught = folds != fold
        learned[~taught] = unit(ridge(photos.pictures[taught], means[taught], photos.pictures[~taught]))
    return ranks(photos.captions @ unit(learned + placed).T, photos.of)


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


def _captions(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                yield line["path"], line["caption"]
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror}. Name the folder of the real data: --data DIR.") from error


def _seen(path: Path, encoder: PictureEncoder) -> Tokens:
    return Tokens(np.zeros(1, np.float32), encoder([decode_jpeg(path.read_bytes())]).vectors)


def _said(texts: Sequence[str], space: Conse) -> Bank:
    vectors = space.texts(texts)
    return gather([(Track(name="captions", label="", group="", fold=0), Tokens(np.zeros(len(texts), np.float32), vectors))])
