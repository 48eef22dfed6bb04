from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

import pytest

from monitor.memory import MemoryBus
from monitor.messages import Message, Topic
from monitor.metrics import Metrics
from workers import governor, lifecycle
from workers.lifecycle import CRASHES, first, stop_on_signal, supervise, until_stopped


class Stage:
    """Crashes so often, then ends."""

    def __init__(self, crashes: int) -> None:
        self.left = crashes
        self.starts = 0

    async def __call__(self) -> None:
        self.starts += 1
        if self.left:
            self.left -= 1
            raise ValueError("crash")


async def test_a_stage_that_crashes_is_started_again() -> None:
    stage = Stage(CRASHES - 1)
    await supervise("stage", stage, pause_s=0)
    assert stage.starts == CRASHES


async def test_a_stage_that_crashes_again_and_again_is_given_up_with_its_error() -> None:
    with pytest.raises(ValueError, match="crash"):
        await supervise("stage", Stage(CRASHES), pause_s=0)


async def test_cancelling_the_supervisor_cancels_the_stage() -> None:
    ended = asyncio.Event()

    async def stage() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(supervise("stage", stage))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_the_first_to_end_ends_the_others_and_its_error_is_raised() -> None:
    async def fails() -> None:
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        await first(fails(), asyncio.Event().wait())


async def test_a_signal_sets_the_event() -> None:
    async with stop_on_signal() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.wait(), 1)


class Batches:
    """A bus that hands out batches until it is told to end."""

    def __init__(self) -> None:
        self.ending = asyncio.Event()
        self.done: list[str] = []

    def end(self) -> None:
        self.ending.set()

    async def stage(self, seconds: float) -> None:
        while not self.ending.is_set():
            self.done.append("begun")
            await asyncio.sleep(seconds)
            self.done.append("finished")
        self.done.append("left")


async def test_a_stage_that_is_stopped_finishes_its_batch_and_leaves() -> None:
    bus, stop = Batches(), asyncio.Event()
    serving = asyncio.ensure_future(until_stopped(bus.stage(0.1), stop, bus.end, within_s=5))
    await asyncio.sleep(0.05)
    stop.set()
    await serving
    assert bus.done == ["begun", "finished", "left"]


async def test_a_batch_that_takes_too_long_is_broken_off() -> None:
    bus, stop = Batches(), asyncio.Event()
    stop.set()
    await asyncio.wait_for(until_stopped(bus.stage(60), stop, bus.end, within_s=0.05), 5)
    assert bus.done == ["begun"]


async def test_what_a_stage_dies_of_is_raised() -> None:
    async def fails() -> None:
        raise ValueError("stage")

    with pytest.raises(ValueError, match="stage"):
        await until_stopped(fails(), asyncio.Event(), Batches().end, within_s=1)


async def test_cancelling_the_wait_cancels_the_stage() -> None:
    bus = Batches()
    serving = asyncio.ensure_future(until_stopped(bus.stage(60), asyncio.Event(), bus.end, within_s=1))
    await asyncio.sleep(0.01)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert bus.done == ["begun"]


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "CANCEL_S", 0.01)
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while swallowed < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
        await asyncio.sleep(60)

    task = asyncio.ensure_future(deaf())
    await asyncio.sleep(0)
    await asyncio.wait_for(lifecycle.ended(task), 5)
    assert task.cancelled()
    assert swallowed == 2


async def test_a_cancelled_teller_ends_though_it_has_just_published() -> None:
    """What Python 3.11's wait_for got wrong."""
    taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    class Bus(MemoryBus):
        async def publish(self, topic: Topic, messages: Sequence[Message]) -> None:
            await taken

    task = asyncio.ensure_future(governor.tell(Bus(Metrics()), Metrics()))
    await asyncio.sleep(0.01)
    taken.set_result(None)
    await asyncio.sleep(0)
    task.cancel()
    _, late = await asyncio.wait([task], timeout=1)
    task.cancel()
    assert not late
