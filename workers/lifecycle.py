"""Starting stages, restarting those that crash, and stopping all of them on a signal."""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog

log = structlog.get_logger()

Start = Callable[[], Awaitable[None]]

CRASHES: Final = 5
WITHIN_S: Final = 60.0
CANCEL_S: Final = 1.0
"""A task that has not ended so long after it was cancelled is cancelled again."""


async def supervise(name: str, start: Start, *, pause_s: float = 0.5) -> None:
    """Run a stage; when it crashes, start it again, until it has crashed CRASHES times WITHIN_S: then give up and raise.

    What it had not finished comes to it again from the bus.
    """
    structlog.contextvars.bind_contextvars(stage=name)  # of the task that this runs in, and of those that it begins
    crashes: deque[float] = deque(maxlen=CRASHES)
    clock = asyncio.get_running_loop().time
    while (error := await _outcome(start)) is not None:
        crashes.append(clock())
        log.error("stage crashed", error=repr(error), exc_info=error)
        if len(crashes) == CRASHES and crashes[-1] - crashes[0] < WITHIN_S:
            raise error
        await asyncio.sleep(pause_s * len(crashes))


async def _outcome(start: Start) -> BaseException | None:
    """Await a stage as a task of its own, and return what it died of; a cancellation is passed on to it."""
    task = asyncio.ensure_future(start())
    try:
        await asyncio.wait([task])
    finally:
        await ended(task)
    return task.exception()


async def ended(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks, again if need be: libraries, and Python 3.11's own `wait_for`, may swallow a cancellation (python/cpython#86296)."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=CANCEL_S)


@asynccontextmanager
async def stop_on_signal() -> AsyncIterator[asyncio.Event]:
    """Give an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def until_stopped(serving: Awaitable[None], stop: asyncio.Event, end: Callable[[], None], *, within_s: float) -> None:
    """Await a stage until a signal comes; then `end` lets it finish its batch, write its position down and leave, within a time."""
    stage = asyncio.ensure_future(serving)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([stage, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not stage.done():
            log.info("stopping: the batch in work is finished first", at_most_s=within_s)
            end()
            _, late = await asyncio.wait([stage], timeout=within_s)
            if late:
                log.warning("stopped in the middle of a batch: it comes again", after_s=within_s)
    finally:
        await ended(stage, stopping)
    if not stage.cancelled():
        stage.result()


async def first(*starts: Awaitable[object]) -> None:
    """Await whichever ends first, cancel the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(start) for start in starts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await ended(*tasks)
    for task in done:
        task.result()
