"""An alert as a person reads it on a terminal: what, where and when on one line, why below it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from rich.text import Text

from monitor.messages import Alert, Phase, Severity

STYLES: Final = {Severity.INFO: "bold cyan", Severity.WARNING: "bold yellow", Severity.CRITICAL: "bold white on red"}

INDENT: Final = " " * 21
"""As wide as the time and the space after it."""

MAX_WORDS: Final = 300
"""Characters of what was said that are shown."""


def lines(alert: Alert) -> Text:
    """Give the alert's lines, in colour; text from outside can't move the cursor or change the colour."""
    time = datetime.fromtimestamp(alert.at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    begins = alert.phase is Phase.NEW
    text = Text.assemble(
        (time, "dim"),
        "  ",
        (f" {alert.severity.value.upper()} ".ljust(10), STYLES[alert.severity] if begins else "dim"),
        " ",
        (printable(alert.camera), "bold"),
        "  ",
        (printable(alert.kind), "bold" if begins else ""),
        "" if alert.probability == 1 else f" {alert.probability:.0%}",
        "" if begins else f"  {_lasted(alert)}",
    )
    for line in _below(alert):
        text.append(f"\n{INDENT}").append_text(line)
    return text


def printable(text: str) -> str:
    """Text on one line without control characters."""
    return "".join(character if character.isprintable() else " " for character in text)


def _lasted(alert: Alert) -> str:
    seconds = f"{max(0.0, alert.until - alert.at):.0f} s"
    return f"ended after {seconds}" if alert.phase is Phase.END else f"goes on, {seconds}"


def _below(alert: Alert) -> list[Text]:
    """What it is, what was said, and what speaks for it; of an end, nothing."""
    if alert.phase is Phase.END:
        return []
    said = printable(alert.text or " ".join(word.text for word in alert.words))[:MAX_WORDS]
    parts = sorted(alert.parts.items(), key=lambda part: -abs(part[1]))
    why = " · ".join(f"{modality.value} {share:+.2f}" for modality, share in parts)
    return [
        Text(printable(alert.summary)),
        *([Text.assemble("said: ", (f"“{said}”", "italic"))] if said else []),
        *([Text(f"because of {why}", "dim")] if why and alert.phase is Phase.NEW else []),
    ]
