"""From this process to a broker that may be away: `Link` tries until it is there, `Courier` keeps what must not be lost meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog

from monitor.bus import Bus
from monitor.capture import pauses
from monitor.errors import BusError
from monitor.messages import Message, Stamped, Topic
from monitor.metrics import Metrics
from monitor.spool import Spool
from workers.lifecycle import ended

AWAY_S: Final = 2.0
"""A broker that has not taken a batch for so long is away."""
RETRY_S: Final = 0.2
RETRY_MAX_S: Final = 5.0
LIMIT: Final = 128
"""Messages a batch: half a second of sound is 16 kB, and a spool full of it should not be one request."""
LEAVE_S: Final = 5.0
"""At the end, the broker may take so long for what is left."""

log = structlog.get_logger()


class Link:
    """Publishes, and knows whether the broker is there."""

    def __init__(self, bus: Bus, stage: str, metrics: Metrics, *, away_after_s: float = AWAY_S) -> None:
        self._bus = bus
        self._stage = stage
        self._metrics = metrics
        self._away_after_s = away_after_s
        self._loop = asyncio.get_running_loop()
        self._late: set[object] = set()
        self._away_since = 0.0
        self.outage_s = 0.0
        """How long the broker was away when it was last."""

    @property
    def away(self) -> bool:
        """Whether something has waited too long for the broker; also asked from other threads."""
        return bool(self._late)

    async def publish(self, topic: Topic, messages: Sequence[Message]) -> None:
        """Publish, however long the broker is away; raises MessageError alone."""
        with self._timed(), self._metrics.carrying(self._stage, len(messages)):
            for pause in pauses(RETRY_S, RETRY_MAX_S):
                try:
                    await self._bus.publish(topic, messages)
                except BusError as error:
                    log.warning("not published; trying again", topic=topic.value, error=str(error), retry_s=round(pause, 1))
                    await asyncio.sleep(pause)
                else:
                    break
        self._metrics.published(self._stage, topic, messages)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Say that the broker is away when this takes too long, and that it is back when nothing does any more."""
        token = object()
        timer = self._loop.call_later(self._away_after_s, self._miss, token)
        try:
            yield
        finally:
            timer.cancel()
            self._find(token)

    def _miss(self, token: object) -> None:
        self._late.add(token)
        if len(self._late) == 1:
            self._away_since = self._loop.time() - self._away_after_s
            self._metrics.broker_away.set(1)
            log.warning("the broker is away: frames are dropped, sound is kept", after_s=self._away_after_s)

    def _find(self, token: object) -> None:
        was_away = self.away
        self._late.discard(token)
        if was_away and not self.away:
            self.outage_s = self._loop.time() - self._away_since
            self._metrics.broker_away.set(0)
            log.info("the broker is back", away_s=round(self.outage_s, 1))


class Courier:
    """Carries one topic's messages in order; use it as an async context manager. What a broker never took is kept on disk."""

    def __init__(self, link: Link, spool: Spool) -> None:
        self._link = link
        self._spool = spool
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self.level = asyncio.Event()
        """Cleared while the broker does not take what goes out, and while that was captured long ago because of it."""
        self.level.set()
        self.task = asyncio.ensure_future(self._carry())

    def send(self, messages: Sequence[Message]) -> None:
        """Take messages over; never waits."""
        self._spool.push(messages)
        self._news.set()

    async def close(self) -> None:
        """Give the broker a little time for what is left; the rest is written down. Raises what went wrong on the way."""
        try:
            if self._spool and not self._link.away:
                await self._emptied()
        finally:
            await ended(self.task)
            self._spool.close()
        if not self.task.cancelled():
            self.task.result()

    async def _emptied(self) -> None:
        self._empty.clear()
        waiting = asyncio.ensure_future(self._empty.wait())
        await asyncio.wait([waiting, self.task], timeout=LEAVE_S, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def _carry(self) -> None:
        while True:
            messages = self._spool.head(LIMIT)
            if messages:
                if _age(messages[0]) > AWAY_S:
                    self.level.clear()
                stuck = asyncio.get_running_loop().call_later(AWAY_S, self.level.clear)  # one partition may be away, and the others not
                try:
                    await self._link.publish(self._spool.topic, messages)
                finally:
                    stuck.cancel()
                self._spool.done(len(messages))
                continue
            self.level.set()
            self._empty.set()
            self._news.clear()
            await self._news.wait()


def _age(message: Message) -> float:
    """Seconds since a message was captured."""
    return time.time() - message.captured if isinstance(message, Stamped) else 0.0
