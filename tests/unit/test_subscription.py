"""The order in which a member is given what lies in its partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import ConsumerRecord, OffsetAndMetadata, TopicPartition

from monitor import codec, subscription
from monitor.bus import Place, Record
from monitor.errors import MessageError
from monitor.messages import Frame, Message, Modality, Ref, Sound, Topic
from monitor.metrics import Metrics
from monitor.subscription import KafkaSubscription

BACK_AT = 1_000.0
"""When the broker is back: what was captured since 940 is published within a moment."""
BOTH = (Modality.PICTURE, Modality.SOUND)
SOUNDS, FRAMES = TopicPartition("audio", 0), TopicPartition("video", 0)


def sound(at: float) -> Sound:
    return Sound(camera="door", at=at, until=at + 0.5, captured=at + 0.5, modalities=BOTH, seq=0, pcm=bytes(2))


def frame(at: float) -> Frame:
    return Frame(camera="door", at=at, until=at + 1, captured=at, modalities=BOTH, seq=0, jpeg=b"\xff\xd8", width=1, height=1)


def raw(place: TopicPartition, offset: int, message: Message, published: float) -> Any:
    value = codec.encode(Topic(place.topic), message)
    return ConsumerRecord(place.topic, place.partition, offset, int(published * 1000), 1, b"door", value, None, 4, len(value), ())


@dataclass
class Consumer:
    """A consumer whose fetches of a partition stop where the partition ended when they were made."""

    fetched: dict[TopicPartition, list[Any]]
    coming: dict[TopicPartition, list[Any]] = field(default_factory=dict)
    """What lies there, too, and arrives when it is waited for."""
    at: dict[TopicPartition, int] = field(default_factory=dict)
    polled: dict[TopicPartition, float] = field(default_factory=dict)
    """When the broker last answered, in milliseconds."""
    committed: dict[TopicPartition, int] = field(default_factory=dict)

    def assignment(self) -> set[TopicPartition]:
        return {SOUNDS, FRAMES}

    async def getmany(self, *places: TopicPartition, timeout_ms: int = 0, max_records: int) -> dict[TopicPartition, list[Any]]:
        if timeout_ms:
            self.fetched, self.coming = {place: [*self.fetched.get(place, []), *raws] for place, raws in self.coming.items()}, {}
            self.polled = dict.fromkeys(self.assignment(), (BACK_AT + 1) * 1000)
        found = {place: raws[:max_records] for place, raws in self.fetched.items() if raws and place in (places or self.assignment())}
        self.fetched |= {place: self.fetched[place][max_records:] for place in found}
        self.at |= {place: raws[-1].offset + 1 for place, raws in found.items()}
        return found

    def highwater(self, place: TopicPartition) -> int:
        return self.at.get(place, 0)

    async def position(self, place: TopicPartition) -> int:
        return self.at.get(place, 0)

    def last_poll_timestamp(self, place: TopicPartition) -> float | None:
        return self.polled.get(place)

    async def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        self.committed |= {place: offset.offset for place, offset in offsets.items()}


@dataclass
class Home:
    closed: bool = False
    ending: bool = False
    session_s: float = 10.0
    notes: bool | None = True
    metrics: Metrics = field(default_factory=Metrics)

    def translated(self, doing: str) -> AbstractContextManager[None]:
        del doing
        return nullcontext()

    def place(self, partition: TopicPartition) -> Place:
        return Topic(partition.topic), partition.partition

    def record(self, read: ConsumerRecord) -> Record[Message]:
        topic = Topic(read.topic)
        return Record(message=codec.decode(topic, read.value), ref=Ref(topic=topic, partition=0, offset=read.offset))

    async def bury(self, read: ConsumerRecord, error: MessageError) -> None:
        raise AssertionError(read, error)

    async def written(self, group: str, places: Collection[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata]:
        del group, places
        return {}

    async def begin(self, group: str, partitions: Collection[int]) -> None: ...

    async def together(self, *what: object) -> dict[TopicPartition, OffsetAndMetadata]:
        raise AssertionError(what)


def given(consumer: Consumer, count: int) -> list[Message]:
    """The first so many messages that a member is given."""

    async def take() -> list[Message]:
        subscription = KafkaSubscription(Home(), consumer, "encode", 64, once=False, idle_s=None)
        messages: list[Message] = []
        while len(messages) < count:
            messages += [record.message for record in await anext(subscription)]
        return messages

    return asyncio.run(take())


def test_frames_that_waited_for_the_broker_do_not_overtake_sound_that_has_not_arrived_yet() -> None:
    sounds = [raw(SOUNDS, n, sound(940 + n / 2), BACK_AT + n / 1000) for n in range(100)]
    frames = [raw(FRAMES, n, frame(970 + n), BACK_AT + 0.2 + n / 1000) for n in range(5)]
    consumer = Consumer({SOUNDS: sounds[:20], FRAMES: frames}, {SOUNDS: sounds[20:]})
    ordered = given(consumer, 105)
    assert ordered == [message for message in ordered if isinstance(message, Sound)] + [frame(970 + n) for n in range(5)]


def test_what_is_fresh_is_given_at_once() -> None:
    consumer = Consumer({FRAMES: [raw(FRAMES, 0, frame(BACK_AT), BACK_AT + 0.1)]}, {SOUNDS: [raw(SOUNDS, 0, sound(BACK_AT), BACK_AT)]})
    assert given(consumer, 1) == [frame(BACK_AT)]


def test_what_has_waited_is_given_when_nothing_else_lies_there() -> None:
    consumer = Consumer({FRAMES: [raw(FRAMES, n, frame(970 + n), BACK_AT) for n in range(3)]})
    assert given(consumer, 3) == [frame(970.0), frame(971.0), frame(972.0)]


def test_what_has_waited_is_given_in_the_end_though_a_broker_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "HELD_S", 0.05)
    consumer = Consumer({FRAMES: [raw(FRAMES, n, frame(970 + n), BACK_AT + 60) for n in range(3)]})
    assert given(consumer, 3) == [frame(970.0), frame(971.0), frame(972.0)]


def test_what_is_held_back_is_not_written_down_as_processed() -> None:
    consumer = Consumer({FRAMES: [raw(FRAMES, 0, frame(BACK_AT), BACK_AT), raw(FRAMES, 1, frame(970), BACK_AT + 60)]})

    async def take() -> None:
        subscription = KafkaSubscription(Home(), consumer, "encode", 64, once=False, idle_s=0.6)
        await anext(subscription)
        assert not (await anext(subscription)).records

    asyncio.run(take())
    assert consumer.committed == {FRAMES: 1}


class Rebalancing(Consumer):
    """The group changes hands while the first records are fetched: the member is told before it has them."""

    member: KafkaSubscription | None = None

    async def getmany(self, *places: TopicPartition, timeout_ms: int = 0, max_records: int) -> dict[TopicPartition, list[Any]]:
        found = await super().getmany(*places, timeout_ms=timeout_ms, max_records=max_records)
        if found and self.member is not None:
            member, self.member, self.lie = self.member, None, found
            await member.on_partitions_assigned(self.assignment())
        return found

    async def seek_to_beginning(self, *places: TopicPartition) -> None:
        self.fetched |= {place: raws for place, raws in getattr(self, "lie", {}).items() if place in places}


def test_what_was_fetched_while_a_group_changed_hands_is_read_again() -> None:
    consumer = Rebalancing({}, {FRAMES: [raw(FRAMES, n, frame(BACK_AT + n), BACK_AT + n) for n in range(3)]})

    async def take() -> list[Message]:
        consumer.member = KafkaSubscription(Home(), consumer, "encode", 64, once=False, idle_s=None)
        async with asyncio.timeout(5):
            return [record.message for record in await anext(consumer.member)]

    assert asyncio.run(take()) == [frame(BACK_AT + n) for n in range(3)]
