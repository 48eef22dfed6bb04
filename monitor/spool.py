"""Messages that wait for a broker: in memory first, then on disk, in order, and never more than so many bytes.

The newest are in memory, the oldest in segment files. A record in a file is a mark, its length and its CRC-32 (little endian,
4 bytes each), and the message as `monitor.codec` encodes it for its topic. Files are foreign input when they are read again:
what is torn, cut or overwritten is skipped up to the next record that is whole, and counted.

A process that dies loses what was in its memory; one that ends in good order writes it down. Whoever uses the folder next
takes over what is there. Nothing is synced: a machine that loses power may lose the last seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple, TypeAlias

import structlog

from monitor import codec
from monitor.errors import MessageError
from monitor.messages import MAX_BYTES, Message, Topic
from monitor.metrics import Metrics

HEAD: Final = Struct("<4sII")
MARK: Final = b"SWr1"
"""Every record begins so."""
SEGMENTS: Final = 32
"""The disk's share is cut into so many files at least: the oldest goes when there is no room …"""
SEGMENT_BYTES: Final = 4 * 2**20
"""… and none is larger than this (and one record)."""
SUFFIX: Final = ".spool"

Lost: TypeAlias = Callable[[Message], None]
log = structlog.get_logger()


def framed(value: bytes) -> bytes:
    """Make a record of an encoded message."""
    return HEAD.pack(MARK, len(value), zlib.crc32(value)) + value


class Values(NamedTuple):
    """What a file holds."""

    whole: list[bytes]
    broken: int
    """Places where something was skipped."""


def values(data: bytes) -> Values:
    """Read the records of a file; never raises."""
    whole: list[bytes] = []
    at, broken, skipping = 0, 0, False
    while at < len(data):
        value = _value_at(data, at)
        if value is None:
            broken += not skipping
            skipping = True
            found = data.find(MARK, at + 1)
            at = found if found >= 0 else len(data)
        else:
            whole.append(value)
            at, skipping = at + HEAD.size + len(value), False
    return Values(whole, broken)


def _value_at(data: bytes, at: int) -> bytes | None:
    if at + HEAD.size > len(data):
        return None
    mark, length, check = HEAD.unpack_from(data, at)
    end = at + HEAD.size + length
    if mark != MARK or length > MAX_BYTES or end > len(data):
        return None
    value = data[at + HEAD.size : end]
    return value if zlib.crc32(value) == check else None


class Slot:
    """A folder that one process alone has; what dead processes left in folders beside it is moved into it."""

    def __init__(self, parent: Path) -> None:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = 0
        while (lock := _locked(parent / str(number))) is None:
            number += 1
        self.folder = parent / str(number)
        self._lock = lock
        for other in sorted(parent.iterdir()):
            if other != self.folder and other.is_dir():
                self._take_over(other)

    def close(self) -> None:
        """Let another process have the folder."""
        os.close(self._lock)

    def _take_over(self, other: Path) -> None:
        lock = _locked(other)
        if lock is None:
            return
        for path in other.glob(f"*{SUFFIX}"):
            path.rename(self.folder / path.name)
        os.close(lock)


def _locked(folder: Path) -> int | None:
    """Lock a folder for as long as the returned file is open; None if another process has it."""
    folder.mkdir(exist_ok=True, mode=0o700)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


class Disk:
    """Segment files in a folder, oldest first; each is named by the time (ns) at which it was begun."""

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._sizes = {path: path.stat().st_size for path in sorted(folder.glob(f"*{SUFFIX}")) if path.stem.isdecimal()}
        self._named = max((int(path.stem) for path in self._sizes), default=0)
        self._open: Path | None = None
        self.reading: Path | None = None
        """Nothing is appended to this one, and it is not dropped."""

    @property
    def size(self) -> int:
        """How much lies there."""
        return sum(self._sizes.values())

    @property
    def oldest(self) -> Path | None:
        """The file to be read first."""
        return min(self._sizes, default=None)

    @property
    def droppable(self) -> Path | None:
        """The oldest file that nobody reads."""
        return min(self._sizes.keys() - {self.reading}, default=None)

    def name(self) -> Path:
        """Give a name behind all others, whatever the machine's clock does."""
        self._named = max(self._named + 1, time.time_ns())
        return self._folder / f"{self._named:020d}{SUFFIX}"

    def append(self, data: bytes) -> None:
        """Write behind everything else. Raises OSError when the disk does not take it."""
        path = self._open
        if path is None or path == self.reading or self._sizes.get(path, self._segment_bytes) >= self._segment_bytes:
            path = self.name()
        self.write(path, data)
        self._open = path

    def write(self, path: Path, data: bytes) -> None:
        """Write at the end of a file; what the disk took of it in part is taken back."""
        before = self._sizes.get(path, 0)
        try:
            with path.open("ab") as file:
                file.write(data)
        except OSError:
            if path.exists():
                os.truncate(path, before)
            raise
        self._sizes[path] = before + len(data)

    def read(self, path: Path) -> Values:
        """Read a file; one that can't be read at all is broken in one place."""
        try:
            return values(path.read_bytes())
        except OSError as error:
            log.warning("a spool file can't be read", path=str(path), error=error.strerror)
            return Values([], 1)

    def remove(self, path: Path) -> None:
        """Delete a file."""
        path.unlink(missing_ok=True)
        self._sizes.pop(path, None)
        if path == self.reading:
            self.reading = None


