"""Dense flow at a sampled picture, from it and the two frames that were decoded just before it.

How a picture's points move (`monitor.flowfield`) tells a brawl from a stroll better than how its raster changes. Only what is
sampled is measured: three frames are made small, and two fields of flow lie between them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from monitor.flowfield import FLOW, FlowField, Luma, statistics

WIDTH: Final = 160
"""Of the frames that flow is measured on, at most."""
TALLEST: Final = 2
"""They are at most so many times as high as that."""
APART_S: Final = 0.25
"""Frames further apart than this are not compared: hardly a point is found again."""

Floats = npt.NDArray[np.float32]


@dataclass(slots=True)
class Flowing:
    """One camera's last three frames that were looked at."""

    _frames: deque[tuple[float, VideoFrame]] = field(default_factory=lambda: deque(maxlen=3))
    _field: FlowField = field(default_factory=FlowField)
    _scaler: VideoReformatter = field(default_factory=VideoReformatter)

    def push(self, at: float, frame: VideoFrame) -> None:
        """Take in the next decoded frame; what lies too far back, or is not earlier, is not compared with it."""
        if self._frames and not 0 < at - self._frames[-1][0] <= APART_S:
            self._frames.clear()
        self._frames.append((at, frame))

    def take(self) -> Floats | None:
        """The FLOW numbers of `monitor.flowfield` at the newest frame; None where there are not three to compare."""
        if len(self._frames) < (self._frames.maxlen or 0):
            return None
        (t0, first), (t1, second), (t2, third) = ((at, self._grey(frame)) for at, frame in self._frames)
        before, after = self._field(first, second, t1 - t0), self._field(second, third, t2 - t1)
        numbers = statistics(after, before)
        return numbers if len(numbers) == FLOW and np.isfinite(numbers).all() else None

    def _grey(self, frame: VideoFrame) -> Luma:
        """Luma uint8 [h, w], as it lies in the frame: lengths and turns do not depend on which side is up."""
        scale = min(1.0, WIDTH / frame.width, TALLEST * WIDTH / frame.height)
        size = max(16, round(frame.width * scale)), max(16, round(frame.height * scale))
        small = self._scaler.reformat(frame, *size, "gray", interpolation="AREA", threads=1)
        return np.ascontiguousarray(small.to_ndarray(), np.uint8)
