"""What is counted of a run in which something broke, and the page that is made of it."""

from __future__ import annotations

import os
import time

from monitor.errors import MessageError
from monitor.messages import DeadLetter, Pressure, Ref, Topic, Transcript
from workers.bench.chaos import faults, page, table
from workers.bench.chaos.counted import Counted
from workers.bench.chaos.watched import Told, Watched


def transcript(at: float) -> Transcript:
    return Transcript(
        camera="door", at=at, until=at + 1, captured=0.0, modalities=(), text="", language="en", confidence=1.0, no_speech=0.0
    )


def counted(*ats: float) -> Counted:
    made = Counted()
    for at in ats:
        made.add(Topic.TRANSCRIPTS, transcript(at))
    return made


def row(name: str, made: Counted, watched: Watched | None = None) -> table.Row:
    plan = table.Plan(name=name, fault=faults.nothing)
    done = faults.Done(faults=2, recovered_s={"fuse": [1.0, 3.0], "alert": [2.0]})
    return table.Row(plan=plan, counted=made, done=done, watched=watched or Watched(), seconds=1.0, peaks_mb={"fuse": 100.0})


def test_what_one_run_has_and_the_other_has_not_is_lost() -> None:
    assert counted(1, 3).lost(Topic.TRANSCRIPTS, counted(1, 2, 3)) == [("door", 2)]


def test_what_lies_there_twice_is_doubled() -> None:
    assert counted(1, 1, 2).doubled(Topic.TRANSCRIPTS) == 1


def test_alerts_that_need_pictures_are_left_out_where_pictures_were() -> None:
    whole, less = Counted(), Counted()
    whole.items[Topic.ALERTS].update([("door", "fire", "a", 0), ("door", "phrase:help", "b", 0)])
    assert less.lost(Topic.ALERTS, whole, spoken=True) == [("door", "phrase:help", "b", 0)]


def test_a_record_that_two_stages_bury_is_buried_once() -> None:
    made = Counted()
    ref = Ref(topic=Topic.AUDIO, partition=0, offset=7)
    for _ in range(2):
        reason = MessageError("bad").reason
        made.add(Topic.DEAD_LETTER, DeadLetter(camera="door", at=0.0, reason=reason, ref=ref, data=b""))
    assert made.buried == {ref: "malformed"}


def test_the_lowest_step_of_the_ladder_is_noted() -> None:
    made = Counted()
    for step in (1, 3, 2):
        made.add(Topic.PRESSURE, Pressure(camera="capture", at=0.0, member="m", step=step, takes="", seconds=0.0))
    assert made.step == 3


def test_delays_are_those_of_nineteen_alerts_in_twenty() -> None:
    told = [Told(1000.0 + n, "gate", 100.0) for n in range(100)]
    assert Watched(told=told).delay_s({"gate": 900.0}) == 95
    assert Watched(told=told).delay_s({}) == Watched().delay_s({"gate": 900.0}) == 0


def test_the_page_has_a_line_for_each_row() -> None:
    rows = [row("calm", counted(1, 2)), row("kill", counted(1))]
    found = table.figures(rows)
    assert found["lost_kill"] == 1
    assert found["recover_s_kill"] == 3
    shown = page.page(found | {"cameras": 2.0}).splitlines()
    assert [line.split("|")[5:10] for line in shown if line.startswith("| `kill`")] == [[" 1 ", " 1 ", " 0 ", " 0 ", " 3.0 s "]]


def test_sound_that_lies_in_no_window_is_unjudged() -> None:
    made = Counted()
    made.items[Topic.AUDIO].update([("door", 10.0), ("door", 10.5), ("door", 20.0), ("gate", 10.0)])
    made.items[Topic.SCORES].update([("door", 10.5, 0), ("door", 14.5, 0), ("gate", 10.0, 0), ("gate", 14.5, 0), ("gate", 12.0, 1)])
    assert sorted(made.unjudged(4.0), key=str) == [("door", 20.0), ("gate", 10.0)]


def test_processor_time_of_a_process_is_read_by_its_number() -> None:
    before, mine = faults.ran(os.getpid()), time.process_time()
    sum(n * n for n in range(300_000))
    took = time.process_time() - mine
    assert took * 0.9 <= faults.ran(os.getpid()) - before <= took * 1.5 + 0.05
