"""A camera that is moved, and one on which night falls, on real footage: told in minutes, learned anew, and known when it comes back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from monitor.align import Window
from monitor.capture import Capture
from monitor.config import Camera, Config
from monitor.config import Normality as Settings
from monitor.drift import ACCEPTED_S, TOLD_S
from monitor.jpeg import Image, decode_jpeg
from monitor.keeping import Remembered
from monitor.messages import Embedding, Frame, Modality, pack
from monitor.metrics import Metrics
from monitor.normality import DRIFT
from monitor.vision import PictureEncoder, picture_encoder

VIDEO = Path(os.environ.get("SCENEWATCH_DATA", "../shared/data")) / "video" / "vtest.avi"
pytestmark = pytest.mark.skipif(not VIDEO.exists(), reason=f"{VIDEO} is absent: set SCENEWATCH_DATA")

CONFIG = Config()
SETTINGS = Settings(warm_up_s=150, memory=2000)
SOON_S = 60.0
"""A shift is noticed within this."""
LATER_S = 300
"""What comes after the beginning, which is learned, lasts so long at least before anything is changed."""
Change = Callable[[Image], Image]


def unchanged(image: Image) -> Image:
    return image


def pushed(image: Image) -> Image:
    """Somebody pushed the camera: a tenth of the picture's width to the side, a twentieth down, three degrees round."""
    height, width = image.shape[:2]
    push = cv2.getRotationMatrix2D((width / 2, height / 2), 3, 1.0)
    push[:, 2] += 0.1 * width, 0.05 * height
    return np.asarray(cv2.warpAffine(image, push, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def night(image: Image) -> Image:
    """A seventh of the light, and the sensor's noise."""
    noise = np.random.default_rng(image.size).normal(0, 3, image.shape)
    return np.asarray(np.clip(image * 0.15 + noise, 0, 255), np.uint8)


@pytest.fixture(scope="module")
def film() -> Sequence[Frame]:
    """People who cross a yard: 79 s, a picture a second."""
    camera = Camera(source=str(VIDEO), fps=1.0, starts_at=0.0, sound=False)
    capture = Capture("yard", camera, CONFIG.capture, Metrics(), fast=True)
    return [item for item in capture.items() if isinstance(item, Frame)]


@pytest.fixture(scope="module")
def encoder() -> PictureEncoder:
    return picture_encoder(CONFIG.models)


@pytest.fixture(scope="module")
def embedded(film: Sequence[Frame], encoder: PictureEncoder) -> Callable[[Change], Sequence[Embedding]]:
    made: dict[str, list[Embedding]] = {}

    def embed(change: Change) -> Sequence[Embedding]:
        if change.__name__ not in made:
            images = [change(decode_jpeg(frame.jpeg)) for frame in film]
            grids = np.concatenate([encoder(images[at : at + 16]).grids for at in range(0, len(images), 16)])
            made[change.__name__] = [_embedding(frame, grid) for frame, grid in zip(film, grids, strict=True)]
        return made[change.__name__]

    return embed


def _embedding(frame: Frame, grid: np.ndarray) -> Embedding:
    return Embedding(
        camera=frame.camera,
        at=frame.at,
        until=frame.until,
        captured=frame.at,
        modalities=(Modality.PICTURE,),
        modality=Modality.PICTURE,
        vector=b"",
        grid=pack(grid),
        motion=frame.motion,
    )


def shown(*stretches: tuple[Sequence[Embedding], int]) -> Iterator[Embedding]:
    """Films, to and fro, for so many seconds each."""
    seconds = count()
    for items, lasts in stretches:
        to_and_fro = [*items, *reversed(items)]
        for number in range(lasts):
            at = float(next(seconds))
            yield replace(to_and_fro[number % len(to_and_fro)], at=at, until=at + 1)


def told(normality: Remembered, items: Iterator[Embedding]) -> tuple[list[float], list[float]]:
    """When drift was told, and when it was learning."""
    drifted, learned = [], []
    for item in items:
        window = Window(
            camera=item.camera,
            at=item.until - 4,
            until=item.until,
            captured=0.0,
            modalities=(Modality.PICTURE,),
            revision=0,
            final=True,
            pictures=(item,),
        )
        judgements, learning = normality.judge(window)
        drifted += [item.at] if any(one.kind == DRIFT for one in judgements) else []
        learned += [item.at] if learning else []
    return drifted, learned


def test_the_rest_of_an_unchanged_film_is_no_drift(embedded) -> None:
    assert told(Remembered(SETTINGS), shown((embedded(unchanged), 1800)))[0] == []


@pytest.mark.parametrize("change", [pushed, night])
def test_a_changed_picture_is_told_in_minutes_and_learned_anew(embedded, change: Change) -> None:
    changes = 150 + LATER_S
    drifted, learned = told(Remembered(SETTINGS), shown((embedded(unchanged), changes), (embedded(change), 1200)))
    assert TOLD_S <= drifted[0] - changes <= TOLD_S + SOON_S
    anew = [at for at in learned if at > changes]
    assert ACCEPTED_S <= anew[0] - changes <= ACCEPTED_S + SOON_S
    assert len(anew) <= SETTINGS.warm_up_s + 1
    assert drifted[-1] <= anew[-1] + 1


def test_day_is_known_again_after_a_night_and_after_a_restart(embedded) -> None:
    before = Remembered(SETTINGS)
    told(before, shown((embedded(unchanged), 450), (embedded(night), 1200)))
    after = Remembered(SETTINGS)
    after.resume(before.learned())
    dawn = (replace(item, at=item.at + 1650, until=item.until + 1650) for item in shown((embedded(unchanged), 600)))
    assert told(after, dawn) == ([], [])
