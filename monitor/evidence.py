"""What speaks for an alert, kept beyond the bus's retention: a short film, pictures of the moment, and the event itself.

Read again from `video` and `audio`, whose places the alert names. The same alert always gives the same names:
`<camera>/<date>/<alert id>/<sequence>-<phase>/`, in it `clip.mp4`, `key-<time>.jpg`, `frame-<time>.jpg`, `reasons.png`
(`monitor.panel`) and, last of all, `alert.json`: where that is, everything is.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec
import stamina

from monitor import config, events
from monitor.archive import Archive, Span
from monitor.bus import Record
from monitor.clip import mp4
from monitor.errors import BusError, MessageError, SinkError
from monitor.folder import Folder
from monitor.messages import Alert, Frame, Message, Reasons, Ref, Sound, Topic
from monitor.panel import Shown, draw

DOCUMENT: Final = "alert.json"
MAX_FRAMES: Final = 1800
"""Of a clip; a minute at 30 a second."""
MAX_SOUNDS: Final = 4096
"""Pieces of half a second, and marks."""
MAX_JPEGS: Final = 12
SETTLE_S: Final = 1.0
"""What was captured is on the bus this much later."""
ATTEMPTS: Final = 4
"""Of a broker or a folder that is away, over a few seconds."""

Item = TypeVar("Item", Frame, Sound)


class Exhibit(msgspec.Struct, frozen=True, kw_only=True):
    """What was found for an alert."""

    begin: float
    """Of the clip, in event time."""
    end: float
    cut: bool
    """The incident is longer than a clip may be: this is its begin."""
    frames: int
    sound_s: float
    files: tuple[str, ...]
    missing: tuple[Ref, ...]
    """Records that the alert names and that are not on the bus any more."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The alert as CloudEvent, and what was found for it."""

    event: events.Event
    evidence: Exhibit


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Records of an alert's span, in time order, and those that it names."""

    frames: tuple[Frame, ...]
    sounds: tuple[Sound, ...]
    key: Frame | None
    named: tuple[Frame, ...]
    missing: tuple[Ref, ...]
    explained: Frame | None = None
    """The frame that the reasons' heat lies over."""
    expected: tuple[Frame, ...] = ()
    """Of ordinary moments, as far as they are still there."""


def name(alert: Alert) -> str:
    """The alert's folder; whatever the id is, it is one part of a path."""
    date = datetime.fromtimestamp(alert.at, UTC).date().isoformat()
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", alert.id)[:64] or "_"
    return f"{alert.camera}/{date}/{safe}/{alert.sequence}-{alert.phase.value}"


def shown(alert: Alert, settings: config.EvidenceSink) -> Span:
    """The span of event time that a clip shows: the incident with what was before and after, its begin if that is too long."""
    begin = alert.at - settings.before_s
    return Span(begin, min(alert.until + settings.after_s, begin + settings.max_s))


def captured(alert: Alert, event: Span) -> Span:
    """When a span of event time around an alert was captured, by the wall clock; a recording that was read fast, in less."""
    return Span(alert.captured - (alert.until - event.begin), alert.captured + max(0.0, event.end - alert.until))


async def find(archive: Archive, alert: Alert, event: Span) -> Found:
    """Read an alert's records again; BusError when the broker can't be reached."""
    named = [ref for ref in dict.fromkeys((alert.key_frame, *alert.frames, *alert.sounds)) if ref is not None]
    wall = captured(alert, event)
    seen = await archive.around(Topic.VIDEO, alert.camera, event, wall, named, limit=MAX_FRAMES)
    heard = await archive.around(Topic.AUDIO, alert.camera, event, wall, named, limit=MAX_SOUNDS)
    records: dict[Ref, Record[Message]] = {record.ref: record for record in (*seen, *heard)}
    reasons = alert.reasons or Reasons()
    explaining = [ref for ref in (reasons.picture, *reasons.expected) if ref is not None]
    records |= await archive.read([ref for ref in dict.fromkeys((*named, *explaining)) if ref not in records])
    frames = _rising(tuple(record.message for record in seen if isinstance(record.message, Frame)))
    return Found(
        frames=frames,
        sounds=_rising(tuple(record.message for record in heard if isinstance(record.message, Sound))),
        key=_frame(records, alert.key_frame) or _nearest(frames, alert.at),
        named=_rising(tuple(each for ref in alert.frames if ref in records and isinstance(each := records[ref].message, Frame))),
        missing=tuple(ref for ref in named if ref not in records),
        explained=_frame(records, reasons.picture),
        expected=tuple(frame for ref in reasons.expected if (frame := _frame(records, ref)) is not None),
    )


