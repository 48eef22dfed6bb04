"""Records again, by place or by time, outside of any consumer group: what evidence is cut from, and what is replayed.

Kafka finds records by the time at which they were published (KIP-33, KIP-79), which is a moment after they were captured; event time is
looked for among them. So nothing depends on a recording's own time being that of the wall.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from typing import Final, NamedTuple, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import OffsetAndTimestamp

from monitor import codec
from monitor.brokers import LARGEST, READING, Brokers, client_options, explain
from monitor.bus import Bus, Record
from monitor.clients import started, stopped
from monitor.errors import BusError, MessageError
from monitor.memory import CAPACITY, PARTITIONS
from monitor.messages import CameraState, Message, Ref, Stamped, Topic

EARLY_S: Final = 2.0
"""A record's time of publication may lie so long before its `captured`: clocks differ a little."""
LATE_S: Final = {Topic.VIDEO: 120.0, Topic.AUDIO: 600.0}
"""A record may be published so long after it was captured: it waited for a broker that was away; …"""
LATEST_S: Final = 3600.0
"""… what was made of it, when the stages were behind."""
PATIENCE_S: Final = 10.0
"""A broker that says that it has records gives the next ones within this."""

log = structlog.get_logger()


class Span(NamedTuple):
    """`begin <= t < end`, seconds since the epoch; of event time or of the wall clock, as it is said."""

    begin: float
    end: float


class Archive(Protocol):
    """Reads what the bus still has; everything raises BusError when the broker can't be reached."""

    async def read(self, refs: Collection[Ref]) -> dict[Ref, Record[Message]]:
        """Read the records at these places; those that retention has taken, or that don't decode, are left out."""

    async def around(
        self, topic: Topic, camera: str, event: Span, wall: Span, near: Collection[Ref] = (), *, limit: int
    ) -> list[Record[Message]]:
        """Read one camera's records that overlap a span of event time, in order; the first `limit` of them.

        They were captured in the span `wall`, or lie between the records `near`.
        """

    def span(self, topics: Sequence[Topic], wall: Span) -> AsyncGenerator[Record[Message]]:
        """Everything that was captured in a span of the wall clock, in order of publication, over all topics and cameras."""


@dataclass(frozen=True, slots=True)
class MemoryArchive:
    """An `Archive` of the bus inside this process: its newest records alone."""

    bus: Bus
    partitions: int = PARTITIONS

    async def read(self, refs: Collection[Ref]) -> dict[Ref, Record[Message]]:
        """Pick them."""
        held = [record for topic in {ref.topic for ref in refs} for record in await self._held(topic)]
        return {record.ref: record for record in held if record.ref in refs}

    async def around(
        self, topic: Topic, camera: str, event: Span, wall: Span, near: Collection[Ref] = (), *, limit: int
    ) -> list[Record[Message]]:
        """Pick by event time alone: there is little to look through."""
        del wall, near
        held = await self._held(topic)
        return [record for record in held if record.message.camera == camera and overlaps(record.message, event)][:limit]

    async def span(self, topics: Sequence[Topic], wall: Span) -> AsyncGenerator[Record[Message]]:
        """Pick by `captured`."""
        held = [record for topic in topics for record in await self._held(topic)]
        for record in sorted(held, key=lambda record: captured(record.message)):
            if wall.begin <= captured(record.message) < wall.end:
                yield record

    async def _held(self, topic: Topic) -> list[Record[Message]]:
        return await self.bus.newest(topic, range(self.partitions), CAPACITY)