class Spool:
    """One topic's messages in the order they came; `head` gives the oldest, `done` takes them away.

    `memory_bytes` are kept in memory and `disk_bytes` on disk; what is older is dropped, counted, and given to `lost`. What
    `head` gave is not dropped any more.
    """

    def __init__(self, topic: Topic, folder: Path, memory_bytes: int, disk_bytes: int, metrics: Metrics, lost: Lost) -> None:
        self.topic = topic
        self._slot = Slot(folder / topic.value)
        self._segment_bytes = max(1, min(SEGMENT_BYTES, disk_bytes // SEGMENTS))
        self._disk = Disk(self._slot.folder, self._segment_bytes)
        self._memory_limit, self._disk_limit = memory_bytes, disk_bytes
        self._metrics = metrics
        self._lost = lost
        self._head: deque[bytes] = deque()
        self._head_name: Path | None = None
        """Where what was taken out of memory would stand among the files."""
        self._newest: deque[bytes] = deque()
        self._bytes = 0
        """In memory, `_head` and `_newest`."""
        metrics.spool_limit.labels(topic.value, "memory").set(memory_bytes)
        metrics.spool_limit.labels(topic.value, "disk").set(disk_bytes)
        self._show()

    def __bool__(self) -> bool:
        return bool(self._head or self._newest or self._disk.oldest)

    def push(self, messages: Sequence[Message]) -> None:
        """Put messages behind all others."""
        for message in messages:
            self._newest.append(codec.encode(self.topic, message))
            self._bytes += len(self._newest[-1])
        self._spill(self._memory_limit)
        self._show()

    def head(self, limit: int) -> list[Message]:
        """Give the oldest messages, without taking them away; none if there are none. Those that can't be read are gone."""
        found: list[Message] = []
        while not found and self:
            if not self._head:
                self._fetch()
            found = self._decoded_head(limit)
        return found

    def done(self, count: int) -> None:
        """Take away as many of those that `head` gave."""
        for _ in range(count):
            self._bytes -= len(self._head.popleft())
        self._release()
        self._show()

    def close(self) -> None:
        """Write down what is in memory, and let the folder go."""
        if self._head:
            path = self._disk.reading or self._head_name or self._disk.name()
            self._disk.remove(path)
            self._store(list(self._head), path)
            self._bytes -= sum(map(len, self._head))
            self._head.clear()
        self._spill(0)
        self._show()
        self._slot.close()

    def _fetch(self) -> None:
        """Begin with the oldest file, or with what is in memory."""
        self._disk.reading = self._disk.oldest
        if self._disk.reading is None:
            self._head_name = self._disk.name()
            self._head = self._taken_from_memory()
            return
        found = self._disk.read(self._disk.reading)
        self._metrics.spool_broken.labels(self.topic.value).inc(found.broken)
        self._head = deque(found.whole)
        self._bytes += sum(map(len, self._head))
        self._release()

    def _decoded_head(self, limit: int) -> list[Message]:
        found: list[Message] = []
        while len(found) < min(limit, len(self._head)):
            try:
                found.append(codec.decode(self.topic, self._head[len(found)]))
            except MessageError:
                self._bytes -= len(self._head[len(found)])
                del self._head[len(found)]
                self._metrics.spool_broken.labels(self.topic.value).inc()
        self._release()
        return found

    def _release(self) -> None:
        """Delete the file whose messages are all taken away."""
        if not self._head and self._disk.reading is not None:
            self._disk.remove(self._disk.reading)

    def _taken_from_memory(self) -> deque[bytes]:
        """Take the oldest out of memory, as much as a segment holds."""
        taken: deque[bytes] = deque()
        size = 0
        while self._newest and size < self._segment_bytes:
            taken.append(self._newest.popleft())
            size += len(taken[-1])
        return taken

    def _spill(self, keep_bytes: int) -> None:
        """Move the oldest from memory to disk until no more than so many bytes are left."""
        while self._newest and self._bytes > keep_bytes:
            records = self._taken_from_memory()
            self._bytes -= sum(map(len, records))
            self._store(records)

    def _store(self, records: Sequence[bytes], path: Path | None = None) -> None:
        """Write to disk, in place of older ones if need be; where the disk takes nothing, they are lost."""
        data = b"".join(map(framed, records))
        while self._disk.size + len(data) > self._disk_limit and (oldest := self._disk.droppable):
            self._drop(self._disk.read(oldest).whole)
            self._disk.remove(oldest)
        if self._disk.size + len(data) > self._disk_limit:
            self._drop(records)
            return
        try:
            self._disk.append(data) if path is None else self._disk.write(path, data)
        except OSError as error:
            log.warning("the spool's disk takes nothing more", path=str(self._slot.folder), error=error.strerror)
            self._drop(records)

    def _drop(self, records: Iterable[bytes]) -> None:
        for record in records:
            self._metrics.spool_dropped.labels(self.topic.value).inc()
            with contextlib.suppress(MessageError):
                self._lost(codec.decode(self.topic, record))

    def _show(self) -> None:
        self._metrics.spool_bytes.labels(self.topic.value, "memory").set(self._bytes)
        self._metrics.spool_bytes.labels(self.topic.value, "disk").set(self._disk.size)
