"""The stages between cameras and alerts: how much, how far behind, how late, and what is left out."""

from __future__ import annotations

from boards.asked import PROCESSES, STAGES, quantile
from boards.board import Board, Row
from boards.look import (
    BUSY,
    FEW_ARE_GOOD,
    LAG,
    LATE,
    NONE_IS_GOOD,
    PRESSURE,
    STEP_COLOURS,
    Column,
    Frame,
    ask,
    buckets,
    lines,
    mapped,
    now,
    numbers,
    rows,
    timeline,
    to_board,
)

LADDER = tuple((None if step == 0 else step, colour) for step, colour in enumerate(STEP_COLOURS))
ANSWERS = mapped({0: ("no answer", "red"), 1: ("answers", "green")})
WORK = f"scenewatch_stage_seconds_sum{{{STAGES}}}"

BEHIND = Row(
    title="Is anything behind?",
    panels=(
        rows(
            Frame(
                title="Stages",
                says=(
                    "The furthest behind first. Behind: from capture of its newest record to now. Busy: share of time at work. "
                    "Late: 95 of 100 results are published within this time of the capture of their newest input."
                ),
                width=24,
                height=8,
                books=["StageLagging", "StageMissing"],
            ),
            ("stage",),
            Column(name="Processes", asks=f"count by (stage) (scenewatch_records_in_flight{{{STAGES}}})"),
            Column(
                name="Takes",
                asks=f"sum by (stage) (rate(scenewatch_records_received_total{{{STAGES}}}[$__rate_interval]))",
                unit="cps",
                decimals=1,
            ),
            Column(
                name="Gives",
                asks=f"sum by (stage) (rate(scenewatch_records_published_total{{{STAGES}}}[$__rate_interval]))",
                unit="cps",
                decimals=1,
            ),
            Column(name="In flight", asks=f"sum by (stage) (scenewatch_records_in_flight{{{STAGES}}})"),
            Column(
                name="Waiting",
                asks=f"sum by (stage) (scenewatch_queue_depth{{{STAGES}}})",
                steps=((None, "text"), (200, "yellow"), (2000, "red")),
            ),
            Column(name="Behind", asks=f"max by (stage) (scenewatch_lag_seconds{{{STAGES}}})", unit="s", steps=LAG, decimals=1),
            Column(
                name="Busy",
                asks=f"sum by (stage) (rate({WORK}[$__rate_interval])) / count by (stage) (scenewatch_records_in_flight{{{STAGES}}})",
                unit="percentunit",
                steps=BUSY,
                decimals=0,
            ),
            Column(
                name="Late",
                asks=quantile(0.95, "scenewatch_stage_delay_seconds", by="stage", where=f"{{{STAGES}}}"),
                unit="s",
                steps=LATE,
                decimals=2,
            ),
            worst="Behind",
        ),
        lines(
            Frame(
                title="How far each stage is behind",
                says=(
                    "Seconds between the capture of the newest record that it took and now, of its "
                    "slowest partition. Dashed: where the ladder begins."
                ),
                unit="s",
                steps=LAG,
                least=0,
                books=["StageLagging"],
            ),
            ask(f"max by (stage) (scenewatch_lag_seconds{{{STAGES}}})", "{{stage}}"),
            limit=True,
        ),
        lines(
            Frame(
                title="Records not taken yet",
                says="What waits on the bus for each stage. A line that rises for minutes: the stage is too slow, or gone.",
                least=0,
                decimals=0,
                books=["StageLagging"],
                links=[to_board("kafka", "Kafka")],
            ),
            ask(f"sum by (stage) (scenewatch_lag_records{{{STAGES}}})", "{{stage}}"),
        ),
    ),
)

GIVEN_UP = Row(
    title="What is left out",
    panels=(
        timeline(
            Frame(
                title="The ladder",
                says=(
                    "What live sources of each capture process give. It goes down while a stage is too far "
                    "behind, and up again by itself (docs/pressure.md)."
                ),
                unit="none",
                width=18,
                height=5,
                mappings=PRESSURE,
                steps=LADDER,
                books=["LadderEngaged"],
            ),
            ask("max by (instance) (scenewatch_pressure_step)", "{{instance}}"),
        ),
        numbers(
            Frame(
                title="Cameras that wait",
                says="Cameras that were added and are not begun, for there is no capacity.",
                width=6,
                height=5,
                steps=FEW_ARE_GOOD,
                unknown="no capture",
                books=["LadderEngaged"],
            ),
            now("sum(scenewatch_cameras_not_admitted)"),
        ),
        lines(
            Frame(
                title="Steps of the ladder",
                says="How often each minute capture took less (down) or more (up).",
                width=8,
                least=0,
                decimals=0,
                books=["LadderEngaged"],
            ),
            ask("sum by (direction) (increase(scenewatch_pressure_changes_total[$__interval]))", "{{direction}}"),
            bars=True,
        ),
        lines(
            Frame(
                title="Frames left out",
                says="Frames a second, by reason. `pressure`: the ladder; `overflow`: a buffer was full; `broker`: it was away.",
                unit="fps",
                width=8,
                least=0,
                books=["LadderEngaged", "BrokerAway"],
            ),
            ask("sum by (reason) (rate(scenewatch_frames_dropped_total[$__rate_interval]))", "{{reason}}"),
            stacked=True,
        ),
        lines(
            Frame(
                title="Sound left out",
                says=(
                    "Seconds of sound a second that were dropped, by reason: given up last of all. `not "
                    "judged`: under pressure, transcribed alone."
                ),
                unit="s",
                width=8,
                least=0,
                books=["LadderEngaged", "BrokerAway"],
            ),
            ask("sum by (reason) (rate(scenewatch_sound_dropped_seconds_total[$__rate_interval]))", "{{reason}}"),
            ask("sum(rate(scenewatch_sound_unheard_seconds_total[$__rate_interval]))", "not judged"),
            stacked=True,
        ),
    ),
)

