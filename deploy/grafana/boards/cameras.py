"""All cameras, side by side."""

from __future__ import annotations

from boards.asked import SITES, here, state
from boards.board import Board, Row
from boards.look import (
    CAMERA_STATES,
    FEW_ARE_GOOD,
    LOST,
    OF_ROW,
    YES_IS_BAD,
    YES_IS_NEWS,
    Column,
    Frame,
    ask,
    lines,
    rows,
    timeline,
    to_board,
    to_camera,
)

OLD = ((None, "green"), (10, "yellow"), (60, "red"))
"""Seconds without a packet: a source is reopened after 10 s, and away after a minute."""
RATIO = ((None, "red"), (0.5, "orange"), (0.9, "green"))
FRAMES = "scenewatch_frames_captured_total[$__rate_interval]"
DROPPED = here("rate(scenewatch_frames_dropped_total[$__rate_interval])")
TARGET = here("scenewatch_camera_target_frames_per_second")

ALL = Row(
    title="Every camera",
    panels=(
        rows(
            Frame(
                title="Cameras",
                says=(
                    "The worst first. Age: since the last packet. Pictures: sampled a second, and what the "
                    "configuration wants. Spoken: since somebody was last understood."
                ),
                width=24,
                height=12,
                books=["CameraOffline", "CameraFlapping"],
            ),
            ("camera", "site"),
            Column(name="Known", asks=SITES, hidden=True),
            Column(name="State", asks=state(), unit="none", mappings=CAMERA_STATES),
            Column(
                name="Age",
                asks=f"clamp_min(time() - max by (camera) ({here('scenewatch_camera_last_packet_timestamp_seconds')}), 0)",
                unit="s",
                steps=OLD,
                decimals=0,
            ),
            Column(name="Pictures", asks=f"sum by (camera) ({here(f'rate({FRAMES})')})", unit="fps", decimals=1),
            Column(name="Wanted", asks=f"max by (camera) ({TARGET})", unit="fps", decimals=1),
            Column(
                name="Left out",
                asks=f"sum by (camera) ({DROPPED}) / sum by (camera) ({here(f'rate({FRAMES})')} > 0)",
                unit="percentunit",
                steps=LOST,
                decimals=1,
            ),
            Column(
                name="Sound",
                asks=f"sum by (camera) ({here('rate(scenewatch_sound_captured_seconds_total[$__rate_interval])')})",
                unit="percentunit",
                decimals=0,
            ),
            Column(
                name="Reopened",
                asks=f"sum by (camera) ({here('increase(scenewatch_source_reconnects_total[$__range])')})",
                steps=((None, "green"), (1, "yellow"), (5, "red")),
                decimals=0,
            ),
            Column(
                name="Incidents",
                asks=f"sum by (camera) ({here('increase(scenewatch_camera_alerts_total[$__range])')})",
                steps=((None, "text"), (1, "blue"), (20, "orange")),
                decimals=0,
            ),
            Column(
                name="Spoken",
                asks=f"clamp_min(time() - max by (camera) ({here('scenewatch_camera_speech_last_timestamp_seconds')}), 0)",
                unit="s",
                decimals=0,
            ),
            Column(name="Learning", asks=f"max by (camera) ({here('scenewatch_normality_learning')})", unit="none", mappings=YES_IS_NEWS),
            Column(name="Drifted", asks=f"max by (camera) ({here('scenewatch_normality_drift')})", unit="none", mappings=YES_IS_BAD),
            link=("camera", to_camera(OF_ROW)),
            worst="State",
        ),
        timeline(
            Frame(
                title="State of cameras",
                says="The worst state of each camera over time. A gap: no process spoke of it.",
                unit="none",
                width=24,
                height=10,
                mappings=CAMERA_STATES,
                steps=((None, "text"),),
                of_data=[to_camera()],
                books=["CameraOffline", "CameraBlind", "CameraFrozen", "CameraSilent"],
            ),
            ask(state(), "{{camera}}"),
            rows=25,
        ),
    ),
)

GIVEN = Row(
    title="What they give",
    panels=(
        lines(
            Frame(
                title="Pictures, of those wanted",
                says=(
                    "Pictures sampled a second, as a share of what the configuration wants (fps). Dashed: "
                    "nine tenths. Cameras without picture are left out."
                ),
                unit="percentunit",
                steps=RATIO,
                least=0,
                of_data=[to_camera()],
                books=["CameraOffline"],
            ),
            ask(f"sum by (camera) ({here(f'rate({FRAMES})')}) / max by (camera) ({TARGET} > 0)", "{{camera}}"),
            limit=True,
        ),
        lines(
            Frame(
                title="Since the last packet",
                says="How long nothing has come. A source is reopened after 10 s (capture.stall_s).",
                unit="s",
                steps=OLD,
                least=0,
                of_data=[to_camera()],
                books=["CameraOffline"],
            ),
            ask(f"clamp_min(time() - max by (camera) ({here('scenewatch_camera_last_packet_timestamp_seconds')}), 0)", "{{camera}}"),
            limit=True,
        ),
        lines(
            Frame(
                title="Sound",
                says="Seconds of sound captured a second: 1 is all of it, 0 none.",
                unit="percentunit",
                least=0,
                of_data=[to_camera()],
                books=["CameraSilent"],
            ),
            ask(f"sum by (camera) ({here('rate(scenewatch_sound_captured_seconds_total[$__rate_interval])')})", "{{camera}}"),
        ),
        lines(
            Frame(
                title="Left out, by reason",
                says="Frames dropped a second. `pressure`: the ladder; `overflow`: a buffer was full; `broker`: it was away.",
                unit="fps",
                least=0,
                books=["LadderEngaged", "BrokerAway"],
                links=[to_board("pipeline", "the pipeline")],
            ),
            ask(f"sum by (reason) ({here('rate(scenewatch_frames_dropped_total[$__rate_interval])')})", "{{reason}}"),
            stacked=True,
        ),
    ),
)

TROUBLE = Row(
    title="What troubles them",
    panels=(
        lines(
            Frame(
                title="Reopened",
                says="How often each minute a source was reopened. Regularly: its network, or a limit on its sessions.",
                width=8,
                least=0,
                decimals=0,
                of_data=[to_camera()],
                steps=FEW_ARE_GOOD,
                books=["CameraFlapping"],
            ),
            ask(f"sum by (camera) ({here('increase(scenewatch_source_reconnects_total[$__interval])')})", "{{camera}}"),
            bars=True,
            stacked=True,
        ),
        lines(
            Frame(
                title="Could not be decoded",
                says="Packets a second that could not be read or decoded: loss on the way (try transport: tcp), or a damaged encoder.",
                unit="pps",
                width=8,
                least=0,
                of_data=[to_camera()],
                books=["CameraFlapping"],
            ),
            ask(f"sum by (camera) ({here('rate(scenewatch_source_decode_errors_total[$__rate_interval])')})", "{{camera}}"),
        ),
        lines(
            Frame(
                title="Leaps of their clocks",
                says="How often each minute a source's time stamps leapt: its clock was set, or its encoder restarted.",
                width=8,
                least=0,
                decimals=0,
                of_data=[to_camera()],
            ),
            ask(f"sum by (camera) ({here('increase(scenewatch_source_clock_jumps_total[$__interval])')})", "{{camera}}"),
            bars=True,
            stacked=True,
        ),
    ),
)

BOARD = Board(name="cameras", title="Cameras", says="How every camera fares, the worst first.", rows=(ALL, GIVEN, TROUBLE))
