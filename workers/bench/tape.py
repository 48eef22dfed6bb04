"""A bus for measuring one stage alone: it plays records, and keeps what is published."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from monitor.bus import UNTRACED, Batch, Health, Place, Record, Traces
from monitor.messages import Message, Ref, Topic


class Tape:
    """Plays what was recorded of some topics, once, in batches; everything published is kept."""

    def __init__(self, recorded: Sequence[tuple[Topic, Message]] = ()) -> None:
        self._recorded = recorded
        self.published: list[tuple[Topic, Message]] = []

    async def publish(self, topic: Topic, messages: Sequence[Message], traces: Traces = UNTRACED) -> None:
        """Keep them."""
        del traces
        self.published.extend((topic, message) for message in messages)

    @asynccontextmanager
    async def subscribe(
        self, *topics: Topic, group: str, limit: int = 256, once: bool = False, idle_s: float | None = None
    ) -> AsyncIterator[Reel]:
        """Play the records of these topics to whatever group, and end."""
        del group, once, idle_s
        yield Reel(self, [each for each in self._recorded if each[0] in topics], limit)

    async def newest(self, topic: Topic, partitions: Collection[int], limit: int) -> list[Record[Message]]:
        """Nothing was there before."""
        del topic, partitions, limit
        return []

    async def lag(self, group: str) -> int:
        """Nothing ever waits."""
        del group
        return 0

    async def health(self) -> Health | None:
        """There are no brokers."""
        return None

    async def drain(self) -> None:
        """Everything has been processed."""

    def end(self) -> None:
        """Nothing: it ends by itself."""

    async def close(self) -> None:
        """Nothing to let go of."""


@dataclass(slots=True)
class Reel:
    """The batches of one subscription."""

    tape: Tape
    records: Sequence[tuple[Topic, Message]]
    limit: int
    played: int = 0

    def __aiter__(self) -> Reel:
        return self

    async def __anext__(self) -> Batch:
        """Give the next records."""
        if self.played >= len(self.records):
            raise StopAsyncIteration
        chunk = list(enumerate(self.records[self.played : self.played + self.limit], self.played))
        self.played += self.limit
        return Batch([Record(message=message, ref=Ref(topic=topic, partition=0, offset=offset)) for offset, (topic, message) in chunk])

    def keep(self, places: Mapping[Place, int]) -> None:
        """Nothing: nobody reads on."""

    async def answer(self, topic: Topic, messages: Sequence[Message], traces: Traces = UNTRACED) -> None:
        """Keep what is published."""
        await self.tape.publish(topic, messages, traces)
