"""How far stages are behind, in seconds and in records: kept where the batches are handed out, told once a second.

Pure: the wall clock comes with each call, in seconds since the epoch. A stage's lag is the age of the newest record that it
took, for as long as it works on it; waiting for the next one, it has none. So a batch that takes long, and a backlog, both
show, and a stage with nothing to do does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from monitor.bus import Record
from monitor.messages import Behind, CameraState, Message, Progress, Stamped

IDLE_S: Final = 0.2
"""Who waits for a batch for so long has nothing left to process: a backlog is handed out at once."""
RECENT_S: Final = 5.0
"""What a batch said of a partition is true for so long: each batch may hold only some of a backlog's partitions."""
MISSED_S: Final = 5.0
"""A stage that has not told for so long is further behind with every second; one of several processes is forgotten."""


@dataclass(slots=True)
class _Place:
    """One partition, as of the newest batch that had something of it."""

    captured: float
    taken: float


@dataclass(slots=True)
class Member:
    """What one subscription of this process has taken."""

    waiting_since: float | None = None
    joined: bool = False
    """It has asked for a batch: its partitions were assigned."""
    records: Callable[[], Mapping[int, int]] | None = None
    """Asks the bus how many records lie ahead, by partition."""
    _places: dict[int, _Place] = field(default_factory=dict)
    _working_on: frozenset[int] = frozenset()

    def waits(self, now: float) -> None:
        """The stage asks for the next batch; everything before is processed."""
        self.joined = True
        self.waiting_since = now
        self._working_on = frozenset()

    def takes(self, records: Sequence[Record[Message]], now: float) -> None:
        """The stage was given a batch; what comes again to rebuild state is not to be told here."""
        self.waiting_since = None
        newest: dict[int, float] = {}
        for record in records:
            message = record.message
            if isinstance(message, Stamped | CameraState):
                place = record.ref.partition
                newest[place] = max(newest.get(place, message.captured), message.captured)
        self._places |= {place: _Place(captured, now) for place, captured in newest.items()}
        self._working_on = frozenset(newest)

    def behind(self, now: float) -> tuple[Behind, ...]:
        """How far it is behind in each of its partitions."""
        ahead = self.records() if self.records else {}
        idle = self.waiting_since is not None and now - self.waiting_since >= IDLE_S
        seconds = {} if idle else {place: self._seconds(place, now) for place in self._places}
        return tuple(
            Behind(partition=place, records=ahead.get(place, 0), seconds=round(max(seconds.get(place, 0.0), 0.0), 3))
            for place in sorted({*self._places, *ahead})
        )

    def _seconds(self, partition: int, now: float) -> float:
        place = self._places[partition]
        if partition in self._working_on:
            return now - place.captured
        return place.taken - place.captured if now - place.taken < RECENT_S else 0.0


@dataclass(slots=True)
class Board:
    """The subscriptions of one process, by group."""

    members: dict[str, Member] = field(default_factory=dict)

    def member(self, group: str) -> Member:
        """Give the newest subscription to a group; a stage that was started again continues."""
        return self.members.setdefault(group, Member())

    def joined(self, groups: Sequence[str]) -> bool:
        """Whether all of these have asked for a batch."""
        return all(group in self.members and self.members[group].joined for group in groups)

    def reports(self, member: str, now: float, *, leaving: bool = False) -> Iterator[Progress]:
        """Tell how far each group is."""
        for group, one in self.members.items():
            yield Progress(camera=group, at=now, member=member, behind=one.behind(now), leaving=leaving)


@dataclass(slots=True)
class Reports:
    """What capture has heard of the stages behind it."""

    stages: frozenset[str]
    """Those that count: a slow sink, for one, is no reason to look away."""
    _heard: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    """Stage, process: when it told last (by the listener's clock), and how far it was behind."""

    def hear(self, told: Progress, now: float) -> None:
        """Take in a report."""
        if told.camera not in self.stages:
            return
        members = self._heard.setdefault(told.camera, {})
        if told.leaving:
            members.pop(told.member, None)
        else:
            members[told.member] = (now, max((part.seconds for part in told.behind), default=0.0))
        if not members:
            del self._heard[told.camera]

    def lag_s(self, now: float) -> float:
        """How far the slowest stage is behind; a stage of which nothing is heard any more falls behind in real time."""
        return max((self._stage_lag(members, now) for members in self._heard.values()), default=0.0)

    def excuse(self, now: float) -> None:
        """Nothing could be heard: the broker was away."""
        for members in self._heard.values():
            for name, (_, lag) in members.items():
                members[name] = (now, lag)

    def _stage_lag(self, members: dict[str, tuple[float, float]], now: float) -> float:
        fresh = {name: told for name, told in members.items() if now - told[0] < MISSED_S}
        if fresh:
            for name in members.keys() - fresh.keys():
                del members[name]
            return max(lag for _, lag in fresh.values())
        return max(lag + now - at for at, lag in members.values())
