"""A training's losses as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from workers.training.checkpoint import Curves

SIZE: Final = (640, 360)
MARGIN: Final = 40
INK, TAUGHT, HELD_OUT = (60, 60, 60), (200, 130, 40), (40, 60, 200)
"""Blue, green, red."""


def plot(curves: Curves, path: Path) -> None:
    """Write a PNG: the loss of the taught windows (blue, a running mean), and of the held-out fold (red), over the steps."""
    width, height = SIZE
    canvas = np.full((height, width, 3), 255, np.uint8)
    steps = max(1, len(curves.taught))
    smooth = np.convolve(curves.taught, np.ones(10) / 10, "valid") if len(curves.taught) >= 10 else np.array(curves.taught)
    top = max([*smooth.tolist(), *curves.held_out, 1e-6])
    cv2.rectangle(canvas, (MARGIN, MARGIN), (width - MARGIN, height - MARGIN), INK, 1)
    for text, at in (
        (f"{top:.3g}", (2, MARGIN + 4)),
        ("0", (MARGIN - 14, height - MARGIN)),
        (f"{steps} steps", (width - 130, height - 14)),
    ):
        cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, INK, 1, cv2.LINE_AA)
    _line(canvas, np.arange(len(smooth)) + steps - len(smooth), smooth.tolist(), steps, top, TAUGHT)
    _line(canvas, np.array(curves.looks), curves.held_out, steps, top, HELD_OUT)
    _, data = cv2.imencode(".png", canvas)
    path.write_bytes(data.tobytes())


def _line(
    canvas: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    steps: np.ndarray[tuple[int], np.dtype[np.int64]],
    losses: Sequence[float],
    last: int,
    top: float,
    colour: tuple[int, int, int],
) -> None:
    width, height = SIZE
    x = MARGIN + steps / last * (width - 2 * MARGIN)
    y = height - MARGIN - np.array(losses) / top * (height - 2 * MARGIN)
    cv2.polylines(
        canvas, [np.stack([x, y], axis=1).round().astype(np.int32)], isClosed=False, color=colour, thickness=1, lineType=cv2.LINE_AA
    )
