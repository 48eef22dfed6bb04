"""An operator's questions, in the order they are asked."""

from __future__ import annotations

from boards.asked import PROCESSES, RARE, SITES, gone, here, in_time, precision, quantile, state, verdict
from boards.board import Board, Row
from boards.look import (
    CAMERA_STATES,
    FEW_ARE_GOOD,
    IN_TIME,
    LAG,
    LATE,
    LOST,
    NONE_IS_GOOD,
    PRESSURE,
    STEP_COLOURS,
    SURE,
    Column,
    Frame,
    ask,
    by_severity,
    lines,
    now,
    numbers,
    ranking,
    rows,
    rules_that_fire,
    timeline,
    to_board,
    to_camera,
)

LADDER = tuple((None if step == 0 else step, colour) for step, colour in enumerate(STEP_COLOURS))


def _states(names: str) -> str:
    states = here(f'scenewatch_camera_state{{state=~"{names}"}}')
    return f"sum(max by (camera) ({states}))"


def _by_site(names: str) -> str:
    states = f'max by (camera) (scenewatch_camera_state{{state=~"{names}"}})'
    return f"sum by (site) ({states} * on (camera) group_left (site) {SITES})"


ALIVE = Row(
    title="Is every camera alive?",
    panels=(
        numbers(
            Frame(
                title="Deliver",
                says="Cameras that deliver picture or sound now, also those whose picture is blind or frozen.",
                width=4,
                height=4,
                steps=((None, "red"), (1, "green")),
                unknown="none known",
                links=[to_board("cameras", "all cameras")],
            ),
            now(_states("live|blind|frozen|silent")),
        ),
        numbers(
            Frame(
                title="Away",
                says="Cameras from which nothing comes: they are being opened, or have stalled. They are opened again for ever.",
                width=4,
                height=4,
                steps=NONE_IS_GOOD,
                unknown="none known",
                books=["CameraOffline", "SiteOffline"],
            ),
            now(_states("connecting|stalled")),
        ),
        numbers(
            Frame(
                title="Blind or frozen",
                says=(
                    "Cameras that deliver a picture nobody could see anything in (black, white, covered, "
                    "out of focus), or the same one again and again."
                ),
                width=4,
                height=4,
                steps=FEW_ARE_GOOD,
                unknown="none known",
                books=["CameraBlind", "CameraFrozen"],
            ),
            now(_states("blind|frozen")),
        ),
        numbers(
            Frame(
                title="Mute",
                says="Cameras that should give sound and give digital silence or none.",
                width=4,
                height=4,
                steps=((None, "green"), (1, "yellow")),
                unknown="none known",
                books=["CameraSilent"],
            ),
            now(_states("silent")),
        ),
        numbers(
            Frame(
                title="Vanished within an hour",
                says=(
                    "Cameras that a process spoke of within the hour and none does now: removed from the "
                    "configuration, or their capture process is gone."
                ),
                width=4,
                height=4,
                steps=FEW_ARE_GOOD,
                books=["StageDown", "StageMissing"],
            ),
            now(f"count({gone()}) or vector(0)"),
        ),
        numbers(
            Frame(
                title="Processes that don't answer",
                says=(
                    "Processes of scenewatch that Prometheus could not reach when it last asked. "
                    "Nothing that they did is known while they are away."
                ),
                width=4,
                height=4,
                steps=NONE_IS_GOOD,
                unknown="none known",
                books=["StageDown"],
            ),
            now(f"sum(up{{{PROCESSES}}} == bool 0)"),
        ),
        timeline(
            Frame(
                title="State of cameras",
                says="The worst state of each camera over time. A gap: no process spoke of it. Click on a camera to look at it.",
                unit="none",
                width=16,
                height=9,
                mappings=CAMERA_STATES,
                steps=((None, "text"),),
                of_data=[to_camera()],
                books=["CameraOffline"],
            ),
            ask(state(), "{{camera}}"),
            rows=15,
        ),
        rows(
            Frame(
                title="By site",
                says="How many cameras each site has, and how many of them deliver nothing. Many at once: look for what they share.",
                width=8,
                height=9,
                books=["SiteOffline"],
                links=[to_board("cameras", "all cameras")],
            ),
            ("site",),
            Column(name="Cameras", asks=f"count by (site) ({SITES})"),
            Column(
                name="Away",
                asks=_by_site("connecting|stalled"),
                steps=NONE_IS_GOOD,
            ),
            Column(
                name="Blind or frozen",
                asks=_by_site("blind|frozen"),
                steps=FEW_ARE_GOOD,
            ),
            worst="Away",
        ),
    ),
)