def files(alert: Alert, event: Span, found: Found) -> Mapping[str, bytes]:
    """Write the files of an alert, by name; takes a while. Raises MessageError when the clip can't be written."""
    clip = mp4(found.frames, found.sounds)
    made = {"clip.mp4": clip} if clip else {}
    if found.key is not None:
        made[f"key-{_moment(found.key.at)}.jpg"] = found.key.jpeg
    for frame in _some(found.named, MAX_JPEGS):
        if frame != found.key:
            made[f"frame-{_moment(frame.at)}.jpg"] = frame.jpeg
    if page := draw(alert, Shown(picture=found.explained or found.key, sounds=found.sounds, expected=found.expected)):
        made["reasons.png"] = page
    exhibit = Exhibit(
        begin=event.begin,
        end=event.end,
        cut=event.end < alert.until,
        frames=len(found.frames),
        sound_s=round(sum(sound.until - sound.at for sound in found.sounds), 3),
        files=tuple(made),
        missing=found.missing,
    )
    document = msgspec.json.encode(Document(event=events.event(alert), evidence=exhibit))
    return made | {DOCUMENT: msgspec.json.format(document, indent=1) + b"\n"}


async def keep(archive: Archive, folder: Folder, alert: Alert, settings: config.EvidenceSink) -> Mapping[str, bytes]:
    """Read, encode and write one alert's evidence. Raises BusError, MessageError or SinkError."""
    event = shown(alert, settings)
    found = await find(archive, alert, event)
    made = await asyncio.to_thread(files, alert, event, found)
    for file, data in made.items():
        await asyncio.to_thread(folder.write, f"{name(alert)}/{file}", data)
    return made


class EvidenceSink:
    """Keeps the evidence of each alert; one at a time, and what is there already is not written again."""

    def __init__(
        self,
        settings: config.EvidenceSink,
        called: str = "evidence",
        *,
        archive: Archive | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = called
        self._settings = settings
        self._folder = Folder(settings.to)
        self._archive = archive
        self._clock = clock

    def over(self, archive: Archive) -> EvidenceSink:
        """Make the sink that reads from an archive, which there is only when the bus is open."""
        return EvidenceSink(self._settings, self.name, archive=archive, clock=self._clock)

    async def send(self, alert: Alert) -> None:
        """Wait until what comes after the alert is recorded too, then keep it; SinkError when that failed for good."""
        if alert.phase not in self._settings.phases:
            return
        if self._archive is None:
            raise SinkError("Evidence is kept by the deliver stage of a running bus only")
        settle_s = self._settings.after_s + SETTLE_S
        await asyncio.sleep(min(max(0.0, alert.captured + settle_s - self._clock()), settle_s))
        try:
            async for attempt in stamina.retry_context(on=(BusError, SinkError), attempts=ATTEMPTS, wait_initial=0.5, wait_max=5):
                with attempt:
                    if not await asyncio.to_thread(self._folder.has, f"{name(alert)}/{DOCUMENT}"):
                        await keep(self._archive, self._folder, alert, self._settings)
        except (BusError, MessageError) as error:
            raise SinkError(f"No evidence of alert {alert.id}: {error}") from error

    async def close(self) -> None:
        """Nothing to let go of."""


def _frame(records: Mapping[Ref, Record[Message]], ref: Ref | None) -> Frame | None:
    record = None if ref is None else records.get(ref)
    return record.message if record is not None and isinstance(record.message, Frame) else None


def _rising(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """By time; of two of the same time the one that was published last: the other is of an earlier run."""
    by_time = {item.at: item for item in items}
    return tuple(by_time[at] for at in sorted(by_time))


def _nearest(frames: Sequence[Frame], at: float) -> Frame | None:
    return min(frames, key=lambda frame: abs(frame.at - at), default=None)


def _some(frames: Sequence[Frame], most: int) -> list[Frame]:
    """At most so many, spread evenly."""
    if len(frames) <= most:
        return list(frames)
    return [frames[index * (len(frames) - 1) // (most - 1)] for index in range(most)]


def _moment(at: float) -> str:
    """A time of day, UTC, as part of a file's name: 081502.250."""
    return datetime.fromtimestamp(at, UTC).strftime("%H%M%S.%f")[:-3]
