"""`scenewatch eval reasons`: does the heat point at what is abnormal? Ped2's pixel masks know where that is.

The pointing game (Zhang et al. 2016, arXiv 1608.00507): a hit is a frame whose hottest place holds an abnormal pixel. Chance is the
mean share of places that do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from rich.progress import track

from monitor.errors import SourceError
from monitor.explain import EVERY_S, KEPT, Ordinary
from monitor.jpeg import Image
from monitor.messages import Embedding, Modality, pack
from monitor.novelty import SIDE
from monitor.vision import PictureEncoder, picture_encoder
from workers.evaluate import Task
from workers.evaluate.interval import with_interval

SET: Final = "vad/ucsd_ped2"
EVERY: Final = 8
"""One frame of the test clips in so many is looked at: its neighbours are nearly the same."""
TRAIN: Final = re.compile(r"train", re.IGNORECASE)
TEST: Final = re.compile(r"test", re.IGNORECASE)

Masks = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pointed:
    """Where the heat of one abnormal frame points."""

    clip: str
    hit: bool
    chance: float


def reasons(task: Task) -> dict[str, float]:
    """The share of abnormal frames whose hottest place is abnormal, over clips. Raises SourceError where the set is absent."""
    folder = task.data / (task.of or SET)
    encoder = picture_encoder(task.config.models)
    ordinary = learned(folder, encoder)
    pointed = [found for path in track(_clips(folder, TEST), "pointing") for found in points(path, folder, encoder, ordinary)]
    if not pointed:
        raise SourceError(f"{folder} holds no test clip with a mask in masks/. Name the folder of the real data: --data DIR.")
    hits = np.array([each.hit for each in pointed])
    figures = {"frames": float(len(pointed)), "chance": float(np.mean([each.chance for each in pointed]))}
    return figures | with_interval("heat_hits", lambda rows: float(hits[rows].mean()), [each.clip for each in pointed])


def learned(folder: Path, encoder: PictureEncoder) -> Ordinary:
    """Ordinary moments, as many as a camera keeps, spread evenly over the clips that are normal."""
    ordinary, clips = Ordinary(), _clips(folder, TRAIN)
    each = -(-KEPT // max(len(clips), 1))
    for number, path in enumerate(clips):
        images = list(frames(path))
        for turn in range(each):
            ordinary.take(seen(images[turn * len(images) // each], (number * each + turn) * EVERY_S, encoder))
    return ordinary


def points(path: Path, folder: Path, encoder: PictureEncoder, ordinary: Ordinary) -> Iterator[Pointed]:
    """Where the heat of a clip's abnormal frames points."""
    mask = folder / "masks" / f"{path.stem}.npz"
    if not mask.is_file():
        return
    truth = masks(mask)
    for number, image in enumerate(frames(path)):
        if number % EVERY == 0 and number < len(truth) and truth[number].any():
            abnormal = cells(truth[number])
            heat = ordinary.heat(seen(image, 0.0, encoder))
            yield Pointed(path.stem, bool(heat.any() and abnormal.ravel()[heat.argmax()]), float(abnormal.mean()))


def cells(mask: Masks) -> Masks:
    """Which places [7, 7] hold a pixel of a mask [h, w]."""
    rows, columns = (np.arange(length) * SIDE // length for length in mask.shape)
    found = np.zeros((SIDE, SIDE), np.bool_)
    y, x = np.nonzero(mask)
    found[rows[y], columns[x]] = True
    return found


def masks(path: Path) -> Masks:
    """Pixel masks [frames, h, w], packed along the width."""
    with np.load(path, allow_pickle=False) as held:
        bits, shape = held["bits"], held["shape"]
    found: Masks = np.unpackbits(bits, axis=-1)[..., : int(shape[2])].astype(np.bool_)
    return found


def frames(path: Path) -> Iterator[Image]:
    """A clip's frames, RGB."""
    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def seen(image: Image, at: float, encoder: PictureEncoder) -> Embedding:
    """A picture as the encode stage would send it."""
    made = encoder([image])
    return Embedding(
        camera="",
        at=at,
        until=at + 0.5,
        captured=at,
        modalities=(Modality.PICTURE,),
        modality=Modality.PICTURE,
        vector=pack(made.vectors[0]),
        grid=pack(made.grids[0]),
    )


def _clips(folder: Path, kind: re.Pattern[str]) -> list[Path]:
    return sorted(path for path in folder.glob("*.*") if kind.match(path.name) and path.suffix in {".mp4", ".avi", ".mkv"})
