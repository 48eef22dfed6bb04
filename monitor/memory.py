"""The bus inside one process: bounded, so that a slow stage slows the stages before it instead of filling the memory.

Each topic is a log of at most `capacity` records. A group has a position in it, and starts with the oldest record that
is still there. When a log is full, the oldest record that every group of the topic has processed makes room; while
there is none, `publish` waits. A topic that no group is known for forgets its oldest record instead, so whoever must not miss
one is named in `groups`: a group that is expected counts from the start, also before its first member comes.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import Final, NamedTuple

from monitor import codec
from monitor.bus import UNTRACED, Batch, Health, Place, Record, Traces
from monitor.errors import BusError, MessageError
from monitor.messages import Message, Ref, Topic
from monitor.metrics import Metrics

CAPACITY: Final = 512
"""Records a topic holds at most."""

PARTITIONS: Final = 8
"""Of each topic; no more members of a group than this have work."""


class _Entry(NamedTuple):
    """A record as it is kept; `seq` first, so that entries sort by the order of their publication in the whole bus."""

    seq: int
    camera: str
    value: Message | bytes
    ref: Ref
    published: float
    trace: str


@dataclass(slots=True)
class _Log:
    """One partition: the records with offsets from `base` up to, not including, `end`."""

    entries: dict[int, _Entry] = field(default_factory=dict)
    base: int = 0
    end: int = 0

    def append(self, entry: _Entry) -> None:
        self.entries[self.end] = entry
        self.end += 1

    def drop_oldest(self) -> None:
        del self.entries[self.base]
        self.base += 1

    def since(self, offset: int) -> Iterator[_Entry]:
        return (self.entries[at] for at in range(max(offset, self.base), self.end))


@dataclass(slots=True, eq=False)
class _Member:
    """A subscriber: its topics, and how far the batch reaches that it works on."""

    topics: frozenset[Topic]
    working_on: dict[Place, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    """What a group has processed, and who its members are; a partition has one owner, the same for every topic."""

    topics: set[Topic] = field(default_factory=set)
    done: dict[Place, int] = field(default_factory=dict)
    members: list[_Member] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there may be something to take: a record came, a batch was processed, a member left."""

    def places_of(self, member: _Member, partitions: int) -> Iterator[Place]:
        """The places whose owner this member is, without those where another still works on a batch."""
        busy = {place for other in self.members if other is not member for place in other.working_on}
        for topic in member.topics:
            owners = [other for other in self.members if topic in other.topics]
            mine = range(owners.index(member), partitions, len(owners))
            yield from ((topic, partition) for partition in mine if (topic, partition) not in busy)


