"""One member of a Kafka consumer group: its batches, its position, and what it does when partitions come and go.

The offset written down for a partition is the oldest record that the member still needs (`keep`); how far it really came
is written beside it, as the commit's metadata. Whoever reads on begins with the former, and publishes nothing before the latter.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from typing import Any, Final, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, OffsetAndMetadata, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from monitor.bus import UNTRACED, Batch, Place, Record, Traces
from monitor.clients import STOP_S
from monitor.errors import BusError, MessageError
from monitor.messages import Message, Stamped, Topic
from monitor.metrics import Metrics

COMMIT_S: Final = 1.0
"""A busy group writes its position down so often; one that is idle …"""
PAUSE_S: Final = 0.2
"""… after this: a few records a second are busy enough, and each writing down costs a broker as much as a record."""

IDLE_S: Final = 0.5
"""So long a member waits for records before it looks whether the bus was closed."""

LATE_S: Final = 2.0
"""What was published so long after it was captured had to wait, and what it waited for comes before it …"""
HELD_S: Final = 5.0
"""… but is not waited for longer than this."""

log = structlog.get_logger()

Offsets = Mapping[TopicPartition, OffsetAndMetadata]


class Home(Protocol):
    """What a subscription needs of its bus."""

    closed: bool
    metrics: Metrics
    ending: bool
    session_s: float
    notes: bool | None
    """Whether the broker keeps a commit's metadata; None until that was seen."""

    def translated(self, doing: str) -> Any:
        """A context in which Kafka's errors become ours."""

    def place(self, partition: TopicPartition) -> Place:
        """Our name of one of Kafka's partitions."""

    def record(self, raw: ConsumerRecord) -> Record[Message]:
        """Decode what was read; MessageError if it can't be."""

    async def bury(self, raw: ConsumerRecord, error: MessageError) -> None:
        """Publish a dead letter."""

    async def written(self, group: str, places: Collection[TopicPartition]) -> Offsets:
        """What a group wrote down."""

    async def begin(self, group: str, partitions: Collection[int]) -> None:
        """Put an end to what an earlier owner of these partitions may still publish."""

    async def together(self, group: str, topic: Topic, messages: Sequence[Message], offsets: Offsets, traces: Traces = UNTRACED) -> Offsets:
        """Publish, and write positions of the partitions that these lie in down, both or neither; gives what was written."""


