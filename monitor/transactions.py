"""Kafka transactions: what a stage publishes and how far it came are written together, or not at all (KIP-98).

Each partition of a group has a transactional id of its own. Whoever gets the partition begins by fencing that id off, so that
an owner that was thought dead, but is not, can publish nothing any more, and what it had begun is undone at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer, OffsetAndMetadata, TopicPartition
from aiokafka.errors import UnknownError, UnsupportedVersionError
from aiokafka.partitioner import DefaultPartitioner

from monitor.brokers import LARGEST, Brokers, client_options
from monitor.clients import started, stopped
from monitor.subscription import Offsets

TIMEOUT_MS: Final = 10_000
"""A transaction whose owner has vanished, and has no successor, is undone after so long."""

log = structlog.get_logger()


class Keyed(NamedTuple):
    """A record to publish."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]] | None = None


class Transactions:
    """The transactional producers of one process, one for each partition of a group that is its own."""

    def __init__(self, at: Brokers, prefix: str) -> None:
        self.possible = True
        """Until the broker says that it has no transactions."""
        self._at = at
        self._prefix = prefix
        self._producers: dict[tuple[str, int], AIOKafkaProducer] = {}

    async def begin(self, group: str, partitions: Collection[int]) -> None:
        """Become the owner of these partitions. Raises KafkaError."""
        if self.possible:
            begun = await asyncio.gather(*(self._begin(group, partition) for partition in partitions), return_exceptions=True)
            if failed := [each for each in begun if isinstance(each, BaseException)]:
                raise failed[0]

    async def publish(self, group: str, topic: str, records: Sequence[Keyed], partitions: int, offsets: Offsets) -> Offsets:
        """Publish records, and write down the positions of the partitions they lie in; gives these. Raises KafkaError."""
        partition_of, every = DefaultPartitioner(), list(range(partitions))
        lanes: dict[int, list[Keyed]] = {}
        for record in records:
            lanes.setdefault(partition_of(record.key, every, every), []).append(record)
        written: dict[TopicPartition, OffsetAndMetadata] = {}
        for partition, lane in lanes.items():
            here = {place: offset for place, offset in offsets.items() if place.partition == partition}
            await self._publish(group, TopicPartition(topic, partition), lane, here)
            written |= here
        return written

    async def close(self) -> None:
        """Let go of all partitions."""
        await asyncio.gather(*(stopped(producer.stop) for producer in self._producers.values()))
        self._producers.clear()

    async def _publish(
        self, group: str, to: TopicPartition, records: Sequence[Keyed], offsets: dict[TopicPartition, OffsetAndMetadata]
    ) -> None:
        producer = self._producers.get((group, to.partition)) or await self._begin(group, to.partition)
        async with producer.transaction():
            for record in records:
                await producer.send(to.topic, record.value, record.key, partition=to.partition, headers=record.headers)
            if offsets:
                await producer.send_offsets_to_transaction(offsets, self._prefix + group)

    async def _begin(self, group: str, partition: int) -> AIOKafkaProducer:
        """Start the producer of a partition anew: an old one of ours may have been fenced off meanwhile."""
        if before := self._producers.pop((group, partition), None):
            await stopped(before.stop)
        producer = AIOKafkaProducer(
            **client_options(self._at),
            transactional_id=f"{self._prefix}{group}-{partition}",
            transaction_timeout_ms=TIMEOUT_MS,
            max_request_size=LARGEST,
        )
        try:
            await started(producer.start)
            self._producers[group, partition] = producer
        except (UnknownError, UnsupportedVersionError) as error:
            if self.possible:
                log.info("the broker has no transactions; after a crash an alert may be there twice", error=str(error))
            self.possible = False
        finally:
            if self._producers.get((group, partition)) is not producer:
                await stopped(producer.stop)
        return producer