KEEPS_UP = Row(
    title="Is the system keeping up?",
    panels=(
        numbers(
            Frame(
                title="Capture takes",
                says="What live sources give: everything, or less because a stage is too far behind (the ladder of docs/pressure.md).",
                unit="none",
                width=6,
                height=4,
                steps=LADDER,
                mappings=PRESSURE,
                unknown="no capture",
                books=["LadderEngaged"],
                links=[to_board("pipeline", "the pipeline")],
            ),
            now("max(scenewatch_pressure_step)"),
        ),
        numbers(
            Frame(
                title="Slowest stage is behind by",
                says=(
                    "Seconds between the capture of the newest record that the slowest stage took, and now. "
                    "From 4, 10 and 300 s on the ladder acts (defaults)."
                ),
                unit="s",
                width=6,
                height=4,
                steps=LAG,
                decimals=1,
                unknown="no stage",
                books=["StageLagging"],
                links=[to_board("pipeline", "the pipeline")],
            ),
            now("max(scenewatch_lag_seconds)"),
        ),
        numbers(
            Frame(
                title="Alerts within 5 s",
                says=(
                    "Share of the alerts of this time range that came within 5 s of the capture of "
                    "their newest input. The objective is 95 %."
                ),
                unit="percentunit",
                width=6,
                height=4,
                steps=IN_TIME,
                decimals=1,
                unknown="no alerts",
                books=["CaptureToAlertBurningFast", "CaptureToAlertBurningSlowly"],
            ),
            now(in_time("$__range")),
        ),
        numbers(
            Frame(
                title="Frames left out",
                says=(
                    "Share of the frames sampled in the last minute that were dropped afterwards, "
                    "under pressure or because a buffer was full."
                ),
                unit="percentunit",
                width=6,
                height=4,
                steps=LOST,
                decimals=1,
                unknown="no frames",
                books=["LadderEngaged"],
            ),
            now(
                f"sum({here('rate(scenewatch_frames_dropped_total[$__rate_interval])')})"
                f" / sum({here('rate(scenewatch_frames_captured_total[$__rate_interval])')})"
            ),
        ),
        lines(
            Frame(
                title="How far each stage is behind",
                says="The slowest partition of each stage. Dashed: where the ladder begins (10 s).",
                unit="s",
                steps=LAG,
                least=0,
                books=["StageLagging"],
                links=[to_board("pipeline", "the pipeline")],
            ),
            ask("max by (stage) (scenewatch_lag_seconds)", "{{stage}}"),
            limit=True,
        ),
        lines(
            Frame(
                title="From capture to alert",
                says=f"How late alerts are, over {RARE}. Points are single alerts that lead to their camera. Dashed: the objective.",
                unit="s",
                steps=LATE,
                least=0,
                books=["CaptureToAlertBurningFast", "CaptureToAlertBurningSlowly"],
                links=[to_board("alerts", "alerts and trust")],
            ),
            ask(quantile(0.5, "scenewatch_capture_to_alert_seconds", window=RARE, where='{kind!="camera"}'), "half of them"),
            ask(quantile(0.95, "scenewatch_capture_to_alert_seconds", window=RARE, where='{kind!="camera"}'), "95 of 100", exemplars=True),
            limit=True,
        ),
    ),
)

HAPPENS = Row(
    title="What is happening?",
    panels=(
        numbers(
            Frame(
                title="Incidents open",
                says="Incidents that have begun and not ended, of all cameras.",
                width=4,
                height=8,
                steps=((None, "green"), (1, "orange")),
                unknown="no alert stage",
                links=[to_board("alerts", "alerts and trust")],
            ),
            now("sum(scenewatch_incidents_open)"),
        ),
        numbers(
            Frame(
                title="Begun in this time",
                says="Incidents that began in the time range shown, at the chosen cameras.",
                width=4,
                height=8,
                decimals=0,
                unknown="none known",
                books=["AlarmStorm"],
            ),
            now(f"sum({here('increase(scenewatch_camera_alerts_total[$__range])')})"),
        ),
        by_severity(
            lines(
                Frame(
                    title="Incidents begin",
                    says="How many incidents began each minute, by severity.",
                    width=8,
                    height=8,
                    least=0,
                    decimals=0,
                    books=["AlarmStorm"],
                ),
                ask(f"sum by (severity) ({here('increase(scenewatch_camera_alerts_total[$__interval])')})", "{{severity}}"),
                bars=True,
                stacked=True,
            )
        ),
        ranking(
            Frame(
                title="Where",
                says=(
                    "The ten cameras at which most incidents began in this time range. One far ahead of "
                    "all others: look whether its alerts are right."
                ),
                width=8,
                height=8,
                decimals=0,
                least=0,
                steps=((None, "blue"), (10, "orange"), (50, "red")),
                of_data=[to_camera()],
                unknown="none",
                books=["AlarmStorm"],
            ),
            now(f"topk(10, sum by (camera) ({here('increase(scenewatch_camera_alerts_total[$__range])')}))", "{{camera}}"),
        ),
    ),
)

