"""Two ways of the same records from a publisher to a reader: over our bus, and with aiokafka or a queue alone.

The bare way over Kafka is the loop of aiokafka's own documentation with our settings: the same acknowledgements, idempotence,
batch sizes, isolation and group protocol, the same bytes, positions committed by hand at the same pace. It encodes and
decodes nothing. The bare way inside a process is `asyncio.Queue`, bounded alike: what a program of one file would take.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import UnknownError, UnsupportedVersionError

from monitor import codec
from monitor.brokers import Brokers
from monitor.bus import Bus, Subscription
from monitor.kafka import consuming, producing
from monitor.memory import CAPACITY
from monitor.messages import Message, Topic
from monitor.subscription import COMMIT_S, IDLE_S

LIMIT: Final = 256
"""Records a batch at most: the bus's own default."""
GROUP: Final = "bench"

Use = Callable[[Message], object]
"""What a reader does with each message."""


class Way(Protocol):
    """From a publisher to a reader; the records are those it was made with, in chunks."""

    async def publish(self, chunk: int) -> None:
        """Publish one of the chunks; returns when it is safe there."""

    async def read(self, count: int) -> None:
        """Read so many records."""


class Keyed(NamedTuple):
    """A record as Kafka has it."""

    key: bytes
    value: bytes


class Ours:
    """Over a bus of ours."""

    def __init__(self, bus: Bus, reader: Subscription, topic: Topic, chunks: Sequence[Sequence[Message]], use: Use | None = None) -> None:
        self._bus = bus
        self._reader = reader
        self._topic = topic
        self._chunks = chunks
        self._use = use

    async def publish(self, chunk: int) -> None:
        """Publish one of the chunks."""
        await self._bus.publish(self._topic, self._chunks[chunk])

    async def read(self, count: int) -> None:
        """Read so many records."""
        while count > 0:
            batch = await anext(self._reader)
            count -= len(batch)
            if self._use:
                for record in batch:
                    self._use(record.message)


class Queue:
    """Through a bounded queue, as it comes with Python."""

    def __init__(self, chunks: Sequence[Sequence[Message]], use: Use | None = None) -> None:
        self._queue: asyncio.Queue[Message] = asyncio.Queue(CAPACITY)
        self._chunks = chunks
        self._use = use

    async def publish(self, chunk: int) -> None:
        """Put one of the chunks into the queue."""
        for message in self._chunks[chunk]:
            await self._queue.put(message)

    async def read(self, count: int) -> None:
        """Take so many messages, all that are there at a time."""
        while count > 0:
            batch = [await self._queue.get()]
            while len(batch) < LIMIT and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            count -= len(batch)
            if self._use:
                for message in batch:
                    self._use(message)


class Bare:
    """Over Kafka, with aiokafka alone."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer, topic: str, chunks: Sequence[Sequence[Keyed]]) -> None:
        self._producer = producer
        self._consumer = consumer
        self._topic = topic
        self._chunks = chunks
        self._done: dict[Any, int] = {}
        self._committed_at = time.monotonic()

    async def publish(self, chunk: int) -> None:
        """Send one of the chunks, and wait until it is acknowledged."""
        sent = [await self._producer.send(self._topic, record.value, record.key) for record in self._chunks[chunk]]
        await asyncio.gather(*sent)

    async def read(self, count: int) -> None:
        """Read so many records; commit once a second, and when there is nothing to read."""
        while count > 0:
            if time.monotonic() - self._committed_at > COMMIT_S:
                await self._commit()
            found = await self._consumer.getmany(max_records=LIMIT)
            if not found:
                await self._commit()
                found = await self._consumer.getmany(timeout_ms=int(IDLE_S * 1000), max_records=LIMIT)
            for place, raws in found.items():
                self._done[place] = raws[-1].offset + 1
                count -= len(raws)

    async def _commit(self) -> None:
        self._committed_at = time.monotonic()
        if self._done:
            await self._consumer.commit(self._done)
            self._done = {}


@asynccontextmanager
async def bare(at: Brokers, topic: str, chunks: Sequence[Sequence[Keyed]]) -> AsyncIterator[Bare]:
    """Connect aiokafka's clients to a topic that is there."""
    async with AsyncExitStack() as clients:
        producer = await _producer(at)
        clients.push_async_callback(producer.stop)
        consumer = AIOKafkaConsumer(
            topic,
            **consuming(at),
            group_id=f"{topic}-{GROUP}",
        )
        clients.push_async_callback(consumer.stop)
        await consumer.start()
        yield Bare(producer, consumer, topic, chunks)


async def _producer(at: Brokers) -> AIOKafkaProducer:
    """Start a producer like the bus's: idempotent, where the broker has that."""
    for idempotent in (True, False):
        producer = AIOKafkaProducer(
            **producing(at),
            enable_idempotence=idempotent,
        )
        try:
            await producer.start()
        except (UnknownError, UnsupportedVersionError):
            await producer.stop()
            if not idempotent:
                raise
        else:
            break
    return producer


def encoded(topic: Topic, chunks: Sequence[Sequence[Message]]) -> list[list[Keyed]]:
    """The same records as bytes, made once."""
    return [[Keyed(message.camera.encode(), codec.encode(topic, message)) for message in chunk] for chunk in chunks]
