"""Reads what is new on a topic outside of any group: every process that follows it sees all of it, and commits nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

from monitor import codec
from monitor.brokers import Brokers, client_options, explain
from monitor.clients import started, stopped
from monitor.errors import BusError, MessageError
from monitor.messages import Message, Topic
from monitor.metrics import Metrics


@asynccontextmanager
async def follow(at: Brokers, prefix: str, topic: Topic, metrics: Metrics) -> AsyncIterator[AsyncIterator[Message]]:
    """Give the messages that are published from now on. Raises BusError when the broker can't be reached.

    One that does not decode is counted, and left out: its topic's own readers bury it.
    """
    consumer = AIOKafkaConsumer(prefix + topic.value, **client_options(at), auto_offset_reset="latest")
    try:
        try:
            await started(consumer.start)
        except (KafkaError, OSError) as error:
            raise BusError(f"Can't read {topic.value} from Kafka at {','.join(at.hosts)}: {explain(error, at.security)}") from error
        yield _decoded(consumer, topic, metrics)
    finally:
        await stopped(consumer.stop)


async def _decoded(consumer: AIOKafkaConsumer, topic: Topic, metrics: Metrics) -> AsyncIterator[Message]:
    try:
        async for raw in consumer:
            for message in _message(raw, topic, metrics):
                yield message
    except KafkaError as error:
        raise BusError(f"Reading {topic.value} broke off: {error}. It is tried again") from error


def _message(raw: ConsumerRecord, topic: Topic, metrics: Metrics) -> Iterator[Message]:
    try:
        yield codec.decode(topic, raw.value or b"")
    except MessageError as error:
        metrics.dead_letters.labels(topic.value, error.reason).inc()