TRUST = Row(
    title="Can I trust it?",
    panels=(
        numbers(
            Frame(
                title="Right, of those judged",
                says="Of all alerts that people judged with `scenewatch feedback`, the share that they called right.",
                unit="percentunit",
                width=4,
                height=4,
                steps=SURE,
                unknown="nobody judged",
                links=[to_board("alerts", "alerts and trust")],
            ),
            now(precision()),
        ),
        numbers(
            Frame(
                title="Missed, as people say",
                says="Incidents that people reported and the system had not.",
                width=4,
                height=4,
                steps=FEW_ARE_GOOD,
                unknown="nobody judged",
            ),
            now(f"sum({verdict('missed')})"),
        ),
        numbers(
            Frame(
                title="Still learning",
                says="Cameras whose normality has not seen enough: what is unusual for them is not judged yet.",
                width=4,
                height=4,
                steps=((None, "green"), (1, "blue")),
                unknown="no normality",
                links=[to_board("cameras", "all cameras")],
            ),
            now(f"sum(max by (camera) ({here('scenewatch_normality_learning')}))"),
        ),
        numbers(
            Frame(
                title="Drifted",
                says=(
                    "Cameras whose pictures or sounds are lastingly further from what was learned: their `unusual` alerts can't be trusted."
                ),
                width=4,
                height=4,
                steps=FEW_ARE_GOOD,
                unknown="no normality",
                books=["NormalityDrift"],
            ),
            now(f"sum(max by (camera) ({here('scenewatch_normality_drift')}))"),
        ),
        numbers(
            Frame(
                title="Alerts not delivered",
                says="Deliveries that were given up in this time range, after all retries. Somebody was not told.",
                width=4,
                height=4,
                steps=NONE_IS_GOOD,
                decimals=0,
                unknown="no sinks",
                books=["SinkFailing"],
            ),
            now('sum(increase(scenewatch_deliveries_total{outcome="failed"}[$__range]))'),
        ),
        numbers(
            Frame(
                title="Dead letters",
                says="Records that could not be used in this time range; they lie on the topic dead-letter with the reason.",
                width=4,
                height=4,
                steps=NONE_IS_GOOD,
                decimals=0,
                unknown="no stages",
                books=["DeadLetters"],
            ),
            now("sum(increase(scenewatch_dead_letters_total[$__range]))"),
        ),
        rules_that_fire(),
    ),
)

COST = Row(
    title="What does it cost?",
    panels=(
        numbers(
            Frame(
                title="Processor time a camera",
                says="Processor seconds a second, of all processes, divided by the cameras that deliver.",
                unit="none",
                width=6,
                height=8,
                decimals=2,
                unknown="no cameras",
                links=[to_board("models", "models and cost")],
            ),
            now(
                f"sum(rate(process_cpu_seconds_total{{{PROCESSES}}}[$__rate_interval]))"
                ' / sum(max by (camera) (scenewatch_camera_state{state=~"live|blind|frozen|silent"}))'
            ),
        ),
        lines(
            Frame(
                title="Processors taken",
                says="Processor seconds a second of each process: 1 is one core.",
                unit="none",
                width=9,
                least=0,
                decimals=2,
                links=[to_board("models", "models and cost")],
            ),
            ask(f"sum by (instance) (rate(process_cpu_seconds_total{{{PROCESSES}}}[$__rate_interval]))", "{{instance}}"),
            stacked=True,
        ),
        lines(
            Frame(
                title="Memory",
                says="Resident memory of each process.",
                unit="bytes",
                width=9,
                least=0,
                links=[to_board("models", "models and cost")],
            ),
            ask(f"sum by (instance) (process_resident_memory_bytes{{{PROCESSES}}})", "{{instance}}"),
            stacked=True,
        ),
    ),
)

BOARD = Board(
    name="overview",
    title="Overview",
    says="Is every camera alive; is the system keeping up; what is happening; can I trust it; what does it cost?",
    rows=(ALIVE, KEEPS_UP, HAPPENS, TRUST, COST),
)