@dataclass(slots=True)
class Positions:
    """How far a member came in each partition, and from where on it would have to read again."""

    done: dict[TopicPartition, int] = field(default_factory=dict)
    """Behind the newest record that was processed."""
    before: dict[TopicPartition, int] = field(default_factory=dict)
    """Records below this were processed by an earlier owner."""
    kept: dict[TopicPartition, int] = field(default_factory=dict)

    def offsets(self, places: Collection[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata]:
        """What is to be written down for places in which something was processed."""
        return {place: self._offset(place, done) for place in places if (done := self.done.get(place, 0))}

    def _offset(self, place: TopicPartition, done: int) -> OffsetAndMetadata:
        reached = max(done, self.before.get(place, 0))
        return OffsetAndMetadata(min(self.kept.get(place, done), done), str(reached))

    def after(self, working_on: Mapping[TopicPartition, int], kept: Mapping[TopicPartition, int]) -> Positions:
        """The positions when a batch is processed."""
        return Positions({**self.done, **working_on}, self.before, dict(kept))

    def forget(self, partitions: Collection[int]) -> None:
        """Begin anew in these partitions."""
        for offsets in (self.done, self.before, self.kept):
            for place in [place for place in offsets if place.partition in partitions]:
                del offsets[place]


def reached(written: OffsetAndMetadata) -> int:
    """How far a group came, as it wrote down."""
    offset: int = written.offset
    return max(int(written.metadata) if written.metadata.isdecimal() else 0, offset)


class KafkaSubscription(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """The batches of one member; `once`: its `answer`s are transactions."""

    def __init__(self, home: Home, consumer: AIOKafkaConsumer, group: str, limit: int, *, once: bool, idle_s: float | None) -> None:
        self._home = home
        self._consumer = consumer
        self._group = group
        self._limit = limit
        self._once = once
        self._idle_s = idle_s
        self._at = Positions()
        self._written: dict[TopicPartition, OffsetAndMetadata] = {}
        self._working_on: dict[TopicPartition, int] = {}
        self._keeping: dict[TopicPartition, int] = {}
        self._waiting: list[ConsumerRecord] = []
        self._ahead_of: dict[TopicPartition, deque[ConsumerRecord]] = {}
        self._held_since: float | None = None
        self._partitions: frozenset[int] = frozenset()
        self._gained: frozenset[int] = frozenset()
        self._lost: frozenset[int] = frozenset()
        self._unsettled = False
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._asking = asyncio.Lock()
        self._committed_at = -math.inf  # the first batch of a member is written down at once: what it goes on from is worth knowing
        self._gave_at = time.monotonic()
        self._progress = home.metrics.board.member(group)
        self._progress.records = self._ahead

    def _ahead(self) -> dict[int, int]:
        """Records that lie ahead, by partition, as far as the broker has told; asks nobody."""
        found: dict[int, int] = {}
        for place in self._consumer.assignment():
            end, at = self._consumer.highwater(place), max(self._at.done.get(place, 0), self._working_on.get(place, 0))
            found[place.partition] = found.get(place.partition, 0) + (max(0, end - at) if end and at else 0)
        return found

    def __aiter__(self) -> KafkaSubscription:
        return self

    async def __anext__(self) -> Batch:
        """Give the next batch; the one before counts as processed by asking."""
        self._progress.waits(time.time())
        while not (self._home.closed or self._home.ending):
            self._rest()
            async with self._asking:
                raws, again = await self._next()
                records = [record for raw in raws if (record := await self._open(raw, again=again)) is not None]
            idle = self._idle_s is not None and time.monotonic() - self._gave_at >= self._idle_s
            if records or idle:
                self._gave_at = time.monotonic()
                batch = Batch(records, again=again, gained=self._gained, lost=self._lost)
                self._progress.takes([] if again else records, time.time())
                self._gained = self._lost = frozenset()
                return batch
        raise StopAsyncIteration

    async def settled(self) -> None:
        """Wait until nothing is asked of the broker for the next batch: before that, its clients can't be let go of."""
        async with self._asking:
            pass

    def keep(self, places: Mapping[Place, int]) -> None:
        """Hold back what is written down, from when the batch is processed; see `monitor.bus`."""
        known = {*self._at.done, *self._working_on}
        self._keeping = {place: places[ours] for place in known if (ours := self._home.place(place)) in places}

    async def answer(self, topic: Topic, messages: Sequence[Message], traces: Traces = UNTRACED) -> None:
        """Publish with the position behind the batch, in one transaction."""
        offsets = self._offsets(self._at.after(self._working_on, self._keeping))
        self._written |= await self._home.together(self._group, topic, messages, offsets, traces)

    async def finish(self) -> None:
        """Count the last batch as processed, and write the position down."""
        self._rest()
        await self._commit()

    async def leave(self) -> None:
        """Forget the batch, and write down what was processed before it."""
        self.abandon()
        await self._commit()

    def abandon(self) -> None:
        """Forget the batch, so that it comes again."""
        self._working_on.clear()
        self._at_rest.set()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - aiokafka's interface
        """Let the batch be finished and write the position down before another member reads on."""
        try:
            async with asyncio.timeout(self._home.session_s / 2):
                await self._at_rest.wait()
        except TimeoutError:
            log.warning("a batch is handed over unfinished; another member does it again", group=self._group)
        await self._commit()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:  # noqa: ARG002 - aiokafka's interface
        """Let the next call for a batch find out what changed hands: what fails in here, aiokafka would only log."""
        self._unsettled = True

    async def _settle(self) -> None:
        """Read on, in partitions that stay; begin with what their owner kept, in those that are new."""
        self._unsettled = False
        self._waiting.clear()
        self._ahead_of.clear()
        try:
            await self._read_on()
        except BusError as error:
            if not isinstance(error.__cause__, IllegalStateError):  # the next change came in the middle of this one
                raise
            self._unsettled = True

    async def _read_on(self) -> None:
        assigned: set[TopicPartition] = set(self._consumer.assignment())
        partitions = frozenset(place.partition for place in assigned)
        with self._home.translated("read positions from"):
            if self._once:
                await self._home.begin(self._group, partitions - self._partitions)
            written = await self._home.written(self._group, assigned)
            overtaken = {
                place.partition for place, offset in written.items() if reached(offset) > self._at.done.get(place, reached(offset))
            }
            stay = (self._partitions & partitions) - overtaken
            self._lost |= self._partitions - stay
            self._gained |= partitions - stay
            self._partitions = partitions
            self._at.forget(self._lost | self._gained)
            self._written.clear()
            for place in assigned:
                await self._seek(place, written.get(place))

    async def _seek(self, place: TopicPartition, written: OffsetAndMetadata | None) -> None:
        """Go to where a partition is to be read from, without any position to the oldest record: some may have been fetched already."""
        if place in self._at.done:
            self._consumer.seek(place, self._at.done[place])
        elif written is not None and written.offset >= 0:
            self._at.before[place] = reached(written)
            self._consumer.seek(place, written.offset)
        else:
            await self._consumer.seek_to_beginning(place)

    def _rest(self) -> None:
        """Count the batch as processed."""
        self._at = self._at.after(self._working_on, self._keeping)
        self.abandon()

    async def _next(self) -> tuple[list[ConsumerRecord], bool]:
        """The next records in the order of their publication, and whether an earlier owner has processed them; never some of either."""
        if not self._waiting:
            self._waiting = await self._fetch()
        behind = {place: offset for place, offset in self._at.before.items() if self._at.done.get(place, 0) < offset}
        before = [raw for raw in self._waiting if raw.offset < behind.get(_place(raw), 0)] if behind else []
        raws = before or self._waiting
        self._waiting = [raw for raw in self._waiting if raw not in before] if before else []
        for raw in raws:
            self._working_on[_place(raw)] = raw.offset + 1
        if raws:
            self._at_rest.clear()
        return raws, bool(before)

    async def _fetch(self) -> list[ConsumerRecord]:
        """Take what has arrived, oldest first; when there is nothing, commit and wait a little."""
        with self._home.translated("read from"):
            if time.monotonic() - self._committed_at > COMMIT_S:
                await self._commit()
            found = [] if self._unsettled else await self._in_order()
            if not found and not self._unsettled:
                found = await self._wait(PAUSE_S)
            if not found and not self._unsettled:
                await self._pass_markers()
                await self._commit()
                found = await self._wait(IDLE_S)
            if self._unsettled:
                await self._settle()
                return []
        return found

    async def _wait(self, most_s: float) -> list[ConsumerRecord]:
        """What arrives next, if it does within so long."""
        within_s = min(most_s, self._idle_s or most_s)
        self._put(await self._consumer.getmany(timeout_ms=int(within_s * 1000), max_records=self._limit))
        return await self._in_order()

    async def _in_order(self) -> list[ConsumerRecord]:
        """What has arrived in all partitions, in the order of its publication, up to the limit.

        aiokafka gives one partition after the other: of a backlog, a camera's pictures long before the sound of the same time.
        """
        for place in self._consumer.assignment():
            if not self._ahead_of.get(place):
                self._put(await self._consumer.getmany(place, max_records=self._limit))
        queues = {place: queue for place in self._consumer.assignment() if (queue := self._ahead_of.get(place))}
        answered = min((self._answered(place) for place in self._consumer.assignment() if place not in queues), default=math.inf)
        first = [(queue[0].timestamp, place, queue) for place, queue in queues.items()]
        heapify(first)
        taken: list[ConsumerRecord] = []
        while first and len(taken) < self._limit:
            _, place, queue = first[0]
            if self._is_held(queue[0], answered):
                break
            taken.append(queue.popleft())
            if queue:
                heapreplace(first, (queue[0].timestamp, place, queue))
            elif self._has_more(taken[-1]):
                break
            else:
                heappop(first)
                answered = min(answered, self._answered(place))
        return taken

    def _put(self, found: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        for place, raws in found.items():
            self._ahead_of.setdefault(place, deque()).extend(raws)

    def _answered(self, place: TopicPartition) -> float:
        """When the broker last told what lies in a partition, in milliseconds since the epoch."""
        at: float | None = self._consumer.last_poll_timestamp(place)
        return at or 0.0

    def _is_held(self, raw: ConsumerRecord, answered: float) -> bool:
        """Whether a record that had to wait is not given yet: older ones may lie where was last read before it was published."""
        if raw.timestamp <= answered or not self._waited(raw):
            self._held_since = None
            return False
        self._held_since = self._held_since or time.monotonic()
        return time.monotonic() < self._held_since + HELD_S

    def _waited(self, raw: ConsumerRecord) -> bool:
        """Whether a record was published long after it was captured, as after an outage."""
        try:
            message = self._home.record(raw).message
        except MessageError:
            return False
        return isinstance(message, Stamped) and raw.timestamp / 1000 - message.captured > LATE_S

    def _has_more(self, raw: ConsumerRecord) -> bool:
        """Whether the broker has told of records behind this one."""
        end: int = self._consumer.highwater(_place(raw)) or 0
        return bool(end > raw.offset + 1)

    async def _pass_markers(self) -> None:
        """Count as processed what only Kafka reads: the markers behind transactions."""
        for place in self._consumer.assignment():
            if place in self._at.done and not self._ahead_of.get(place):
                self._at.done[place] = max(self._at.done[place], await self._consumer.position(place))

    async def _open(self, raw: ConsumerRecord, *, again: bool) -> Record[Message] | None:
        try:
            return self._home.record(raw)
        except MessageError as error:
            if not again:
                await self._home.bury(raw, error)
            return None

    def _offsets(self, positions: Positions) -> dict[TopicPartition, OffsetAndMetadata]:
        """What is to be written down, of the partitions that are still ours."""
        if self._home.notes is False:
            positions.kept.clear()
        return positions.offsets(self._consumer.assignment())

    async def _commit(self) -> None:
        """Write down what changed."""
        offsets = self._offsets(self._at)
        changed = {place: offset for place, offset in offsets.items() if self._written.get(place) != offset}
        if not changed:
            return
        self._committed_at = time.monotonic()
        try:
            with self._home.translated("write a position to"):
                async with asyncio.timeout(STOP_S):
                    await self._consumer.commit(changed)
        except BusError as error:
            if not isinstance(error.__cause__, TimeoutError | CommitFailedError | IllegalStateError):
                raise
            log.warning("a position was not written down; records may come again", group=self._group, error=str(error))
            return
        self._written |= changed
        if self._home.notes is None and not self._home.closed and any(int(offset.metadata) > offset.offset for offset in changed.values()):
            await self._see_notes(changed)

    async def _see_notes(self, changed: Offsets) -> None:
        """Find out whether the broker keeps what stands beside a position (Tansu 0.6 does not); if not, keep nothing back."""
        with self._home.translated("read positions from"):
            written = await self._home.written(self._group, changed)
        self._home.notes = any(offset.metadata for offset in written.values())
        if not self._home.notes:
            log.info("the broker keeps no notes beside positions; what is open when a stage dies is forgotten")
            await self._commit()


def _place(raw: ConsumerRecord) -> TopicPartition:
    return TopicPartition(raw.topic, raw.partition)
