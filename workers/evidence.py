"""The evidence of alerts: beside the deliver stage, and for alerts that somebody has in a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from monitor import codec, config
from monitor.archive import Archive, KafkaArchive, MemoryArchive
from monitor.brokers import brokers
from monitor.bus import Bus
from monitor.config import Config
from monitor.errors import BusError, ConfigError, MessageError, SinkError
from monitor.evidence import DOCUMENT, Document, EvidenceSink, keep, name
from monitor.folder import Folder
from monitor.messages import Alert, Topic
from monitor.sinks import Sink


def archive(settings: Config, bus: Bus | None = None) -> Archive:
    """Give what reads the configured bus again; ConfigError where it keeps nothing that could be read."""
    if settings.bus != "memory://":
        return KafkaArchive(brokers(settings.bus, settings.kafka.security), prefix=settings.topic_prefix)
    if bus is None:
        raise ConfigError("bus: memory:// is forgotten when its process ends; to read records again, set `bus: kafka://host:port`")
    return MemoryArchive(bus)


def reading(sinks: Sequence[Sink], settings: Config, bus: Bus) -> tuple[Sink, ...]:
    """Let the sinks that keep evidence read the bus that is open now."""
    return tuple(sink.over(archive(settings, bus)) if isinstance(sink, EvidenceSink) else sink for sink in sinks)


async def write(settings: Config, alerts: Path, to: str) -> int:
    """Write the evidence of the alerts in a JSON-lines file to a folder; 1 if it could not be for one of them."""
    configured = next((sink for sink in settings.sinks if isinstance(sink, config.EvidenceSink)), None)
    how = configured.model_copy(update={"to": to}) if configured else config.EvidenceSink(type="evidence", to=to)
    source, folder, failed = archive(settings), Folder(to), 0
    for alert in read(alerts):
        try:
            made = await keep(source, folder, alert, how)
        except (BusError, MessageError, SinkError) as error:
            failed += 1
            sys.stderr.write(f"{alert.id} {alert.kind} {alert.phase}: {error}\n")
        else:
            sys.stdout.write(f"{name(alert)}: {told(made[DOCUMENT])}\n")
    return 1 if failed else 0


def told(document: bytes) -> str:
    """Say in a few words what was found."""
    found = msgspec.json.decode(document, type=Document).evidence
    missing = f", {len(found.missing)} records are not on the bus any more" if found.missing else ""
    return f"{found.frames} pictures, {found.sound_s:g} s of sound{missing}"


def read(path: Path) -> Iterator[Alert]:
    """Alerts of a JSON-lines file, as the jsonl sink writes it; ConfigError names the line that is none."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _alert(line, f"{path}:{number}")


def _alert(line: bytes, where: str) -> Alert:
    try:
        alert = codec.decode(Topic.ALERTS, line)
    except MessageError as error:
        raise ConfigError(f"{where}: no alert: {error}. Give a file that the jsonl sink wrote") from error
    assert isinstance(alert, Alert)
    return alert
