"""What every topic should be, what it is, and how the one becomes the other.

Partitions are equally many everywhere, so that one member of a group holds a camera in all topics. How long Kafka keeps what
is `kafka.retention`. Times are the broker's (LogAppendTime, KIP-32): a machine whose clock is wrong neither keeps
records for ever nor has them deleted or refused. `cameras` is compacted: the newest state of each camera stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, TopicAlreadyExistsError, UnsupportedVersionError, for_code

from monitor.brokers import Brokers, client_options, explain, reach
from monitor.bus import Health
from monitor.clients import started
from monitor.config import Kafka
from monitor.errors import BusError
from monitor.messages import MAX_BYTES, Topic

RECORD_BYTES: Final = MAX_BYTES + 64 * 1024
"""The largest record with what Kafka adds to its value: key, headers, framing."""

COPIES: Final = 3
"""Of every record, where there are so many brokers: one may be lost, and another be restarted."""

SETTLE_S: Final = 0.1
SETTLE_TRIES: Final = 50
"""A change may take so long, so often, to reach every broker."""

MINUTE_MS: Final = 60_000
DAY_MS: Final = 24 * 60 * MINUTE_MS
OWN: Final = 1
"""DescribeConfigs: a setting that this topic was given, not one that it has from its broker (KIP-226)."""

log = structlog.get_logger()


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename=lambda name: name.replace("_", ".")):
    """A topic's settings, by Kafka's names with dots."""

    cleanup_policy: str = "delete"
    retention_ms: int = -1
    retention_bytes: int = -1
    """Of one partition."""
    segment_ms: int = DAY_MS
    """Only whole segments are deleted or compacted."""
    segment_bytes: int = 256 * 2**20
    min_compaction_lag_ms: int = 0
    max_message_bytes: int = RECORD_BYTES
    message_timestamp_type: str = "LogAppendTime"
    min_insync_replicas: int = 1


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What a topic should be."""

    name: str
    partitions: int
    replication: int
    settings: Settings


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a topic is."""

    name: str
    partitions: int
    replication: int
    """Of the partition that has the fewest copies."""
    settings: Mapping[str, str] | None
    """None if the broker does not tell."""
    own: tuple[str, ...] = ()
    """The names of those that were set for this topic."""


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """The brokers that are there now, and the topics that we asked for and they have."""

    brokers: int
    topics: tuple[Found, ...]


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """Something about a topic that is not as it should be."""

    topic: str
    what: str
    wanted: str
    found: str
    fatal: bool = False
    """Records would be lost, refused or not meet each other: nothing may start."""
    mendable: bool = True

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.found}, not {self.wanted}"


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as it should be and as it is."""

    spec: Spec
    found: Found | None
    wrong: tuple[Mismatch, ...]


def specs(kafka: Kafka, prefix: str, nodes: int) -> tuple[Spec, ...]:
    """What every topic should be on a cluster of so many brokers."""
    copies = kafka.replication or min(COPIES, nodes)
    insync = _insync(copies)
    return tuple(
        Spec(
            name=prefix + topic.value,
            partitions=kafka.partitions,
            replication=copies,
            settings=msgspec.structs.replace(settings(topic, kafka), min_insync_replicas=insync),
        )
        for topic in Topic
    )


