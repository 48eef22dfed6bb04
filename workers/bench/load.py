"""What the bus benchmarks carry: pictures as large as a camera's, and scores as small as a network's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from monitor.messages import Frame, Judgement, Message, Modality, Ref, Score, Topic, pack
from monitor.motion import MOTION

CAMERAS: Final = 16
WIDTH, HEIGHT = 640, 360
QUALITY: Final = 85
GRAIN: Final = (2.5, 10.5)
"""Sensor noise, standard deviation of 255: least and most; JPEGs of 20 to 60 kB."""
KINDS: Final = ("fight", "fall", "fire", "aggression", "crying", "distress", "unusual")
EPOCH: Final = 1_780_000_000.0
MODALITIES: Final = (Modality.PICTURE, Modality.SOUND, Modality.TEXT)


def frames(count: int) -> list[Frame]:
    """Pictures of CAMERAS cameras in turn: soft shapes, under more or less noise."""
    rng = np.random.default_rng(0)
    return [_frame(number, rng) for number in range(count)]


def _frame(number: int, rng: np.random.Generator) -> Frame:
    soft = cv2.resize(rng.integers(0, 256, (9, 16, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    noisy = soft + rng.normal(0, rng.uniform(*GRAIN), soft.shape)
    jpeg = cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    at = EPOCH + number // CAMERAS * 0.5
    return Frame(
        camera=f"camera-{number % CAMERAS}",
        at=at,
        until=at + 0.5,
        captured=at + 0.1,
        modalities=MODALITIES,
        seq=number // CAMERAS,
        jpeg=jpeg,
        width=WIDTH,
        height=HEIGHT,
        motion=pack(rng.random(MOTION)),
    )


def scores(count: int) -> list[Score]:
    """What is said of the windows of CAMERAS cameras in turn."""
    return [score(f"camera-{number % CAMERAS}", number // CAMERAS) for number in range(count)]


def score(camera: str, number: int) -> Score:
    """What is said of a camera's window of that number."""
    at = EPOCH + number * 0.5
    parts = {Modality.PICTURE: 0.03, Modality.SOUND: -0.01}
    return Score(
        camera=camera,
        at=at,
        until=at + 2,
        captured=at + 2.1,
        modalities=MODALITIES,
        revision=0,
        final=False,
        judgements=tuple(Judgement(kind=kind, probability=0.02, parts=parts) for kind in KINDS),
        learning=False,
        frames=tuple(Ref(topic=Topic.VIDEO, partition=0, offset=number + n) for n in range(4)),
        sounds=tuple(Ref(topic=Topic.AUDIO, partition=0, offset=number + n) for n in range(4)),
        key_frame=Ref(topic=Topic.VIDEO, partition=0, offset=number),
        models=("fusion-1",),
    )


def chunks(pool: Sequence[Message], count: int, size: int) -> list[list[Message]]:
    """So many chunks of so many messages, out of a pool that is gone through again and again."""
    return [[pool[(chunk * size + n) % len(pool)] for n in range(size)] for chunk in range(count)]
