"""Decoded frames to what the stages need: a coarse luma grid of each, and small JPEGs of those that are sampled."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from monitor.errors import NotMediaError
from monitor.motion import COLUMNS, ROWS, Luma

MAX_SIDE: Final = 8192
MAX_PIXELS: Final = 2**26
"""Pictures beyond either are refused: 64 Mpx are 100 MB decoded, for each reference frame of the decoder."""
TALLEST: Final = 2
"""An analysed picture is at most so many times as high as the camera's `width`."""

BYTE: Final = 8

_LUMA_FIRST: Final = ("yuv4", "yuvj4", "nv", "gray", "yuva4")
"""Pixel formats whose first plane is luma."""

Bgr = npt.NDArray[np.uint8]
"""uint8 [height, width, 3], blue first: OpenCV's order."""


def check_size(width: int, height: int) -> None:
    """Refuse pictures that cost too much memory. Raises NotMediaError: another try would bring the same picture."""
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise NotMediaError(
            f"its picture is {width} x {height}, more than {MAX_SIDE} a side or {MAX_PIXELS >> 20} Mpx; let the camera send a smaller one"
        )


def luma(frame: VideoFrame, rows: int = ROWS, columns: int = COLUMNS) -> Luma:
    """Sample a frame's luma at the middle points of a raster, upright: uint8 [rows, columns]; nearest point, no averaging."""
    turned = quarter_turns(frame)
    if not frame.format.name.startswith(_LUMA_FIRST):
        wide, high = (rows, columns) if turned % 2 else (columns, rows)
        frame = frame.reformat(width=wide, height=high, format="gray", interpolation="POINT", threads=1)
    plane = frame.planes[0]
    bits = frame.format.components[0].bits
    kind = "u1" if bits == BYTE else ">u2" if frame.format.name.endswith("be") else "<u2"
    values = np.frombuffer(memoryview(plane), kind)
    points: npt.NDArray[Any] = values.take(_points(plane.height, plane.width, values.size // plane.height, turned, rows, columns))
    return points if bits == BYTE else (points >> (bits - BYTE)).astype(np.uint8)


def quarter_turns(frame: VideoFrame) -> int:
    """How often a frame is to be turned by 90 degrees to the left until it is upright."""
    return round(frame.rotation / 90) % 4


@lru_cache(maxsize=64)
def _points(height: int, width: int, stride: int, turned: int, rows: int, columns: int) -> npt.NDArray[np.intp]:
    """Where the raster's points lie in a plane's buffer, intp [rows, columns]."""
    if turned % 2:
        rows, columns = columns, rows
    down, across = ((2 * np.arange(parts) + 1) * length // (2 * parts) for parts, length in ((rows, height), (columns, width)))
    return np.ascontiguousarray(np.rot90(down[:, None] * stride + across[None, :], turned), np.intp)


@dataclass(slots=True)
class Shrinker:
    """Sampled frames to small upright BGR pictures with square pixels; keeps the scaler's tables between frames."""

    width: int
    """Of the result, at most; nothing is enlarged."""
    _scaler: VideoReformatter = field(default_factory=VideoReformatter)

    def __call__(self, frame: VideoFrame, aspect: float = 1.0) -> Bgr:
        """Scale a frame whose pixels are `aspect` times as wide as high."""
        turned = quarter_turns(frame)
        size = fit(frame.width * aspect, frame.height, self.width, sideways=bool(turned % 2))
        small = self._scaler.reformat(frame, *size, "bgr24", interpolation="AREA", threads=1)
        array = small.to_ndarray().astype(np.uint8, copy=False)
        return np.ascontiguousarray(np.rot90(array, turned)) if turned else array


def fit(width: float, height: float, limit: int, *, sideways: bool) -> tuple[int, int]:
    """Width and height, before it is turned, of a picture that is at most `limit` wide and TALLEST * limit high when upright."""
    across, down = (height, width) if sideways else (width, height)
    scale = min(1.0, limit / across, TALLEST * limit / down)
    return max(2, round(width * scale)), max(2, round(height * scale))


def jpeg(picture: Bgr, quality: int) -> bytes:
    """Compress to JPEG (baseline, 4:2:0)."""
    encoded: tuple[bool, npt.NDArray[Any]] = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return encoded[1].tobytes()