class KafkaArchive:
    """An `Archive` over Kafka; each reading has a connection of its own, and no position is ever written down."""

    def __init__(self, at: Brokers, *, prefix: str = "") -> None:
        self._at = at
        self._prefix = prefix
        self._topics = {prefix + topic.value: topic for topic in Topic}

    async def read(self, refs: Collection[Ref]) -> dict[Ref, Record[Message]]:
        """Seek to each, the older ones of a partition first."""
        wanted = sorted(set(refs), key=lambda ref: (ref.topic, ref.partition, ref.offset))
        found: dict[Ref, Record[Message]] = {}
        if not wanted:
            return found
        async with self._opened({ref.topic for ref in wanted}) as consumer:
            begins = await self._begins(consumer)
            for ref in wanted:
                place = TopicPartition(self._prefix + ref.topic.value, ref.partition)
                if begins.get(place, ref.offset + 1) <= ref.offset:
                    found |= {record.ref: record for record in await self._one(consumer, place, ref)}
        return found

    async def around(
        self, topic: Topic, camera: str, event: Span, wall: Span, near: Collection[Ref] = (), *, limit: int
    ) -> list[Record[Message]]:
        """Read the camera's partition from where the span can begin to where the camera is past it."""
        found: list[Record[Message]] = []
        async with self._opened([topic]) as consumer:
            place = self._place(consumer, topic, camera, near)
            offsets = [ref.offset for ref in near if ref.topic is topic]
            lanes = await self._lanes(consumer, {place: min(offsets, default=None)}, wall, last=max(offsets, default=-1))
            while len(found) < limit and (raw := await lanes[0].next()) is not None:
                record = self._decoded(raw)
                if record is None or record.message.camera != camera:
                    continue
                if overlaps(record.message, event):
                    found.append(record)
                elif _times(record.message)[0] >= event.end and captured(record.message) >= wall.end:
                    break  # and not before: the same recording may have been read a moment earlier, too
        return found

    async def span(self, topics: Sequence[Topic], wall: Span) -> AsyncGenerator[Record[Message]]:
        """Read all partitions side by side, so that the topics of a camera keep step."""
        async with self._opened(topics) as consumer:
            lanes = await self._lanes(consumer, dict.fromkeys(sorted(consumer.assignment())), wall)
            async for raw in _merged(lanes):
                record = self._decoded(raw)
                if record is not None and wall.begin <= captured(record.message) < wall.end:
                    yield record

    @asynccontextmanager
    async def _opened(self, topics: Iterable[Topic]) -> AsyncIterator[AIOKafkaConsumer]:
        """Connect, with all partitions of the topics assigned and at rest; what a transaction gave up is not read."""
        consumer = AIOKafkaConsumer(
            *(self._prefix + topic.value for topic in topics),
            **client_options(self._at),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **READING,
            max_partition_fetch_bytes=LARGEST,
        )
        try:
            with self._translated():
                await started(consumer.start)
            consumer.pause(*consumer.assignment())
            yield consumer
        finally:
            await stopped(consumer.stop)

    async def _begins(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
        with self._translated():
            begins: dict[TopicPartition, int] = await consumer.beginning_offsets(list(consumer.assignment()))
        return begins

    async def _one(self, consumer: AIOKafkaConsumer, place: TopicPartition, ref: Ref) -> list[Record[Message]]:
        """The record at a place, if the broker has it."""
        with self._translated():
            consumer.seek(place, ref.offset)
            consumer.resume(place)
            found = await consumer.getmany(place, timeout_ms=1000, max_records=1)
            consumer.pause(place)
        records = [self._decoded(raw) for raw in found.get(place, ())]
        return [record for record in records if record is not None and record.ref == ref]

    def _place(self, consumer: AIOKafkaConsumer, topic: Topic, camera: str, near: Collection[Ref]) -> TopicPartition:
        """A camera's partition: the same in every topic, so any of its records says it; else by the producer's hash."""
        partitions = sorted(place.partition for place in consumer.assignment())
        by_key: int = DefaultPartitioner()(camera.encode(), partitions, partitions)
        return TopicPartition(self._prefix + topic.value, next((ref.partition for ref in near if ref.partition in partitions), by_key))

    async def _lanes(
        self, consumer: AIOKafkaConsumer, places: Mapping[TopicPartition, int | None], wall: Span, last: int = -1
    ) -> list[_Lane]:
        """Set partitions to where a span can begin, at the latest at the offset that is given with them."""
        since = max(0, int((wall.begin - EARLY_S) * 1000))
        with self._translated():
            ends = await consumer.end_offsets(list(places))
            found = await consumer.offsets_for_times(dict.fromkeys(places, since))
            lanes = []
            for place, offset in places.items():
                by_time = _offset(found[place])
                # A record that was found by its time is there: Tansu 0.6 says the first offset of the newest batch, plus one, as the end.
                end = ends[place] if by_time is None else max(ends[place], by_time + 1)
                until = wall.end + LATE_S.get(self._topics[place.topic], LATEST_S)
                lanes.append(_Lane(self, consumer, place, end, until, last))
                consumer.seek(place, min((each for each in (offset, by_time) if each is not None), default=end))
                consumer.resume(place)
        return lanes

    async def more(self, consumer: AIOKafkaConsumer, place: TopicPartition, end: int) -> list[ConsumerRecord]:
        """The next records of a partition before an end; none when it is reached."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        with self._translated():
            while await consumer.position(place) < end:
                found = await consumer.getmany(place, timeout_ms=200)
                if found.get(place):
                    return list(found[place])
                if asyncio.get_running_loop().time() > deadline:
                    raise BusError(
                        f"Kafka has records of {place.topic} that it did not give in {PATIENCE_S:g} s. See that its nodes are well"
                    )
        return []

    def _decoded(self, raw: ConsumerRecord) -> Record[Message] | None:
        """Decode; what is no message was counted and buried when it was first read."""
        topic = self._topics[raw.topic]
        ref = Ref(topic=topic, partition=raw.partition, offset=raw.offset)
        try:
            return Record(message=codec.decode(topic, raw.value or b""), ref=ref)
        except MessageError as error:
            log.debug("a record is passed over", topic=topic.value, partition=ref.partition, offset=ref.offset, reason=error.reason)
            return None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (KafkaError, OSError) as error:
            raise BusError(f"Can't read again from Kafka at {','.join(self._at.hosts)}: {explain(error, self._at.security)}") from error


@dataclass(slots=True)
class _Lane:
    """One partition on its way to the offset `end`, or to what was published after `until` and lies behind the offset `last`."""

    archive: KafkaArchive
    consumer: AIOKafkaConsumer
    place: TopicPartition
    end: int
    until: float
    last: int
    held: deque[ConsumerRecord] = field(default_factory=deque)

    async def next(self) -> ConsumerRecord | None:
        """Give the next record; none at the end, and then the partition rests again."""
        if not self.held:
            self.held.extend(await self.archive.more(self.consumer, self.place, self.end))
        raw = self.held.popleft() if self.held else None
        if raw is None or (raw.timestamp > self.until * 1000 and raw.offset > self.last):
            self.consumer.pause(self.place)
            self.held.clear()
            return None
        return raw


def _offset(found: OffsetAndTimestamp | None) -> int | None:
    """Where a search by time ended; Tansu 0.6 says offset 0 and no time when there is nothing so late."""
    return None if found is None or found.timestamp < 0 else int(found.offset)


async def _merged(lanes: Sequence[_Lane]) -> AsyncIterator[ConsumerRecord]:
    """Records of all lanes by their time of publication; those of one lane in its own order."""
    heads = [(raw.timestamp, number, raw) for number, lane in enumerate(lanes) if (raw := await lane.next()) is not None]
    heapify(heads)
    while heads:
        _, number, raw = heads[0]
        yield raw
        following = await lanes[number].next()
        if following is None:
            heappop(heads)
        else:
            heapreplace(heads, (following.timestamp, number, following))


def overlaps(message: Message, event: Span) -> bool:
    """Whether a message tells of something in a span of event time."""
    at, until = _times(message)
    return at < event.end and (until > event.begin or at == until == event.begin)


def captured(message: Message) -> float:
    """When a message's newest input left its source, by the wall clock."""
    return (message.captured if isinstance(message, Stamped | CameraState) else 0.0) or _times(message)[0]


def _times(message: Message) -> tuple[float, float]:
    if isinstance(message, Stamped):
        return message.at, message.until
    at = float(getattr(message, "at", 0.0))
    return at, at
