"""How Kafka's clients are started and stopped, whatever becomes of who does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

STOP_S: Final = 10.0
"""A client may take so long to flush and to leave."""
CONNECT_S: Final = 1.0
"""One that is given up on its way is left alone so long: it connects meanwhile, and may have more to do that need not be waited for."""

log = structlog.get_logger()


async def started(start: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Start a client in a task of its own: cancelled while it connects, aiokafka 0.14 leaves that connection open.

    Tasks that the client began run when this returns; aiokafka can't stop those that do not.
    """
    starting = asyncio.create_task(start())
    try:
        await asyncio.shield(starting)
    finally:
        await asyncio.wait([starting], timeout=CONNECT_S)
        starting.cancel()


async def stopped(stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Stop a client in a task of its own: without its broker, aiokafka's stop may hang, fail, or cancel who awaits it."""
    stopping = asyncio.create_task(stop())
    _, hanging = await asyncio.wait([stopping], timeout=STOP_S)
    if hanging:
        stopping.cancel()
    elif not stopping.cancelled() and (error := stopping.exception()):
        log.warning("a Kafka client did not leave in good order", error=str(error))
