"""What is rare at night and frequent at noon is known by the hours of the days before."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from monitor.hours import MOST, Hours, zone_of

DAY = 86_400.0
BEGIN = 20_000 * DAY
"""In October."""
LOOKED_AT = (3, 7, 8, 12)


def lived(days: int, high_at: range, zone=UTC) -> Hours:
    """A camera whose scores are high in some hours of each day (UTC), always, and never in the others; a moment each five seconds."""
    hours = Hours()
    for day in range(days):
        for hour in LOOKED_AT:
            for second in np.arange(0, 3600, 5.0):
                hours.count(BEGIN + day * DAY + hour * 3600 + second, zone, (hour in high_at, None))
    return hours


def factors(hours: Hours, hour: float, zone=UTC) -> tuple[float, ...]:
    return hours.factors(BEGIN + 30 * DAY + hour * 3600, zone, 2)


def test_nothing_is_changed_on_the_first_day() -> None:
    assert all(factors(lived(1, range(8, 18)), hour) == (1.0, 1.0) for hour in range(24))


def test_high_scores_count_more_where_they_are_rare_and_less_where_they_are_frequent() -> None:
    hours = lived(4, range(8, 18))
    assert factors(hours, 3.5)[0] > 3
    assert 0.25 <= factors(hours, 12)[0] < 0.4


def test_a_way_without_scores_is_not_changed() -> None:
    assert factors(lived(4, range(8, 18)), 3.5)[1] == 1.0


def test_no_hour_weighs_without_bound() -> None:
    assert factors(lived(30, range(8, 18)), 3.5)[0] <= MOST


def test_one_day_says_less_than_many() -> None:
    assert factors(lived(2, range(8, 18)), 3.5)[0] < factors(lived(8, range(8, 18)), 3.5)[0]


def test_the_hours_are_those_of_the_place_in_summer_and_winter() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    hours = lived(4, range(8, 18), berlin)  # in October two hours before UTC
    rare, frequent = factors(hours, 8.5, berlin)[0], factors(hours, 9.5, berlin)[0]  # in November one hour
    assert rare > 3
    assert frequent < 1


def test_a_time_zone_that_is_none_is_said() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        zone_of("Europe/Atlantis")
