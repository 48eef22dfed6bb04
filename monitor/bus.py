"""The interface that every bus has; `monitor.memory` and `monitor.kafka` implement it and pass the same tests.

At least once: what a subscription yields counts as processed when the next batch is asked for, or when the body of
the `async with` ends without an exception. What was not processed comes again to the group's next subscriber.
Records of one camera arrive in the order of their publication. A group that is new to a topic begins with the oldest
record that the bus still has. All members of a group share its cameras: one camera is one member's in every topic.

A member that remembers something of its cameras (an open window, an open incident) keeps the records that it would need
to remember it anew. When it dies, whoever gets its partitions is given those first, in batches marked `again`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Final, Generic, Protocol, TypeAlias, TypeVar, overload

import msgspec

from monitor.messages import Message, Ref, Topic

M = TypeVar("M", bound=Message)


class Record(msgspec.Struct, Generic[M], frozen=True, kw_only=True, gc=False):
    """A message and where it lies."""

    message: M
    ref: Ref
    published: float = 0.0
    """Wall clock when the bus took it, seconds since the epoch; 0 if that is not known."""
    trace: str = ""
    """The span that it comes of, as W3C's traceparent; empty for what is not followed."""


Traces: TypeAlias = Mapping[int, str]
"""Of messages that are published together, by their place among them: the traceparent of each that is followed."""
UNTRACED: Final[Traces] = MappingProxyType({})


def is_traceparent(text: str) -> bool:
    """Whether a text is one: version, trace, span and flags, in hexadecimal (https://www.w3.org/TR/trace-context/)."""
    return re.fullmatch("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", text) is not None


def trace_id(traceparent: str) -> str:
    """The trace that a traceparent names."""
    return traceparent.split("-")[1]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the cluster is that carries our topics."""

    nodes: float
    """Brokers that its metadata lists."""
    under_replicated: float
    """Partitions of which a copy is behind or away."""
    offline: float
    """Partitions that have no leader."""


Place: TypeAlias = tuple[Topic, int]
"""A topic and one of its partitions."""


class Batch(Sequence[Record[Message]]):
    """Records of several cameras, those of one in order; and what changed hands before them."""

    __slots__ = ("again", "gained", "lost", "records")

    def __init__(
        self,
        records: Sequence[Record[Message]],
        *,
        again: bool = False,
        gained: frozenset[int] = frozenset(),
        lost: frozenset[int] = frozenset(),
    ) -> None:
        self.records = records
        self.again = again
        """What came of these was published before: take them to remember what is open, and publish nothing."""
        self.gained = gained
        """Partitions that are this member's since the last batch."""
        self.lost = lost
        """Partitions of which all is to be forgotten, before anything else: others have, or had, them."""

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, index: int) -> Record[Message]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Record[Message]]: ...

    def __getitem__(self, index: int | slice) -> Record[Message] | Sequence[Record[Message]]:
        return self.records[index]


class Subscription(Protocol):
    """Batches of records, in order; grows its batches with the backlog by itself."""

    def __aiter__(self) -> AsyncIterator[Batch]: ...

    async def __anext__(self) -> Batch: ...

    def keep(self, places: Mapping[Place, int]) -> None:
        """Let these records, and all behind them, come again to whoever reads on; holds until the next call.

        Asked for after each batch; a bus that lives and dies with its only reader has nothing to do.
        """

    async def answer(self, topic: Topic, messages: Sequence[Message], traces: Traces = UNTRACED) -> None:
        """Publish what came of the batch together with the position behind it: both or neither, where the broker can do that.

        Raises what `Bus.publish` raises.
        """


class Bus(Protocol):
    """Carries messages between stages."""

    async def publish(self, topic: Topic, messages: Sequence[Message], traces: Traces = UNTRACED) -> None:
        """Append to a topic, keyed by camera; returns when the bus has them. Waits when the bus is full.

        Raises BusError when the broker can't be reached, MessageError when a message is over MAX_BYTES.
        """

    def subscribe(
        self, *topics: Topic, group: str, limit: int = 256, once: bool = False, idle_s: float | None = None
    ) -> AbstractAsyncContextManager[Subscription]:
        """Read topics as one member of a group, at most `limit` records a batch; an empty one when nothing came for `idle_s`.

        With `once`, what is given to `answer` is there exactly once, whoever crashes, where the broker has transactions.

        A record that does not decode goes to the dead-letter topic with its reason, and is counted; it is not yielded.
        """

    async def newest(self, topic: Topic, partitions: Collection[int], limit: int) -> list[Record[Message]]:
        """The newest records of each of these partitions, the oldest of a partition first; outside of any group."""

    async def lag(self, group: str) -> int:
        """How many records of its topics a group has not processed yet."""

    async def health(self) -> Health | None:
        """How the brokers are; None where there are none. Raises BusError when they can't be asked."""

    async def drain(self) -> None:
        """Return when every record that was published has been processed by every subscribed group."""

    def end(self) -> None:
        """Give no further batch: each subscription ends when the batch in work is processed."""

    async def close(self) -> None:
        """Flush, and let go of the broker."""
