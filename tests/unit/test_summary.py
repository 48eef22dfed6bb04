from __future__ import annotations

from io import StringIO

from rich.console import Console

from monitor.metrics import Metrics
from workers import report, summary


def shown(metrics: Metrics) -> str:
    console = Console(width=160, record=True, file=StringIO())
    summary.show(metrics, 1.0, console)
    return console.export_text()


def test_frames_that_add_up_are_said_to() -> None:
    metrics = Metrics()
    metrics.frames_captured.labels("hall").inc(10)
    metrics.encoded.labels("picture").inc(8)
    metrics.frames_dropped.labels("hall", "overflow").inc(2)
    assert "10 captured = 8 encoded + 2 dropped (overflow 2)" in shown(metrics)
    assert "do not add up" not in shown(metrics)


def test_frames_that_do_not_add_up_are_not_hidden() -> None:
    metrics = Metrics()
    metrics.frames_captured.labels("hall").inc(10)
    assert "do not add up" in shown(metrics)


def test_a_report_names_command_date_and_machine() -> None:
    made = report.report({"picture_p95_s": 0.123456})
    assert made.command.startswith("scenewatch")
    assert made.machine.cores >= 1
    assert made.figures == {"picture_p95_s": 0.1235}
