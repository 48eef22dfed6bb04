"""What the bus in one process promises beyond the contract of every bus."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from monitor.memory import MemoryBus
from monitor.messages import CameraState, State, Topic


def state(number: float, camera: str = "door") -> CameraState:
    return CameraState(camera=camera, at=number, states=(State.LIVE,))


async def times(bus: MemoryBus, group: str, *, limit: int = 256) -> list[float]:
    """Process one batch."""
    async with bus.subscribe(Topic.CAMERAS, group=group, limit=limit) as batches:
        messages = [record.message for record in await anext(aiter(batches))]
        return [message.at for message in messages if isinstance(message, CameraState)]


async def fill(bus: MemoryBus, count: int) -> None:
    for number in range(count):
        await bus.publish(Topic.CAMERAS, [state(number)])


async def pending(task: asyncio.Task[None]) -> bool:
    await asyncio.sleep(0.01)
    return not task.done()


async def test_a_full_topic_makes_the_publisher_wait_until_every_group_has_processed() -> None:
    bus = MemoryBus(capacity=4, groups={"quick": [Topic.CAMERAS], "slow": [Topic.CAMERAS]})
    publisher = asyncio.create_task(fill(bus, 6))
    assert await pending(publisher)
    assert await times(bus, "quick") == [0, 1, 2, 3]
    assert await pending(publisher)
    assert await times(bus, "slow", limit=1) == [0]
    assert await pending(publisher)
    assert await times(bus, "slow", limit=1) == [1]
    await asyncio.wait_for(publisher, 1)
    assert await times(bus, "quick") == [4, 5]
    assert await times(bus, "slow") == [2, 3, 4, 5]


async def test_a_topic_that_nobody_reads_forgets_its_oldest_records() -> None:
    bus = MemoryBus(capacity=4, groups={"elsewhere": [Topic.VIDEO]})
    await asyncio.wait_for(fill(bus, 10), 1)
    assert await times(bus, "late") == [6, 7, 8, 9]


async def test_a_group_that_is_expected_misses_nothing_and_the_bus_is_not_drained_before_it_came() -> None:
    bus = MemoryBus(capacity=4, groups={"expected": [Topic.CAMERAS]})
    await fill(bus, 4)
    drained = asyncio.create_task(bus.drain())
    assert await pending(drained)
    assert await times(bus, "expected") == [0, 1, 2, 3]
    await asyncio.wait_for(drained, 1)


async def test_a_group_that_failed_is_still_waited_for() -> None:
    bus = MemoryBus(capacity=4)
    with suppress(ZeroDivisionError):
        async with bus.subscribe(Topic.CAMERAS, group="g"):
            raise ZeroDivisionError
    publisher = asyncio.create_task(fill(bus, 5))
    assert await pending(publisher)
    assert await times(bus, "g") == [0, 1, 2, 3]
    await asyncio.wait_for(publisher, 1)


async def test_waiting_publishers_get_their_turn_in_order() -> None:
    bus = MemoryBus(capacity=1, groups={"g": [Topic.CAMERAS]})
    publishers = [asyncio.create_task(bus.publish(Topic.CAMERAS, [state(number), state(number + 0.5)])) for number in range(4)]
    got = [await asyncio.wait_for(times(bus, "g"), 1) for _ in range(8)]
    assert got == [[0], [0.5], [1], [1.5], [2], [2.5], [3], [3.5]]
    await asyncio.gather(*publishers)


async def test_a_publisher_that_is_cancelled_while_it_waits_blocks_nobody() -> None:
    bus = MemoryBus(capacity=1, groups={"g": [Topic.CAMERAS]})
    await fill(bus, 1)
    waiting = asyncio.create_task(bus.publish(Topic.CAMERAS, [state(7)]))
    assert await pending(waiting)
    waiting.cancel()
    assert await times(bus, "g") == [0]
    await asyncio.wait_for(bus.publish(Topic.CAMERAS, [state(8)]), 1)
    assert await times(bus, "g") == [8]


async def test_a_publisher_that_waits_when_the_bus_is_closed_is_told() -> None:
    bus = MemoryBus(capacity=1, groups={"g": [Topic.CAMERAS]})
    waiting = asyncio.create_task(fill(bus, 2))
    assert await pending(waiting)
    await bus.close()
    (error,) = await asyncio.gather(waiting, return_exceptions=True)
    assert "closed" in str(error)


async def test_topics_are_read_in_the_order_of_publication() -> None:
    bus = MemoryBus()
    for number in range(6):
        await bus.publish(Topic.CAMERAS, [state(number, f"cam{number}")])
    assert await times(bus, "g") == [0, 1, 2, 3, 4, 5]
