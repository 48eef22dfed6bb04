"""What was planted against what was said: the demo's judgement of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from monitor.messages import Alert, Phase
from workers.scene import Incident

LATE_S: Final = 6.0
"""An alert may begin so long after its incident has ended: a window is four seconds long, a transcript comes behind."""
EARLY_S: Final = 1.0
"""An alert's begin is a window's grid point, which may lie before the incident's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Each incident with the alerts that found it, and the alerts that no incident explains."""

    found: tuple[tuple[Incident, tuple[Alert, ...]], ...]
    extra: tuple[Alert, ...]

    @property
    def good(self) -> bool:
        """Everything was found, and nothing else was said."""
        return all(alerts for _, alerts in self.found) and not self.extra


def judge(truth: Sequence[Incident], alerts: Sequence[Alert], starts_at: float) -> Verdict:
    """Match alerts to incidents by kind and time; `starts_at` is the event time of the scene's begin."""
    new = [alert for alert in alerts if alert.phase is Phase.NEW]
    found = tuple((incident, tuple(a for a in new if a.kind in incident.kinds and _meets(incident, a, starts_at))) for incident in truth)
    extra = tuple(a for a in new if not any(a.kind in (*i.kinds, *i.also) and _meets(i, a, starts_at) for i in truth))
    return Verdict(found=found, extra=extra)


def _meets(incident: Incident, alert: Alert, starts_at: float) -> bool:
    """Whether the alert begins while the incident lasts, or shortly after."""
    return incident.at - EARLY_S <= alert.until - starts_at and alert.at - starts_at <= incident.until + LATE_S


def show(verdict: Verdict, starts_at: float, console: Console) -> None:
    """Print what should have been found, and what was."""
    table = Table("should have been found", "when", "found as", "after", title="\nthe scene's ground truth", title_justify="left")
    for incident, alerts in verdict.found:
        first = min(alerts, key=lambda alert: alert.until, default=None)
        when = f"{incident.at:.0f}-{incident.until:.0f} s"
        if first is None:
            table.add_row(incident.description, when, "[red]not found[/]", "")
        else:
            kinds = ", ".join(dict.fromkeys(alert.kind for alert in alerts))
            table.add_row(incident.description, when, f"[green]{kinds}[/]", f"{first.until - starts_at - incident.at:+.1f} s")
    console.print(table)
    for alert in verdict.extra:
        console.print(f"[red]false alarm[/] at {alert.at - starts_at:.1f} s: {alert.kind}: {alert.summary}")
    missed = sum(not alerts for _, alerts in verdict.found)
    verdict_line = "[green]all found, nothing else said[/]" if verdict.good else f"[red]{missed} missed, {len(verdict.extra)} false[/]"
    console.print(
        f"{len(verdict.found) - missed} of {len(verdict.found)} incidents found, {len(verdict.extra)} false alarms: {verdict_line}"
    )
