"""The feature store: what the stages that run live made of recordings, a file each, kept for training and evaluation.

A file is named after the recording, and after a digest of its bytes, of the models and of the settings that matter: what is there is
right, so that a run that was interrupted goes on. It is a safetensors file: one tensor for each modality and field of the embeddings
(`picture.vector`, `sound.grid` …; float16, as exact as on the bus), a row each, one for what people and things look like (`things.look`),
and `messages`, the bytes of a JSON list of the messages without these.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from rich.progress import track
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from monitor.cache import cache_dir, sha256, write_atomically
from monitor.config import Config
from monitor.errors import SourceError
from monitor.messages import Embedding, Mark, Modality, floats, pack
from workers.training.bank import Tokens

Item = Embedding | Mark

FIELDS: Final = ("vector", "grid", "motion", "closeup", "joint")
"""Of an embedding, those that are arrays."""
LOOK: Final = "things.look"
MESSAGES: Final = "messages"
INDEX: Final = "index.csv"
COLUMNS: Final = ("path", "sha256", "features", "label", "use", "licence")
SUFFIXES: Final = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
"""Of films."""
MEDIA: Final = frozenset({*SUFFIXES, ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".ts", ".wav"})
"""Suffixes of what is a recording, where no manifest says so."""


def store() -> Path:
    """Where features are kept unless it is said otherwise."""
    return cache_dir() / "features"


def write(path: Path, items: Sequence[Item], about: dict[str, str] | None = None) -> None:
    """Keep the messages of one recording."""
    arrays = {f"{modality}.{field}": rows for modality in Modality for field in FIELDS if (rows := _rows(items, modality, field)).size}
    if (looks := _looks(items)).size:
        arrays[LOOK] = looks
    bare = msgspec.json.encode([_bare(item, arrays) for item in items])
    write_atomically(path, save({**arrays, MESSAGES: np.frombuffer(bare, np.uint8)}, about))


def read(path: Path) -> list[Item]:
    """What was kept. Raises SourceError for a file that holds no features."""
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        bare = msgspec.json.decode(arrays.pop(MESSAGES).tobytes(), type=list[Item])
    except (OSError, SafetensorError, KeyError, msgspec.MsgspecError) as error:
        raise SourceError(f"{path}: it holds no features: {error}. Remove it, and have them made again") from error
    given = {name: iter(rows) for name, rows in arrays.items()}
    return [_whole(item, given) for item in bare]


def _rows(items: Sequence[Item], modality: Modality, field: str) -> npt.NDArray[np.float16]:
    """One field of a modality's embeddings [n, width]; nothing where they are not alike, and then it stays in the messages."""
    return _stacked([getattr(item, field) for item in items if isinstance(item, Embedding) and item.modality is modality])


def _looks(items: Sequence[Item]) -> npt.NDArray[np.float16]:
    """What all people and things look like [n, width], in their order; nothing where these are not alike."""
    return _stacked([thing.look for item in items if isinstance(item, Embedding) for thing in item.things or ()])


def _stacked(held: Sequence[bytes]) -> npt.NDArray[np.float16]:
    """Packed numbers [n, width]; nothing where they are not alike."""
    if len({len(data) for data in held}) != 1:
        return np.empty((0, 0), np.float16)
    return np.stack([np.frombuffer(data, "<f2") for data in held]).astype(np.float16)


def _bare(item: Item, arrays: dict[str, npt.NDArray[np.float16]]) -> Item:
    if isinstance(item, Mark):
        return item
    bare: dict[str, Any] = {field: b"" for field in FIELDS if f"{item.modality}.{field}" in arrays}
    if item.things and LOOK in arrays:
        bare["things"] = tuple(msgspec.structs.replace(thing, look=b"") for thing in item.things)
    return msgspec.structs.replace(item, **bare)


def _whole(item: Item, given: dict[str, Iterator[npt.NDArray[np.float16]]]) -> Item:
    if isinstance(item, Mark):
        return item
    rows = {field: given[name] for field in FIELDS if (name := f"{item.modality}.{field}") in given}
    fields: dict[str, Any] = {field: pack(next(each)) for field, each in rows.items()}
    if item.things and LOOK in given:
        fields["things"] = tuple(msgspec.structs.replace(each, look=pack(next(given[LOOK]))) for each in item.things)
    return msgspec.structs.replace(item, **fields)


def tokens(items: Iterable[Item], modality: Modality) -> Tokens:
    """The embeddings of a modality as what training reads; their times are those of the messages."""
    those = [item for item in items if isinstance(item, Embedding) and item.modality is modality]
    values = [floats(item.vector) for item in those]
    motion = [floats(item.motion) for item in those]
    return Tokens(
        np.array([item.at for item in those], np.float64),
        np.stack(values) if values else np.empty((0, 0), np.float32),
        np.stack(motion) if motion and motion[0].size else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A file of the data, and what its manifest says of it."""

    path: Path
    name: str
    about: dict[str, str]


def recordings(data: Path, of: str = "") -> list[Recording]:
    """The recordings of a data folder, or of one set in it: those of its manifest, else all that look like one. Raises SourceError."""
    folder = data / of
    if not folder.is_dir():
        raise SourceError(f"{folder}: there is no such folder. Name the data with --data, and a folder in it with --set")
    found = _in_manifest(data, of) if (data / "manifest.csv").is_file() else _in_folder(data, folder)
    if not found:
        raise SourceError(f"{folder}: it holds no recordings")
    return found


def _in_manifest(data: Path, of: str) -> list[Recording]:
    with (data / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["modality"] not in ("annotation", "mask", "image")]
    those = [row for row in rows if not of or row["path"].startswith(f"{of.rstrip('/')}/")]
    return [Recording(path=data / row["path"], name=row["path"], about=row) for row in those if (data / row["path"]).is_file()]


def _in_folder(data: Path, folder: Path) -> list[Recording]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in MEDIA)
    return [Recording(path=path, name=str(path.relative_to(data)), about={}) for path in paths]


def features(data: Path, of: str, out: Path | None, settings: Config) -> int:
    """Run the stages over all recordings whose features are not there yet, and write an index; exit status 1 if some can't be read."""
    from workers.composing.perceive import Perception  # noqa: PLC0415 - it reads this module

    perceive = Perception(settings, out)
    known, failed = _index(perceive.folder), 0
    try:
        for recording in track(recordings(data, of), "features"):
            try:
                path = perceive.made(recording.path)
            except SourceError as error:
                failed += 1
                sys.stderr.write(f"{recording.name}: left out: {error}\n")
                continue
            about = {name: recording.about.get(name, "") for name in ("label", "use", "licence")}
            known[recording.name] = {"path": recording.name, "sha256": sha256(recording.path), "features": path.name, **about}
    finally:
        _write_index(perceive.folder, known)
    sys.stdout.write(f"{perceive.folder}: {len(known)} recordings\n")
    return 1 if failed else 0


def _index(folder: Path) -> dict[str, dict[str, Any]]:
    if not (folder / INDEX).is_file():
        return {}
    with (folder / INDEX).open(encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def _write_index(folder: Path, rows: dict[str, dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f".{INDEX}.part"
    with scratch.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())
    scratch.replace(folder / INDEX)
