"""The bus over Apache Kafka, or anything that speaks its protocol, by aiokafka.

A record's key is its camera, so a camera lies in one partition of every topic; all topics have equally many
partitions and groups assign them by range, so one member holds all of a camera. Nothing is lost and nothing is given
up early: the producer waits for all replicas, and a group's position moves only past what nobody needs any more.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    UnknownError,
    UnsupportedVersionError,
)

from monitor import codec, events, topics
from monitor.brokers import LARGEST, READING, Brokers, client_options, explain, reach
from monitor.bus import UNTRACED, Health, Place, Record, Traces, is_traceparent
from monitor.clients import STOP_S, started, stopped
from monitor.config import Kafka
from monitor.errors import BusError, MessageError
from monitor.messages import Message, Ref, Topic
from monitor.metrics import Metrics
from monitor.subscription import KafkaSubscription, Offsets, reached
from monitor.transactions import Keyed, Transactions

TRACEPARENT: Final = "traceparent"
"""The header that names the span a record comes of (https://www.w3.org/TR/trace-context/)."""
READ_BACK_MS: Final = 200
"""Nothing more comes of what is read back when nothing came for so long."""

READ_BACK_S: Final = 30.0

log = structlog.get_logger()


def producing(at: Brokers) -> dict[str, Any]:
    """What the bus's producer is made with, but for idempotence; like `client_options`, to be shown to nobody."""
    return {**client_options(at), "acks": "all", "max_request_size": LARGEST, "max_batch_size": LARGEST}


def consuming(at: Brokers) -> dict[str, Any]:
    """What the members of a group are made with, but for its name; like `client_options`, to be shown to nobody."""
    return {
        **client_options(at),
        **READING,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "max_partition_fetch_bytes": LARGEST,
        "partition_assignment_strategy": (RangePartitionAssignor,),
        "session_timeout_ms": int(at.session_s * 1000),
        "heartbeat_interval_ms": int(at.session_s * 200),
    }


class KafkaBus:
    """A `Bus` over Kafka; call `start` before anything else."""

    def __init__(
        self,
        at: Brokers,
        metrics: Metrics,
        *,
        prefix: str = "",
        kafka: Kafka | None = None,
        groups: Mapping[str, Sequence[Topic]] | None = None,
        instance: str | None = None,
    ) -> None:
        self._at = at
        self.session_s = at.session_s
        self.metrics = metrics
        self._prefix = prefix
        self._kafka = kafka or Kafka()
        self._instance = instance
        self._groups = {name: set(topics) for name, topics in (groups or {}).items()}
        self._topics = {prefix + topic.value: topic for topic in Topic}
        self._published: dict[TopicPartition, int] = {}
        self._clients = AsyncExitStack()
        self._subscriptions: set[KafkaSubscription] = set()
        self._producer: Any = None
        self._admin: Any = None
        self._reader: Any = None
        self._reading = asyncio.Lock()
        self._transactions = Transactions(at, prefix)
        self.closed = self.ending = False
        self.notes: bool | None = None

    async def start(self) -> None:
        """Connect, and create the topics that are missing."""
        try:
            with self.translated("connect to"):
                await reach(self._at)
                self._admin = AIOKafkaAdminClient(**client_options(self._at))
                self._clients.push_async_callback(partial(stopped, self._admin.close))
                self._clients.push_async_callback(self._transactions.close)
                await started(self._admin.start)
                await topics.prepare(self._admin, self._kafka, self._prefix)
                self._producer = await self._started_producer()
                self._reader = AIOKafkaConsumer(**client_options(self._at), **READING)
                self._clients.push_async_callback(partial(stopped, self._reader.stop))
                await started(self._reader.start)
        except BusError:
            await self.close()
            raise

    async def publish(self, topic: Topic, messages: Sequence[Message], traces: Traces = UNTRACED) -> None:
        """Append messages in order; returns when all replicas have them."""
        await self._send(topic, _keyed(topic, messages, traces))

    async def publish_bytes(self, topic: Topic, camera: str, value: bytes) -> None:
        """Append a record as it is, whatever it is: what another program may do to a broker."""
        await self._send(topic, [Keyed(camera.encode(), value)])

    @asynccontextmanager
    async def subscribe(
        self, *topics: Topic, group: str, limit: int = 256, once: bool = False, idle_s: float | None = None
    ) -> AsyncIterator[KafkaSubscription]:
        """Join a group; leaving it with an exception leaves its position before the batch."""
        self._groups.setdefault(group, set()).update(topics)
        consumer = self._consumer(group)
        subscription = KafkaSubscription(self, consumer, group, limit, once=once, idle_s=idle_s)
        consumer.subscribe([self._prefix + topic.value for topic in topics], listener=subscription)
        try:
            with self.translated("read from"):
                await started(consumer.start)
            self._subscriptions.add(subscription)
            yield subscription
            await subscription.finish()
        finally:
            if not isinstance(sys.exception(), BusError):  # as when the broker is gone
                await stopped(subscription.leave)
            self._subscriptions.discard(subscription)
            subscription.abandon()
            await stopped(consumer.stop)

    async def newest(self, topic: Topic, partitions: Collection[int], limit: int) -> list[Record[Message]]:
        """Read back the end of partitions; what does not decode is left out."""
        places = [TopicPartition(self._prefix + topic.value, partition) for partition in partitions]
        if not places:
            return []
        found: dict[TopicPartition, deque[ConsumerRecord]] = {place: deque(maxlen=limit) for place in places}
        async with self._reading:
            with self.translated("read from"):
                self._reader.assign(places)
                begins, ends = await self._reader.beginning_offsets(places), await self._reader.end_offsets(places)
                for place in places:
                    self._reader.seek(place, max(begins[place], ends[place] - limit))
                until = time.monotonic() + READ_BACK_S
                # Not only up to the end that the broker names: Tansu 0.6 names the first offset of the newest batch, plus one.
                while (came := await self._reader.getmany(timeout_ms=READ_BACK_MS)) or not await self._reached_by_reader(ends):
                    for place, raws in came.items():
                        found[place].extend(raws)
                    if time.monotonic() > until:
                        raise BusError(f"Can't read {topic.value} back from Kafka within {READ_BACK_S:g} s; see that all its brokers run")
        return [record for raws in found.values() for raw in raws if (record := self._decoded(raw)) is not None]

    async def _reached_by_reader(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether what is read back has come to these offsets."""
        return all([await self._reader.position(place) >= end for place, end in ends.items()])

    async def begin(self, group: str, partitions: Collection[int]) -> None:
        """Fence off the transactions of whoever had these partitions before."""
        await self._transactions.begin(group, partitions)

    async def together(self, group: str, topic: Topic, messages: Sequence[Message], offsets: Offsets, traces: Traces = UNTRACED) -> Offsets:
        """Publish, and write positions down, in one transaction a partition; gives those: none where the broker has no transactions."""
        if not self._transactions.possible:
            await self.publish(topic, messages, traces)
            return {}
        with self.translated(f"publish {topic.value} to"):
            count = len(await self._producer.partitions_for(self._prefix + topic.value))
            values = _keyed(topic, messages, traces)
            return await self._transactions.publish(group, self._prefix + topic.value, values, count, offsets)

    async def written(self, group: str, places: Collection[TopicPartition]) -> Offsets:
        """What a group wrote down, of the places where it did."""
        found: Offsets = await self._admin.list_consumer_group_offsets(self._prefix + group, partitions=list(places))
        return {place: offset for place, offset in found.items() if offset.offset >= 0}

    def place(self, partition: TopicPartition) -> Place:
        """Our name of one of Kafka's partitions."""
        return self._topics[partition.topic], partition.partition

    async def lag(self, group: str) -> int:
        """Records of the group's topics that it has not processed, as the broker knows."""
        return sum((await self._behind(group)).values())

    async def health(self) -> Health:
        """Ask a broker for the cluster's metadata."""
        with self.translated("ask"):
            return await topics.health(self._admin, list(self._topics))

    async def reached(self, group: str) -> int:
        """How far a group has come, in records of all its partitions since their begin."""
        topics = {self._prefix + topic.value for topic in self._groups.get(group, ())}
        with self.translated("ask"):
            places = [place for place in await self._ends() if place.topic in topics]
            return sum(reached(offset) for offset in (await self.written(group, places)).values())

    async def drain(self) -> None:
        """Wait until the groups that this process knows have nothing left to process."""
        ends: dict[TopicPartition, int] | None = None
        while True:
            before = await self._ends()
            if before == ends:
                return
            idle = not any([await self.lag(group) for group in self._groups])
            ends = before if idle else None
            if not idle:
                await asyncio.sleep(0.05)

    def end(self) -> None:
        """Give no further batch: each subscription ends when the batch in work is processed."""
        self.ending = True

    async def close(self) -> None:
        """End every subscription, flush, and let go of the broker."""
        self.closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await asyncio.gather(*(subscription.settled() for subscription in self._subscriptions))
        await self._clients.aclose()

    def record(self, raw: ConsumerRecord) -> Record[Message]:
        """Decode what was read; MessageError if it can't be."""
        topic = self._topics[raw.topic]
        ref = Ref(topic=topic, partition=raw.partition, offset=raw.offset)
        return Record(message=codec.decode(topic, raw.value or b""), ref=ref, published=raw.timestamp / 1000, trace=_trace(raw))

    def _decoded(self, raw: ConsumerRecord) -> Record[Message] | None:
        with suppress(MessageError):
            return self.record(raw)
        return None

    async def bury(self, raw: ConsumerRecord, error: MessageError) -> None:
        """Publish a dead letter and count it; a broken dead letter is only counted, or it would come back for ever."""
        topic = self._topics[raw.topic]
        self.metrics.dead_letters.labels(topic.value, error.reason).inc()
        if topic is not Topic.DEAD_LETTER:
            ref = Ref(topic=topic, partition=raw.partition, offset=raw.offset)
            camera = (raw.key or b"").decode(errors="replace")
            letter = codec.dead_letter(camera, ref, raw.value or b"", error, time.time())
            await self._append(Topic.DEAD_LETTER, [Keyed(camera.encode(), codec.encode(Topic.DEAD_LETTER, letter))])

    @contextmanager
    def translated(self, doing: str) -> Iterator[None]:
        """Turn Kafka's errors into ours; the address has no credentials in it."""
        try:
            yield
        except (KafkaError, OSError) as error:
            raise BusError(f"Can't {doing} Kafka at {','.join(self._at.hosts)}: {explain(error, self._at.security)}") from error

    async def _send(self, topic: Topic, values: list[Keyed]) -> None:
        if self.closed:
            raise BusError("The bus is closed: nothing can be published any more; subscribe and publish before close()")
        await self._append(topic, values)

    async def _append(self, topic: Topic, values: list[Keyed]) -> None:
        with self.translated(f"publish {topic.value} to"):
            name = self._prefix + topic.value
            sent = [await self._producer.send(name, one.value, one.key, headers=one.headers) for one in values]
            acknowledged = await asyncio.gather(*sent)
        for ack in acknowledged:
            self._published[ack.topic_partition] = max(ack.offset + 1, self._published.get(ack.topic_partition, 0))

    async def _started_producer(self) -> AIOKafkaProducer:
        """Start a producer that writes nothing twice; where the broker has no such thing, one that may, after an error."""
        for idempotent in (True, False):
            producer = AIOKafkaProducer(
                **producing(self._at),
                enable_idempotence=idempotent,
            )
            self._clients.push_async_callback(partial(stopped, producer.stop))
            try:
                await started(producer.start)
            except (UnknownError, UnsupportedVersionError, ClusterAuthorizationFailedError) as error:
                if not idempotent:
                    raise
                log.info("the broker has no idempotent producer; a record may be there twice after an error", error=str(error))
            else:
                break
        return producer

    def _consumer(self, group: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(**consuming(self._at), group_id=self._prefix + group, group_instance_id=self._instance)

    async def _ends(self) -> dict[TopicPartition, int]:
        """The offset behind the newest record of every partition.

        What this bus published counts as well as what the broker says: Tansu 0.6 says the first offset of the newest batch, plus one.
        """
        with self.translated("ask"):
            names = [name for name, topic in self._topics.items() if any(topic in topics for topics in self._groups.values())]
            places = [TopicPartition(name, partition) for name in names for partition in await self._producer.partitions_for(name)]
            ends: dict[TopicPartition, int] = await self._reader.end_offsets(places) if places else {}
        return {place: max(end, self._published.get(place, 0)) for place, end in ends.items()}

    async def _behind(self, group: str) -> dict[TopicPartition, int]:
        """How far a group is behind the newest record, by partition."""
        topics = {self._prefix + topic.value for topic in self._groups.get(group, ())}
        ends = {place: end for place, end in (await self._ends()).items() if place.topic in topics}
        if not ends:
            return {}
        with self.translated("ask"):
            begins = await self._reader.beginning_offsets(list(ends))
            done = await self.written(group, ends)
        return {place: end - max(begins[place], reached(done[place]) if place in done else -1) for place, end in ends.items()}


def _keyed(topic: Topic, messages: Sequence[Message], traces: Traces) -> list[Keyed]:
    """Messages as records; where one is followed, a header says so, and the event of an alert."""
    if not traces:
        return [Keyed(message.camera.encode(), codec.encode(topic, message)) for message in messages]
    keyed = []
    for number, message in enumerate(messages):
        trace = traces.get(number, "")
        with events.traced(trace):
            keyed.append(Keyed(message.camera.encode(), codec.encode(topic, message), [(TRACEPARENT, trace.encode())] if trace else None))
    return keyed


def _trace(raw: ConsumerRecord) -> str:
    """The span that a record comes of."""
    if not raw.headers:
        return ""
    found = next((value.decode(errors="replace") for name, value in raw.headers if name == TRACEPARENT), "")
    return found if is_traceparent(found) else ""
