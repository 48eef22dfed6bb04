"""Variants of a clip as another camera might have filmed it, sampled as capture samples.

A clip of two seconds is played forward and back until it fills a window: motion stays continuous, and the number of
pictures in a window says nothing of what they show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from monitor.clock import Grid
from monitor.config import Camera, Capture
from monitor.errors import SourceError
from monitor.motion import Motion
from monitor.pictures import Shrinker, jpeg, luma
from workers.training.augment import night, rain

LENGTH_S: Final = 5.5
"""A clip is played for so long: a window and some."""
WIDTHS: Final = (320, 448)
MAX_FRAMES: Final = 1500
LIVE: Final = Camera(source="-")
"""The settings that training sees pictures with are those of a camera that sets nothing."""


class Sample(NamedTuple):
    """What capture would put on the bus."""

    at: float
    jpeg: bytes
    motion: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """How a variant is filmed."""

    mirrored: bool
    width: int
    gamma: float
    contrast: float
    blur: float
    noise: float
    """Deviation of each point from frame to frame, in levels."""
    crop: float
    """Share of the picture that is seen."""
    centre: tuple[float, float]
    """Where the crop lies in what is left over, 0 to 1."""
    start: float
    """Where in the clip it begins, as a share of it."""
    phase: float
    """Seconds from the sampling grid to its first frame."""
    quality: int
    """Of the JPEGs."""
    every: int
    """Of so many frames one is seen: cameras have other rates, and leave out what nothing else is predicted from."""
    weather: Literal["", "night", "rain"] = ""


def film(rng: np.random.Generator) -> Film:
    """Some camera."""
    return Film(
        mirrored=bool(rng.random() < 0.5),
        width=int(rng.choice(WIDTHS)),
        gamma=float(np.exp(rng.normal(0, 0.3))),
        contrast=float(rng.uniform(0.6, 1.2)),
        blur=float(max(0.0, rng.uniform(-1.0, 1.5))),
        noise=float(max(0.0, rng.uniform(-3, 3))),
        crop=float(rng.uniform(0.75, 1)),
        centre=(float(rng.random()), float(rng.random())),
        start=float(rng.random()),
        phase=float(rng.uniform(0, 0.5)),
        quality=int(rng.integers(70, 95)),
        every=int(rng.choice((1, 1, 1, 2, 3))),
    )


def frames_of(path: Path) -> list[VideoFrame]:
    """A video's frames, those that a camera's capture decodes. Raises SourceError if it can't be read."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.skip_frame = "NONREF"  # as monitor.sources does for decode: reference
            return [frame for frame, _ in zip(container.decode(stream), range(MAX_FRAMES), strict=False)]
    except (av.FFmpegError, IndexError) as error:
        raise SourceError(f"{path}: its pictures can't be read: {error}") from error


def there_and_back(count: int, wanted: int, start: int = 0) -> list[int]:
    """Indices that play so many pictures forward and back, again and again: 3 pictures are 0 1 2 1 0 1 2 …"""  # noqa: D400
    cycle = [*range(count), *range(count - 2, 0, -1)]
    return [cycle[(start + n) % len(cycle)] for n in range(wanted)]


def sampled(timed: Iterable[tuple[float, VideoFrame]], quality: int = Capture().jpeg_quality) -> Iterator[Sample]:
    """Frames with their times to what capture makes of them."""
    grid, motion, shrink = Grid(LIVE.fps), Motion(), Shrinker(LIVE.width)
    for at, frame in timed:
        if frame.key_frame or motion.wants(at):
            motion.push(at, luma(frame))
        if grid.takes(at):
            yield Sample(at, jpeg(shrink(frame), quality), motion.take())


def as_it_is(frames: Sequence[VideoFrame]) -> list[Sample]:
    """The clip itself, from time 0."""
    times = _times(frames)
    return list(sampled(zip(times, frames, strict=True)))


def refilmed(frames: Sequence[VideoFrame], how: Film, seed: int) -> list[Sample]:
    """A variant of a clip, at least LENGTH_S long, from time 0."""
    step = _times(frames)[-1] / max(1, len(frames) - 1) or 1.0
    order = there_and_back(len(frames), max(len(frames), int(LENGTH_S / step)), int(how.start * len(frames)))
    noise = np.random.default_rng(seed).normal(0, how.noise, (1100, 1100)).astype(np.int16)
    numbered = list(enumerate(order))[:: how.every]
    changed = {
        index: _seen(frames[index], how, noise[index * 37 % 600 :, index * 53 % 600 :], (seed, index))
        for index in {index for _, index in numbered}
    }
    timed = ((how.phase + number * step, changed[index]) for number, index in numbered)
    return [sample._replace(at=sample.at - how.phase) for sample in sampled(timed, how.quality)]


def _times(frames: Sequence[VideoFrame]) -> list[float]:
    """Stream times, the first 0."""
    return [(frame.time or 0.0) - (frames[0].time or 0.0) for frame in frames]


def _seen(frame: VideoFrame, how: Film, noise: npt.NDArray[np.int16], seeds: tuple[int, int]) -> VideoFrame:
    """One picture through the camera."""
    h, w = int(frame.height * how.crop), int(frame.width * how.crop)
    y, x = int((frame.height - h) * how.centre[0]), int((frame.width - w) * how.centre[1])
    part = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)[y : y + h, x : x + w]
    part = part[:, ::-1] if how.mirrored else part
    size = (how.width, round(how.width * h / w / 2) * 2)
    scaled = cv2.resize(np.ascontiguousarray(part), size, interpolation=cv2.INTER_AREA if how.width < w else cv2.INTER_LINEAR)
    if how.blur:
        scaled = cv2.GaussianBlur(scaled, (0, 0), how.blur)
    levels = ((np.linspace(0, 1, 256) ** how.gamma - 0.5) * how.contrast + 0.5) * 255
    lit = cv2.LUT(scaled, np.clip(levels, 0, 255).astype(np.uint8))
    if how.weather:
        change = night if how.weather == "night" else rain
        lit = change(np.asarray(lit, np.uint8), np.random.default_rng(seeds[0]), np.random.default_rng(seeds))
    if how.noise:
        lit = cv2.add(lit, np.repeat(noise[: lit.shape[0], : lit.shape[1], None], 3, axis=2), dtype=cv2.CV_8U)
    return VideoFrame.from_ndarray(np.asarray(lit, np.uint8), format="rgb24").reformat(format="yuv420p")
