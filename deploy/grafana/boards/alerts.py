"""What is found, how late it is told, and whether it can be trusted."""

from __future__ import annotations

from boards.asked import RARE, SITES, here, in_time, precision, quantile, verdict
from boards.board import Board, Row
from boards.look import (
    FEW_ARE_GOOD,
    IN_TIME,
    LATE,
    NONE_IS_GOOD,
    OF_ROW,
    SURE,
    YES_IS_BAD,
    YES_IS_NEWS,
    Column,
    Frame,
    ask,
    buckets,
    by_severity,
    lines,
    now,
    numbers,
    ranking,
    rows,
    rules_that_fire,
    to_board,
    to_camera,
)

CAUSED = '{kind!="camera"}'
"""What a camera says of itself is no proof of how late incidents are told."""
LATENCY = "scenewatch_capture_to_alert_seconds"
SPOKEN = "scenewatch_utterance_to_alert_seconds"
BURNING = ("CaptureToAlertBurningFast", "CaptureToAlertBurningSlowly")

FOUND = Row(
    title="What is found",
    panels=(
        numbers(
            Frame(
                title="Open now",
                says="Incidents that have begun and not ended, by kind.",
                width=6,
                height=8,
                steps=FEW_ARE_GOOD,
                unknown="no alert stage",
            ),
            now(
                "sum by (kind) (scenewatch_incidents_open) > 0 "
                "or label_replace(sum(scenewatch_incidents_open), 'kind', 'all kinds', '', '')",
                "{{kind}}",
            ),
        ),
        by_severity(
            lines(
                Frame(
                    title="Incidents begin",
                    says="How many incidents began each minute, by severity.",
                    width=9,
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
                title="By kind",
                says="The ten most frequent kinds of this time range.",
                width=9,
                decimals=0,
                least=0,
                steps=((None, "blue"), (20, "orange"), (100, "red")),
                unknown="none",
                books=["AlarmStorm"],
            ),
            now('topk(10, sum by (kind) (increase(scenewatch_alerts_total{phase="new"}[$__range])))', "{{kind}}"),
        ),
        rules_that_fire(),
    ),
)

TRUST = Row(
    title="Can it be trusted?",
    panels=(
        rows(
            Frame(
                title="Cameras, most incidents first",
                says=(
                    "A day's incidents beside the budget and what its thresholds expect; what people said "
                    "(scenewatch feedback); whether normality knows this camera."
                ),
                width=24,
                height=9,
                books=["BudgetOverrun", "NormalityDrift"],
            ),
            ("camera", "site"),
            Column(name="Known", asks=SITES, hidden=True),
            Column(name="In a day", asks=f"sum by (camera) ({here('increase(scenewatch_camera_alerts_total[1d])')})", decimals=0),
            Column(name="Wanted", asks=f"max by (camera) ({here('scenewatch_alarm_budget_per_day')})", decimals=1),
            Column(name="Expected", asks=f"max by (camera) ({here('scenewatch_alarms_expected_per_day')})", decimals=1),
            Column(name="Right", asks=f"sum by (camera) ({verdict('right')})", decimals=0),
            Column(name="Wrong", asks=f"sum by (camera) ({verdict('wrong')})", decimals=0, steps=FEW_ARE_GOOD),
            Column(name="Missed", asks=f"sum by (camera) ({verdict('missed')})", decimals=0, steps=FEW_ARE_GOOD),
            Column(name="Right, of those judged", asks=precision("camera"), unit="percentunit", steps=SURE, decimals=0),
            Column(name="Learning", asks=f"max by (camera) ({here('scenewatch_normality_learning')})", unit="none", mappings=YES_IS_NEWS),
            Column(name="Drifted", asks=f"max by (camera) ({here('scenewatch_normality_drift')})", unit="none", mappings=YES_IS_BAD),
            link=("camera", to_camera(OF_ROW)),
            worst="In a day",
        ),
        buckets(
            Frame(
                title="How probable incidents were",
                says="The highest probability of each window, of the chosen cameras. Alarms come from the top rows.",
                unit="percentunit",
                width=8,
            ),
            f"sum by (le) ({here('increase(scenewatch_camera_score_bucket[$__rate_interval])')})",
        ),
        lines(
            Frame(
                title="Judged probable, by kind",
                says=(
                    "Share of judgements of each kind that were over 0.8. A kind that is probable for "
                    "hours disturbs: raise alerts.rules.KIND.raise_at."
                ),
                unit="percentunit",
                width=8,
                least=0,
                books=["AlarmStorm"],
            ),
            ask(
                '1 - sum by (kind) (rate(scenewatch_judgement_probability_bucket{le="0.8"}[$__rate_interval]))'
                " / sum by (kind) (rate(scenewatch_judgement_probability_count[$__rate_interval]))",
                "{{kind}}",
            ),
        ),
        lines(
            Frame(
                title="What raises an alarm",
                says="The lowest threshold of each kind among the chosen cameras: the rule's, or what a budget made of it.",
                unit="percentunit",
                width=8,
                least=0,
                most=1,
                books=["BudgetOverrun"],
            ),
            ask(f"min by (kind) ({here('scenewatch_alarm_threshold')})", "{{kind}}"),
        ),
    ),
)

LATENESS = Row(
    title="How late is it told?",
    panels=(
        numbers(
            Frame(
                title="Within 5 s",
                says=(
                    "Share of the alerts of this time range that came within 5 s of the capture of "
                    "their newest input. The objective is 95 %."
                ),
                unit="percentunit",
                width=4,
                height=8,
                steps=IN_TIME,
                decimals=1,
                unknown="no alerts",
                books=BURNING,
            ),
            now(in_time("$__range")),
        ),
        lines(
            Frame(
                title="Within 5 s, over an hour",
                says="The same share over the last hour. Dashed: the objective.",
                unit="percentunit",
                width=10,
                steps=IN_TIME,
                least=0,
                most=1,
                books=BURNING,
            ),
            ask(in_time("1h"), "within 5 s"),
            limit=True,
        ),
        lines(
            Frame(
                title="From capture to alert, by kind",
                says=f"95 of 100 alerts came within this time, over {RARE}. Points are single alerts. Dashed: the objective.",
                unit="s",
                width=10,
                steps=LATE,
                least=0,
                books=BURNING,
                links=[to_board("pipeline", "the pipeline")],
            ),
            ask(quantile(0.95, LATENCY, by="kind", window=RARE), "{{kind}}", exemplars=True),
            limit=True,
        ),
        buckets(
            Frame(
                title="From capture to alert",
                says="Each minute's alerts by how late they were. Points are single alerts.",
                unit="s",
                books=BURNING,
            ),
            f"sum by (le) (increase({LATENCY}_bucket{CAUSED}[$__rate_interval]))",
            exemplars=True,
        ),
        buckets(
            Frame(
                title="From the end of words to alert",
                says="Alerts with words, by how long after the end of the utterance they came: its transcription is in it.",
                unit="s",
                books=["RecogniserSlow"],
                links=[to_board("speech", "speech")],
            ),
            f"sum by (le) (increase({SPOKEN}_bucket[$__rate_interval]))",
            exemplars=True,
        ),
    ),
)

TOLD = Row(
    title="Is anybody told?",
    panels=(
        numbers(
            Frame(
                title="Not delivered",
                says="Deliveries that were given up in this time range, by sink.",
                width=6,
                steps=NONE_IS_GOOD,
                decimals=0,
                unknown="no sinks",
                books=["SinkFailing"],
            ),
            now('sum by (sink) (increase(scenewatch_deliveries_total{outcome="failed"}[$__range]))', "{{sink}}"),
        ),
        lines(
            Frame(
                title="Deliveries",
                says="Alert events that each sink took each minute, and that were given up.",
                width=9,
                least=0,
                decimals=0,
                books=["SinkFailing"],
            ),
            ask("sum by (sink, outcome) (increase(scenewatch_deliveries_total[$__interval]))", "{{sink}}: {{outcome}}"),
            bars=True,
            stacked=True,
        ),
        lines(
            Frame(
                title="From alert to delivery",
                says=f"95 of 100 deliveries to each sink came within this time, over {RARE}. A film of evidence takes seconds.",
                unit="s",
                width=9,
                least=0,
                books=["SinkFailing"],
            ),
            ask(quantile(0.95, "scenewatch_delivery_seconds", by="sink", window=RARE), "{{sink}}"),
        ),
    ),
)

BOARD = Board(
    name="alerts",
    title="Alerts and trust",
    says="What is found, whether it can be trusted, how late it is told, and whether anybody is told.",
    rows=(FOUND, TRUST, LATENESS, TOLD),
    since="now-6h",
)
