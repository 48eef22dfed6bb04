"""Points in time as people write them."""

from __future__ import annotations

import pytest

from monitor.errors import ConfigError
from monitor.times import duration, moment

NOW = 1_763_900_000.0


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("now", NOW),
        ("-15m", NOW - 900),
        ("-1h30m", NOW - 5400),
        ("-2d", NOW - 172_800),
        ("-0.5s", NOW - 0.5),
        ("1763899999.25", 1_763_899_999.25),
        ("2025-11-23T12:13:20Z", NOW),
        ("2025-11-23T12:13:20", NOW),
        ("2025-11-23 13:13:20+01:00", NOW),
        ("2025-11-23", 1_763_856_000.0),
    ],
)
def test_times_are_read(text: str, at: float) -> None:
    assert moment(text, NOW) == at


@pytest.mark.parametrize("text", ["", "yesterday", "-", "-15", "15m", "-15x", "2025-13-01", "-15m-3s"])
def test_what_is_no_time_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ConfigError, match="Write"):
        moment(text, NOW)


def test_lengths_are_read() -> None:
    assert (duration("0s"), duration("90s"), duration("1h30m")) == (0, 90, 5400)
