"""The bus over Apache Kafka, or anything that speaks its protocol, by aiokafka.

A record's key is its camera, so a camera lies in one partition of every topic; all topics have equally many
partitions and groups assign them by range, so one member holds all of a camera. Nothing is lost and nothing is given
up early: the producer waits for all replicas, and a group's position moves only past what was processed.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from heapq import merge
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    TopicAlreadyExistsError,
    UnknownError,
    UnsupportedVersionError,
    for_code,
)

from monitor import codec
from monitor.bus import Record
from monitor.errors import BusError, ConfigError, MessageError
from monitor.messages import MAX_BYTES, Message, Ref, Topic
from monitor.metrics import Metrics

PARTITIONS: Final = 8
"""Of each topic that this process creates; no more members of a group than this have work."""

OVERHEAD_BYTES: Final = 64 * 1024
"""What Kafka adds to a record's value, at most: key, headers, framing."""

COMMIT_S: Final = 1.0
"""A busy group writes its position down so often; an idle one at once."""

IDLE_MS: Final = 500
"""So long a member waits for records before it looks whether the bus was closed."""

STOP_S: Final = 10.0
"""A client may take so long to flush and to leave."""

SESSION_S: Final = 10.0
"""A member that is not heard of for so long is thought dead; for half of it, it may finish its batch when it loses partitions."""

log = structlog.get_logger()


class Brokers(msgspec.Struct, frozen=True, kw_only=True):
    """Where Kafka is."""

    hosts: tuple[str, ...]
    """Each as host:port."""
    session_s: float = SESSION_S


