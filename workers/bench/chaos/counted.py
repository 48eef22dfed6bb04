"""What a run put on the topics, and what it lost or doubled beside another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from monitor.kafka import KafkaBus
from monitor.messages import Alert, Score, Topic, Transcript

EVERYTHING: Final = 10_000_000
KEYS: Final = (Topic.TRANSCRIPTS, Topic.SCORES, Topic.ALERTS)


@dataclass(slots=True)
class Counted:
    """How often each transcript, window and alert lies on its topic."""

    items: dict[Topic, Counter[Hashable]] = field(default_factory=lambda: {topic: Counter() for topic in KEYS})

    def lost(self, topic: Topic, of: Counted) -> list[Hashable]:
        """What the other run has and this one has not."""
        return sorted(of.items[topic].keys() - self.items[topic].keys(), key=str)

    def doubled(self, topic: Topic) -> int:
        """How many are there more than once."""
        return sum(count - 1 for count in self.items[topic].values())


async def count(bus: KafkaBus, partitions: int) -> Counted:
    """Read the topics from their begin."""
    counted = Counted()
    for topic in KEYS:
        for partition in range(partitions):
            for record in await bus.newest(topic, partition, EVERYTHING):
                match record.message:
                    case Transcript() as transcript:
                        counted.items[topic][transcript.camera, round(transcript.at, 1)] += 1
                    case Score() as score:
                        counted.items[topic][score.camera, score.until, score.revision] += 1
                    case Alert() as alert:
                        counted.items[topic][alert.camera, alert.kind, alert.id, alert.sequence] += 1
    return counted
