"""Features in memory and in the cache: tracks of tokens, each with what is in it and when."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from safetensors.numpy import save_file

from monitor.cache import cache_dir

VERSION: Final = 2
"""Counts up when features are made in another way."""


class Span(msgspec.Struct, frozen=True):
    """When an incident is in a track, in its own seconds."""

    kind: str
    at: float
    until: float


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """One recording, in one variant: a slice of the bank's rows."""

    name: str
    label: str
    group: str
    fold: int
    variant: int = 0
    """0: the recording as it is."""
    begin: int = 0
    end: int = 0
    duration: float = 0.0
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Tokens:
    """What encoders made of one recording."""

    times: npt.NDArray[np.float32]
    """[n], when each begins."""
    values: npt.NDArray[np.float32]
    """[n, features]."""
    motion: npt.NDArray[np.float32] | None = None
    """[n, M], pictures only."""


@dataclass(frozen=True, slots=True)
class Bank:
    """Tracks and their tokens, of one modality."""

    tracks: tuple[Track, ...]
    times: npt.NDArray[np.float32]
    """[N]."""
    values: npt.NDArray[np.float16]
    """[N, features]: as exact as on the bus."""
    motion: npt.NDArray[np.float16]
    """[N, M]; M is 0 for sound and text."""

    def tokens(self, track: Track) -> Tokens:
        """One track's tokens."""
        return self.rows(np.arange(track.begin, track.end))

    def rows(self, rows: npt.NDArray[np.intp]) -> Tokens:
        """Some tokens."""
        return Tokens(self.times[rows], self.values[rows].astype(np.float32), self.motion[rows].astype(np.float32))


def gather(pairs: Iterable[tuple[Track, Tokens]]) -> Bank:
    """Put tracks one after the other. Raises ValueError if there are none."""
    tracks: list[Track] = []
    rows: list[Tokens] = []
    begin = 0
    for track, tokens in pairs:
        tracks.append(msgspec.structs.replace(track, begin=begin, end=begin + len(tokens.times)))
        rows.append(tokens)
        begin += len(tokens.times)
    motion = [item.motion if item.motion is not None else np.empty((len(item.times), 0), np.float32) for item in rows]
    return Bank(
        tuple(tracks),
        np.concatenate([item.times for item in rows]).astype(np.float32),
        np.concatenate([item.values for item in rows]).astype(np.float16),
        np.concatenate(motion).astype(np.float16),
    )


def joined(banks: Sequence[Bank]) -> Bank:
    """Several banks as one."""
    return gather((track, bank.tokens(track)) for bank in banks for track in bank.tracks)


def cached(name: str, key: Sequence[object], make: Callable[[], Bank]) -> Bank:
    """Read a bank from the cache folder, or make and keep it; `key` is everything that it depends on."""
    digest = hashlib.sha256(repr((VERSION, *key)).encode()).hexdigest()[:16]
    path = cache_dir() / "training" / f"{name}-{digest}.safetensors"
    if path.is_file():
        return _read(path)
    bank = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".part")
    metadata = {"tracks": msgspec.json.encode(bank.tracks).decode()}
    save_file({"times": bank.times, "values": bank.values, "motion": bank.motion}, scratch, metadata)
    scratch.replace(path)
    return bank


def _read(path: Path) -> Bank:
    with safe_open(path, framework="numpy") as file:
        metadata: dict[str, Any] = file.metadata()
        tracks = msgspec.json.decode(metadata["tracks"], type=tuple[Track, ...])
        return Bank(tracks, file.get_tensor("times"), file.get_tensor("values"), file.get_tensor("motion"))
