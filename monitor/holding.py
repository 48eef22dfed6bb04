"""Which records a stage still needs, so that whoever comes after it can remember what was open."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from monitor.align import RESTART_S
from monitor.bus import Place, Record
from monitor.messages import CameraState, Mark, Message, Stamped, Topic

GRAIN_S: Final = 1.0
"""Records within so much event time are held or let go together: what is open for days costs little to remember."""

Needed = Callable[[Topic, str], float]
"""From what event time on a camera's records of a topic are needed; infinity when none is."""


@dataclass(slots=True)
class _Grain:
    """Some records in a row: the first one's offset, and the span of the times at which they end."""

    offset: int
    begin: float
    reach: float


@dataclass(slots=True)
class Holding:
    """The offsets of one member's records by place and camera, from the oldest one on that is still needed."""

    grain_s: float = GRAIN_S
    """0 where it matters that nothing older comes again."""
    _grains: dict[Place, dict[str, deque[_Grain]]] = field(default_factory=dict)
    _cameras: dict[int, set[str]] = field(default_factory=dict)

    def saw(self, record: Record[Message]) -> None:
        """Note where a record lies; those of one place come in order."""
        self._cameras.setdefault(record.ref.partition, set()).add(record.message.camera)
        until, reach = _span(record.message)
        grains = self._grains.setdefault((record.ref.topic, record.ref.partition), {}).setdefault(record.message.camera, deque())
        if grains and until < grains[-1].begin - RESTART_S and not isinstance(record.message, Mark):
            grains.clear()  # its clock was set back, which ends whatever was open
        if grains and abs(until - grains[-1].begin) < self.grain_s:
            grains[-1].reach = max(grains[-1].reach, reach)
        else:
            grains.append(_Grain(record.ref.offset, until, reach))

    def keep(self, needed: Needed) -> dict[Place, int]:
        """The oldest offset that is needed of each place, where one is; what is older is let go of."""
        kept: dict[Place, int] = {}
        for place, cameras in self._grains.items():
            for camera in [*cameras]:
                grains, since = cameras[camera], needed(place[0], camera)
                while grains and grains[0].reach <= since:
                    grains.popleft()
                if grains:
                    kept[place] = min(kept.get(place, grains[0].offset), grains[0].offset)
                else:
                    del cameras[camera]
        return kept

    def forget(self, partitions: Collection[int]) -> set[str]:
        """Let go of partitions that are another's now; says which cameras were seen in them."""
        for place in [place for place in self._grains if place[1] in partitions]:
            del self._grains[place]
        return set[str]().union(*(self._cameras.pop(partition, ()) for partition in partitions))


def _span(message: Message) -> tuple[float, float]:
    """When a record's time ends, and up to when it is needed; an end of a stream for as long as the camera has others."""
    if isinstance(message, Mark) and message.last:
        return message.until, math.inf
    if isinstance(message, Stamped):
        return message.until, message.until
    at = message.at if isinstance(message, CameraState) else 0.0
    return at, math.nextafter(at, math.inf)  # a state is needed from its own time on
