"""The interface that every bus has; `monitor.memory` and `monitor.kafka` implement it and pass the same tests.

At least once: what a subscription yields counts as processed when the next batch is asked for, or when the body of
the `async with` ends without an exception. What was not processed comes again to the group's next subscriber.
Records of one camera arrive in the order of their publication. A group that is new to a topic begins with the oldest
record that the bus still has. All members of a group share its cameras: one camera is one member's in every topic.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Generic, Protocol, TypeVar

import msgspec

from monitor.messages import Message, Ref, Topic

M_co = TypeVar("M_co", covariant=True)
M = TypeVar("M", bound=Message)


class Record(msgspec.Struct, Generic[M], frozen=True, kw_only=True):
    """A message and where it lies."""

    message: M
    ref: Ref


class Subscription(Protocol[M_co]):
    """Batches of records, in order; grows its batches with the backlog by itself."""

    def __aiter__(self) -> AsyncIterator[M_co]: ...

    async def __anext__(self) -> M_co: ...


class Bus(Protocol):
    """Carries messages between stages."""

    async def publish(self, topic: Topic, messages: Sequence[Message]) -> None:
        """Append to a topic, keyed by camera; returns when the bus has them. Waits when the bus is full.

        Raises BusError when the broker can't be reached, MessageError when a message is over MAX_BYTES.
        """

    def subscribe(self, *topics: Topic, group: str, limit: int = 256) -> AbstractAsyncContextManager[Subscription[list[Record[Message]]]]:
        """Read topics as one member of a group, at most `limit` records a batch.

        A record that does not decode goes to the dead-letter topic with its reason, and is counted; it is not yielded.
        """

    async def lag(self, group: str) -> int:
        """How many records of its topics a group has not processed yet."""

    async def drain(self) -> None:
        """Return when every record that was published has been processed by every subscribed group."""

    async def close(self) -> None:
        """Flush, and let go of the broker."""
