"""A client that is cancelled while it connects leaves no connection open."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import pytest

from monitor.brokers import brokers
from monitor.kafka import KafkaBus
from monitor.messages import Topic
from monitor.metrics import Metrics
from monitor.transactions import Transactions

POINTS = range(0, 60, 4)
"""Turns of the event loop after which a client is cancelled."""


async def cut(work: Coroutine[Any, Any, object], turns: int) -> None:
    """Cancel work after some turns of the event loop."""
    task = asyncio.ensure_future(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize("turns", POINTS)
async def test_owners_that_are_cancelled_while_they_begin(kafka_url: str, turns: int) -> None:
    transactions = Transactions(brokers(kafka_url), "cut.")
    await cut(transactions.begin("g", range(3)), turns)
    await transactions.close()
    gc.collect()  # a connection that is still open says so, and fails the test


@pytest.mark.parametrize("turns", [0, 10, 40, 50])
async def test_a_member_that_is_cancelled_while_it_joins(kafka_url: str, turns: int) -> None:
    bus = KafkaBus(brokers(kafka_url), Metrics(), prefix="cut.")
    await bus.start()

    async def read() -> None:
        async with bus.subscribe(Topic.CAMERAS, group=f"g{turns}", once=True) as batches:
            async for _ in batches:
                break

    await cut(read(), turns)
    await bus.close()
    gc.collect()


@pytest.mark.parametrize("turns", POINTS)
async def test_a_bus_that_is_cancelled_while_it_starts(kafka_url: str, turns: int) -> None:
    bus = KafkaBus(brokers(kafka_url), Metrics(), prefix="cut.")
    await cut(bus.start(), 4 * turns)
    await bus.close()
    gc.collect()
