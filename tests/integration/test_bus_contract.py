"""What every bus promises; the same tests for each."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import TypeAlias

import pytest
from aiokafka import TopicPartition

from monitor import codec
from monitor.brokers import brokers
from monitor.bus import Record
from monitor.errors import BusError, MessageError
from monitor.kafka import KafkaBus
from monitor.memory import MemoryBus
from monitor.messages import MAX_BYTES, CameraState, DeadLetter, Frame, Mark, Message, Modality, Ref, Sound, State, Topic
from monitor.metrics import Metrics
from monitor.subscription import Offsets

AnyBus: TypeAlias = MemoryBus | KafkaBus
BROKERS = {"tansu": "kafka_url", "apache": "apache_url"}
PREFIXES = (f"t{number}." for number in itertools.count())


@pytest.fixture(params=["memory", "memory-encoded", "tansu", pytest.param("apache", marks=pytest.mark.kafka)])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[AnyBus]:
    if request.param in BROKERS:
        at = brokers(request.getfixturevalue(BROKERS[request.param]) + "?session_s=1")
        kafka = KafkaBus(at, Metrics(), prefix=next(PREFIXES))
        await kafka.start()
        yield kafka
        await kafka.close()
    else:
        memory = MemoryBus(Metrics(), encoded=request.param == "memory-encoded")
        yield memory
        await memory.close()


def frame(camera: str, seq: int) -> Frame:
    return Frame(
        camera=camera,
        at=seq / 2,
        until=seq / 2 + 0.5,
        captured=1e9,
        modalities=(Modality.PICTURE,),
        seq=seq,
        jpeg=b"\xff\xd8 a picture",
        width=448,
        height=252,
    )


def sound(camera: str, seq: int) -> Sound:
    return Sound(camera=camera, at=seq / 2, until=seq / 2 + 0.5, captured=1e9, modalities=(Modality.SOUND,), seq=seq, pcm=b"\0\0" * 8000)


async def read(bus: AnyBus, count: int, *topics: Topic, group: str, limit: int = 256) -> list[Record[Message]]:
    """Read and process as many records, and leave in peace."""
    records: list[Record[Message]] = []
    async with asyncio.timeout(20), bus.subscribe(*topics, group=group, limit=limit) as batches:
        async for batch in batches:
            assert len(batch) <= limit
            records += batch
            if len(records) >= count:
                break
    return records


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):  # a rebalance may wait for a session's end
        while not true():  # noqa: ASYNC110 - a test watches from outside
            await asyncio.sleep(0.01)


async def both_hold(bus: AnyBus, held: Mapping[object, frozenset[int]]) -> None:
    """Wait until two members of a group share its partitions; in memory they do at once."""
    await asyncio.sleep(0)
    await until(lambda: not isinstance(bus, KafkaBus) or (len(held) == 2 and all(held.values())))


def by_camera(messages: Sequence[Message]) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = defaultdict(list)
    for message in messages:
        assert isinstance(message, Frame | Sound)
        numbers[message.camera].append(message.seq)
    return numbers


async def test_what_goes_in_comes_out_the_same(bus: AnyBus) -> None:
    end = Mark(camera="door", at=1, until=1, captured=1e9, modalities=(Modality.PICTURE,), modality=Modality.PICTURE, last=True)
    await bus.publish(Topic.VIDEO, [frame("door", 0), end])
    await bus.publish(Topic.CAMERAS, [CameraState(camera="door", at=1, states=(State.LIVE,))])
    records = await read(bus, 3, Topic.VIDEO, Topic.CAMERAS, group="g")
    assert {record.message for record in records if record.ref.topic is Topic.VIDEO} == {frame("door", 0), end}
    assert [record.message for record in records if record.ref.topic is Topic.CAMERAS] == [
        CameraState(camera="door", at=1, states=(State.LIVE,))
    ]


async def test_a_camera_keeps_its_order(bus: AnyBus) -> None:
    for seq in range(40):
        await bus.publish(Topic.VIDEO, [frame(f"cam{camera}", seq) for camera in range(5)])
    records = await read(bus, 200, Topic.VIDEO, group="g", limit=7)
    assert by_camera([record.message for record in records]) == {f"cam{camera}": list(range(40)) for camera in range(5)}


async def test_offsets_count_up_within_a_partition_and_a_camera_has_one_partition(bus: AnyBus) -> None:
    await bus.publish(Topic.AUDIO, [sound(f"cam{seq % 3}", seq) for seq in range(30)])
    records = await read(bus, 30, Topic.AUDIO, group="g")
    offsets: dict[int, list[int]] = defaultdict(list)
    for record in records:
        offsets[record.ref.partition].append(record.ref.offset)
    assert all(places == list(range(len(places))) for places in offsets.values())
    assert len({(record.message.camera, record.ref.partition) for record in records}) == 3


async def test_every_group_gets_everything_also_what_was_published_before_it_came(bus: AnyBus) -> None:
    await bus.publish(Topic.VIDEO, [frame("door", seq) for seq in range(10)])
    first = await read(bus, 10, Topic.VIDEO, group="one")
    second = await read(bus, 10, Topic.VIDEO, group="two")
    assert first == second
    assert len(first) == 10


async def test_a_batch_that_failed_comes_again_to_the_next_of_the_group(bus: AnyBus) -> None:
    await bus.publish(Topic.VIDEO, [frame("door", seq) for seq in range(10)])
    seen: list[Record[Message]] = []

    async def fail() -> None:
        async with bus.subscribe(Topic.VIDEO, group="g", limit=4) as batches:
            async for batch in batches:
                seen.extend(batch)
                if len(seen) > 4:
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    again = await read(bus, 1, Topic.VIDEO, group="g", limit=10)
    assert seen[-1] in again
    assert by_camera([record.message for record in again])["door"][-1] == 9
    assert set(range(10)) == {record.ref.offset for record in [*seen, *again]}


async def test_a_member_that_is_cancelled_gives_its_batch_back(bus: AnyBus) -> None:
    await bus.publish(Topic.VIDEO, [frame("door", 0)])
    taken = asyncio.Event()

    async def hang() -> None:
        async with bus.subscribe(Topic.VIDEO, group="g") as batches:
            async for _ in batches:
                taken.set()
                await asyncio.sleep(60)

    task = asyncio.create_task(hang())
    await asyncio.wait_for(taken.wait(), 20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [record.message for record in await read(bus, 1, Topic.VIDEO, group="g")] == [frame("door", 0)]


async def test_a_member_that_is_cancelled_between_batches_has_written_its_position_down(bus: AnyBus) -> None:
    await bus.publish(Topic.VIDEO, [frame("door", 0)])
    processed = asyncio.Event()

    async def work() -> None:
        async with bus.subscribe(Topic.VIDEO, group="g") as batches:
            async for batch in batches:
                if batch:
                    processed.set()

    task = asyncio.create_task(work())
    await asyncio.wait_for(processed.wait(), 20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bus.publish(Topic.VIDEO, [frame("door", 1)])
    assert [record.message for record in await read(bus, 1, Topic.VIDEO, group="g")] == [frame("door", 1)]


async def test_what_was_processed_does_not_come_again(bus: AnyBus) -> None:
    await bus.publish(Topic.VIDEO, [frame("door", seq) for seq in range(3)])
    await read(bus, 3, Topic.VIDEO, group="g")
    await bus.publish(Topic.VIDEO, [frame("door", 3)])
    assert [record.message for record in await read(bus, 1, Topic.VIDEO, group="g")] == [frame("door", 3)]


async def test_the_lag_is_what_a_group_has_not_processed(bus: AnyBus) -> None:
    await bus.publish(Topic.VIDEO, [frame(f"cam{seq}", seq) for seq in range(10)])
    async with bus.subscribe(Topic.VIDEO, group="g", limit=100) as batches:
        got = len(await anext(aiter(batches)))
        assert await bus.lag("g") == 10
        while got < 10:
            got += len(await anext(aiter(batches)))
    assert await bus.lag("g") == 0


async def test_two_members_share_the_cameras_and_together_get_everything_once(bus: AnyBus) -> None:
    cameras = [f"cam{number}" for number in range(16)]
    readers: dict[tuple[str, int], list[str]] = defaultdict(list)
    held: dict[str, frozenset[int]] = {}

    async def member(name: str) -> None:
        async with bus.subscribe(Topic.VIDEO, Topic.AUDIO, group="g", limit=16, idle_s=0.1) as batches:
            async for batch in batches:
                held[name] = held.get(name, frozenset()) - batch.lost | batch.gained
                for record in batch:
                    assert isinstance(record.message, Frame | Sound)
                    readers[record.message.camera, record.message.seq].append(name)
                await asyncio.sleep(0.005)

    tasks = [asyncio.create_task(member("a")), asyncio.create_task(member("b"))]
    await both_hold(bus, held)
    for seq in range(20):
        await bus.publish(Topic.VIDEO, [frame(camera, seq) for camera in cameras])
        await bus.publish(Topic.AUDIO, [sound(camera, seq) for camera in cameras])
    await until(lambda: sum(map(len, readers.values())) >= 640)
    await bus.close()
    await asyncio.gather(*tasks)
    assert len(readers) == 320
    assert all(len(names) == 2 for names in readers.values())  # once as picture, once as sound
    by_member = {name: {camera for (camera, _), names in readers.items() if name in names} for name in "ab"}
    assert by_member["a"].isdisjoint(by_member["b"])
    assert by_member["a"] | by_member["b"] == set(cameras)
    assert by_member["a"]
    assert by_member["b"]


async def test_a_member_that_leaves_hands_its_cameras_over(bus: AnyBus) -> None:
    cameras = [f"cam{number}" for number in range(8)]
    processed: list[Message] = []
    held: dict[float, frozenset[int]] = {}

    async def member(most: float) -> None:
        mine = 0
        async with bus.subscribe(Topic.VIDEO, group="g", limit=3, idle_s=0.1) as batches:
            async for batch in batches:
                held[most] = held.get(most, frozenset()) - batch.lost | batch.gained
                processed.extend(record.message for record in batch)
                mine += len(batch)
                if mine > most:
                    break

    tasks = [asyncio.create_task(member(4)), asyncio.create_task(member(float("inf")))]
    await both_hold(bus, held)
    for seq in range(10):
        await bus.publish(Topic.VIDEO, [frame(camera, seq) for camera in cameras])
    await until(lambda: len(set(processed)) == 80)
    await asyncio.wait_for(bus.drain(), 60)
    assert tasks[0].done()
    await bus.close()
    await asyncio.gather(*tasks)
    firsts = {camera: list(dict.fromkeys(numbers)) for camera, numbers in by_camera(processed).items()}
    assert firsts == {camera: list(range(10)) for camera in cameras}


@pytest.mark.parametrize(
    ("topic", "value", "reason"),
    [
        (Topic.VIDEO, b"", "malformed"),
        (Topic.VIDEO, b"\xc1 nothing", "malformed"),
        (Topic.VIDEO, codec.encode(Topic.AUDIO, sound("door", 0)), "malformed"),
        (Topic.CAMERAS, b'{"type": "camera"}', "malformed"),
        (Topic.ALERTS, b"{}", "malformed"),
    ],
)
async def test_a_record_that_is_none_goes_to_the_dead_letters_and_the_others_go_on(
    bus: AnyBus, topic: Topic, value: bytes, reason: str
) -> None:
    await bus.publish_bytes(topic, "door", value)
    await bus.publish(Topic.VIDEO, [frame("door", 1)])
    metrics = bus.metrics
    assert [record.message for record in await read(bus, 1, topic, Topic.VIDEO, group="g")] == [frame("door", 1)]
    await read_until_processed(bus, topic)
    letters = await read(bus, 1, Topic.DEAD_LETTER, group="graves")
    letter = letters[0].message
    assert isinstance(letter, DeadLetter)
    assert (letter.camera, letter.ref.topic, letter.ref.offset, letter.data) == ("door", topic, 0, value)
    assert letter.reason.startswith(f"{reason}: ")
    assert metrics.registry.get_sample_value("scenewatch_dead_letters_total", {"topic": topic.value, "reason": reason}) == 1


async def read_until_processed(bus: AnyBus, topic: Topic) -> None:
    """Let the group go on until there is nothing left for it."""

    async def go_on() -> None:
        async with bus.subscribe(topic, Topic.VIDEO, group="g") as batches:
            async for _ in batches:
                pass

    task = asyncio.create_task(go_on())
    await asyncio.wait_for(bus.drain(), 20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_broken_dead_letter_is_counted_and_not_buried_again(bus: AnyBus) -> None:
    await bus.publish_bytes(Topic.DEAD_LETTER, "door", b"\xc1")
    letter = codec.dead_letter("door", (await first_ref(bus)), b"x", MessageError("a test"), 0)
    await bus.publish(Topic.DEAD_LETTER, [letter])
    assert [record.message for record in await read(bus, 1, Topic.DEAD_LETTER, group="g")] == [letter]
    labels = {"topic": "dead-letter", "reason": "malformed"}
    assert bus.metrics.registry.get_sample_value("scenewatch_dead_letters_total", labels) == 1
    assert await bus.lag("g") == 0


async def first_ref(bus: AnyBus) -> Ref:
    await bus.publish(Topic.VIDEO, [frame("door", 0)])
    return (await read(bus, 1, Topic.VIDEO, group="refs"))[0].ref


async def test_a_message_over_the_limit_is_refused_and_none_of_its_company_is_published(bus: AnyBus) -> None:
    large = Frame(
        camera="door", at=0, until=1, captured=0, modalities=(Modality.PICTURE,), seq=0, jpeg=bytes(MAX_BYTES + 1), width=1, height=1
    )
    with pytest.raises(MessageError, match="over the limit") as caught:
        await bus.publish(Topic.VIDEO, [frame("door", 0), large])
    assert caught.value.reason == "oversized"
    await bus.publish(Topic.VIDEO, [frame("door", 7)])
    assert [record.message for record in await read(bus, 1, Topic.VIDEO, group="g")] == [frame("door", 7)]


async def test_a_message_near_the_limit_passes(bus: AnyBus) -> None:
    large = Frame(
        camera="door", at=0, until=1, captured=0, modalities=(Modality.PICTURE,), seq=0, jpeg=bytes(MAX_BYTES - 4096), width=1, height=1
    )
    await bus.publish(Topic.VIDEO, [large])
    assert [record.message for record in await read(bus, 1, Topic.VIDEO, group="g")] == [large]


async def test_drained_means_that_the_last_stage_is_done_too(bus: AnyBus) -> None:
    arrived: list[Message] = []

    async def relay() -> None:
        async with bus.subscribe(Topic.VIDEO, group="relay", limit=5) as batches:
            async for batch in batches:
                await asyncio.sleep(0.002)
                await bus.publish(Topic.AUDIO, [sound(record.message.camera, record.message.seq) for record in batch])  # type: ignore[attr-defined]

    async def last() -> None:
        async with bus.subscribe(Topic.AUDIO, group="last", limit=5) as batches:
            async for batch in batches:
                await asyncio.sleep(0.002)
                arrived.extend(record.message for record in batch)

    tasks = [asyncio.create_task(relay()), asyncio.create_task(last())]
    await asyncio.sleep(0)
    for seq in range(50):
        await bus.publish(Topic.VIDEO, [frame(f"cam{camera}", seq) for camera in range(4)])
    await asyncio.wait_for(bus.drain(), 30)
    assert by_camera(arrived) == {f"cam{camera}": list(range(50)) for camera in range(4)}
    await bus.close()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05, 0.2, 1.5])
async def test_after_the_close_subscriptions_end_and_nothing_is_published(bus: AnyBus, after_s: float) -> None:
    ended = asyncio.create_task(read(bus, 1, Topic.VIDEO, group="g"))
    await asyncio.sleep(after_s)
    await bus.close()
    assert await ended == []
    with pytest.raises(BusError, match="closed"):
        await bus.publish(Topic.VIDEO, [frame("door", 0)])


@pytest.mark.kafka
async def test_a_close_waits_for_what_a_member_asks_of_the_broker(apache_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = KafkaBus(brokers(apache_url + "?session_s=1"), Metrics(), prefix=next(PREFIXES))
    await bus.start()
    asked, written = asyncio.Event(), bus.written

    async def slowly(group: str, places: Collection[TopicPartition]) -> Offsets:
        asked.set()
        await asyncio.sleep(0.3)
        return await written(group, places)

    monkeypatch.setattr(bus, "written", slowly)
    ended = asyncio.create_task(read(bus, 1, Topic.VIDEO, group="g"))
    await asyncio.wait_for(asked.wait(), 20)
    await bus.close()
    assert await ended == []


async def test_what_is_followed_carries_the_span_that_it_comes_of(bus: AnyBus) -> None:
    trace = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
    begun = time.time()
    await bus.publish(Topic.VIDEO, [frame("door", 0), frame("door", 1)], {1: trace})
    records = await read(bus, 2, Topic.VIDEO, group="g")
    assert [record.trace for record in records] == ["", trace]
    assert all(begun - 1 < record.published < begun + 30 for record in records)


async def test_how_the_brokers_are_is_told_where_there_are_some(bus: AnyBus) -> None:
    health = await bus.health()
    assert (health is None) == isinstance(bus, MemoryBus)
    assert health is None or (health.nodes, health.under_replicated, health.offline) == (1, 0, 0)
