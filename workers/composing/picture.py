"""A stream's pictures: shots of one size and sharpness, by day or at night, dry or in the rain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
import numpy.typing as npt

from monitor.errors import SourceError
from workers.composing.plan import Shot

RATE: Final = 12
"""Pictures a second: as many as capture looks at for movement."""
SIZE: Final = (320, 240)
SHARP: Final = 0.75
"""Everything is first made so much smaller, for the clips were not equally sharp."""
MOST: Final = 600
"""Frames of one clip that are read."""
DROPS: Final = 90
NOISES: Final = 8

Picture = npt.NDArray[np.uint8]
"""uint8 [240, 320, 3], BGR."""


def pictures(shots: Sequence[Shot], seed: int, *, night: bool, rain: bool) -> Iterator[Picture]:
    """Every picture of a stream, RATE a second."""
    filters = [*([raining(seed)] if rain else []), *([infrared(seed)] if night else [])]
    for number, shot in _numbered(shots):
        frames, fps = clip(shot.row.path)
        index = int((number / RATE - shot.begin) * fps)
        picture = frames[_played(len(frames), index, int(shot.start * len(frames)))]
        for change in filters:
            picture = change(picture, number)
        yield picture


def _numbered(shots: Sequence[Shot]) -> Iterator[tuple[int, Shot]]:
    number = 0
    for shot in shots:
        while number / RATE < shot.end - 1e-9:
            yield number, shot
            number += 1


def _played(count: int, index: int, start: int) -> int:
    """The frame that is shown when so many have been played, forward and back."""
    cycle = max(1, 2 * count - 2)
    place = (start + index) % cycle
    return place if place < count else cycle - place


@lru_cache(maxsize=64)
def clip(path: Path) -> tuple[tuple[Picture, ...], float]:
    """A clip's pictures in SIZE and their rate. Raises SourceError if it can't be read."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            fps = float(stream.average_rate or 25)
            step = max(1, round(fps / RATE / 1.2))
            frames = [
                frame.to_ndarray(format="bgr24") for n, frame in zip(range(MOST), container.decode(stream), strict=False) if n % step == 0
            ]
    except (av.FFmpegError, IndexError) as error:
        raise SourceError(f"{path}: its pictures can't be read: {error}") from error
    if not frames:
        raise SourceError(f"{path}: it has no pictures")
    return tuple(fitted(frame) for frame in frames), fps / step


def fitted(image: npt.NDArray[Any]) -> Picture:
    """The middle of a picture that fills SIZE, as sharp as all others."""
    height, width = image.shape[:2]
    scale = max(SIZE[0] / width, SIZE[1] / height)
    w, h = min(width, round(SIZE[0] / scale)), min(height, round(SIZE[1] / scale))
    x, y = (width - w) // 2, (height - h) // 2
    small = cv2.resize(image[y : y + h, x : x + w], None, fx=SIZE[0] * SHARP / w, fy=SIZE[1] * SHARP / h, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, SIZE, interpolation=cv2.INTER_LINEAR), np.uint8)


def infrared(seed: int) -> Callable[[Picture, int], Picture]:
    """A camera at night with its own lamp: grey, brightest in the middle, flat, and noisy."""
    rng = np.random.default_rng([seed, 1])
    x, y = np.meshgrid(np.linspace(-1, 1, SIZE[0]), np.linspace(-1, 1, SIZE[1]))
    lamp = (1.05 - 0.55 * np.clip(x**2 + y**2, 0, 1.4)).astype(np.float32)
    noise = rng.normal(0, 6, (NOISES, SIZE[1], SIZE[0])).astype(np.float32)

    def at_night(picture: Picture, number: int) -> Picture:
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
        grain = np.roll(noise[number % NOISES], number * 37 % SIZE[0], axis=1)
        lit = np.clip((grey * 0.6 + 25) * lamp + grain, 0, 255).astype(np.uint8)
        return np.asarray(cv2.cvtColor(lit, cv2.COLOR_GRAY2BGR), np.uint8)

    return at_night


def raining(seed: int) -> Callable[[Picture, int], Picture]:
    """Streaks of rain before a dull picture."""
    rng = np.random.default_rng([seed, 2])
    x, y = rng.uniform(0, SIZE[0], DROPS), rng.uniform(0, SIZE[1], DROPS)
    length = rng.uniform(8, 22, DROPS)

    def in_rain(picture: Picture, number: int) -> Picture:
        streaks = np.zeros_like(picture)
        for left, top, long in zip(x + number * 41, y + number * 97, length, strict=True):
            begin = (int(left % SIZE[0]), int(top % SIZE[1]))
            cv2.line(streaks, begin, (begin[0] + 2, begin[1] + int(long)), (150, 150, 150), 1, cv2.LINE_AA)
        return np.asarray(cv2.addWeighted(picture, 0.8, streaks, 0.5, 18), np.uint8)

    return in_rain
