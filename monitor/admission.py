"""Whether a capture process may take a further camera. Pure: what is measured comes as data."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

ENGAGED_S: Final = 10.0
"""The ladder has been down for so long: what there is, is too much already."""
CLEAR_S: Final = 30.0
"""It must have been up for so long before a camera that was refused is tried again."""
FULL: Final = 0.9
"""A process that would take more than this share of the processors is full."""
MEASURED_S: Final = 10.0
"""The share is measured over so long."""


class Load(NamedTuple):
    """How busy this process is."""

    cameras: int
    processor_share: float
    """Of all processors that it may use, 0 to 1."""
    engaged_s: float
    """For how long the ladder has been down; 0 when it is not."""
    clear_s: float
    """For how long it has been up; 0 when it is not."""


def refusal(load: Load, *, waited: bool) -> str:
    """Say why there is no capacity for another camera, or nothing; `waited`: it was refused before."""
    if load.engaged_s >= ENGAGED_S:
        return f"the stages behind have not kept up for {load.engaged_s:.0f} s"
    if waited and load.clear_s < CLEAR_S:
        return f"the stages behind have kept up for {load.clear_s:.0f} s only, of {CLEAR_S:g} s"
    each = load.processor_share / load.cameras if load.cameras else 0.0
    if load.processor_share + each > FULL:
        return f"{load.cameras} cameras take {load.processor_share:.0%} of the processors"
    return ""


@dataclass(slots=True)
class Meter:
    """The share of the processors that this process takes, over the last MEASURED_S."""

    processors: int
    _readings: deque[tuple[float, float]] = field(default_factory=deque)

    def push(self, at: float, processor_s: float) -> None:
        """Take in the processor time that the process has used up to a time."""
        self._readings.append((at, processor_s))
        while len(self._readings) > 2 and at - self._readings[1][0] >= MEASURED_S:
            self._readings.popleft()

    @property
    def share(self) -> float:
        """From 0 to 1; 0 while nothing has been measured."""
        if len(self._readings) < 2:
            return 0.0
        (begin, used_before), (end, used) = self._readings[0], self._readings[-1]
        return min(1.0, (used - used_before) / max(end - begin, 1e-9) / self.processors)
