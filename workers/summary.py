"""What became of everything: a run's counters, added up as a person would check them."""

from __future__ import annotations

from collections import defaultdict

from rich.console import Console
from rich.table import Table

from monitor.metrics import Metrics


def totals(metrics: Metrics, by: str | None = None) -> dict[str, dict[str, float]]:
    """Sum every counter over its labels but one: name without prefix and suffix -> value of the label `by` -> sum."""
    result: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for family in metrics.registry.collect():
        for sample in family.samples:
            if family.type == "counter" and sample.name.endswith("_total"):
                name = sample.name.removeprefix("scenewatch_").removesuffix("_total")
                result[name][sample.labels.get(by, "") if by else ""] += sample.value
    return result


def show(metrics: Metrics, elapsed_s: float, console: Console | None = None) -> None:
    """Print the counters of a run."""
    total = {name: sum(values.values()) for name, values in totals(metrics).items()}
    dropped = totals(metrics, "reason")
    encoded = totals(metrics, "modality")["encoded"]
    outcomes = totals(metrics, "outcome")
    seen = encoded.get("picture", 0)
    captured, lost = total.get("frames_captured", 0), total.get("frames_dropped", 0)
    table = Table(title=f"in {elapsed_s:.1f} s", show_header=False, title_justify="left")
    table.add_row("frames", f"{captured:.0f} captured = {seen:.0f} encoded + {lost:.0f} dropped{_by(dropped['frames_dropped'])}")
    if captured != seen + lost:
        table.add_row("", "[red]these do not add up: please report it[/]")
    heard, unheard = total.get("sound_captured_seconds", 0), total.get("sound_dropped_seconds", 0)
    table.add_row("sound", f"{heard:.1f} s captured, {unheard:.1f} s dropped{_by(dropped['sound_dropped_seconds'])}")
    table.add_row(
        "speech", f"{total.get('speech_seconds', 0):.1f} s in {total.get('utterances', 0):.0f} utterances{_by(outcomes['utterances'])}"
    )
    table.add_row("windows", f"{total.get('windows_scored', 0):.0f} judged, {total.get('windows_incomplete', 0):.0f} of them incomplete")
    table.add_row("alerts", f"{total.get('alerts', 0):.0f} events{_by(totals(metrics, 'kind')['alerts'])}")
    table.add_row("dead letters", f"{total.get('dead_letters', 0):.0f}{_by(dropped['dead_letters'])}")
    (console or Console(stderr=True)).print(table)


def _by(values: dict[str, float]) -> str:
    known = ", ".join(f"{name} {value:g}" for name, value in sorted(values.items()) if value)
    return f" ({known})" if known else ""
