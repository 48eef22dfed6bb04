from __future__ import annotations

import asyncio
import os
import signal

import pytest

from workers.lifecycle import CRASHES, first, stop_on_signal, supervise


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
