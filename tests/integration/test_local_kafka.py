"""The Kafka of `make kafka` and of the tests: nodes that are killed and come back, and a command that cleans up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import local_kafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from kafka_cluster import Cluster, launch
from local_kafka import UnavailableError, free_ports, listening

from monitor.brokers import Brokers, brokers, client_options
from monitor.config import Kafka
from monitor.messages import Topic
from monitor.topics import administration, check, prepare

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = launch(tmp_path_factory.mktemp("three"), 3)
    yield cluster
    cluster.close()


async def write(at: Brokers, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(**client_options(at), acks="all", enable_idempotence=True) as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def read(at: Brokers, topic: str, number: int) -> list[bytes]:
    async with AIOKafkaConsumer(topic, **client_options(at), auto_offset_reset="earliest") as consumer:
        return [(await consumer.getone()).value for _ in range(number)]


async def test_three_brokers_keep_three_copies_and_one_of_them_may_be_killed(three: Cluster) -> None:
    at = brokers(three.url)
    async with administration(at) as admin:
        await prepare(admin, Kafka(partitions=1), "")
        checked = await check(admin, Kafka(partitions=1), "")
    assert {item.found.replication for item in checked if item.found} == {3}
    await write(at, Topic.ALERTS, b"before")
    three.kill(1)
    assert not three.nodes[0].running
    await write(at, Topic.ALERTS, b"meanwhile")
    three.start(1)
    await write(at, Topic.ALERTS, b"after")
    assert await read(at, Topic.ALERTS, 3) == [b"before", b"meanwhile", b"after"]


async def test_a_single_broker_has_its_records_when_it_comes_back(tmp_path: Path) -> None:
    alone = launch(tmp_path)
    try:
        at = brokers(alone.url)
        async with administration(at) as admin:
            await prepare(admin, Kafka(partitions=1), "")
        await write(at, Topic.ALERTS, b"before")
        alone.kill(1)
        alone.start(1)
        assert await read(at, Topic.ALERTS, 1) == [b"before"]
    finally:
        alone.close()


def test_a_port_that_is_taken_is_said_to_be_so(three: Cluster, tmp_path: Path) -> None:
    port = three.nodes[0].ports["PLAINTEXT"]
    with pytest.raises(UnavailableError, match=f"listens at port {port} already"):
        Cluster.launch(tmp_path, port=port)


def test_the_command_says_the_address_and_leaves_nothing_behind(three: Cluster, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, local_kafka.__file__, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(tmp_path)}) as running:
        assert running.stdout
        lines = []
        for line in running.stdout:
            lines.append(line)
            if line.startswith("bus:"):
                break
        assert lines[-1] == f"bus: kafka://127.0.0.1:{port}\n"
        assert len(list(tmp_path.iterdir())) == 1
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0
    assert not listening(port)
    assert not list(tmp_path.iterdir())
