"""What a member of a group leaves to whoever reads on, on Apache Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import alerts
import pytest

from monitor.brokers import brokers
from monitor.bus import Batch
from monitor.config import Kafka
from monitor.errors import BusError
from monitor.kafka import KafkaBus
from monitor.messages import Alert, CameraState, State, Topic
from monitor.metrics import Metrics
from monitor.subscription import COMMIT_S, KafkaSubscription

pytestmark = pytest.mark.kafka


def state(number: int, camera: str = "door") -> CameraState:
    return CameraState(camera=camera, at=number, states=(State.LIVE,))


@asynccontextmanager
async def opened(url: str, prefix: str, partitions: int = 1, instance: str | None = None) -> AsyncIterator[KafkaBus]:
    bus = KafkaBus(brokers(url + "?session_s=1"), Metrics(), prefix=prefix, kafka=Kafka(partitions=partitions), instance=instance)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.close()


async def batches_of(batches: KafkaSubscription, count: int) -> list[Batch]:
    """Read on until so many records have come."""
    got: list[Batch] = []
    while sum(map(len, got)) < count:
        got.append(await anext(batches))
    return got


def numbers(batches: list[Batch], *, again: bool) -> list[float]:
    return [record.message.at for batch in batches if batch.again is again for record in batch if isinstance(record.message, CameraState)]


async def test_what_a_member_kept_comes_again_and_is_marked(apache_url: str) -> None:
    async with asyncio.timeout(30), opened(apache_url, "kept.") as bus:
        await bus.publish(Topic.CAMERAS, [state(number) for number in range(10)])
        async with bus.subscribe(Topic.CAMERAS, group="g") as batches:
            await batches_of(batches, 10)
            batches.keep({(Topic.CAMERAS, 0): 7})
        await bus.publish(Topic.CAMERAS, [state(10)])
        assert await bus.lag("g") == 1
        async with bus.subscribe(Topic.CAMERAS, group="g") as batches:
            got = await batches_of(batches, 4)
    assert numbers(got, again=True) == [7, 8, 9]
    assert numbers(got, again=False) == [10]
    assert got[0].gained == {0}


async def test_what_is_kept_counts_only_when_its_batch_is_processed(apache_url: str) -> None:
    async with asyncio.timeout(30), opened(apache_url, "crash.") as bus:
        await bus.publish(Topic.CAMERAS, [state(number) for number in range(5)])
        with suppress(ZeroDivisionError):
            async with bus.subscribe(Topic.CAMERAS, group="g", limit=2) as batches:
                await anext(batches)
                batches.keep({(Topic.CAMERAS, 0): 1})
                await asyncio.sleep(COMMIT_S)
                await anext(batches)
                batches.keep({})
                raise ZeroDivisionError
        async with bus.subscribe(Topic.CAMERAS, group="g") as batches:
            got = await batches_of(batches, 4)
    assert numbers(got, again=True) == [1]
    assert numbers(got, again=False) == [2, 3, 4]


async def test_a_member_that_stays_reads_on_and_is_told_what_it_lost(apache_url: str) -> None:
    async with asyncio.timeout(40), opened(apache_url, "join.", 2) as bus, opened(apache_url, "join.", 2) as other:
        names = ("door", "yard", "hall", "shop", "gate")
        await bus.publish(Topic.CAMERAS, [state(1, name) for name in names])
        async with bus.subscribe(Topic.CAMERAS, group="g") as batches:
            first = await batches_of(batches, len(names))
            batches.keep({(Topic.CAMERAS, partition): 0 for partition in range(2)})
            assert set().union(*(batch.gained for batch in first)) == {0, 1}
            seen = asyncio.Event()
            joined = asyncio.create_task(_read_until(seen, other, len(names)))
            second: list[Batch] = []
            while not any(batch.lost for batch in second):
                await bus.publish(Topic.CAMERAS, [state(2 + len(second), name) for name in names])
                second.append(await anext(batches))
            seen.set()
            theirs = await joined
    assert not any(batch.again for batch in second)
    lost = set().union(*(batch.lost for batch in second))
    assert len(lost) == 1
    assert lost == set().union(*(batch.gained for batch in theirs))
    assert 1 in numbers(theirs, again=True)


async def _read_until(seen: asyncio.Event, bus: KafkaBus, count: int) -> list[Batch]:
    """Read, and be a member until then: one that leaves at once gives back what it got before the other hears of it."""
    async with bus.subscribe(Topic.CAMERAS, group="g") as batches:
        got = await batches_of(batches, count)
        await seen.wait()
        return got


async def test_what_is_read_back_is_the_end_of_a_partition(apache_url: str) -> None:
    async with asyncio.timeout(30), opened(apache_url, "back.") as bus:
        for number in range(5):
            await bus.publish(Topic.CAMERAS, [state(number)])
        await bus.publish_bytes(Topic.CAMERAS, "door", b"not a message")
        records = await bus.newest(Topic.CAMERAS, [0], 3)
        assert [record.message for record in records] == [state(3), state(4)]
        assert await bus.newest(Topic.ALERTS, [0], 3) == []


async def test_an_empty_batch_says_that_nothing_came(apache_url: str) -> None:
    async with asyncio.timeout(30), opened(apache_url, "idle.") as bus, bus.subscribe(Topic.CAMERAS, group="g", idle_s=0.1) as batches:
        assert len(await anext(batches)) == 0


def alert(number: int) -> Alert:
    return alerts.alert(id=f"alert-{number}")


async def told(bus: KafkaBus) -> list[str]:
    return [record.message.id for record in await bus.newest(Topic.ALERTS, [0], 100) if isinstance(record.message, Alert)]


async def test_an_answer_and_the_position_behind_it_are_written_together(apache_url: str) -> None:
    async with asyncio.timeout(40), opened(apache_url, "once.") as bus:
        await bus.publish(Topic.CAMERAS, [state(number) for number in range(3)])
        with suppress(ZeroDivisionError):
            async with bus.subscribe(Topic.CAMERAS, group="g", limit=2, once=True) as batches:
                await batches_of(batches, 2)
                await batches.answer(Topic.ALERTS, [alert(1)])
                raise ZeroDivisionError
        async with bus.subscribe(Topic.CAMERAS, group="g", once=True) as batches:
            got = await batches_of(batches, 1)
            await batches.answer(Topic.ALERTS, [alert(2)])
        assert numbers(got, again=False) == [2]
        assert await told(bus) == ["alert-1", "alert-2"]
        await bus.drain()


async def test_an_answer_does_not_count_positions_of_other_partitions_as_written(apache_url: str) -> None:
    async with asyncio.timeout(40), opened(apache_url, "others.", 2) as bus:
        names = ("door", "yard", "hall", "shop", "gate")
        await bus.publish(Topic.CAMERAS, [state(1, name) for name in names])
        async with bus.subscribe(Topic.CAMERAS, group="g", once=True) as batches:
            await batches_of(batches, len(names))
            await batches.answer(Topic.ALERTS, [alert(1)])
        assert await bus.lag("g") == 0


async def test_who_was_thought_dead_can_publish_nothing_any_more(apache_url: str) -> None:
    async with asyncio.timeout(60), opened(apache_url, "zombie.") as bus, opened(apache_url, "zombie.") as other:
        await bus.publish(Topic.CAMERAS, [state(1)])
        async with bus.subscribe(Topic.CAMERAS, group="g", once=True) as old:
            await anext(old)
            await other.begin("g", [0])  # what whoever gets the partition does first
            with pytest.raises(BusError):
                await old.answer(Topic.ALERTS, [alert(1)])
        await other.together("g", Topic.ALERTS, [alert(2)], {})
        assert await told(bus) == ["alert-2"]


async def test_what_was_begun_and_not_ended_is_undone_by_the_successor(apache_url: str) -> None:
    async with asyncio.timeout(60), opened(apache_url, "half.") as bus, opened(apache_url, "half.") as other:
        await bus.begin("g", [0])
        producer = bus._transactions._producers["g", 0]
        await producer.begin_transaction()
        await producer.send_and_wait("half.alerts", b"half an alert", b"door", partition=0)
        await other.begin("g", [0])
        await other.together("g", Topic.ALERTS, [alert(2)], {})
        assert await told(bus) == ["alert-2"]