WORKING = Row(
    title="How it works",
    panels=(
        lines(
            Frame(title="Taken", says="Records a second that each stage took in, by topic.", unit="cps", least=0),
            ask(f"sum by (stage, topic) (rate(scenewatch_records_received_total{{{STAGES}}}[$__rate_interval]))", "{{stage}} ← {{topic}}"),
        ),
        lines(
            Frame(title="Given", says="Records a second that each stage published, by topic.", unit="cps", least=0),
            ask(f"sum by (stage, topic) (rate(scenewatch_records_published_total{{{STAGES}}}[$__rate_interval]))", "{{stage}} → {{topic}}"),
        ),
        lines(
            Frame(
                title="Busy",
                says=(
                    "The share of time in which each process of a stage works on a batch. Near 1 it has "
                    "no time left: start another (docs/kafka.md)."
                ),
                unit="percentunit",
                width=8,
                steps=BUSY,
                least=0,
                books=["StageLagging"],
            ),
            ask(f"sum by (stage, instance) (rate({WORK}[$__rate_interval]))", "{{stage}} {{instance}}"),
            limit=True,
        ),
        lines(
            Frame(title="In flight", says="Records that a stage has taken and not finished.", width=8, least=0, decimals=0),
            ask(f"sum by (stage) (scenewatch_records_in_flight{{{STAGES}}})", "{{stage}}"),
        ),
        lines(
            Frame(
                title="Records a batch",
                says="Batches grow with what waits, which is how a stage catches up. Always at its limit: it does not.",
                width=8,
                least=0,
                decimals=1,
                books=["StageLagging"],
            ),
            ask(
                f"sum by (stage) (rate(scenewatch_batch_size_sum{{{STAGES}}}[$__rate_interval]))"
                f" / sum by (stage) (rate(scenewatch_batch_size_count{{{STAGES}}}[$__rate_interval]))",
                "{{stage}}",
            ),
        ),
        buckets(
            Frame(
                title="Time a batch takes",
                says="How long the chosen stages work on a batch. Choose one stage above.",
                unit="s",
                books=["StageLagging"],
            ),
            f"sum by (le) (increase(scenewatch_stage_seconds_bucket{{{STAGES}}}[$__rate_interval]))",
        ),
        buckets(
            Frame(
                title="How late results are published",
                says="From capture of a result's newest input to its publication, of the chosen stages. Choose one stage above.",
                unit="s",
                books=["StageLagging"],
            ),
            f"sum by (le) (increase(scenewatch_stage_delay_seconds_bucket{{{STAGES}}}[$__rate_interval]))",
        ),
        lines(
            Frame(
                title="How late, by stage",
                says=(
                    "95 of 100 results are published within this time of the capture of their newest "
                    "input. Dashed: the objective for alerts."
                ),
                unit="s",
                steps=LATE,
                least=0,
                books=["StageLagging"],
            ),
            ask(quantile(0.95, "scenewatch_stage_delay_seconds", by="stage", where=f"{{{STAGES}}}"), "{{stage}}"),
            limit=True,
        ),
        lines(
            Frame(
                title="Windows, and what came too late for them",
                says="Windows judged a second, those closed by the end of patience, and embeddings that came twice or after their windows.",
                unit="cps",
                least=0,
            ),
            ask("sum by (revision) (rate(scenewatch_windows_scored_total[$__rate_interval]))", "revision {{revision}}"),
            ask("sum(rate(scenewatch_windows_incomplete_total[$__rate_interval]))", "incomplete"),
            ask("sum(rate(scenewatch_embeddings_late_total[$__rate_interval]))", "embeddings too late"),
        ),
    ),
)

BROKEN = Row(
    title="What breaks",
    panels=(
        timeline(
            Frame(
                title="Processes",
                says="Whether Prometheus reaches each process.",
                unit="none",
                width=12,
                mappings=ANSWERS,
                steps=((None, "red"), (1, "green")),
                books=["StageDown"],
            ),
            ask(f"max by (instance) (up{{{PROCESSES}}})", "{{instance}}"),
        ),
        lines(
            Frame(
                title="Dead letters",
                says="Records that could not be used, each minute, by topic and reason. They lie on the topic dead-letter.",
                width=12,
                least=0,
                decimals=0,
                steps=NONE_IS_GOOD,
                books=["DeadLetters"],
            ),
            ask("sum by (topic, reason) (increase(scenewatch_dead_letters_total[$__interval]))", "{{topic}} {{reason}}"),
            bars=True,
            stacked=True,
        ),
    ),
)

BOARD = Board(
    name="pipeline",
    title="Pipeline",
    says="The stages between cameras and alerts: how far behind, what is left out, how they work, what breaks.",
    rows=(BEHIND, GIVEN_UP, WORKING, BROKEN),
    variables=("stage",),
)
