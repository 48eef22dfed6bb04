"""What a run put on the topics, and what it lost or doubled beside another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from typing import Final

from monitor.kafka import KafkaBus
from monitor.messages import Alert, DeadLetter, Frame, Message, Pressure, Progress, Ref, Score, Sound, Topic, Transcript

EVERYTHING: Final = 10_000_000
CAPTURED: Final = (Topic.VIDEO, Topic.AUDIO)
MADE: Final = (Topic.TRANSCRIPTS, Topic.SCORES, Topic.ALERTS)
"""What the stages make of what was captured."""
SPOKEN: Final = "phrase:"
"""Kinds of alerts that need no picture begin so."""

Item = tuple[Hashable, ...]


@dataclass(slots=True)
class Counted:
    """How often each item lies on its topic, what was buried, and what the stages told of themselves."""

    items: dict[Topic, Counter[Item]] = field(default_factory=lambda: {topic: Counter() for topic in (*CAPTURED, *MADE)})
    records: Counter[Topic] = field(default_factory=Counter)
    """Of any kind that could be read."""
    buried: dict[Ref, str] = field(default_factory=dict)
    """Why, by place; stages that read the same record bury it once each."""
    lag_s: float = 0.0
    """The furthest that any stage said to be behind."""
    step: int = 0
    """The lowest step of capture's ladder."""
    offsets: dict[str, float] = field(default_factory=dict)
    """By camera: the wall clock less event time, of the sound that was captured soonest."""

    def lost(self, topic: Topic, of: Counted, *, spoken: bool = False) -> list[Item]:
        """What the other run has and this one has not; `spoken`: only alerts that need no picture."""
        gone = of.items[topic].keys() - self.items[topic].keys()
        return sorted((item for item in gone if not spoken or topic is not Topic.ALERTS or str(item[1]).startswith(SPOKEN)), key=str)

    def doubled(self, topic: Topic) -> int:
        """How many are there more than once."""
        return sum(count - 1 for count in self.items[topic].values())

    def unjudged(self, window_s: float) -> list[Item]:
        """Pieces of sound that lie in no window."""
        ends: dict[Hashable, list[float]] = {}
        for camera, until, revision in sorted(self.items[Topic.SCORES], key=str):
            if revision == 0:
                ends.setdefault(camera, []).append(float(str(until)))
        return [
            (camera, at)
            for camera, at in self.items[Topic.AUDIO]
            if not any(0 < end - float(str(at)) <= window_s + 0.01 for end in ends.get(camera, ()))
        ]

    def total(self, topics: Collection[Topic]) -> int:
        """How many there are, each once."""
        return sum(len(self.items[topic]) for topic in topics)

    def add(self, topic: Topic, message: Message) -> None:
        """Count a record."""
        self.records[topic] += 1
        match message:
            case Frame() | Sound():
                if isinstance(message, Sound):
                    offset = message.captured - message.until
                    self.offsets[message.camera] = min(offset, self.offsets.get(message.camera, offset))
                self.items[topic][message.camera, round(message.at, 2)] += 1
            case Transcript():
                self.items[topic][message.camera, round(message.at, 1)] += 1
            case Score():
                self.items[topic][message.camera, message.until, message.revision] += 1
            case Alert():
                self.items[topic][message.camera, message.kind, message.id, message.sequence] += 1
            case DeadLetter():
                self.buried[message.ref] = message.reason
            case Progress():
                self.lag_s = max([self.lag_s, *(part.seconds for part in message.behind)])
            case Pressure():
                self.step = max(self.step, message.step)


async def count(bus: KafkaBus, partitions: int) -> Counted:
    """Read the topics from their begin."""
    counted = Counted()
    for topic in Topic:
        for partition in range(partitions):
            for record in await bus.newest(topic, [partition], EVERYTHING):
                counted.add(topic, record.message)
    return counted
