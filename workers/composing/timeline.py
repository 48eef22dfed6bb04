"""What happens when in a composed stream, as it is written beside the film, and what that makes of its windows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from monitor.errors import SourceError
from monitor.messages import Modality

SURE_S: Final = 1.0
"""A window that holds less of an incident than this, and less than half of it, counts neither way."""

Flags = npt.NDArray[np.bool_]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is seen or heard on purpose: an incident, or what could be taken for one."""

    begin: float
    """Seconds from the stream's first frame."""
    end: float
    kind: str
    """fight, gun_shot, scream, siren, fire, crying, glass_break, threat, help, anger; or what else it is."""
    incident: bool
    modalities: tuple[Modality, ...]
    """What carries it."""
    sources: tuple[str, ...]
    """Files, relative to the data folder; of what a synthetic voice says `voice: words`."""


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """A stream's truth."""

    name: str
    split: str
    seed: int
    seconds: float
    night: bool
    rain: bool
    calm: bool
    """Composed without incidents."""
    events: tuple[Event, ...]
    sources: tuple[str, ...]
    """Everything that it is made of."""

    @property
    def incidents(self) -> tuple[Event, ...]:
        """What an alert should tell of, in order of its begin."""
        return tuple(event for event in self.events if event.incident)


def beside(film: Path) -> Path:
    """Where the time line of a film is."""
    return film.with_suffix(".timeline.json")


def write(path: Path, timeline: Timeline) -> None:
    """Write a time line as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(timeline), indent=1) + b"\n")


def read(path: Path) -> Timeline:
    """Read a time line. Raises SourceError if it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Timeline)
    except (OSError, msgspec.DecodeError) as error:
        raise SourceError(f"{path}: no time line can be read: {error}. Compose the streams again: scenewatch compose") from error


def overlaps(events: Sequence[Event], untils: npt.ArrayLike, window_s: float) -> npt.NDArray[np.float64]:
    """Seconds of each event in each of the windows that end at `untils` [n]: [n, events]."""
    ends: Any = np.asarray(untils, np.float64)[:, None]
    begin = np.array([event.begin for event in events], np.float64)[None]
    end = np.array([event.end for event in events], np.float64)[None]
    seconds: npt.NDArray[np.float64] = np.clip(np.minimum(ends, end) - np.maximum(ends - window_s, begin), 0, None)
    return seconds


def labels(events: Sequence[Event], untils: npt.ArrayLike, window_s: float) -> tuple[Flags, Flags]:
    """Whether some event is on in each window [n], and whether that can be said [n]: not where a window has only its edge."""
    seconds = overlaps(events, untils, window_s)
    enough = np.array([min(SURE_S, (event.end - event.begin) / 2) for event in events])[None]
    on: Flags = np.any(seconds >= enough - 1e-6, axis=1)
    off: Flags = ~np.any(seconds > 0, axis=1)
    return on, on | off
