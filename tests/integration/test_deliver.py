"""The deliver stage: every alert reaches every sink, or the dead letters."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import alerts
import msgspec

from monitor import events
from monitor.errors import SinkError
from monitor.memory import MemoryBus
from monitor.messages import Alert, DeadLetter, Topic
from workers import deliver


def alert(sequence: int) -> Alert:
    return alerts.alert(sequence, at=1.0, until=2.0 + sequence, captured=3.0)


@dataclass
class Listed:
    """A sink that keeps what it took, waits at a gate, and refuses what it is told to."""

    name: str
    refuses: frozenset[int] = frozenset()
    crashes_at: int = -1
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    took: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    async def send(self, alert: Alert) -> None:
        await self.gate.wait()
        if alert.sequence in self.refuses:
            raise SinkError("no")
        if alert.sequence == self.crashes_at:
            self.crashes_at = -1
            raise ZeroDivisionError
        self.took.append(alert.sequence)

    async def close(self) -> None:
        pass


async def deliver_all(bus: MemoryBus, *sinks: Listed) -> None:
    stage = asyncio.create_task(deliver.run(bus, sinks, bus.metrics))
    await asyncio.sleep(0)
    await asyncio.wait_for(bus.drain(), 5)
    await bus.close()
    await stage


async def test_every_sink_gets_every_alert_in_order() -> None:
    bus = MemoryBus(groups={"deliver": [Topic.ALERTS]})
    await bus.publish(Topic.ALERTS, [alert(sequence) for sequence in range(40)])
    one, two = Listed("one"), Listed("two")
    await deliver_all(bus, one, two)
    assert one.took == two.took == list(range(40))
    for name in ("one", "two"):
        labels = {"sink": name, "outcome": "delivered"}
        assert bus.metrics.registry.get_sample_value("scenewatch_deliveries_total", labels) == 40


async def test_a_sink_that_hangs_holds_up_no_other() -> None:
    bus = MemoryBus()
    stuck, free = Listed("stuck"), Listed("free")
    stuck.gate.clear()
    stage = asyncio.create_task(deliver.run(bus, [stuck, free], bus.metrics))
    for sequence in range(60):
        await bus.publish(Topic.ALERTS, [alert(sequence)])
    async with asyncio.timeout(5):
        while len(free.took) < 60:  # noqa: ASYNC110 - a test watches from outside
            await asyncio.sleep(0.01)
    assert stuck.took == []
    stuck.gate.set()
    await asyncio.wait_for(bus.drain(), 5)
    assert stuck.took == list(range(60))
    await bus.close()
    await stage


async def test_an_alert_that_a_sink_refuses_is_a_dead_letter_and_the_next_goes_on() -> None:
    bus = MemoryBus()
    await bus.publish(Topic.ALERTS, [alert(sequence) for sequence in range(3)])
    one, two = Listed("one", refuses=frozenset({1})), Listed("two")
    letters = asyncio.create_task(first_letter(bus))
    await deliver_all(bus, one, two)
    assert (one.took, two.took) == ([0, 2], [0, 1, 2])
    letter = await letters
    assert letter.reason == "undeliverable: one: no"
    assert events.from_json(letter.data) == alert(1)
    assert letter.ref.topic is Topic.ALERTS
    labels = {"sink": "one", "outcome": "failed"}
    assert bus.metrics.registry.get_sample_value("scenewatch_deliveries_total", labels) == 1


async def first_letter(bus: MemoryBus) -> DeadLetter:
    async with bus.subscribe(Topic.DEAD_LETTER, group="graves") as batches:
        (record,) = await anext(aiter(batches))
        assert isinstance(record.message, DeadLetter)
        return record.message


async def test_after_a_crash_no_alert_is_missing() -> None:
    bus = MemoryBus()
    await bus.publish(Topic.ALERTS, [alert(sequence) for sequence in range(5)])
    one = Listed("one", crashes_at=3)
    results = await asyncio.gather(deliver.run(bus, [one], bus.metrics), return_exceptions=True)
    assert isinstance(results[0], ExceptionGroup)
    await deliver_all(bus, one)
    assert one.took == [0, 1, 2, 0, 1, 2, 3, 4]


async def test_without_a_sink_alerts_are_processed_all_the_same() -> None:
    bus = MemoryBus(groups={"deliver": [Topic.ALERTS]})
    await bus.publish(Topic.ALERTS, [msgspec.structs.replace(alert(0), camera="yard")])
    await deliver_all(bus)
    assert await bus.lag("deliver") == 0
