from __future__ import annotations

from monitor.bus import Record
from monitor.messages import Behind, Mark, Message, Modality, Progress, Ref, Topic
from monitor.progress import IDLE_S, MISSED_S, RECENT_S, Board, Member, Reports


def record(captured: float, partition: int = 0) -> Record[Message]:
    message = Mark(camera="a", at=0, until=0, captured=captured, modalities=(), modality=Modality.SOUND)
    return Record(message=message, ref=Ref(topic=Topic.AUDIO, partition=partition, offset=0))


def told(stage: str, seconds: float, member: str = "1", *, leaving: bool = False) -> Progress:
    behind = (Behind(partition=0, records=0, seconds=seconds),)
    return Progress(camera=stage, at=0, member=member, behind=behind, leaving=leaving)


def seconds(member: Member, now: float) -> dict[int, float]:
    return {part.partition: part.seconds for part in member.behind(now)}


def test_a_stage_is_as_far_behind_as_the_newest_record_it_works_on() -> None:
    member = Member()
    member.waits(99)
    member.takes([record(90), record(95), record(80, partition=1)], 100)
    assert seconds(member, 103) == {0: 8, 1: 23}


def test_a_stage_that_waits_for_work_is_not_behind() -> None:
    member = Member()
    member.takes([record(90)], 100)
    member.waits(101)
    assert seconds(member, 101.1) == {0: 10}
    assert seconds(member, 101 + IDLE_S) == {0: 0}


def test_a_backlog_shows_though_a_batch_holds_one_partition_of_it() -> None:
    member = Member()
    member.takes([record(60, partition=1)], 100)
    member.takes([record(70)], 102)
    assert seconds(member, 103) == {0: 33, 1: 40}
    assert seconds(member, 100 + RECENT_S + 1) == {0: 36, 1: 0}


def test_records_are_what_the_bus_says() -> None:
    member = Member(records=lambda: {3: 7})
    assert member.behind(0) == (Behind(partition=3, records=7, seconds=0),)


def test_a_stage_has_joined_when_it_asks_for_its_first_batch() -> None:
    board = Board()
    member = board.member("fuse")
    assert not board.joined(["fuse"])
    member.waits(0)
    assert board.joined(["fuse"])
    assert not board.joined(["fuse", "encode"])
    (report,) = board.reports("host-1", 5)
    assert (report.camera, report.member) == ("fuse", "host-1")


def test_the_slowest_stage_counts_and_one_that_is_not_asked_about_does_not() -> None:
    reports = Reports(frozenset({"encode", "fuse"}))
    for stage, lag in (("encode", 2.0), ("fuse", 5.0), ("deliver-webhook", 500.0)):
        reports.hear(told(stage, lag), 10)
    assert reports.lag_s(11) == 5


def test_a_stage_that_tells_nothing_any_more_falls_behind() -> None:
    reports = Reports(frozenset({"fuse"}))
    reports.hear(told("fuse", 1), 10)
    assert reports.lag_s(10 + MISSED_S + 20) == 1 + MISSED_S + 20


def test_one_of_two_processes_that_dies_is_forgotten_and_one_that_leaves_is_not_missed() -> None:
    reports = Reports(frozenset({"fuse"}))
    reports.hear(told("fuse", 50, "1"), 10)
    reports.hear(told("fuse", 3, "2"), 12 + MISSED_S)
    assert reports.lag_s(12 + MISSED_S) == 3
    reports.hear(told("fuse", 0, "2", leaving=True), 13 + MISSED_S)
    assert reports.lag_s(1000) == 0


def test_silence_while_the_broker_is_away_is_not_the_stages_fault() -> None:
    reports = Reports(frozenset({"fuse"}))
    reports.hear(told("fuse", 1), 10)
    reports.excuse(600)
    assert reports.lag_s(601) == 1
