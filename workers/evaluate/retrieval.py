"""`scenewatch eval retrieval`: a caption finds its photo among all the others, by the joint spaces of pictures and texts.

The space is ConSE's, with what the detector finds said beside it, where its weights are there (`*_conse` is without it). Settings (the
sentences, the classes' temperature, how much what is found counts, how strongly the map is held) were chosen on every third photo, by a
digest of its name; those photos are left out of the figures, whichever set is given. The map is learned from them and their captions: it
says what a few hundred pairs would give, and is not shipped, for Flickr8k's licence does not let weights that it taught be.
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

from monitor.config import Models
from monitor.described import described
from monitor.errors import SourceError
from monitor.jpeg import Image, decode_jpeg
from monitor.messages import Frame, Modality
from monitor.sightings import Sightings
from monitor.vision import PictureEncoder, picture_encoder
from monitor.zeroshot import FAINT, Conse, conse, unit
from workers.encode import looks, sightings_of
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
    found: tuple[str, ...]
    """A sentence of what the detector finds in each; empty where it finds nothing, or is not there."""
    captions: Floats
    """The captions' vectors [m, 768]."""
    of: Integers
    """Which photo each caption is of [m]."""

    def means(self) -> Floats:
        """The mean of each photo's captions [n, 768]."""
        return np.stack([self.captions[self.of == photo].mean(axis=0) for photo in range(len(self.names))])


@dataclass(frozen=True, slots=True)
class Eyes:
    """What looks at stills, as the encode stage looks at a camera's first picture."""

    encoder: PictureEncoder
    sightings: Sightings | None
    names: tuple[str, ...]
    """All models, and their versions."""

    @classmethod
    def load(cls, models: Models) -> Eyes:
        """Those that are configured, as far as their weights are there. Raises ModelError."""
        encoder = picture_encoder(models)
        return cls(encoder, sightings_of(models), (encoder.name, *looks(models)))

    def __call__(self, image: Image) -> tuple[Floats, str]:
        """An RGB picture's vector [1280], and a sentence of what was found in it."""
        (vector,) = self.encoder([image]).vectors
        return vector, "" if self.sightings is None else described(self.sightings(_still(image), image), FAINT)


def retrieval(task: Task) -> dict[str, float]:
    """Share of captions whose photo is among the first 1, 5 and 10; by ConSE with what is found, by a learned map too, and by chance."""
    models = task.config.models
    space, eyes = conse(models), Eyes.load(models)
    told = captions(task.data)
    fallen = _fallen(task.data, space, eyes)
    photos = read(task.data, {name: said for name, said in told.items() if not spared(name)}, space, eyes)
    placed = space.place(photos.pictures, photos.found)
    figures = {**fallen, "photos": float(len(photos.names)), "captions": float(len(photos.of))}
    figures |= {f"chance_at_{rank}": min(1.0, rank / len(photos.names)) for rank in RANKS}
    figures |= _recalls("", ranks(photos.captions @ placed.T, photos.of), photos)
    figures |= _recalls("_conse", ranks(photos.captions @ space.place(photos.pictures).T, photos.of), photos)
    lessons = {name: said for name, said in told.items() if spared(name)}
    if len(lessons) < FEWEST:
        sys.stderr.write(f"retrieval: {len(lessons)} photos are too few to learn a map from: its figures are left out\n")
        return figures
    return figures | _recalls("_map", mapped(photos, placed, read(task.data, lessons, space, eyes)), photos)


def _still(image: Image) -> Frame:
    """A picture that none came before, nor comes after."""
    (height, width), seen = image.shape[:2], (Modality.PICTURE,)
    return Frame(camera="still", at=0.0, until=0.0, captured=0.0, modalities=seen, seq=0, jpeg=b"", width=width, height=height)


def _fallen(data: Path, space: Conse, eyes: Eyes) -> dict[str, float]:
    """How well a text that is looked for tells people who have fallen from others: the area under the ROC, over stills."""
    rows = held_out(data, FALLS)
    truth = np.array([row.label == "fall" for row in rows])
    if truth.all() or not truth.any():
        sys.stderr.write(f"retrieval: {data / FALLS} holds no stills of both kinds: its figure is left out\n")
        return {}
    names = [row.name for row in rows]
    pictures, found = _looked_at("falls", data, names, eyes)
    figures: dict[str, float] = {}
    for name, placed in {"lying_auc": space.place(pictures, found), "lying_auc_conse": space.place(pictures)}.items():
        figures |= with_interval(name, partial(_area, truth, placed @ space.texts([LYING])[0]), range(len(rows)))
    return figures


def _area(truth: npt.NDArray[np.bool_], fits: Floats, rows: Integers) -> float:
    return area_under_roc(truth[rows], fits[rows])


def captions(data: Path) -> dict[str, list[str]]:
    """Captions by photo, of those that are there. Raises SourceError if none is."""
    told: dict[str, list[str]] = defaultdict(list)
    for path, caption in _lines(data / CAPTIONS):
        if (data / path).is_file():
            told[path].append(caption)
    if all(spared(path) for path in told):
        raise SourceError(f"{data / SET} holds no photo that {CAPTIONS.name} tells of. Name the folder of the real data: --data DIR.")
    return told


def read(data: Path, told: Mapping[str, Sequence[str]], space: Conse, eyes: Eyes) -> Photos:
    """Encode photos and their captions, or take them from the cache."""
    names, texts = tuple(told), [caption for said in told.values() for caption in said]
    pictures, found = _looked_at("retrieval", data, names, eyes)
    sentences = cached("captions", [space.encode.name, texts], lambda: _said(texts, space))
    of = np.repeat(np.arange(len(names)), [len(said) for said in told.values()])
    return Photos(names, pictures, found, sentences.values.astype(np.float32), of)


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


def _looked_at(what: str, data: Path, names: Sequence[str], eyes: Eyes) -> tuple[Floats, tuple[str, ...]]:
    """Photos' vectors [n, 1280] and what was found in each [n], out of the cache where they are there."""

    def look() -> Iterator[tuple[Track, Tokens]]:
        for name in track(names, what):
            vector, found = eyes(decode_jpeg((data / name).read_bytes()))
            yield Track(name=name, label=found, group=name, fold=0), Tokens(np.zeros(1, np.float32), vector[None])

    bank = cached(what, [*eyes.names, names], lambda: gather(look()))
    return bank.values.astype(np.float32), tuple(each.label for each in bank.tracks)


def _said(texts: Sequence[str], space: Conse) -> Bank:
    vectors = space.texts(texts)
    return gather([(Track(name="captions", label="", group="", fold=0), Tokens(np.zeros(len(texts), np.float32), vectors))])
