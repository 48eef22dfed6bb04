"""What topics should be, and what is said of those that are not."""

from __future__ import annotations

from io import StringIO

import msgspec
import pytest
from rich.console import Console

from monitor.config import Kafka, Retention
from monitor.messages import MAX_BYTES, Topic
from monitor.topics import DAY_MS, MINUTE_MS, Checked, Found, Spec, as_kafka, mismatches, refusal, settings, specs
from workers.topics import table

KAFKA = Kafka(partitions=4, retention=Retention(media_minutes=30, media_gb=8, embeddings_days=3, text_days=5, alerts_days=14))


def there(spec: Spec, **changes: object) -> Found:
    """The topic exactly as it should be, but for the changes."""
    found = Found(
        name=spec.name, partitions=spec.partitions, replication=spec.replication, settings=as_kafka(spec.settings, spec.replication)
    )
    return msgspec.structs.replace(found, **changes)


def with_setting(spec: Spec, name: str, value: str) -> Found:
    return there(spec, settings=as_kafka(spec.settings, spec.replication) | {name: value})


def spec_of(topic: Topic, nodes: int = 3) -> Spec:
    return next(spec for spec in specs(KAFKA, "p.", nodes) if spec.name == f"p.{topic.value}")


def test_every_topic_has_the_prefix_and_equally_many_partitions() -> None:
    made = specs(KAFKA, "p.", 3)
    assert [spec.name for spec in made] == [f"p.{topic.value}" for topic in Topic]
    assert {spec.partitions for spec in made} == {4}


@pytest.mark.parametrize(("nodes", "copies", "insync"), [(1, 1, 1), (2, 2, 1), (3, 3, 2), (9, 3, 2)])
def test_there_are_as_many_copies_as_brokers_up_to_three(nodes: int, copies: int, insync: int) -> None:
    spec = spec_of(Topic.ALERTS, nodes)
    assert (spec.replication, spec.settings.min_insync_replicas) == (copies, insync)


def test_copies_that_are_configured_do_not_depend_on_the_brokers_that_are_there() -> None:
    assert {spec.replication for spec in specs(Kafka(replication=2), "", 9)} == {2}


@pytest.mark.parametrize("topic", Topic)
def test_every_topic_takes_the_largest_message_and_the_brokers_time(topic: Topic) -> None:
    wanted = as_kafka(settings(topic, KAFKA), 1)
    assert int(wanted["max.message.bytes"]) > MAX_BYTES
    assert wanted["message.timestamp.type"] == "LogAppendTime"
    assert int(wanted["segment.bytes"]) > int(wanted["max.message.bytes"])


def test_pictures_and_sound_are_kept_for_minutes_and_bytes() -> None:
    for topic in (Topic.VIDEO, Topic.AUDIO):
        kept = settings(topic, KAFKA)
        assert (kept.retention_ms, kept.retention_bytes, kept.cleanup_policy) == (30 * MINUTE_MS, 2_000_000_000, "delete")
        assert kept.segment_ms * 8 <= kept.retention_ms  # a segment that is still written to is never deleted


def test_what_is_small_is_kept_for_days() -> None:
    days = {topic: settings(topic, KAFKA).retention_ms / DAY_MS for topic in (Topic.EMBEDDINGS, Topic.SCORES, Topic.TRANSCRIPTS)}
    assert days == {Topic.EMBEDDINGS: 3, Topic.SCORES: 5, Topic.TRANSCRIPTS: 5}
    assert settings(Topic.ALERTS, KAFKA).retention_ms == settings(Topic.DEAD_LETTER, KAFKA).retention_ms == 14 * DAY_MS


def test_of_cameras_the_newest_state_stays() -> None:
    kept = settings(Topic.CAMERAS, KAFKA)
    assert (kept.cleanup_policy, kept.retention_ms) == ("compact", -1)


def test_topics_that_are_as_they_should_be_have_no_mismatch() -> None:
    assert not any(mismatches(spec, there(spec)) for spec in specs(KAFKA, "", 3))


def test_partitions_that_are_too_few_keep_everything_from_starting_and_can_be_mended() -> None:
    spec = spec_of(Topic.VIDEO)
    (wrong,) = mismatches(spec, there(spec, partitions=2))
    assert (wrong.fatal, wrong.mendable, str(wrong)) == (True, True, "p.video: partitions is 2, not 4")
    assert "scenewatch topics CONFIG --mend" in refusal([wrong])


def test_partitions_that_are_too_many_can_only_be_configured() -> None:
    wrong = [item for spec in specs(KAFKA, "", 1)[:2] for item in mismatches(spec, there(spec, partitions=12 if "v" in spec.name else 9))]
    assert "set kafka.partitions to 12" in refusal(wrong)
    assert "--mend" not in refusal(wrong)


def test_records_that_would_be_refused_keep_everything_from_starting() -> None:
    spec = spec_of(Topic.VIDEO)
    (wrong,) = mismatches(spec, with_setting(spec, "max.message.bytes", "1048588"))
    assert wrong.fatal
    assert not mismatches(spec, with_setting(spec, "max.message.bytes", "100000000"))


def test_alerts_that_would_be_compacted_away_keep_everything_from_starting() -> None:
    spec = spec_of(Topic.ALERTS)
    (wrong,) = mismatches(spec, with_setting(spec, "cleanup.policy", "compact"))
    assert wrong.fatal
    cameras = spec_of(Topic.CAMERAS)
    assert not any(item.fatal for item in mismatches(cameras, with_setting(cameras, "cleanup.policy", "delete")))


def test_another_retention_is_only_a_warning() -> None:
    spec = spec_of(Topic.EMBEDDINGS)
    (wrong,) = mismatches(spec, with_setting(spec, "retention.ms", "5"))
    assert (wrong.fatal, refusal([wrong])) == (False, "")


def test_fewer_copies_are_a_warning_and_do_not_ask_for_more_of_them_to_be_written() -> None:
    spec = spec_of(Topic.ALERTS, 3)
    (wrong,) = mismatches(spec, there(spec, replication=1, settings=as_kafka(spec.settings, 1)))
    assert (wrong.what, wrong.fatal, wrong.mendable) == ("replication", False, False)


def test_more_copies_are_welcome() -> None:
    spec = spec_of(Topic.ALERTS, 2)
    found = there(spec, replication=3)
    assert not mismatches(spec, found)


def test_nothing_is_said_of_what_the_broker_does_not_tell() -> None:
    spec = spec_of(Topic.VIDEO)
    assert not mismatches(spec, there(spec, settings=None))


def test_a_missing_topic_is_a_mismatch() -> None:
    (wrong,) = mismatches(spec_of(Topic.VIDEO), None)
    assert str(wrong) == "p.video: the topic is missing, not there"


def test_the_table_shows_what_is_there_and_what_is_wrong() -> None:
    video, alerts, scores = spec_of(Topic.VIDEO), spec_of(Topic.ALERTS), spec_of(Topic.SCORES)
    found = {video: there(video), alerts: there(alerts, partitions=2), scores: None}
    checked = tuple(Checked(spec=spec, found=has, wrong=mismatches(spec, has)) for spec, has in found.items())
    shown = StringIO()
    Console(file=shown, width=160).print(table(checked))
    lines = {line.split("│")[1].strip(): line for line in shown.getvalue().splitlines() if line.startswith("│")}
    assert "30 minutes or 8 GB" in lines["p.video"]
    assert "good" in lines["p.video"]
    assert "14 days" in lines["p.alerts"]
    assert "partitions is 2, not 4" in lines["p.alerts"]
    assert "missing" in lines["p.scores"]
