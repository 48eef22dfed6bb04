"""What people say of alerts, in a file: appended by `scenewatch feedback`, followed by the alert stage; beside it, what training reads."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

import structlog

from monitor.archive import Archive, Span
from monitor.config import Config, JsonlSink
from monitor.errors import ConfigError
from monitor.events import from_json
from monitor.feedback import Feedback, Verdict, from_lines, to_line
from monitor.messages import Alert, Embedding, Topic
from monitor.times import moment
from workers import features
from workers.evidence import archive

AROUND_S: Final = 4.0
"""A window before what is spoken of is kept, too: windows that end in it hold that."""
LATE_S: Final = 60.0
"""An embedding may have been captured so long before or after its alert's newest input; words come late."""
MOST: Final = 20_000
"""Embeddings of one verdict."""

log = structlog.get_logger()


@dataclass(slots=True)
class Store:
    """A file of feedback."""

    path: Path
    _stamp: tuple[int, int] = (0, 0)

    def add(self, item: Feedback) -> None:
        """Append one verdict. Raises ConfigError if the file can't be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(to_line(item))
        except OSError as error:
            raise ConfigError(f"{self.path}: can't be written: {error.strerror}. Set alerts.feedback to a file that can") from error

    def all(self) -> tuple[Feedback, ...]:
        """Everything that was said. Raises ConfigError for a line that is none."""
        return from_lines(self.path.read_bytes()) if self.path.exists() else ()

    def news(self) -> tuple[Feedback, ...] | None:
        """Everything that was said, if there is more of it than before; a mistake in the file leaves things as they are."""
        stat = self.path.stat() if self.path.exists() else None
        stamp = (0, 0) if stat is None else (stat.st_mtime_ns, stat.st_size)
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            return self.all()
        except ConfigError as error:
            log.warning("feedback not applied", file=str(self.path), error=str(error))
            return None


def give(config: Config, said: Sequence[str], camera: str, at: str, kind: str) -> int:
    """Store one verdict: an alert's id and what it is, or what it is of a camera's time. Raises ConfigError."""
    *ids, word = said
    if word not in set(Verdict) or len(ids) > 1:
        raise ConfigError(f'feedback: {" ".join(said)!r} is none. Write ALERT_ID right, [ALERT_ID] "not an anomaly", or missed')
    if not config.alerts.feedback:
        raise ConfigError("feedback: there is no place for it. Set alerts.feedback to a file that the alert workers see, too")
    now = time.time()
    alert = _alert(config, ids[0]) if ids and not (camera and at) else None
    if alert is None and not (camera and at):
        raise ConfigError("feedback: of what? Name the alert's id, as a jsonl sink wrote it, or --camera and --at")
    begin, end = (alert.at, alert.until) if alert else (moment(at, now),) * 2
    verdict = Feedback(
        camera=alert.camera if alert else camera,
        at=begin,
        until=end,
        verdict=Verdict(word),
        given=now,
        kind=kind or (alert.kind if alert else ""),
        alert=ids[0] if ids else "",
    )
    store = Store(Path(config.alerts.feedback))
    store.add(verdict)
    if config.bus != "memory://":
        kept = asyncio.run(keep(archive(config), store.path, verdict, alert.captured if alert else end))
        sys.stdout.write(f"{kept} embeddings are kept for training\n")
    return 0


def beside(path: Path, verdict: Feedback) -> Path:
    """Where the embeddings that a verdict speaks of are kept: in a folder beside the file."""
    name = blake2b(f"{verdict.camera}\0{verdict.at!r}\0{verdict.until!r}".encode(), digest_size=8).hexdigest()
    return path.with_name(f"{path.name}.features") / f"{verdict.camera}-{name}.safetensors"


async def keep(source: Archive, path: Path, verdict: Feedback, captured: float) -> int:
    """Keep the embeddings of the time that a verdict speaks of, as far as the bus still has them; so many there were."""
    event = Span(verdict.at - AROUND_S, max(verdict.until, verdict.at + AROUND_S))
    wall = Span(captured - (event.end - event.begin) - LATE_S, captured + LATE_S)
    records = await source.around(Topic.EMBEDDINGS, verdict.camera, event, wall, limit=MOST)
    items = [record.message for record in records if isinstance(record.message, Embedding)]
    if items:
        features.write(beside(path, verdict), items, {"camera": verdict.camera})
    return len(items)


def _alert(config: Config, name: str) -> Alert | None:
    """The newest event of an alert in the files of the jsonl sinks."""
    found = None
    for sink in config.sinks:
        if isinstance(sink, JsonlSink) and Path(sink.path).exists():
            for line in Path(sink.path).read_bytes().splitlines():
                if name.encode() in line and (alert := from_json(line)).id == name:
                    found = alert
    return found
