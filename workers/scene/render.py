"""The whole scene as a film: pictures and sound into one MP4, its ground truth beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import msgspec
import numpy as np
import numpy.typing as npt

from workers.scene.figures import Stance
from workers.scene.geometry import View
from workers.scene.motion import stance
from workers.scene.paint import Image, Studio, make_studio, paint
from workers.scene.room import build_room, photograph
from workers.scene.sound import record
from workers.scene.story import COVER_AT, COVER_S, DURATION_S, Incident, Story, write_story
from workers.scene.voice import VOICE_HZ

FPS: Final = Fraction(25, 2)
VIEW: Final = View(eye=(2.9, -0.6, 3.35), target=(-0.55, 7.0, 0.75), width=640, height=360, focal_px=430.0)

Progress = Callable[[float], None]


def _silent(_share: float) -> None:
    """Report nothing."""


def render(path: Path, seed: int, progress: Progress = _silent) -> tuple[Incident, ...]:
    """Film the scene of this seed: `path` becomes an MP4 (H.264, AAC) and `path` with .json its ground truth.

    `progress` is told the share that is done, 0 to 1.
    """
    rng = np.random.default_rng(seed)
    story = write_story(rng)
    sound = record(story, rng)
    room = build_room(rng)
    studio = make_studio(room, VIEW, photograph(room, VIEW, rng), rng)
    with av.open(str(path), "w") as film:
        _write(film, _frames(studio, story, rng, progress), sound)
    path.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(story.incidents)))
    return story.incidents


def _frames(studio: Studio, story: Story, rng: np.random.Generator, progress: Progress) -> Iterator[Image]:
    count = int(DURATION_S * FPS)
    for index in range(count):
        time = float(index / FPS)
        there = [now for walk in story.walks if (now := stance(walk, time)) is not None and in_sight(now)]
        if index % 25 == 0:
            progress(index / count)
        yield paint(studio, there, rng, covered(time))
    progress(1.0)


def in_sight(figure: Stance) -> bool:
    """Whether it is not far down one of the passages, where the walls hide it."""
    return figure.y < 17.0 and figure.x < 6.5


def covered(time: float) -> float:
    """How much of the lens is covered: it takes 0.4 s to cover it, and to uncover it."""
    return float(min(max((time - COVER_AT) / 0.4, 0), max((COVER_AT + COVER_S - time) / 0.4, 0), 1))


def _write(film: av.container.OutputContainer, frames: Iterator[Image], sound: npt.NDArray[np.float32]) -> None:
    video = film.add_stream("libx264", rate=FPS, options={"preset": "superfast", "crf": "23", "g": "25"})
    video.width, video.height, video.pix_fmt = VIEW.width, VIEW.height, "yuv420p"
    audio = film.add_stream("aac", rate=VOICE_HZ, layout="mono")
    audio.bit_rate = 64_000
    heard = _pieces(sound)
    for index, image in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(image, format="rgb24")
        picture.pts, picture.time_base = index, 1 / FPS
        film.mux(video.encode(picture))
        for piece in heard:
            film.mux(audio.encode(piece))
            if (piece.pts or 0) / VOICE_HZ > float((index + 1) / FPS):
                break
    for piece in heard:
        film.mux(audio.encode(piece))
    film.mux(video.encode(None))
    film.mux(audio.encode(None))


def _pieces(sound: npt.NDArray[np.float32]) -> Iterator[av.AudioFrame]:
    for start in range(0, len(sound), 1024):
        piece = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], format="fltp", layout="mono")
        piece.sample_rate, piece.pts, piece.time_base = VOICE_HZ, start, Fraction(1, VOICE_HZ)
        yield piece