class MemoryBus:
    """A `Bus` in one process; messages pass as they are, or through the codec if `encoded`."""

    def __init__(
        self,
        metrics: Metrics | None = None,
        *,
        capacity: int = CAPACITY,
        partitions: int = PARTITIONS,
        groups: Mapping[str, Sequence[Topic]] | None = None,
        encoded: bool = False,
    ) -> None:
        self.metrics = metrics or Metrics()
        self._capacity = capacity
        self._encoded = encoded
        self._logs = {topic: [_Log() for _ in range(partitions)] for topic in Topic}
        self._held = dict.fromkeys(Topic, 0)
        self._turns = {topic: asyncio.Lock() for topic in Topic}
        self._groups: dict[str, _Group] = {}
        self._room = asyncio.Event()
        self._seq = 0
        self._closed = self._ending = False
        for name, topics in (groups or {}).items():
            self._know(name, frozenset(topics))

    async def publish(self, topic: Topic, messages: Sequence[Message], traces: Traces = UNTRACED) -> None:
        """Append messages in order; all of them are checked before the first is taken."""
        if self._encoded:
            values: list[Message | bytes] = [codec.encode(topic, message) for message in messages]
        else:
            for message in messages:
                codec.check(topic, message)
            values = list(messages)
        async with self._turns[topic]:
            for number, (message, value) in enumerate(zip(messages, values, strict=True)):
                await self._append(topic, message.camera, value, traces.get(number, ""))

    async def publish_bytes(self, topic: Topic, camera: str, value: bytes) -> None:
        """Append a record as it is, whatever it is: what another program may do to a broker."""
        async with self._turns[topic]:
            await self._append(topic, camera, value)

    @asynccontextmanager
    async def subscribe(
        self, *topics: Topic, group: str, limit: int = 256, once: bool = False, idle_s: float | None = None
    ) -> AsyncIterator[MemorySubscription]:
        """Join a group; leaving it with an exception gives the batch back."""
        del once  # nothing is ever half published here
        known = self._know(group, frozenset(topics))
        member = _Member(frozenset(topics))
        known.members.append(member)
        try:
            yield MemorySubscription(self, group, member, limit, idle_s)
            self.processed(group, member)
        finally:
            known.members.remove(member)
            known.news.set()

    async def lag(self, group: str) -> int:
        """Records of the group's topics that it has not processed."""
        return self._lag(self._groups[group]) if group in self._groups else 0

    async def health(self) -> Health | None:
        """There are no brokers."""
        return None

    async def drain(self) -> None:
        """Wait until no group has anything left to process."""
        while any(map(self._lag, self._groups.values())) and not self._closed:
            await _next(self._room)

    def end(self) -> None:
        """Give no further batch: each subscription ends when the batch in work is processed."""
        self._ending = True
        for group in self._groups.values():
            group.news.set()

    async def close(self) -> None:
        """End every subscription and refuse what is published from now on."""
        self._closed = True
        self._room.set()
        for group in self._groups.values():
            group.news.set()

    async def newest(self, topic: Topic, partitions: Collection[int], limit: int) -> list[Record[Message]]:
        """Read back the end of partitions, as far as it is still there; what does not decode is left out."""
        found: list[Record[Message]] = []
        for log in (self._logs[topic][partition] for partition in partitions):
            for entry in log.since(max(log.base, log.end - limit)):
                with suppress(MessageError):
                    found.append(_record(entry))
        return found

    async def take(self, group: str, member: _Member, limit: int, idle_s: float | None) -> list[Record[Message]] | None:
        """Wait for a member's next batch, oldest records first; none after `idle_s`, and None once the bus is closed."""
        self.processed(group, member)
        known, loop = self._groups[group], asyncio.get_running_loop()
        until = None if idle_s is None else loop.time() + idle_s
        while not (self._closed or self._ending):
            entries = self._next_entries(known, member, limit)
            for entry in entries:
                member.working_on[entry.ref.topic, entry.ref.partition] = entry.ref.offset + 1
            records = [record for entry in entries if (record := await self._open(entry)) is not None]
            if records:
                return records
            self.processed(group, member)
            if not entries:
                try:
                    async with asyncio.timeout_at(until):
                        await _next(known.news)
                except TimeoutError:
                    return []
        return None

    def ahead(self, group: str, member: _Member) -> dict[int, int]:
        """Records that a group has not taken yet, by partition; of those that a member works on, none."""
        found: dict[int, int] = {}
        for (topic, partition), done in self._groups[group].done.items():
            at = member.working_on.get((topic, partition), done)
            found[partition] = found.get(partition, 0) + max(0, self._logs[topic][partition].end - max(at, done))
        return found

    def processed(self, group: str, member: _Member) -> None:
        """Count what a member was working on as processed."""
        if member.working_on:
            self._groups[group].done.update(member.working_on)
            member.working_on.clear()
            self._groups[group].news.set()
            self._room.set()

    def _know(self, name: str, topics: frozenset[Topic]) -> _Group:
        group = self._groups.setdefault(name, _Group())
        for topic in topics - group.topics:
            group.done |= {(topic, partition): log.base for partition, log in enumerate(self._logs[topic])}
        group.topics |= topics
        return group

    async def _append(self, topic: Topic, camera: str, value: Message | bytes, trace: str = "") -> None:
        while self._held[topic] >= self._capacity and not self._make_room(topic):
            await _next(self._room)
        if self._closed:
            raise BusError("The bus is closed: nothing can be published any more; subscribe and publish before close()")
        partition = zlib.crc32(camera.encode()) % len(self._logs[topic])
        log = self._logs[topic][partition]
        log.append(_Entry(self._seq, camera, value, Ref(topic=topic, partition=partition, offset=log.end), time.time(), trace))
        self._seq += 1
        self._held[topic] += 1
        for group in self._groups.values():
            if topic in group.topics:
                group.news.set()

    def _make_room(self, topic: Topic) -> bool:
        """Forget the oldest record that nobody has to process any more; say whether there was one, or the bus is closed."""
        groups = [group for group in self._groups.values() if topic in group.topics]
        free = [
            log
            for partition, log in enumerate(self._logs[topic])
            if log.base < log.end and all(log.base < group.done[topic, partition] for group in groups)
        ]
        if free:
            min(free, key=lambda log: log.entries[log.base].seq).drop_oldest()
            self._held[topic] -= 1
        return bool(free) or self._closed

    def _next_entries(self, group: _Group, member: _Member, limit: int) -> list[_Entry]:
        places = group.places_of(member, len(self._logs[Topic.VIDEO]))
        ahead = (self._logs[topic][partition].since(group.done[topic, partition]) for topic, partition in places)
        return list(islice(merge(*ahead), limit))

    async def _open(self, entry: _Entry) -> Record[Message] | None:
        """Give a kept record its message; one that has none goes to the dead letters."""
        try:
            return _record(entry)
        except MessageError as error:
            assert isinstance(entry.value, bytes)
            await self._bury(entry, entry.value, error)
            return None

    async def _bury(self, entry: _Entry, value: bytes, error: MessageError) -> None:
        """Publish a dead letter and count it; a broken dead letter is only counted, or it would come back for ever."""
        self.metrics.dead_letters.labels(entry.ref.topic.value, error.reason).inc()
        if entry.ref.topic is not Topic.DEAD_LETTER:
            await self.publish(Topic.DEAD_LETTER, [codec.dead_letter(entry.camera, entry.ref, value, error, time.time())])

    def _lag(self, group: _Group) -> int:
        return sum(self._logs[topic][partition].end - done for (topic, partition), done in group.done.items())


