"""What a camera that watches a still scene sees and hears, sample by sample."""

import numpy as np

from monitor.align import Window
from monitor.config import Normality as Settings
from monitor.messages import Embedding, Modality, pack
from monitor.novelty import CHANNELS, PLACES

STILL = np.random.default_rng(99).normal(0, 5, (PLACES, CHANNELS)).astype(np.float32)
SETTINGS = Settings(warm_up_s=60, memory=300)
PICTURE, SOUND = Modality.PICTURE, Modality.SOUND


def item(modality: Modality, index: int, **fields: bytes) -> Embedding:
    at = index * 0.5
    return Embedding(
        camera="hall", at=at, until=at + 0.5, captured=at, modalities=(PICTURE, SOUND), modality=modality, vector=b"", **fields
    )


def picture(index: int, change: float = 0.0) -> Embedding:
    grid = STILL + np.random.default_rng(index).normal(0, 0.4, STILL.shape)
    grid[30] += change
    return item(PICTURE, index, grid=pack(grid), motion=pack(np.full(32, 0.01)))


def sound(index: int, change: float = 0.0) -> Embedding:
    vector = np.random.default_rng(index).normal(change, 1.0, 1024)
    at = index * 0.5
    return Embedding(camera="hall", at=at, until=at + 0.5, captured=at, modalities=(PICTURE, SOUND), modality=SOUND, vector=pack(vector))


def window(index: int, pictures, sounds) -> Window:
    """The window that ends with these items' last."""
    until = (index + 1) * 0.5
    return Window(
        camera="hall",
        at=until - 4,
        until=until,
        captured=until,
        modalities=(PICTURE, SOUND),
        revision=0,
        final=False,
        pictures=tuple(pictures[max(0, index - 7) : index + 1]),
        sounds=tuple(sounds[max(0, index - 7) : index + 1]),
    )
