"""Topics on a real Apache Kafka, and on the small broker that knows less."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from subprocess import run

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from kafka_cluster import Cluster

from monitor.brokers import brokers
from monitor.config import Kafka, Retention
from monitor.errors import BusError
from monitor.messages import Topic
from monitor.topics import administration, check, mend, prepare, survey

KAFKA = Kafka(partitions=3, retention=Retention(alerts_days=2))
PREFIXES = (f"topics-{number}." for number in count())


@pytest.fixture
def prefix() -> str:
    return next(PREFIXES)


@pytest.fixture
async def admin(apache: Cluster) -> AsyncIterator[AIOKafkaAdminClient]:
    async with administration(brokers(apache.url)) as client:
        yield client


@pytest.fixture
def small(kafka_url: str) -> Iterator[str]:
    """The address of the small broker."""
    return kafka_url


async def with_other_settings(admin: AIOKafkaAdminClient, name: str, **settings: str) -> None:
    """What another administrator may have done."""
    configs = {key.replace("_", "."): value for key, value in settings.items()}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs)])


@pytest.mark.kafka
async def test_missing_topics_are_made_as_they_should_be(admin: AIOKafkaAdminClient, prefix: str) -> None:
    await prepare(admin, KAFKA, prefix)
    checked = await check(admin, KAFKA, prefix)
    assert [item.wrong for item in checked] == [()] * len(Topic)
    settings = {item.spec.name.removeprefix(prefix): item.found.settings for item in checked if item.found}
    assert settings["alerts"]
    assert settings["alerts"]["retention.ms"] == str(2 * 24 * 3600 * 1000)
    assert settings["cameras"]
    assert settings["cameras"]["cleanup.policy"] == "compact"


@pytest.mark.kafka
async def test_preparing_twice_changes_nothing(admin: AIOKafkaAdminClient, prefix: str) -> None:
    await prepare(admin, KAFKA, prefix)
    first = await check(admin, KAFKA, prefix)
    await prepare(admin, KAFKA, prefix)
    assert await check(admin, KAFKA, prefix) == first


@pytest.mark.kafka
async def test_nothing_starts_on_topics_with_too_few_partitions_until_they_are_mended(admin: AIOKafkaAdminClient, prefix: str) -> None:
    await admin.create_topics([NewTopic(f"{prefix}video", 1, 1)])
    with pytest.raises(BusError, match=r"video: partitions is 1, not 3; .*max\.message\.bytes is 1048588.*--mend"):
        await prepare(admin, KAFKA, prefix)
    await mend(admin, KAFKA, prefix)
    await prepare(admin, KAFKA, prefix)
    assert not any(item.wrong for item in await check(admin, KAFKA, prefix))


@pytest.mark.kafka
async def test_mending_keeps_what_another_administrator_set(admin: AIOKafkaAdminClient, prefix: str) -> None:
    await prepare(admin, KAFKA, prefix)
    name = f"{prefix}alerts"
    await with_other_settings(admin, name, compression_type="zstd", retention_ms="5")
    while "compression.type" not in (await survey(admin, [name])).topics[0].own:  # noqa: ASYNC110 - the broker has not heard of it yet
        await asyncio.sleep(0.05)
    await mend(admin, KAFKA, prefix)
    (found,) = (await survey(admin, [name])).topics
    assert found.settings
    assert found.settings["compression.type"] == "zstd"
    assert found.settings["retention.ms"] == str(2 * 24 * 3600 * 1000)


@pytest.mark.kafka
async def test_another_retention_does_not_keep_anything_from_starting(admin: AIOKafkaAdminClient, prefix: str) -> None:
    await prepare(admin, KAFKA, prefix)
    await prepare(admin, KAFKA.model_copy(update={"retention": Retention(alerts_days=9)}), prefix)


@pytest.mark.kafka
async def test_more_copies_than_brokers_are_refused_by_kafka_and_that_is_said(admin: AIOKafkaAdminClient, prefix: str) -> None:
    with pytest.raises(BusError, match=r"did not create the topic .*replication factor"):
        await prepare(admin, Kafka(replication=3), prefix)


@pytest.mark.kafka
def test_a_person_sees_and_mends_topics_at_the_command_line(apache: Cluster, prefix: str, tmp_path: Path) -> None:
    config = tmp_path / "cameras.yaml"
    config.write_text(f"bus: {apache.url}\ntopic_prefix: {prefix}\nkafka:\n  partitions: 2\n")
    command = [sys.executable, "-m", "workers", "topics", str(config)]
    before = run(command, capture_output=True, text=True, check=False)
    assert before.returncode == 1
    assert "missing" in before.stdout
    assert "--mend" in before.stdout
    after = run([*command, "--mend"], capture_output=True, text=True, check=False)
    assert (after.returncode, after.stdout.count("good"), after.stderr) == (0, len(Topic), "")


async def test_a_broker_that_knows_less_is_enough_to_start(small: str, prefix: str) -> None:
    async with administration(brokers(small)) as admin:
        await prepare(admin, KAFKA, prefix)
        await prepare(admin, KAFKA, prefix)
        assert {item.found.partitions for item in await check(admin, KAFKA, prefix) if item.found} == {3}


async def test_a_broker_that_can_not_change_topics_is_said_to_be_so(small: str, prefix: str) -> None:
    async with administration(brokers(small)) as admin:
        await prepare(admin, KAFKA, prefix)
        with pytest.raises(BusError, match="can't change topics"):
            await mend(admin, Kafka(partitions=9), prefix)
