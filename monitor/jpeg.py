"""JPEG to and from pixels, bounded."""

from __future__ import annotations

from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from monitor.errors import MessageError

Image: TypeAlias = npt.NDArray[np.uint8]
"""RGB [h, w, 3]."""

START_OF_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers whose segment holds the size."""
MAX_PIXELS: Final = 40_000_000
"""A larger picture is refused before it is decoded: 40 Mpx are 120 MB."""


def decode_jpeg(data: bytes) -> Image:
    """JPEG to RGB [h, w, 3]. Raises MessageError if it is none, is cut short or is over 40 Mpx, before decoding it.

    Bytes that were changed inside the picture's own data decode to wrong pixels: JPEG has no checksum.
    """
    width, height = jpeg_size(data)
    if width * height > MAX_PIXELS:
        raise MessageError(
            f"A JPEG of {width}x{height} pixels is over the limit of {MAX_PIXELS // 10**6} million; send it smaller", "undecodable"
        )
    if not data.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise MessageError("A JPEG that is cut short: its end marker is missing", "undecodable")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise MessageError(f"A JPEG of {width}x{height} pixels that can't be decoded: {error.err}", "undecodable") from error
    if image is None:
        raise MessageError(f"A JPEG of {width}x{height} pixels that can't be decoded", "undecodable")
    return np.asarray(image, np.uint8)


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height from the frame header (ITU T.81, B.2.2). Raises MessageError if there is none."""
    if data[:2] != b"\xff\xd8":
        raise MessageError(f"Not a JPEG: {len(data)} bytes that begin with {data[:4].hex(' ') or 'nothing'}", "undecodable")
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in START_OF_FRAME:
            return int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7])
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4])
    raise MessageError(f"A JPEG without a frame header in its {len(data)} bytes", "undecodable")


def encode_jpeg(image: Image, quality: int = 85) -> bytes:
    """RGB [h, w, 3] to JPEG with 4:2:0 colour."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise MessageError(f"A picture of shape {image.shape} can't be written as JPEG")
    return data.tobytes()
