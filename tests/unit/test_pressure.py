from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.config import Pressure
from monitor.pressure import Ladder, Reading, Relief, Step

LIMITS = Pressure(lag_s=10, clear_lag_s=4, down_after_s=4, up_after_s=20, sound_lag_s=300)
LAGS = st.lists(st.floats(0, 1000), min_size=1, max_size=200)


def steps(*lags: float, excused_s: float = 0.0, ladder: Ladder | None = None, begin: int = 0) -> list[Step]:
    """The step at each second."""
    ladder = ladder or Ladder(LIMITS)
    taken = []
    for second, lag in enumerate(lags, begin):
        ladder.push(Reading(float(second), lag, excused_s))
        taken.append(ladder.step)
    return taken


def test_a_lag_that_lasts_takes_one_step_at_a_time_and_leaves_sound() -> None:
    taken = steps(*[20.0] * 60)
    assert taken[3] is Step.ALL
    assert taken[4] is Step.HALF
    assert taken[8] is Step.KEY
    assert set(taken[12:]) == {Step.NO_PICTURE}


def test_a_short_lag_changes_nothing() -> None:
    assert set(steps(0, 20, 20, 20, 0, 20, 20, 20, 0)) == {Step.ALL}


def test_a_lag_that_shrinks_is_left_to_shrink() -> None:
    assert set(steps(*(float(lag) for lag in range(60, 10, -1)))) == {Step.ALL}


def test_sound_is_given_up_last_and_beyond_its_own_limit() -> None:
    assert steps(*[299.0] * 60)[-1] is Step.NO_PICTURE
    assert steps(*[300.0] * 60)[-1] is Step.NOTHING


def test_sound_that_waited_for_its_broker_is_not_given_up_for_it() -> None:
    assert steps(*[900.0] * 60, excused_s=700.0)[-1] is Step.NO_PICTURE
    assert steps(*[900.0] * 60, excused_s=600.0)[-1] is Step.NOTHING


def test_sound_comes_back_when_its_lag_has_halved_and_picture_when_nearly_nothing_is_left() -> None:
    ladder = Ladder(LIMITS)
    assert steps(*[400.0] * 30, ladder=ladder)[-1] is Step.NOTHING
    assert steps(*[140.0] * 25, ladder=ladder, begin=30)[-1] is Step.NO_PICTURE
    assert steps(*[0.0] * 70, ladder=ladder, begin=55)[-1] is Step.ALL
    assert ladder.since is None


def test_between_the_limits_everything_stays() -> None:
    ladder = Ladder(LIMITS)
    steps(*[20.0] * 6, ladder=ladder)
    assert set(steps(*[7.0] * 500, ladder=ladder, begin=6)) == {Step.HALF}


@given(LAGS)
def test_it_stays_on_the_ladder_moves_one_step_and_never_sooner_than_its_limits(lags: list[float]) -> None:
    taken = steps(*lags)
    assert all(abs(after - before) <= 1 for before, after in pairwise(taken))
    changes = [second for second in range(1, len(taken)) if taken[second] != taken[second - 1]]
    assert all(later - sooner >= LIMITS.down_after_s for sooner, later in pairwise(changes))
    assert Step.NOTHING not in taken or max(lags) >= LIMITS.sound_lag_s


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=100).map(sorted))
def test_while_the_lag_grows_it_never_takes_more(lags: list[float]) -> None:
    taken = steps(*lags)
    assert taken == sorted(taken)


@given(LAGS)
def test_without_lag_it_always_comes_back(lags: list[float]) -> None:
    ladder = Ladder(LIMITS)
    steps(*lags, ladder=ladder)
    assert steps(*[0.0] * 100, ladder=ladder, begin=len(lags))[-1] is Step.ALL


def test_limits_that_do_not_rise_are_a_mistake() -> None:
    with pytest.raises(ValidationError, match="these must rise"):
        Pressure(lag_s=3, clear_lag_s=5)


def test_a_stage_that_stays_too_slow_leaves_old_frames_out_until_it_has_long_kept_up() -> None:
    now = 0.0
    relief = Relief(LIMITS, wall=lambda: 1e9 + now, steady=lambda: now)
    left_out = []
    for lag in (*[0.0] * 5, *[12.0] * 10, *[1.0] * 45, *[12.0] * 2):
        now += 1
        left_out.append(not relief.takes_frame(1e9 + now - lag))
    assert not any(left_out[:9])
    assert all(left_out[9:15])
    assert not any(left_out[15:])  # the young ones are encoded, and after 20 s a step it is all over


def test_a_clock_that_is_set_forward_leaves_no_frame_out() -> None:
    now, step = 0.0, 0.0
    relief = Relief(LIMITS, wall=lambda: now + step, steady=lambda: now)
    for second in range(60):
        now, captured = float(second), second + step - 1.0
        step = 3600.0 if second >= 30 else 0.0
        assert relief.takes_frame(captured)
        assert relief.hears_one_in(captured) == 1


def heard(*lags: float) -> list[int]:
    """Of how many pieces of sound one is heard, second by second."""
    now = 0.0
    relief = Relief(LIMITS, wall=lambda: 1e9 + now, steady=lambda: now)
    taken = []
    for lag in lags:
        now += 1
        taken.append(relief.hears_one_in(1e9 + now - lag))
    return taken


def test_as_few_sounds_as_may_be_are_heard_of_a_backlog_that_lasts() -> None:
    assert heard(*[12.0] * 8) == [*[1] * 4, *[8] * 4]


def test_fewer_sounds_are_heard_by_whoever_keeps_up_so_only() -> None:
    assert heard(*[12.0] * 5, 1.0, 1.0) == [*[1] * 4, 8, 2, 2]
    assert heard(*[12.0] * 9, 1.0) == [*[1] * 4, *[8] * 5, 4]