def brokers(url: str) -> Brokers:
    """Read `kafka://host:port,host:port[?session_s=10]`; the port is 9092 if it is left out."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ConfigError(
            "bus: a kafka:// address with a user name or password is not supported yet (no SASL, no TLS). Leave out what is "
            "before the @, and let the broker listen in a network that only these machines can reach"
        )
    hosts = tuple(host if ":" in host else f"{host}:9092" for host in parts.netloc.split(",") if host)
    session = re.fullmatch(r"(?:session_s=(\d{1,3}(?:\.\d)?))?", parts.query)
    if parts.scheme != "kafka" or not hosts or parts.path.strip("/") or not session:
        raise ConfigError(
            "bus: give kafka://host:port, or several as kafka://host:port,host:port; after them nothing but "
            "?session_s=10, the seconds after which a member that is not heard of is thought dead"
        )
    return Brokers(hosts=hosts, session_s=float(session[1] or SESSION_S))


class KafkaBus:
    """A `Bus` over Kafka; call `start` before anything else."""

    def __init__(
        self,
        at: Brokers,
        metrics: Metrics,
        *,
        prefix: str = "",
        partitions: int = PARTITIONS,
        groups: Mapping[str, Sequence[Topic]] | None = None,
    ) -> None:
        self._hosts = at.hosts
        self.session_s = at.session_s
        self.metrics = metrics
        self._prefix = prefix
        self._partitions = partitions
        self._groups = {name: set(topics) for name, topics in (groups or {}).items()}
        self._topics = {prefix + topic.value: topic for topic in Topic}
        self._published: dict[TopicPartition, int] = {}
        self._clients = AsyncExitStack()
        self._producer: Any = None
        self._admin: Any = None
        self._reader: Any = None
        self.closed = False

    async def start(self) -> None:
        """Connect, and create the topics that are missing."""
        try:
            with self.translated("connect to"):
                self._admin = AIOKafkaAdminClient(bootstrap_servers=list(self._hosts))
                self._clients.push_async_callback(partial(_stopped, self._admin.close))
                await self._admin.start()
                await self._create_topics()
                self._producer = await self._started_producer()
                self._reader = AIOKafkaConsumer(bootstrap_servers=list(self._hosts))
                self._clients.push_async_callback(partial(_stopped, self._reader.stop))
                await self._reader.start()
                await asyncio.sleep(0)  # its tasks must have begun before they can be stopped (aiokafka 0.14)
        except BusError:
            await self.close()
            raise

    async def publish(self, topic: Topic, messages: Sequence[Message]) -> None:
        """Append messages in order; returns when all replicas have them."""
        values = [(message.camera, codec.encode(topic, message)) for message in messages]
        await self._send(topic, values)

    async def publish_bytes(self, topic: Topic, camera: str, value: bytes) -> None:
        """Append a record as it is, whatever it is: what another program may do to a broker."""
        await self._send(topic, [(camera, value)])

    @asynccontextmanager
    async def subscribe(self, *topics: Topic, group: str, limit: int = 256) -> AsyncIterator[KafkaSubscription]:
        """Join a group; leaving it with an exception leaves its position before the batch."""
        self._groups.setdefault(group, set()).update(topics)
        consumer = self._consumer(group)
        subscription = KafkaSubscription(self, consumer, group, limit)
        consumer.subscribe([self._prefix + topic.value for topic in topics], listener=subscription)
        try:
            with self.translated("read from"):
                await consumer.start()
            yield subscription
            await subscription.finish()
        finally:
            subscription.abandon()
            await _stopped(consumer.stop)

    async def lag(self, group: str) -> int:
        """Records of the group's topics that it has not processed, as the broker knows."""
        return sum((await self._behind(group)).values())

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

    async def close(self) -> None:
        """End every subscription, flush, and let go of the broker."""
        self.closed = True
        await self._clients.aclose()

    def record(self, raw: ConsumerRecord) -> Record[Message]:
        """Decode what was read; MessageError if it can't be."""
        topic = self._topics[raw.topic]
        ref = Ref(topic=topic, partition=raw.partition, offset=raw.offset)
        return Record(message=codec.decode(topic, raw.value or b""), ref=ref)

    async def bury(self, raw: ConsumerRecord, error: MessageError) -> None:
        """Publish a dead letter and count it; a broken dead letter is only counted, or it would come back for ever."""
        topic = self._topics[raw.topic]
        self.metrics.dead_letters.labels(topic.value, error.reason).inc()
        if topic is not Topic.DEAD_LETTER:
            ref = Ref(topic=topic, partition=raw.partition, offset=raw.offset)
            camera = (raw.key or b"").decode(errors="replace")
            await self.publish(Topic.DEAD_LETTER, [codec.dead_letter(camera, ref, raw.value or b"", error, time.time())])

    @contextmanager
    def translated(self, doing: str) -> Iterator[None]:
        """Turn Kafka's errors into ours; the address has no credentials in it."""
        try:
            yield
        except (KafkaError, OSError) as error:
            raise BusError(
                f"Can't {doing} Kafka at {','.join(self._hosts)}: {str(error).rstrip('.') or type(error).__name__}. "
                "See that the broker runs, and that `bus` in the configuration is the address it advertises"
            ) from error

    async def _send(self, topic: Topic, values: list[tuple[str, bytes]]) -> None:
        if self.closed:
            raise BusError("The bus is closed: nothing can be published any more; subscribe and publish before close()")
        with self.translated(f"publish {topic.value} to"):
            sent = [await self._producer.send(self._prefix + topic.value, value, camera.encode()) for camera, value in values]
            acknowledged = await asyncio.gather(*sent)
        for ack in acknowledged:
            self._published[ack.topic_partition] = max(ack.offset + 1, self._published.get(ack.topic_partition, 0))

    async def _started_producer(self) -> AIOKafkaProducer:
        """Start a producer that writes nothing twice; where the broker has no such thing, one that may, after an error."""
        for idempotent in (True, False):
            producer = AIOKafkaProducer(
                bootstrap_servers=list(self._hosts),
                acks="all",
                enable_idempotence=idempotent,
                max_request_size=MAX_BYTES + OVERHEAD_BYTES,
                max_batch_size=MAX_BYTES + OVERHEAD_BYTES,
            )
            self._clients.push_async_callback(partial(_stopped, producer.stop))
            try:
                await producer.start()
            except (UnknownError, UnsupportedVersionError, ClusterAuthorizationFailedError) as error:
                if not idempotent:
                    raise
                log.info("the broker has no idempotent producer; a record may be there twice after an error", error=str(error))
            else:
                break
        return producer

    async def _create_topics(self) -> None:
        existing = set(await self._admin.list_topics())
        sizes = {"max.message.bytes": str(MAX_BYTES + OVERHEAD_BYTES)}
        missing = [NewTopic(name, self._partitions, 1, topic_configs=sizes) for name in self._topics if name not in existing]
        if missing:
            response = await self._admin.create_topics(missing)
            for name, code, *_ in response.topic_errors:
                if code not in {0, TopicAlreadyExistsError.errno}:
                    raise BusError(f"Kafka did not create the topic {name}: {for_code(code).__name__}. Create it yourself, or allow it")

    def _consumer(self, group: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=list(self._hosts),
            group_id=self._prefix + group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=MAX_BYTES + OVERHEAD_BYTES,
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=int(self.session_s * 1000),
            heartbeat_interval_ms=int(self.session_s * 200),
        )

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
            done: dict[TopicPartition, Any] = await self._admin.list_consumer_group_offsets(self._prefix + group, partitions=list(ends))
        return {place: end - max(begins[place], done[place].offset if place in done else -1) for place, end in ends.items()}