def settings(topic: Topic, kafka: Kafka) -> Settings:  # noqa: PLR0911 - one line a topic
    """How long a topic keeps what, and in what pieces."""
    keep = kafka.retention
    match topic:
        case Topic.VIDEO | Topic.AUDIO:
            kept_ms, kept_bytes = int(keep.media_minutes * MINUTE_MS), int(keep.media_gb * 1e9 / kafka.partitions)
            size = min(max(kept_bytes // 8, 16 * 2**20), 2**30)
            return Settings(retention_ms=kept_ms, retention_bytes=kept_bytes, segment_ms=max(kept_ms // 8, MINUTE_MS), segment_bytes=size)
        case Topic.CAMERAS:  # a state is compacted away only when every stage has long seen it
            return Settings(cleanup_policy="compact", min_compaction_lag_ms=DAY_MS, segment_bytes=16 * 2**20)
        case Topic.NORMALITY | Topic.BUDGET:
            return Settings(cleanup_policy="compact", segment_ms=DAY_MS // 4, segment_bytes=64 * 2**20)
        case Topic.EMBEDDINGS:
            return _for_days(keep.embeddings_days)
        case Topic.TRANSCRIPTS | Topic.SCORES:
            return _for_days(keep.text_days)
        case Topic.PRESSURE:  # of the present only
            return _for_days(1)
        case Topic.ALERTS | Topic.DEAD_LETTER:
            return _for_days(keep.alerts_days)


def _for_days(days: float) -> Settings:
    kept_ms = int(days * DAY_MS)
    return Settings(retention_ms=kept_ms, segment_ms=min(max(kept_ms // 8, MINUTE_MS), DAY_MS))


def _insync(copies: int) -> int:
    """How many copies a record must have before it counts as written (KIP-966 has the reasons): one broker may be away."""
    return 2 if copies >= COPIES else 1


def mismatches(spec: Spec, found: Found | None) -> tuple[Mismatch, ...]:
    """What is not as it should be about one topic; nothing is said of what the broker does not tell."""
    if found is None:
        return (Mismatch(topic=spec.name, what="the topic", wanted="there", found="missing", fatal=True),)
    wrong = []
    if found.partitions != spec.partitions:
        more = found.partitions > spec.partitions
        counts = (str(spec.partitions), str(found.partitions))
        wrong.append(Mismatch(topic=spec.name, what="partitions", wanted=counts[0], found=counts[1], fatal=True, mendable=not more))
    if found.replication < spec.replication:
        copies = (str(spec.replication), str(found.replication))
        wrong.append(Mismatch(topic=spec.name, what="replication", wanted=copies[0], found=copies[1], mendable=False))
    return (*wrong, *_settings_mismatches(spec, found))


def _settings_mismatches(spec: Spec, found: Found) -> list[Mismatch]:
    wrong = []
    for name, wanted in as_kafka(spec.settings, found.replication).items():
        has = (found.settings or {}).get(name)
        if has is None or has == wanted or (name == "max.message.bytes" and int(has) >= int(wanted)):
            continue
        fatal = name == "max.message.bytes" or (name == "cleanup.policy" and wanted == "delete")
        wrong.append(Mismatch(topic=spec.name, what=name, wanted=wanted, found=has, fatal=fatal))
    return wrong


def as_kafka(wanted: Settings, copies: int) -> dict[str, str]:
    """Settings as Kafka takes them; a topic with fewer copies than it should have can't wait for as many."""
    fitting = msgspec.structs.replace(wanted, min_insync_replicas=min(wanted.min_insync_replicas, _insync(copies)))
    return {name: str(value) for name, value in msgspec.to_builtins(fitting).items()}


def refusal(wrong: Sequence[Mismatch]) -> str:
    """Say what keeps everything from starting, and what to do; empty if nothing does."""
    fatal = [item for item in wrong if item.fatal]
    if not fatal:
        return ""
    if all(item.mendable for item in fatal):
        advice = "Stop the workers and run `scenewatch topics CONFIG --mend`"
    else:
        most = max(int(item.found) for item in fatal if not item.mendable)
        advice = f"Partitions can't become fewer: set kafka.partitions to {most}, or another topic_prefix"
    return f"Kafka's topics are not as this configuration wants them: {'; '.join(map(str, fatal))}. {advice}"


async def prepare(admin: AIOKafkaAdminClient, kafka: Kafka, prefix: str) -> None:
    """Create the topics that are missing and check the others.

    Raises BusError for a mismatch that would lose records; logs one that would not.
    """
    checked = await check(admin, kafka, prefix)
    if missing := [item.spec for item in checked if item.found is None]:
        await create(admin, missing)
        checked = await _found_all(admin, kafka, prefix)  # another process may have been quicker, with another configuration
    wrong = [mismatch for item in checked for mismatch in item.wrong]
    if text := refusal(wrong):
        raise BusError(text)
    if wrong:
        log.warning("Kafka's topics differ from the configuration; see `scenewatch topics`", differences=[str(item) for item in wrong])


async def _found_all(admin: AIOKafkaAdminClient, kafka: Kafka, prefix: str) -> tuple[Checked, ...]:
    """Compare topics when the broker that we happen to ask has heard of all of them; raises BusError if it never does."""
    for _ in range(SETTLE_TRIES):
        checked = await check(admin, kafka, prefix)
        if all(item.found for item in checked):
            return checked
        await asyncio.sleep(SETTLE_S)
    raise BusError("Kafka made the topics, but does not show them. See that this user may describe them, and that all brokers run")


async def check(admin: AIOKafkaAdminClient, kafka: Kafka, prefix: str) -> tuple[Checked, ...]:
    """Compare every topic with what it should be."""
    cluster = await survey(admin, [prefix + topic.value for topic in Topic])
    there = {found.name: found for found in cluster.topics}
    wanted = specs(kafka, prefix, cluster.brokers)
    return tuple(Checked(spec=spec, found=there.get(spec.name), wrong=mismatches(spec, there.get(spec.name))) for spec in wanted)


async def survey(admin: AIOKafkaAdminClient, names: Sequence[str]) -> Cluster:
    """Ask the cluster what there is of these topics."""
    nodes = len((await admin.describe_cluster())["brokers"])
    described = [topic for topic in await admin.describe_topics() if topic["topic"] in names]
    told = await _described(admin, [topic["topic"] for topic in described])
    topics = tuple(_found(topic, told.get(topic["topic"])) for topic in described)
    return Cluster(brokers=nodes, topics=topics)


async def health(admin: AIOKafkaAdminClient, names: Sequence[str]) -> Health:
    """How many brokers there are, and which partitions of these topics lack copies, or a leader."""
    nodes = len((await admin.describe_cluster())["brokers"])
    partitions = [partition for topic in await admin.describe_topics(list(names)) for partition in topic["partitions"]]
    behind = [partition for partition in partitions if len(partition["isr"]) < len(partition["replicas"])]
    headless = [partition for partition in partitions if partition["leader"] < 0]
    return Health(nodes=nodes, under_replicated=len(behind), offline=len(headless))


def _found(topic: dict[str, Any], entries: list[dict[str, Any]] | None) -> Found:
    return Found(
        name=topic["topic"],
        partitions=len(topic["partitions"]),
        replication=min(len(partition["replicas"]) for partition in topic["partitions"]),
        settings=None if entries is None else {entry["config_names"]: entry["config_value"] for entry in entries},
        own=tuple(entry["config_names"] for entry in entries or () if entry.get("config_source") == OWN),
    )


async def _described(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Settings by topic; none where the broker has no such request, or keeps them from us."""
    if not names:
        return {}
    try:
        (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    except (IncompatibleBrokerVersion, UnsupportedVersionError) as error:
        log.info("the broker does not tell its topics' settings; they are not checked", error=str(error))
        return {}
    resources = response.to_object()["resources"]
    return {item["resource_name"]: item["config_entries"] for item in resources if not item["error_code"]}


async def create(admin: AIOKafkaAdminClient, missing: Sequence[Spec]) -> None:
    """Create topics; another process may be quicker. Raises BusError if the broker does not want them."""
    if not missing:
        return
    topics = [NewTopic(s.name, s.partitions, s.replication, topic_configs=as_kafka(s.settings, s.replication)) for s in missing]
    for name, code, *text in (await admin.create_topics(topics)).topic_errors:
        if code not in {0, TopicAlreadyExistsError.errno}:
            raise BusError(f"Kafka did not create the topic {name}: {_why(code, *text)}. Create it yourself, or allow it")


async def mend(admin: AIOKafkaAdminClient, kafka: Kafka, prefix: str) -> None:
    """Create what is missing, add partitions, and set what is set otherwise; what else was set for a topic stays.

    Raises BusError for what the cluster does not let us do.
    """
    checked = await check(admin, kafka, prefix)
    await create(admin, [item.spec for item in checked if item.found is None])
    pairs = [(item.spec, item.found) for item in checked if item.found]
    grown = {spec.name: NewPartitions(spec.partitions) for spec, found in pairs if found.partitions < spec.partitions}
    changed = [_change(spec, found) for spec, found in pairs if _settings_mismatches(spec, found)]
    try:
        if grown:
            await admin.create_partitions(grown)
        if changed:
            await _alter(admin, changed)
    except (IncompatibleBrokerVersion, UnsupportedVersionError) as error:
        raise BusError("This broker can't change topics. Delete them, and they are made anew at the next start") from error
    await _settled(admin, kafka, prefix)


async def _settled(admin: AIOKafkaAdminClient, kafka: Kafka, prefix: str) -> None:
    """Wait until the broker that we happen to ask has heard of what the controller changed."""
    for _ in range(SETTLE_TRIES):
        if not any(mismatch.mendable for item in await check(admin, kafka, prefix) for mismatch in item.wrong):
            return
        await asyncio.sleep(SETTLE_S)


def _change(spec: Spec, found: Found) -> ConfigResource:
    """All settings of a topic: AlterConfigs puts back to its default what is not named again (KIP-133)."""
    kept = {name: value for name, value in (found.settings or {}).items() if name in found.own}
    return ConfigResource(ConfigResourceType.TOPIC, spec.name, kept | as_kafka(spec.settings, found.replication))


async def _alter(admin: AIOKafkaAdminClient, changed: Sequence[ConfigResource]) -> None:
    for response in await admin.alter_configs(list(changed)):
        for item in response.to_object()["resources"]:
            if item["error_code"]:
                why = _why(item["error_code"], item["error_message"])
                raise BusError(f"Kafka did not change the topic {item['resource_name']}: {why}. Change it yourself, or allow it")


def _why(code: int, text: str | None = None) -> str:
    return (text or for_code(code).__name__).rstrip(".")


@asynccontextmanager
async def administration(at: Brokers) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open a client that looks after topics; raises BusError if no broker lets us in, or one refuses."""
    await reach(at)
    admin = AIOKafkaAdminClient(**client_options(at))
    try:
        await started(admin.start)
        yield admin
    except KafkaError as error:
        raise BusError(f"Kafka at {','.join(at.hosts)}: {explain(error, at.security)}") from error
    finally:
        await admin.close()
