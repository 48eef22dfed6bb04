"""Points in time as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from monitor.errors import ConfigError

UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PARTS: Final = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def moment(text: str, now: float) -> float:
    """Read `2026-11-23T10:15:00Z` (ISO 8601; UTC where it names no zone), seconds since the epoch, `-1h30m`, or `now`.

    `now` and the result are seconds since the epoch. Raises ConfigError.
    """
    written = text.strip()
    if written == "now":
        return now
    if written.startswith("-"):
        return now - duration(written[1:])
    if re.fullmatch(r"\d+(?:\.\d+)?", written):
        return float(written)
    try:
        at = datetime.fromisoformat(written)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no time. Write 2026-11-23T10:15:00Z, seconds since the epoch, -15m or now") from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def duration(text: str) -> float:
    """Read `90s`, `15m`, `1h30m` or `2d` as seconds. Raises ConfigError."""
    if not _PARTS.fullmatch(text):
        raise ConfigError(f"{text!r} is no length of time. Write it as 90s, 15m, 1h30m or 2d")
    return sum(float(number) * UNITS[unit] for number, unit in _PART.findall(text))
