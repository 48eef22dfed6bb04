"""Drawing on a picture: text in any script, bars, heat over a picture, and what a sound looks like. Colours are RGB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from monitor.errors import MessageError
from monitor.jpeg import Image
from monitor.messages import SOUND_HZ

Colour: TypeAlias = tuple[int, int, int]
Floats = npt.NDArray[np.float32]

DARK: Final[Colour] = (24, 26, 31)
PANEL: Final[Colour] = (36, 39, 46)
PALE: Final[Colour] = (236, 238, 242)
GREY: Final[Colour] = (158, 164, 176)
FOR: Final[Colour] = (255, 159, 64)
AGAINST: Final[Colour] = (92, 160, 255)
REGULAR: Final = 400
BOLD: Final = 700

OPAQUE: Final = 0.62
"""How much of the picture the hottest place hides."""
SPECTRUM: Final = 512
"""Samples of one column of a spectrogram."""
RANGE_DB: Final = 70.0
"""What is so much quieter than the loudest is black."""


class Canvas:
    """A picture that is drawn on; x to the right, y down, in pixels."""

    def __init__(self, width: int, height: int, colour: Colour = DARK) -> None:
        self.image: Image = np.full((height, width, 3), colour, np.uint8)
        self._font = cv2.FontFace("sans")

    def text(self, x: int, y: int, text: str, size: int, colour: Colour = PALE, weight: int = REGULAR) -> int:
        """Write a line with its base at y; gives the x where it ends."""
        cv2.putText(self.image, text, (x, y), colour, self._font, size, weight)
        return x + self.width(text, size, weight)

    def width(self, text: str, size: int, weight: int = REGULAR) -> int:
        """How wide a line is."""
        _, _, width, _ = cv2.getTextSize((4096, 256), text, (0, 0), self._font, size, weight)
        return int(width)

    def lines(self, text: str, size: int, width: int, weight: int = REGULAR) -> list[str]:
        """Break a text between words into lines that are no wider; a word that is wider stays whole."""
        lines: list[str] = []
        for word in text.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.width(longer, size, weight) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    def box(self, x: int, y: int, width: int, height: int, colour: Colour) -> None:
        """Fill a rectangle."""
        self.image[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = colour

    def put(self, x: int, y: int, image: Image) -> None:
        """Lay a picture down; what would lie outside is cut off."""
        room = self.image[y : y + image.shape[0], x : x + image.shape[1]]
        room[:] = image[: room.shape[0], : room.shape[1]]

    def png(self) -> bytes:
        """The whole as PNG. Raises MessageError if it can't be written."""
        done, data = cv2.imencode(".png", cv2.cvtColor(self.image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 6])
        if not done:
            raise MessageError(f"A picture of shape {self.image.shape} can't be written as PNG")
        return bytes(data.tobytes())


def fitted(image: Image, width: int, height: int) -> Image:
    """A picture scaled so that it just fits, its shape kept."""
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), np.uint8)


def heated(image: Image, heat: Sequence[Sequence[float]]) -> Image:
    """A picture under its heat map [h, w] of 0 to 1: what is cold stays as it is."""
    height, width = image.shape[:2]
    large = cv2.resize(np.array(heat, np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    smooth = np.clip(large, 0, 1).astype(np.float32)
    cover = (OPAQUE * smooth)[:, :, None]
    mixed = image * (1 - cover) + coloured(smooth) * cover
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def coloured(values: Floats) -> Image:
    """Values of 0 to 1 [h, w] as colours from blue over yellow to red [h, w, 3]."""
    levels = np.clip(values * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB), np.uint8)


def spectrogram(samples: Floats, width: int, height: int) -> Image:
    """Sound at 16 kHz [n] as a picture: time to the right, 0 to 8 kHz upwards, louder is brighter."""
    if len(samples) < SPECTRUM:
        return np.zeros((height, width, 3), np.uint8)
    starts = np.linspace(0, len(samples) - SPECTRUM, width).astype(np.intp)
    pieces = samples[starts[:, None] + np.arange(SPECTRUM)] * np.hanning(SPECTRUM)
    power = np.abs(np.fft.rfft(pieces, axis=1))[:, 1:].T ** 2  # [256, width]
    decibels = 10 * np.log10(power + 1e-9)
    # nothing is called loud that is not: silence stays black
    levels = np.clip((decibels - max(decibels.max(), 0.0)) / RANGE_DB + 1, 0, 1)
    picture = cv2.resize((levels[::-1] * 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(picture, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB), np.uint8)


def samples_between(pieces: Sequence[tuple[float, Floats]], at: float, until: float) -> Floats:
    """Pieces of sound, each with its time, as one [n] of a span; silence where there is none."""
    whole = np.zeros(max(0, round((until - at) * SOUND_HZ)), np.float32)
    for begin, samples in pieces:
        first = round((begin - at) * SOUND_HZ)
        skip = max(0, -first)
        room = whole[first + skip : first + len(samples)] if first + len(samples) > 0 else whole[:0]
        room[:] = samples[skip : skip + len(room)]
    return whole
