"""`scenewatch topics`: what Kafka has beside what it should have, and mending it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Column, Table

from monitor.brokers import brokers
from monitor.config import Config
from monitor.errors import ConfigError
from monitor.topics import DAY_MS, MINUTE_MS, Checked, Found, Mismatch, administration, check, mend

HOUR_MS = 60 * MINUTE_MS


async def show(config: Config, *, mend: bool) -> int:
    """Print every topic and what is wrong with it, after mending it if that is wanted; 1 if workers would refuse to start."""
    checked = await _checked(config, mends=mend)
    console = Console()
    console.print(table(checked))
    wrong = [item for topic in checked for item in topic.wrong]
    if advice := _advice(wrong):
        console.print(advice)
    return int(any(item.fatal for item in wrong))


async def _checked(config: Config, *, mends: bool) -> tuple[Checked, ...]:
    if not config.bus.startswith("kafka://"):
        raise ConfigError(f"bus: {config.bus} has no topics to look at; give a kafka:// address")
    async with administration(brokers(config.bus, config.kafka.security)) as admin:
        if mends:
            await mend(admin, config.kafka, config.topic_prefix)
        return await check(admin, config.kafka, config.topic_prefix)


def table(checked: tuple[Checked, ...]) -> Table:
    """Lay out one topic a line."""
    result = Table(Column("topic", no_wrap=True), "partitions", "copies", "kept", "largest record", "state")
    for item in checked:
        result.add_row(item.spec.name, *(_cells(item.found) if item.found else ("-",) * 4), _state(item.wrong))
    return result


def _cells(found: Found) -> tuple[str, ...]:
    has = found.settings or {}
    largest = has.get("max.message.bytes")
    return str(found.partitions), str(found.replication), _kept(found), f"{int(largest) / 2**20:.1f} MiB" if largest else "?"


def _kept(found: Found) -> str:
    """How long records stay, in the words of the configuration."""
    has = found.settings or {}
    if "compact" in has.get("cleanup.policy", ""):
        return "the newest"
    times = int(has.get("retention.ms", 0))
    size = int(has.get("retention.bytes", -1)) * found.partitions
    unit, name = next(((ms, name) for ms, name in ((DAY_MS, "days"), (HOUR_MS, "hours")) if times >= ms), (MINUTE_MS, "minutes"))
    text = "?" if not times else "for ever" if times < 0 else f"{times / unit:g} {name}"
    return f"{text} or {size / 1e9:g} GB" if size > 0 else text


def _state(wrong: tuple[Mismatch, ...]) -> str:
    if not wrong:
        return "[green]good[/]"
    return "\n".join(f"[{'red' if item.fatal else 'yellow'}]{_fault(item)}[/]" for item in wrong)


def _fault(item: Mismatch) -> str:
    return "missing" if item.found == "missing" else f"{item.what} is {item.found}, not {item.wanted}"


def _advice(wrong: list[Mismatch]) -> str:
    lines = []
    if any(item.mendable for item in wrong):
        lines.append("To mend them: stop the workers, and call this command with --mend. A camera may move to another partition.")
    if any(not item.mendable and item.what == "partitions" for item in wrong):
        lines.append("Partitions can't become fewer: set kafka.partitions to what is there, or another topic_prefix.")
    if any(not item.mendable and item.what == "replication" for item in wrong):
        lines.append("Copies are added by Kafka's kafka-reassign-partitions; until then a broker that is lost may take records along.")
    return "\n".join(lines)
