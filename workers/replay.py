"""What was recorded, through the same stages again under another configuration, beside what was said then."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from monitor import events, logs
from monitor.archive import Archive, Span
from monitor.compare import Difference, diff
from monitor.config import Config
from monitor.errors import ConfigError
from monitor.memory import MemoryBus
from monitor.messages import Alert, Ref, Topic
from monitor.metrics import Metrics
from workers import build, evidence
from workers.bus import open_bus
from workers.lifecycle import first, supervise

CAPTURED: Final = (Topic.VIDEO, Topic.AUDIO, Topic.CAMERAS)
"""What the stages behind capture begin with."""
TAIL_S: Final = 60.0
"""So much is read behind the span: an alert about its end waits for words that are said then, and for windows to close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to replay, how, and where to put what comes of it."""

    recorded: Config
    """Says where the records are."""
    under: Config
    """Says what is made of them now."""
    span: Span
    """Wall clock: what was captured then is compared."""
    warm_up_s: float = 0.0
    """So much from before the span is seen too, and not compared."""
    prefix: str = ""
    """Of topics on the same bus, behind the recorded ones' own; the alerts are written there, if it is given …"""
    out: Path | None = None
    """… and into this file."""
    report: Path | None = None
    """The differences go there, as JSON."""


@dataclass(slots=True)
class Kept:
    """A sink that keeps what it is given."""

    name: str = "replay"
    alerts: list[Alert] = field(default_factory=list)

    async def send(self, alert: Alert) -> None:
        """Keep it."""
        self.alerts.append(alert)

    async def close(self) -> None:
        """Nothing to let go of."""


async def main(order: Order) -> int:
    """Replay, compare and show; 1 if the alerts differ."""
    if order.span.end <= order.span.begin:
        raise ConfigError("replay: --to is not after --from")
    if order.prefix and not re.fullmatch(r"[A-Za-z0-9._-]{1,30}", order.prefix):
        raise ConfigError("replay: --out-prefix is of letters, digits, dots, dashes and underscores, at most 30: such as replay.")
    logs.configure(order.under.log_level, json=False)
    archive = evidence.archive(order.recorded)
    before = await told(archive, order.span)
    wall = Span(order.span.begin - order.warm_up_s, order.span.end + TAIL_S)
    after = [alert for alert in await replayed(order.under, archive, wall) if order.span.begin <= alert.captured < order.span.end]
    difference = diff(before, after)
    await _publish(order, after)
    show(difference, Console(soft_wrap=True, highlight=False))
    if order.report:
        _write(order.report, msgspec.json.format(msgspec.json.encode(difference), indent=1) + b"\n")
    return 0 if difference.equal else 1


async def told(archive: Archive, span: Span) -> list[Alert]:
    """The alerts of then."""
    async with aclosing(archive.span([Topic.ALERTS], span)) as records:
        return [record.message async for record in records if isinstance(record.message, Alert)]


async def replayed(config: Config, archive: Archive, wall: Span) -> list[Alert]:
    """Run every stage behind capture on what was captured in a span; the alerts name the records that were read."""
    kept, metrics = Kept(), Metrics()
    runs = {stage: build.consumer(stage, config, metrics, (kept,), fast=True) for stage in build.consumers(config)}
    bus = MemoryBus(metrics, groups=build.groups(runs, (kept,)), partitions=1)
    places: dict[Topic, list[Ref]] = {topic: [] for topic in CAPTURED}
    try:
        await first(_feed(bus, archive, wall, places), *(supervise(stage, partial(run, bus)) for stage, run in runs.items()))
    finally:
        await bus.close()
    return [original(alert, places) for alert in kept.alerts]


async def _feed(bus: MemoryBus, archive: Archive, wall: Span, places: dict[Topic, list[Ref]]) -> None:
    """Publish what was captured, in its order, and wait until all of it has been processed.

    With one partition a topic, a record's offset here is its index in `places`.
    """
    async with aclosing(archive.span(CAPTURED, wall)) as records:
        async for record in records:
            places[record.ref.topic].append(record.ref)
            await bus.publish(record.ref.topic, [record.message])
    await bus.drain()


def original(alert: Alert, places: dict[Topic, list[Ref]]) -> Alert:
    """Name the recorded records in place of their copies."""

    def recorded(ref: Ref) -> Ref:
        return places[ref.topic][ref.offset] if ref.topic in places else ref

    reasons = alert.reasons
    return msgspec.structs.replace(
        alert,
        key_frame=None if alert.key_frame is None else recorded(alert.key_frame),
        frames=tuple(map(recorded, alert.frames)),
        sounds=tuple(map(recorded, alert.sounds)),
        reasons=None
        if reasons is None
        else msgspec.structs.replace(
            reasons,
            picture=None if reasons.picture is None else recorded(reasons.picture),
            expected=tuple(map(recorded, reasons.expected)),
        ),
    )


async def _publish(order: Order, alerts: Sequence[Alert]) -> None:
    """Write the alerts to where they were asked for."""
    if order.out:
        _write(order.out, b"".join(events.to_json(alert) + b"\n" for alert in alerts))
    if order.prefix:
        elsewhere = order.recorded.model_copy(update={"topic_prefix": order.recorded.topic_prefix + order.prefix})
        async with open_bus(elsewhere, Metrics(), {}) as bus:
            await bus.publish(Topic.ALERTS, alerts)


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ConfigError(f"{path}: can't be written: {error.strerror}. Name a file in a folder that can be written to") from error


def show(difference: Difference, console: Console) -> None:
    """Print what is new, gone and other, a line each."""
    for mark, style, alerts in (("+", "green", difference.added), ("-", "red", difference.gone)):
        for alert in alerts:
            console.print(f"{mark} {_line(alert)}", style=style, markup=False)
    for change in difference.changed:
        fields = ", ".join(f"{name} {_short(change.before, name)} → {_short(change.after, name)}" for name in change.fields)
        console.print(f"~ {_line(change.before)}: {fields}", style="yellow", markup=False)
    counts = f"{len(difference.added)} added, {len(difference.gone)} gone, {len(difference.changed)} changed"
    console.print("the same alerts" if difference.equal else counts, f"({difference.same} equal)", markup=False)


def _line(alert: Alert) -> str:
    when = events.rfc3339(alert.at)
    return f"{when} {alert.camera} {alert.kind} {alert.phase} {alert.severity} {alert.probability:.3f} {alert.id}/{alert.sequence}"


def _short(alert: Alert, name: str) -> str:
    """A field's value, fit for a line of text."""
    return textwrap.shorten(str(msgspec.to_builtins(getattr(alert, name))), 60, placeholder=" …")