async def _next(event: asyncio.Event) -> None:
    """Wait until an event is set from now on; nothing may be awaited between looking and this."""
    event.clear()
    await event.wait()


def _record(entry: _Entry) -> Record[Message]:
    """Give a kept record its message; MessageError if it has none."""
    value = entry.value
    message: Message = value if isinstance(value, Message) else codec.decode(entry.ref.topic, value)
    return Record(message=message, ref=entry.ref, published=entry.published, trace=entry.trace)


@dataclass(frozen=True, slots=True)
class MemorySubscription:
    """The batches of one member."""

    bus: MemoryBus
    group: str
    member: _Member
    limit: int
    idle_s: float | None

    def __aiter__(self) -> MemorySubscription:
        return self

    async def __anext__(self) -> Batch:
        """Give the next batch; the one before counts as processed by asking."""
        progress = self.bus.metrics.board.member(self.group)
        progress.records = self._ahead
        progress.waits(time.time())
        records = await self.bus.take(self.group, self.member, self.limit, self.idle_s)
        if records is None:
            raise StopAsyncIteration
        progress.takes(records, time.time())
        return Batch(records)

    def _ahead(self) -> dict[int, int]:
        """Records that lie ahead, by partition."""
        return self.bus.ahead(self.group, self.member)

    def keep(self, places: Mapping[Place, int]) -> None:
        """Nothing: what this bus holds, and who remembers what was in it, end together."""

    async def answer(self, topic: Topic, messages: Sequence[Message], traces: Traces = UNTRACED) -> None:
        """Publish; no position is lost without what was published."""
        await self.bus.publish(topic, messages, traces)
