"""From sound to words: how much is said, what is believed, and whether the recogniser keeps up."""

from __future__ import annotations

from boards.asked import RARE, SITES, here, quantile
from boards.board import Board, Row
from boards.look import BUSY, LATE, OF_ROW, Column, Frame, ask, buckets, lines, now, numbers, rows, to_board, to_camera

REJECTED = "scenewatch_utterances_rejected_total"
SPENT = "scenewatch_transcription_seconds_total[$__rate_interval]"
LAST = here("scenewatch_camera_speech_last_timestamp_seconds")
DOUBT = ((None, "green"), (0.5, "yellow"), (0.8, "orange"))
SLOW = ((None, "green"), (0.7, "yellow"), (1, "red"))

SAID = Row(
    title="What is said",
    panels=(
        numbers(
            Frame(
                title="Utterances believed",
                says="Utterances of this time range that became words.",
                width=6,
                height=4,
                decimals=0,
                unknown="no recogniser",
                books=["SilenceTooLong"],
            ),
            now('sum(increase(scenewatch_utterances_total{outcome="accepted"}[$__range]))'),
        ),
        numbers(
            Frame(
                title="Not believed",
                says=(
                    "Share of this time range's utterances that the guard rejected. Noise and music raise it; "
                    "much of it at a quiet place means a bad microphone."
                ),
                unit="percentunit",
                width=6,
                height=4,
                steps=DOUBT,
                decimals=0,
                unknown="nobody spoke",
            ),
            now(f"sum(increase({REJECTED}[$__range])) / sum(increase(scenewatch_utterances_total[$__range]))"),
        ),
        numbers(
            Frame(
                title="Speech",
                says="Seconds of speech transcribed a second, of all cameras together: 1 is one voice that never pauses.",
                unit="none",
                width=6,
                height=4,
                decimals=2,
                unknown="no recogniser",
            ),
            now("sum(rate(scenewatch_speech_seconds_total[$__rate_interval]))"),
        ),
        numbers(
            Frame(
                title="Recogniser busy",
                says="The largest share of time that a recogniser spends transcribing. At 1 it has no time left.",
                unit="percentunit",
                width=6,
                height=4,
                steps=BUSY,
                decimals=0,
                unknown="no recogniser",
                books=["RecogniserSlow"],
            ),
            now(f"max(sum by (instance) (rate({SPENT})))"),
        ),
        lines(
            Frame(
                title="Utterances, by what became of them",
                says="Each minute. Only `accepted` become words; all others are counted and forgotten.",
                least=0,
                decimals=0,
            ),
            ask("sum by (outcome) (increase(scenewatch_utterances_total[$__interval]))", "{{outcome}}"),
            bars=True,
            stacked=True,
        ),
        lines(
            Frame(
                title="Why the guard did not believe",
                says=(
                    "Each minute. `no_speech`: the recogniser doubts that anybody spoke; `repetition`: the same "
                    "words again and again; `too_fast`: more than anybody can say."
                ),
                least=0,
                decimals=0,
            ),
            ask(f"sum by (reason) (increase({REJECTED}[$__interval]))", "{{reason}}"),
            bars=True,
            stacked=True,
        ),
    ),
)

KEEPS_UP = Row(
    title="Does the recogniser keep up?",
    panels=(
        lines(
            Frame(
                title="Time for a second of speech",
                says=(
                    "Seconds that a recogniser takes for a second of speech. Over 1, one voice that never pauses is more than it can take."
                ),
                unit="s",
                width=8,
                steps=SLOW,
                least=0,
                books=["RecogniserSlow"],
            ),
            ask(
                f"sum by (instance) (rate({SPENT})) / (sum by (instance) (rate(scenewatch_speech_seconds_total[$__rate_interval])) > 0)",
                "{{instance}}",
            ),
            ask("max by (instance) (scenewatch_transcription_realtime_factor)", "{{instance}}, last batch"),
            limit=True,
        ),
        lines(
            Frame(
                title="Busy",
                says="The share of time that each recogniser spends transcribing.",
                unit="percentunit",
                width=8,
                steps=BUSY,
                least=0,
                books=["RecogniserSlow"],
            ),
            ask(f"sum by (instance) (rate({SPENT}))", "{{instance}}"),
            limit=True,
        ),
        lines(
            Frame(
                title="Behind",
                says="How far transcription is behind capture, of each partition.",
                unit="s",
                width=8,
                steps=((None, "green"), (10, "orange")),
                least=0,
                books=["StageLagging"],
                links=[to_board("pipeline", "the pipeline")],
            ),
            ask('max by (partition) (scenewatch_lag_seconds{stage="transcribe"})', "partition {{partition}}"),
            limit=True,
        ),
        lines(
            Frame(
                title="From the end of words to alert, by kind",
                says=f"95 of 100 alerts with words came so soon after the end of the utterance, over {RARE}. Points are single alerts.",
                unit="s",
                steps=LATE,
                least=0,
                books=["RecogniserSlow"],
                links=[to_board("alerts", "alerts and trust")],
            ),
            ask(quantile(0.95, "scenewatch_utterance_to_alert_seconds", by="kind", window=RARE), "{{kind}}", exemplars=True),
            limit=True,
        ),
        buckets(
            Frame(
                title="How late words are published",
                says="From the capture of the end of an utterance to its words on the bus.",
                unit="s",
                books=["RecogniserSlow"],
            ),
            'sum by (le) (increase(scenewatch_stage_delay_seconds_bucket{stage="transcribe"}[$__rate_interval]))',
        ),
    ),
)

WHERE = Row(
    title="Where nobody is heard",
    panels=(
        rows(
            Frame(
                title="Since somebody was understood",
                says=(
                    "The longest silence first. A camera where people speak and nobody has been "
                    "understood for a day: look at its microphone."
                ),
                width=12,
                height=9,
                books=["SilenceTooLong", "CameraSilent"],
            ),
            ("camera", "site"),
            Column(name="Known", asks=SITES, hidden=True),
            Column(
                name="Since",
                asks=f"clamp_min(time() - max by (camera) ({LAST}), 0)",
                unit="s",
                steps=((None, "green"), (86400, "yellow")),
                decimals=0,
            ),
            Column(
                name="Sound",
                asks=f"sum by (camera) ({here('rate(scenewatch_sound_captured_seconds_total[$__rate_interval])')})",
                unit="percentunit",
                decimals=0,
            ),
            link=("camera", to_camera(OF_ROW)),
            worst="Since",
        ),
        lines(
            Frame(
                title="Sound",
                says="Seconds of sound captured a second: 1 is all of it.",
                unit="percentunit",
                height=9,
                least=0,
                of_data=[to_camera()],
                books=["CameraSilent"],
            ),
            ask(f"sum by (camera) ({here('rate(scenewatch_sound_captured_seconds_total[$__rate_interval])')})", "{{camera}}"),
        ),
    ),
)

BOARD = Board(
    name="speech",
    title="Speech",
    says="From sound to words: how much is said, what is believed, and whether the recogniser keeps up.",
    rows=(SAID, KEEPS_UP, WHERE),
    since="now-3h",
)
