"""Which models run, and what everything costs."""

from __future__ import annotations

from boards.asked import PROCESSES
from boards.board import Board, Row
from boards.look import BUSY, Column, Frame, ask, lines, now, numbers, rows, to_board

CPU = f"rate(process_cpu_seconds_total{{{PROCESSES}}}[$__rate_interval])"
DELIVER = 'sum(max by (camera) (scenewatch_camera_state{state=~"live|blind|frozen|silent"}))'
NO_GPU = "no GPU"

RUNS = Row(
    title="What runs",
    panels=(
        rows(
            Frame(title="Models", says="Which model is loaded for which role, on what device, by how many processes.", width=16, height=9),
            ("role", "model", "device"),
            Column(name="Processes", asks="count by (role, model, device) (scenewatch_model_info)"),
        ),
        rows(
            Frame(
                title="Versions",
                says="What each process runs. More than one version for long: an update stopped halfway.",
                width=8,
                height=9,
            ),
            ("version", "python"),
            Column(name="Processes", asks="count by (version, python) (scenewatch_build_info)"),
        ),
    ),
)

COSTS = Row(
    title="What it costs",
    panels=(
        numbers(
            Frame(
                title="Processors taken",
                says="Processor seconds a second, of all processes.",
                unit="none",
                width=6,
                height=4,
                decimals=2,
                unknown="unknown",
            ),
            now(f"sum({CPU})"),
        ),
        numbers(
            Frame(
                title="Processor time a camera",
                says="Processor seconds a second, divided by the cameras that deliver.",
                unit="none",
                width=6,
                height=4,
                decimals=2,
                unknown="no cameras",
                links=[to_board("cameras", "all cameras")],
            ),
            now(f"sum({CPU}) / {DELIVER}"),
        ),
        numbers(
            Frame(
                title="Memory", says="Resident memory, of all processes.", unit="bytes", width=6, height=4, decimals=1, unknown="unknown"
            ),
            now(f"sum(process_resident_memory_bytes{{{PROCESSES}}})"),
        ),
        numbers(
            Frame(
                title="Memory a camera",
                says="Resident memory, divided by the cameras that deliver. Models are most of it, so it falls with more cameras.",
                unit="bytes",
                width=6,
                height=4,
                decimals=1,
                unknown="no cameras",
            ),
            now(f"sum(process_resident_memory_bytes{{{PROCESSES}}}) / {DELIVER}"),
        ),
        lines(
            Frame(title="Processors, by process", says="Processor seconds a second: 1 is one core.", unit="none", least=0, decimals=2),
            ask(f"sum by (instance) ({CPU})", "{{instance}}"),
            stacked=True,
        ),
        lines(
            Frame(
                title="Memory, by process",
                says="Resident memory. A line that rises for days: a leak, or normality that still learns.",
                unit="bytes",
                least=0,
            ),
            ask(f"sum by (instance) (process_resident_memory_bytes{{{PROCESSES}}})", "{{instance}}"),
            stacked=True,
        ),
        lines(
            Frame(
                title="Working time of stages",
                says=(
                    "Seconds a second that stages work on batches: where the time goes. Capture "
                    "decodes outside of batches and is not in it."
                ),
                unit="none",
                least=0,
                decimals=2,
                links=[to_board("pipeline", "the pipeline")],
            ),
            ask("sum by (stage) (rate(scenewatch_stage_seconds_sum[$__rate_interval]))", "{{stage}}"),
            stacked=True,
        ),
        lines(
            Frame(
                title="Time a picture, a sound, a window",
                says="Working time of encode for each item that it embedded, and of fuse for each window that it judged.",
                unit="s",
                least=0,
            ),
            ask(
                'sum(rate(scenewatch_stage_seconds_sum{stage="encode"}[$__rate_interval]))'
                " / sum(rate(scenewatch_encoded_total[$__rate_interval]))",
                "encode, an item",
            ),
            ask(
                'sum(rate(scenewatch_stage_seconds_sum{stage="fuse"}[$__rate_interval]))'
                " / sum(rate(scenewatch_windows_scored_total[$__rate_interval]))",
                "fuse, a window",
            ),
        ),
        lines(
            Frame(title="Embedded", says="Items that encoders embedded a second, by modality.", unit="cps", least=0),
            ask("sum by (modality) (rate(scenewatch_encoded_total[$__rate_interval]))", "{{modality}}"),
        ),
        lines(
            Frame(
                title="Open files",
                says="Files and sockets of each process, as a share of what it may open.",
                unit="percentunit",
                steps=BUSY,
                least=0,
            ),
            ask(f"max by (instance) (process_open_fds{{{PROCESSES}}} / process_max_fds{{{PROCESSES}}})", "{{instance}}"),
            limit=True,
        ),
    ),
)

SHADOW = Row(
    title="Another network beside it, where one is tried (models.shadow)",
    panels=(
        lines(
            Frame(
                title="Where the network and its shadow agree",
                says="Windows each minute that either finds alarming. Empty without a shadow; `scenewatch shadow` compares them.",
                width=24,
                least=0,
                decimals=0,
                unknown="no shadow",
            ),
            ask("sum by (kind, agreement) (increase(scenewatch_shadow_judgements_total[$__interval]))", "{{kind}}: {{agreement}}"),
            bars=True,
            stacked=True,
        ),
    ),
)

GPU = Row(
    title="GPUs, where there are any",
    panels=(
        numbers(
            Frame(
                title="Memory in use",
                says="Share of each GPU's memory that is in use, by whomever. Empty without a GPU.",
                unit="percentunit",
                width=6,
                steps=BUSY,
                decimals=0,
                unknown=NO_GPU,
            ),
            now(
                "max by (instance, device) (scenewatch_gpu_memory_used_bytes / scenewatch_gpu_memory_total_bytes)",
                "{{instance}} {{device}}",
            ),
        ),
        lines(
            Frame(
                title="GPU memory",
                says="Memory in use on each GPU, by whomever. Empty without a GPU.",
                unit="bytes",
                width=9,
                least=0,
                unknown=NO_GPU,
            ),
            ask("max by (instance, device) (scenewatch_gpu_memory_used_bytes)", "{{instance}} {{device}}"),
        ),
        lines(
            Frame(
                title="GPU computes",
                says=(
                    "Share of the last second in which each GPU computed. Low while a stage is behind: its batches "
                    "are too small, or decoding is the wall. Empty without a GPU."
                ),
                unit="percentunit",
                width=9,
                steps=BUSY,
                least=0,
                most=1,
                unknown=NO_GPU,
            ),
            ask("max by (instance, device) (scenewatch_gpu_utilization_ratio)", "{{instance}} {{device}}"),
        ),
    ),
)

BOARD = Board(
    name="models",
    title="Models and cost",
    says="Which models run, on what, and what everything costs.",
    rows=(RUNS, COSTS, SHADOW, GPU),
    variables=(),
)
