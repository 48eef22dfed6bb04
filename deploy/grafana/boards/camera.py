"""One camera, with all that is known of it."""

from __future__ import annotations

from boards.asked import here, precision, state
from boards.board import Board, Row
from boards.look import (
    CAMERA_STATES,
    FEW_ARE_GOOD,
    SURE,
    YES_IS_BAD,
    YES_IS_NEWS,
    Frame,
    ask,
    buckets,
    by_severity,
    lines,
    mapped,
    now,
    numbers,
    timeline,
    to_board,
)

YES_NO = mapped({0: (" ", "transparent"), 1: ("yes", "blue")})
FRAMES = here("rate(scenewatch_frames_captured_total[$__rate_interval])")
DROPPED = here("rate(scenewatch_frames_dropped_total[$__rate_interval])")

NOW = Row(
    title="How it fares",
    panels=(
        numbers(
            Frame(
                title="State",
                says="Its worst state now.",
                unit="none",
                width=4,
                height=4,
                mappings=CAMERA_STATES,
                steps=((None, "text"),),
                unknown="not known",
                books=["CameraOffline", "CameraBlind", "CameraFrozen", "CameraSilent"],
            ),
            now(state()),
        ),
        numbers(
            Frame(
                title="Since its last packet",
                says="How long nothing has come from it.",
                unit="s",
                width=4,
                height=4,
                steps=((None, "green"), (10, "yellow"), (60, "red")),
                decimals=0,
                unknown="nothing yet",
                books=["CameraOffline"],
            ),
            now(f"clamp_min(time() - max({here('scenewatch_camera_last_packet_timestamp_seconds')}), 0)"),
        ),
        numbers(
            Frame(
                title="Pictures a second, of those wanted",
                says="Pictures sampled a second, as a share of what the configuration wants.",
                unit="percentunit",
                width=4,
                height=4,
                steps=((None, "red"), (0.5, "orange"), (0.9, "green")),
                decimals=0,
                unknown="no picture",
            ),
            now(f"sum({FRAMES}) / max({here('scenewatch_camera_target_frames_per_second')} > 0)"),
        ),
        numbers(
            Frame(
                title="Since somebody spoke",
                says="Since somebody was last understood there.",
                unit="s",
                width=4,
                height=4,
                steps=((None, "green"), (86400, "yellow")),
                decimals=0,
                unknown="nobody yet",
                books=["SilenceTooLong"],
            ),
            now(f"clamp_min(time() - max({here('scenewatch_camera_speech_last_timestamp_seconds')}), 0)"),
        ),
        numbers(
            Frame(
                title="Normality learns",
                says="Whether it still learns what is usual here; until then nothing unusual is told.",
                unit="none",
                width=4,
                height=4,
                mappings=YES_IS_NEWS,
                steps=((None, "green"), (1, "blue")),
                unknown="no normality",
            ),
            now(f"max({here('scenewatch_normality_learning')})"),
        ),
        numbers(
            Frame(
                title="Drifted",
                says="Whether what it sees or hears is lastingly further from what was learned.",
                unit="none",
                width=4,
                height=4,
                mappings=YES_IS_BAD,
                steps=FEW_ARE_GOOD,
                unknown="no normality",
                books=["NormalityDrift"],
            ),
            now(f"max({here('scenewatch_normality_drift')})"),
        ),
        timeline(
            Frame(
                title="States",
                says="Each of its states over time.",
                unit="none",
                width=24,
                height=7,
                mappings=YES_NO,
                steps=((None, "transparent"), (1, "blue")),
                books=["CameraOffline", "CameraBlind", "CameraFrozen", "CameraSilent"],
            ),
            ask(f"max by (state) ({here('scenewatch_camera_state')})", "{{state}}"),
        ),
    ),
)