async def _stopped(stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Stop a client in a task of its own: without its broker, aiokafka's stop may hang, fail, or cancel who awaits it."""
    stopping = asyncio.create_task(stop())
    _, hanging = await asyncio.wait([stopping], timeout=STOP_S)
    if hanging:
        stopping.cancel()
    elif not stopping.cancelled() and (error := stopping.exception()):
        log.warning("a Kafka client did not leave in good order", error=str(error))


class KafkaSubscription(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """The batches of one member, and what it does when partitions come and go."""

    def __init__(self, bus: KafkaBus, consumer: AIOKafkaConsumer, group: str, limit: int) -> None:
        self._bus = bus
        self._consumer = consumer
        self._group = group
        self._limit = limit
        self._working_on: dict[TopicPartition, int] = {}
        self._processed: dict[TopicPartition, int] = {}
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._committed_at = time.monotonic()

    def __aiter__(self) -> KafkaSubscription:
        return self

    async def __anext__(self) -> list[Record[Message]]:
        """Give the next batch; the one before counts as processed by asking."""
        while not self._bus.closed:
            self._rest()
            raws = await self._fetch()
            records = [record for raw in raws if (record := await self._open(raw)) is not None]
            if records:
                return records
        raise StopAsyncIteration

    async def finish(self) -> None:
        """Count the last batch as processed, and write the position down."""
        self._rest()
        await self._commit()

    def abandon(self) -> None:
        """Forget the batch, so that it comes again."""
        self._working_on.clear()
        self._at_rest.set()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - aiokafka's interface
        """Let the batch be finished and write the position down before another member reads on."""
        try:
            await asyncio.wait_for(self._at_rest.wait(), self._bus.session_s / 2)
        except TimeoutError:
            log.warning("a batch is handed over unfinished; another member does it again", group=self._group)
        await self._commit()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:  # noqa: ARG002
        """Forget what was of the time before: those positions are another's now."""
        self._processed.clear()

    def _rest(self) -> None:
        self._processed |= self._working_on
        self.abandon()

    async def _fetch(self) -> list[ConsumerRecord]:
        """Take what has arrived, oldest first; when there is nothing, commit and wait a little."""
        with self._bus.translated("read from"):
            if time.monotonic() - self._committed_at > COMMIT_S:
                await self._commit()
            found = await self._consumer.getmany(max_records=self._limit)
            if not found:
                await self._commit()
                found = await self._consumer.getmany(timeout_ms=IDLE_MS, max_records=self._limit)
        for place, raws in found.items():
            self._working_on[place] = raws[-1].offset + 1
            self._at_rest.clear()
        return list(merge(*found.values(), key=lambda raw: raw.timestamp))

    async def _open(self, raw: ConsumerRecord) -> Record[Message] | None:
        try:
            return self._bus.record(raw)
        except MessageError as error:
            await self._bus.bury(raw, error)
            return None

    async def _commit(self) -> None:
        """Write down what was processed, of the partitions that are still ours."""
        self._committed_at = time.monotonic()
        ours = {place: offset for place, offset in self._processed.items() if place in self._consumer.assignment()}
        self._processed.clear()
        if not ours:
            return
        try:
            with self._bus.translated("write a position to"):
                await asyncio.wait_for(self._consumer.commit(ours), STOP_S)
        except BusError as error:
            if isinstance(error.__cause__, TimeoutError):
                self._processed = ours | self._processed
            elif not isinstance(error.__cause__, CommitFailedError | IllegalStateError):
                raise
            log.warning("a position was not written down; records may come again", group=self._group, error=str(error))
