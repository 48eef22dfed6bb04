"""A bus for measuring one stage alone: it plays records, and keeps what is published."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from monitor.bus import Record, Subscription
from monitor.messages import Message, Ref, Topic


class Tape:
    """Plays what was recorded of some topics, once, in batches; everything published is kept."""

    def __init__(self, recorded: Sequence[tuple[Topic, Message]] = ()) -> None:
        self._recorded = recorded
        self.published: list[tuple[Topic, Message]] = []

    async def publish(self, topic: Topic, messages: Sequence[Message]) -> None:
        """Keep them."""
        self.published.extend((topic, message) for message in messages)

    @asynccontextmanager
    async def subscribe(self, *topics: Topic, group: str, limit: int = 256) -> AsyncIterator[Subscription[list[Record[Message]]]]:
        """Play the records of these topics to whatever group, and end."""
        del group
        yield self._play([each for each in self._recorded if each[0] in topics], limit)

    async def _play(self, records: Sequence[tuple[Topic, Message]], limit: int) -> AsyncGenerator[list[Record[Message]]]:
        for start in range(0, len(records), limit):
            chunk = enumerate(records[start : start + limit], start)
            yield [Record(message=message, ref=Ref(topic=topic, partition=0, offset=offset)) for offset, (topic, message) in chunk]

    async def lag(self, group: str) -> int:
        """Nothing ever waits."""
        del group
        return 0

    async def drain(self) -> None:
        """Everything has been processed."""

    async def close(self) -> None:
        """Nothing to let go of."""
