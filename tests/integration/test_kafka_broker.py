"""What the bus over Kafka promises beyond the contract of every bus."""

from __future__ import annotations

import asyncio
import gc
from typing import Protocol

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from monitor.brokers import Brokers, brokers
from monitor.config import Config, Kafka
from monitor.errors import BusError
from monitor.kafka import KafkaBus
from monitor.messages import CameraState, State, Topic
from monitor.metrics import Metrics
from workers.bus import open_bus


class Outages(Protocol):
    """What the fixture gives: a broker that can be killed and started again."""

    port: int

    def begin(self) -> None: ...

    def end(self) -> None: ...


STATE = CameraState(camera="door", at=1, states=(State.LIVE,))


async def test_a_broker_that_is_not_there_is_named_and_what_to_do_is_said(closed_port: int) -> None:
    bus = KafkaBus(Brokers(hosts=(f"127.0.0.1:{closed_port}",)), Metrics())
    with pytest.raises(BusError, match=r"Can't connect to Kafka at 127.0.0.1:\d+: .*See that the broker runs"):
        await bus.start()


async def test_topics_are_made_with_the_prefix_and_equally_many_partitions(kafka_url: str) -> None:
    at = brokers(kafka_url)
    bus = KafkaBus(at, Metrics(), prefix="shared.", kafka=Kafka(partitions=5))
    await bus.start()
    await bus.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=list(at.hosts))
    await admin.start()
    described = await admin.describe_topics([f"shared.{topic.value}" for topic in Topic])
    await admin.close()
    assert {len(topic["partitions"]) for topic in described} == {5}
    assert len(described) == len(Topic)


async def test_another_program_can_read_what_is_published(kafka_url: str) -> None:
    config = Config(bus=kafka_url, topic_prefix="other.")
    async with open_bus(config, Metrics(), {}) as bus:
        await bus.publish(Topic.CAMERAS, [STATE])
    consumer = AIOKafkaConsumer("other.cameras", bootstrap_servers=kafka_url.removeprefix("kafka://"), auto_offset_reset="earliest")
    await consumer.start()
    raw = await asyncio.wait_for(consumer.getone(), 10)
    await consumer.stop()
    assert raw.key == b"door"
    assert raw.value.startswith(b'{"type":"camera","camera":"door"')


async def test_a_second_process_goes_on_where_the_first_left_off(kafka_url: str) -> None:
    at = brokers(kafka_url + "?session_s=1")
    for number in range(3):
        bus = KafkaBus(at, Metrics(), prefix="restart.")
        await bus.start()
        state = CameraState(camera="door", at=number, states=(State.LIVE,))
        await bus.publish(Topic.CAMERAS, [state])
        async with asyncio.timeout(20), bus.subscribe(Topic.CAMERAS, group="g") as batches:
            (record,) = await anext(aiter(batches))
        assert (record.message, record.ref.offset) == (state, number)
        await bus.close()


async def test_an_expected_group_that_has_not_come_yet_keeps_the_bus_from_being_drained(kafka_url: str) -> None:
    bus = KafkaBus(brokers(kafka_url), Metrics(), prefix="expected.", groups={"g": [Topic.CAMERAS]})
    await bus.start()
    await bus.publish(Topic.CAMERAS, [STATE])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bus.drain(), 0.5)
    assert await bus.lag("g") == 1
    await bus.close()


async def test_a_publisher_waits_while_the_broker_is_away_and_goes_on_when_it_is_back(outages: Outages) -> None:
    bus = KafkaBus(brokers(f"kafka://127.0.0.1:{outages.port}"), Metrics())
    await bus.start()
    await bus.publish(Topic.CAMERAS, [STATE])
    outages.begin()
    waiting = asyncio.create_task(bus.publish(Topic.CAMERAS, [STATE]))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    outages.end()
    await asyncio.wait_for(waiting, 20)
    await bus.close()


@pytest.mark.filterwarnings("ignore")  # aiokafka leaves sockets behind when it is stopped without its broker
async def test_a_bus_whose_broker_is_gone_can_be_closed(outages: Outages) -> None:
    bus = KafkaBus(brokers(f"kafka://127.0.0.1:{outages.port}?session_s=1"), Metrics())
    await bus.start()
    await bus.publish(Topic.CAMERAS, [STATE])
    processed: list[object] = []

    async def read() -> None:
        async with bus.subscribe(Topic.CAMERAS, group="g") as batches:
            async for batch in batches:
                processed.extend(batch)

    reader = asyncio.create_task(read())
    async with asyncio.timeout(20):
        while not processed:  # noqa: ASYNC110 - a test watches from outside
            await asyncio.sleep(0.01)
    outages.begin()
    await asyncio.wait_for(bus.close(), 40)
    await asyncio.wait_for(reader, 40)
    await asyncio.sleep(0)
    del reader
    gc.collect()
