"""Records read again, from both buses."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from monitor import codec
from monitor.archive import Archive, Span
from monitor.brokers import brokers, client_options
from monitor.bus import Bus, Record
from monitor.config import Config
from monitor.errors import BusError
from monitor.messages import CameraState, Frame, Message, Modality, Ref, Sound, State, Topic
from monitor.metrics import Metrics
from workers import evidence
from workers.bus import open_bus

PREFIXES = (f"archive{number}." for number in itertools.count())
LONG_AGO = 1000.0
"""Event time of the records: a recording's own, far from the wall clock's."""


@dataclass
class Recorded:
    """A bus, and what reads it again."""

    bus: Bus
    archive: Archive


@pytest.fixture(params=["memory", pytest.param("apache", marks=pytest.mark.kafka)])
async def recorded(request: pytest.FixtureRequest) -> AsyncIterator[Recorded]:
    at = "memory://" if request.param == "memory" else request.getfixturevalue(f"{request.param}_url")
    config = Config(bus=at, topic_prefix=next(PREFIXES))
    async with open_bus(config, Metrics(), {}) as bus:
        yield Recorded(bus, evidence.archive(config, bus))


def frame(camera: str, seq: int, captured: float) -> Frame:
    at = LONG_AGO + seq / 2
    jpeg = f"picture {seq}".encode()
    picture = (Modality.PICTURE,)
    return Frame(camera=camera, at=at, until=at + 0.5, captured=captured, modalities=picture, seq=seq, jpeg=jpeg, width=8, height=8)


def sound(camera: str, seq: int, captured: float) -> Sound:
    at = LONG_AGO + seq / 2
    return Sound(camera=camera, at=at, until=at + 0.5, captured=captured, modalities=(Modality.SOUND,), seq=seq, pcm=bytes(16000))


async def everything(archive: Archive, wall: Span, *topics: Topic) -> list[Record[Message]]:
    async with aclosing(archive.span(topics, wall)) as records:
        return [record async for record in records]


def numbers(records: list[Record[Message]], kind: type[Frame | Sound], camera: str) -> list[int]:
    return [record.message.seq for record in records if isinstance(record.message, kind) and record.message.camera == camera]


async def fill(bus: Bus, count: int = 40) -> Span:
    """Two cameras' frames and sounds, half a second of event time each, and a camera's state; when they were captured."""
    begin = time.time()
    for camera in ("door", "yard"):
        await bus.publish(Topic.VIDEO, [frame(camera, seq, begin + seq / 1000) for seq in range(count)])
        await bus.publish(Topic.AUDIO, [sound(camera, seq, begin + seq / 1000) for seq in range(count)])
    await bus.publish(Topic.CAMERAS, [CameraState(camera="door", at=LONG_AGO, states=(State.LIVE,), captured=begin)])
    return Span(begin, begin + 60)


async def test_a_span_gives_everything_and_each_camera_in_order(recorded: Recorded) -> None:
    wall = await fill(recorded.bus)
    records = await everything(recorded.archive, wall, Topic.VIDEO, Topic.AUDIO, Topic.CAMERAS)
    assert len(records) == 2 * 2 * 40 + 1
    for kind, camera in itertools.product((Frame, Sound), ("door", "yard")):
        assert numbers(records, kind, camera) == list(range(40))


async def test_a_span_is_of_what_was_captured_in_it(recorded: Recorded) -> None:
    wall = await fill(recorded.bus)
    records = await everything(recorded.archive, Span(wall.begin + 0.0095, wall.begin + 0.0195), Topic.VIDEO)
    assert numbers(records, Frame, "door") == numbers(records, Frame, "yard") == list(range(10, 20))
    assert await everything(recorded.archive, Span(wall.begin - 100, wall.begin - 50), Topic.VIDEO) == []


async def test_an_empty_topic_gives_nothing(recorded: Recorded) -> None:
    assert await everything(recorded.archive, Span(0, time.time()), Topic.SCORES) == []


async def test_one_cameras_records_are_found_by_event_time(recorded: Recorded) -> None:
    wall = await fill(recorded.bus)
    event = Span(LONG_AGO + 5, LONG_AGO + 7)
    found = await recorded.archive.around(Topic.VIDEO, "yard", event, wall, limit=100)
    assert numbers(found, Frame, "yard") == [10, 11, 12, 13]
    assert len(found) == 4
    assert len(await recorded.archive.around(Topic.AUDIO, "yard", event, wall, limit=2)) == 2
    assert await recorded.archive.around(Topic.VIDEO, "cellar", event, wall, limit=100) == []


async def test_a_clock_that_is_wrong_does_not_hide_what_the_places_show(recorded: Recorded) -> None:
    wall = await fill(recorded.bus)
    every = await everything(recorded.archive, wall, Topic.VIDEO)
    near = [record.ref for record in every if record.message.camera == "door" and record.message.seq in {4, 30}]  # type: ignore[attr-defined]
    event, an_hour = Span(LONG_AGO + 2, LONG_AGO + 15), 3600
    found = await recorded.archive.around(Topic.VIDEO, "door", event, Span(wall.begin - an_hour, wall.end - an_hour - 120), near, limit=100)
    assert numbers(found, Frame, "door")[:26] == list(range(4, 30))


async def test_a_recording_that_was_read_twice_is_found_as_it_was_read_last(recorded: Recorded) -> None:
    begin = time.time()
    for run in (begin, begin + 0.1):
        await recorded.bus.publish(Topic.VIDEO, [frame("door", seq, run + seq / 1000) for seq in range(40)])
    event, wall = Span(LONG_AGO + 5, LONG_AGO + 7), Span(begin + 0.1, begin + 0.12)
    found = await recorded.archive.around(Topic.VIDEO, "door", event, wall, limit=100)
    assert {record.message.seq: record.message.captured for record in found} == {  # type: ignore[attr-defined]
        seq: begin + 0.1 + seq / 1000 for seq in (10, 11, 12, 13)
    }


async def test_records_are_read_by_their_places_and_what_is_not_there_is_left_out(recorded: Recorded) -> None:
    wall = await fill(recorded.bus)
    every = {record.ref: record.message for record in await everything(recorded.archive, wall, Topic.VIDEO, Topic.AUDIO)}
    refs = [*list(every)[3:90:20]]
    nowhere = [Ref(topic=Topic.VIDEO, partition=refs[0].partition, offset=10**6), Ref(topic=Topic.VIDEO, partition=777, offset=0)]
    found = await recorded.archive.read([*nowhere, *refs])
    assert {ref: record.message for ref, record in found.items()} == {ref: every[ref] for ref in refs}
    assert await recorded.archive.read([]) == {}


async def test_what_is_no_message_is_passed_over(recorded: Recorded) -> None:
    bus: Any = recorded.bus
    wall = await fill(bus, 2)
    await bus.publish_bytes(Topic.VIDEO, "door", b"not a message")
    await bus.publish(Topic.VIDEO, [frame("door", 2, wall.begin + 0.002)])
    records = await everything(recorded.archive, wall, Topic.VIDEO)
    assert numbers(records, Frame, "door") == [0, 1, 2]


@pytest.mark.kafka
async def test_what_a_transaction_gave_up_is_not_read(apache_url: str) -> None:
    config = Config(bus=apache_url, topic_prefix=next(PREFIXES))
    begin = time.time()
    async with open_bus(config, Metrics(), {}):
        producer = AIOKafkaProducer(**client_options(brokers(apache_url)), transactional_id=f"{config.topic_prefix}test")
        await producer.start()
        for seq, fails in enumerate((False, True, False, True)):
            await producer.begin_transaction()
            await producer.send_and_wait(f"{config.topic_prefix}video", codec.encode(Topic.VIDEO, frame("door", seq, begin)), b"door")
            await (producer.abort_transaction() if fails else producer.commit_transaction())
        await producer.stop()
        records = await everything(evidence.archive(config), Span(begin, begin + 60), Topic.VIDEO)
        assert numbers(records, Frame, "door") == [0, 2]
        found = await evidence.archive(config).read(
            [Ref(topic=Topic.VIDEO, partition=records[0].ref.partition, offset=n) for n in range(8)]
        )
        assert sorted(found, key=lambda ref: ref.offset) == [record.ref for record in records]


async def test_a_broker_that_is_away_is_named(closed_port: int) -> None:
    archive = evidence.archive(Config(bus=f"kafka://127.0.0.1:{closed_port}"))
    with pytest.raises(BusError, match=rf"127.0.0.1:{closed_port}"):
        await archive.read([Ref(topic=Topic.VIDEO, partition=0, offset=0)])
