"""Messages as the records of one partition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from monitor.bus import Place, Record
from monitor.messages import Message, Ref, Topic


def numbered(messages: Iterable[Message], topic: Callable[[Message], Topic]) -> list[Record[Message]]:
    """Give each message its place, in this order."""
    ends: Counter[Topic] = Counter()
    records = []
    for message in messages:
        where = topic(message)
        records.append(Record(message=message, ref=Ref(topic=where, partition=0, offset=ends[where])))
        ends[where] += 1
    return records


def handed_over(records: Sequence[Record[Message]], cut: int, kept: dict[Place, int]) -> list[Record[Message]]:
    """What a successor is given again, when the first `cut` records were processed."""
    return [record for record in records[:cut] if record.ref.offset >= kept.get((record.ref.topic, 0), record.ref.offset + 1)]
