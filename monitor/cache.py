"""The cache folder: what can be made again, and which files were verified.

A file's SHA-256 is remembered by its size and times in `verified.json`, so a start costs no second of hashing; a file that
is replaced or edited has other times and is hashed again. The trade-off: bytes that rot on the disk behind the file
system's back are not noticed until the cache is removed, and who can write the cache can fake it (he could change the code as well).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

CHUNK: Final = 1 << 20


class _Seen(msgspec.Struct, frozen=True):
    """A file as it was when it was hashed."""

    size: int
    mtime_ns: int
    ctime_ns: int
    sha256: str


def cache_dir() -> Path:
    """Where this project keeps what it can make again: $XDG_CACHE_HOME/scenewatch, or ~/.cache/scenewatch."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scenewatch"


def place_folder(made: Path, folder: Path) -> None:
    """Put a finished folder in its place, unless another process was quicker: then its own stays."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def sha256(path: Path) -> str:
    """A file's SHA-256 as hexadecimal digits, from the cache if its size and times are what they were."""
    stat = path.stat()
    seen = _read_seen()
    known = seen.get(str(path))
    if known and (known.size, known.mtime_ns, known.ctime_ns) == (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns):
        return known.sha256
    digest = hashlib.sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    found = digest.hexdigest()
    there = {name: entry for name, entry in seen.items() if Path(name).is_file()}
    _write_seen(there | {str(path): _Seen(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, found)})
    return found


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _read_seen() -> dict[str, _Seen]:
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((cache_dir() / "verified.json").read_bytes(), type=dict[str, _Seen])
    return {}


def _write_seen(seen: dict[str, _Seen]) -> None:
    """Remember; a cache that can't be written costs only time. Two writers at once: the later one's stays."""
    with suppress(OSError):
        write_atomically(cache_dir() / "verified.json", msgspec.json.encode(seen))


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that nobody ever reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        Path(scratch).replace(path)
    except OSError:
        Path(scratch).unlink(missing_ok=True)
        raise
