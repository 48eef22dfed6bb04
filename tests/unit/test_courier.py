from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import workers.courier
from monitor.errors import BusError
from monitor.memory import MemoryBus
from monitor.messages import CameraState, Message, State, Topic
from monitor.metrics import Metrics
from monitor.spool import Spool
from workers.courier import Courier, Link


def state(seq: int) -> CameraState:
    return CameraState(camera="a", at=seq, states=(State.LIVE,))


class Broker(MemoryBus):
    """A bus that can be away: it hangs, as an idempotent producer does, or it refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.there = asyncio.Event()
        self.refuses = False
        self.got: list[float] = []

    async def publish(self, topic: Topic, messages: Sequence[Message]) -> None:
        if self.refuses:
            raise BusError("refused")
        await self.there.wait()
        self.got += [message.at for message in messages if isinstance(message, CameraState)]


@asynccontextmanager
async def carrying(folder: Path, metrics: Metrics) -> AsyncIterator[tuple[Broker, Link, Courier]]:
    broker = Broker()
    link = Link(broker, "capture", metrics, away_after_s=0.05)
    courier = Courier(link, Spool(Topic.CAMERAS, folder, 10**6, 10**6, metrics, lambda _: None))
    yield broker, link, courier
    await courier.close()


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (the condition is anything)
            await asyncio.sleep(0.01)


async def test_what_is_sent_while_the_broker_hangs_arrives_in_order_when_it_is_back(tmp_path: Path) -> None:
    metrics = Metrics()
    async with carrying(tmp_path, metrics) as (broker, link, courier):
        courier.send([state(0)])
        await until(lambda: link.away)
        assert metrics.broker_away._value.get() == 1
        for seq in range(1, 300):
            courier.send([state(seq)])
        broker.there.set()
        await until(lambda: len(broker.got) == 300)
        assert broker.got == list(range(300))
        assert not link.away
        assert link.outage_s > 0
        assert metrics.broker_away._value.get() == 0


async def test_a_broker_that_refuses_is_asked_again(tmp_path: Path) -> None:
    async with carrying(tmp_path, Metrics()) as (broker, link, courier):
        broker.there.set()
        broker.refuses = True
        courier.send([state(0), state(1)])
        await until(lambda: link.away)
        broker.refuses = False
        await until(lambda: broker.got)
        assert broker.got == [0, 1]


async def test_what_no_broker_took_is_taken_over_by_the_next_process(tmp_path: Path) -> None:
    async with carrying(tmp_path, Metrics()) as (_, link, courier):
        courier.send([state(seq) for seq in range(200)])
        await until(lambda: link.away)
    async with carrying(tmp_path, Metrics()) as (broker, _, courier):
        broker.there.set()
        courier.send([state(200)])
        await until(lambda: len(broker.got) == 201)
        assert broker.got == list(range(201))


async def test_at_the_end_what_is_left_is_carried_away_first(tmp_path: Path) -> None:
    metrics = Metrics()
    async with carrying(tmp_path, metrics) as (broker, _, courier):
        broker.there.set()
        courier.send([state(seq) for seq in range(1000)])
    assert broker.got == list(range(1000))
    assert metrics.spool_bytes.labels("cameras", "disk")._value.get() == 0


async def test_while_its_partition_alone_is_away_others_are_told_not_to_overtake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or pictures, whose broker is there, would close windows before their sound."""
    monkeypatch.setattr(workers.courier, "AWAY_S", 0.05)
    async with carrying(tmp_path, Metrics()) as (broker, _, courier):
        courier.send([state(0)])
        assert courier.level.is_set()
        await until(lambda: not courier.level.is_set())
        broker.there.set()
        await until(courier.level.is_set)
        assert broker.got == [0]