GIVES = Row(
    title="What it gives",
    panels=(
        lines(
            Frame(
                title="Pictures",
                says="Pictures sampled a second, what the configuration wants, and what was dropped afterwards.",
                unit="fps",
                least=0,
                books=["LadderEngaged"],
            ),
            ask(f"sum({FRAMES})", "sampled"),
            ask(f"max({here('scenewatch_camera_target_frames_per_second')})", "wanted"),
            ask(f"sum by (reason) ({DROPPED})", "dropped: {{reason}}"),
        ),
        lines(
            Frame(
                title="Sound",
                says="Seconds of sound captured and dropped a second: 1 is all of it.",
                unit="percentunit",
                least=0,
                books=["CameraSilent"],
            ),
            ask(f"sum({here('rate(scenewatch_sound_captured_seconds_total[$__rate_interval])')})", "captured"),
            ask(f"sum by (reason) ({here('rate(scenewatch_sound_dropped_seconds_total[$__rate_interval])')})", "dropped: {{reason}}"),
        ),
        lines(
            Frame(
                title="Trouble",
                says="Each minute: how often it was reopened, how many packets could not be decoded, how often its clock leapt.",
                least=0,
                decimals=0,
                books=["CameraFlapping"],
            ),
            ask(f"sum({here('increase(scenewatch_source_reconnects_total[$__interval])')})", "reopened"),
            ask(f"sum({here('increase(scenewatch_source_decode_errors_total[$__interval])')})", "not decoded"),
            ask(f"sum({here('increase(scenewatch_source_clock_jumps_total[$__interval])')})", "clock leapt"),
            bars=True,
        ),
        lines(
            Frame(
                title="Windows judged",
                says=(
                    "Windows a second, by revision (0: picture and sound; 1: with words), and those that were "
                    "closed by the end of patience, for a modality lagged."
                ),
                unit="cps",
                least=0,
                links=[to_board("pipeline", "the pipeline")],
            ),
            ask(f"sum by (revision) ({here('rate(scenewatch_windows_scored_total[$__rate_interval])')})", "revision {{revision}}"),
            ask(f"sum({here('rate(scenewatch_windows_incomplete_total[$__rate_interval])')})", "incomplete"),
        ),
    ),
)

FOUND = Row(
    title="What is found there",
    panels=(
        by_severity(
            lines(
                Frame(
                    title="Incidents begin",
                    says="How many incidents began each minute, by severity.",
                    least=0,
                    decimals=0,
                    books=["AlarmStorm"],
                ),
                ask(f"sum by (severity) ({here('increase(scenewatch_camera_alerts_total[$__interval])')})", "{{severity}}"),
                bars=True,
                stacked=True,
            )
        ),
        buckets(
            Frame(
                title="How probable incidents were",
                says=(
                    "The highest probability of each window. A band that lies high day and night: "
                    "this camera's alerts will be many and wrong."
                ),
                unit="percentunit",
            ),
            f"sum by (le) ({here('increase(scenewatch_camera_score_bucket[$__rate_interval])')})",
        ),
        lines(
            Frame(
                title="What raises an alarm",
                says="The probability from which on each kind is an alarm here: the rule's, or what the budget made of it.",
                unit="percentunit",
                least=0,
                most=1,
                books=["BudgetOverrun"],
            ),
            ask(f"max by (kind) ({here('scenewatch_alarm_threshold')})", "{{kind}}"),
        ),
        lines(
            Frame(
                title="What is remembered as usual",
                says="Examples in the memory of this camera's normality.",
                least=0,
                decimals=0,
                books=["NormalityDrift"],
            ),
            ask(f"max by (camera) ({here('scenewatch_normality_examples')})", "{{camera}}"),
        ),
    ),
)

TRUST = Row(
    title="Can it be trusted?",
    panels=(
        numbers(
            Frame(
                title="Incidents in a day",
                says="How many began in the last 24 hours.",
                width=4,
                height=4,
                decimals=0,
                unknown="none known",
                books=["BudgetOverrun", "AlarmStorm"],
            ),
            now(f"sum({here('increase(scenewatch_camera_alerts_total[1d])')})"),
        ),
        numbers(
            Frame(
                title="Wanted in a day",
                says="The budget (alerts.budget).",
                width=4,
                height=4,
                decimals=1,
                unknown="no budget",
                books=["BudgetOverrun"],
            ),
            now(f"max({here('scenewatch_alarm_budget_per_day')})"),
        ),
        numbers(
            Frame(
                title="Expected in a day",
                says="What the thresholds that the budget set should let through.",
                width=4,
                height=4,
                decimals=1,
                unknown="no budget",
                books=["BudgetOverrun"],
            ),
            now(f"max({here('scenewatch_alarms_expected_per_day')})"),
        ),
        numbers(
            Frame(
                title="Right, of those judged",
                says="Of the alerts that people judged, the share that they called right.",
                unit="percentunit",
                width=4,
                height=4,
                steps=SURE,
                unknown="nobody judged",
            ),
            now(precision()),
        ),
        numbers(
            Frame(
                title="What people said",
                says="Alerts called right and wrong, and incidents reported as missed.",
                width=8,
                height=4,
                unknown="nothing",
            ),
            now(f"sum by (verdict) ({here('scenewatch_feedback_total')})", "{{verdict}}"),
        ),
    ),
)

BOARD = Board(
    name="camera",
    title="Camera",
    says="One camera: how it fares, what it gives, what is found there, and whether that can be trusted.",
    rows=(NOW, GIVES, FOUND, TRUST),
    one=True,
)
