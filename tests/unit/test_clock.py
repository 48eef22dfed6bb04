import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.clock import AHEAD_S, LAG_S, LEAD_S, TOGETHER_S, Grid, StreamClock
from monitor.messages import Modality

PICTURE, SOUND = Modality.PICTURE, Modality.SOUND
NOW = 1_800_000_000.0


def recording(begin: float = NOW, zero: float = 0.0) -> StreamClock:
    return StreamClock(begin=begin, zero=zero, live=False)


def live() -> StreamClock:
    return StreamClock(begin=NOW, zero=0.0, live=True)


def test_a_recording_begins_where_it_is_told_to() -> None:
    clock = recording(zero=12.5)
    assert clock.at(PICTURE, 12.5, 0) == NOW
    assert clock.at(SOUND, 12.52, 0) == NOW + 0.02


def test_picture_and_sound_share_one_clock_after_a_jump_whichever_comes_first() -> None:
    for first, second in ((PICTURE, SOUND), (SOUND, PICTURE)):
        clock = recording()
        for n in range(50):
            clock.at(PICTURE, n * 0.04, 0)
            clock.at(SOUND, n * 0.04, 0)
        jumped = clock.at(first, 1000.0, 0)
        other = clock.at(second, 1000.0, 0)
        assert jumped == other == pytest.approx(NOW + 2.0)
        assert clock.jumps == 2


def test_a_gap_in_a_recording_is_a_gap_but_a_leap_is_not() -> None:
    clock = recording()
    clock.at(PICTURE, 0, 0)
    assert clock.at(PICTURE, AHEAD_S - 1, 0) == NOW + AHEAD_S - 1
    assert clock.at(PICTURE, 10 * AHEAD_S, 0) < NOW + AHEAD_S
    assert clock.jumps == 1


def test_stamps_that_begin_again_go_on() -> None:
    clock = recording()
    times = [clock.at(PICTURE, stamp, 0) for stamp in (5.0, 5.04, 5.08, 0.0, 0.04, 0.08)]
    assert times == pytest.approx([NOW + 5 + n * 0.04 for n in range(6)])


def test_small_disorder_is_no_jump() -> None:
    clock = recording()
    clock.at(PICTURE, 1.0, 0)
    assert clock.at(PICTURE, 0.96, 0) == pytest.approx(NOW + 0.96)
    assert clock.jumps == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([PICTURE, SOUND]), st.floats(-1e6, 1e6)), max_size=60))
def test_a_recordings_time_never_falls_back_further_than_disorder_whatever_the_stamps(stamps: list[tuple[Modality, float]]) -> None:
    clock = recording()
    last: dict[Modality, float] = {}
    for modality, stamp in stamps:
        at = clock.at(modality, stamp, 0)
        assert math.isfinite(at)
        assert at >= last.get(modality, -math.inf) - TOGETHER_S - 1e-3
        last[modality] = at


def test_a_live_burst_does_not_put_time_ahead_of_the_wall_clock() -> None:
    clock = live()
    times = [clock.at(PICTURE, n * 0.04, NOW) for n in range(100)]
    assert max(times) <= NOW + LEAD_S
    assert clock.shifts > 0


def test_a_late_packet_does_not_move_the_clock_but_a_lasting_lag_does() -> None:
    clock = live()
    for n in range(250):
        clock.at(PICTURE, n * 0.04, NOW + n * 0.04)
    assert clock.at(PICTURE, 10.0, NOW + 15.0) == pytest.approx(NOW + 10.0)
    late = [clock.at(PICTURE, 10 + n * 0.04, NOW + 15 + n * 0.04) for n in range(1000)]
    assert late[-1] == pytest.approx(NOW + 55 - 0.04, abs=0.1)
    assert clock.shifts == 1
    assert late == sorted(late)


def test_a_burst_after_a_network_pause_keeps_its_own_times() -> None:
    clock = live()
    for n in range(250):
        clock.at(PICTURE, n * 0.04, NOW + n * 0.04)
    burst = [clock.at(PICTURE, 10 + n * 0.04, NOW + 18.0) for n in range(200)]
    assert burst[0] == pytest.approx(NOW + 10)
    assert burst[-1] == pytest.approx(NOW + 18, abs=0.1)
    assert clock.jumps == clock.shifts == 0


def test_a_camera_whose_clock_is_slow_stays_within_the_limit() -> None:
    clock = live()
    for n in range(40_000):
        at = clock.at(PICTURE, n * 0.04 * 0.99, NOW + n * 0.04)
    assert abs(at - (NOW + n * 0.04)) < LAG_S + 1


def test_a_live_leap_is_put_where_the_wall_clock_says() -> None:
    clock = live()
    clock.at(PICTURE, 0.0, NOW)
    assert clock.at(PICTURE, 1e5, NOW + 0.04) == pytest.approx(NOW + 0.04)
    assert clock.at(SOUND, 1e5, NOW + 0.04) == pytest.approx(NOW + 0.04)


def test_the_grid_takes_the_first_frame_at_or_after_each_sampling_time() -> None:
    grid = Grid(2.0)
    taken = [n * 0.04 for n in range(100) if grid.takes(NOW + n * 0.04)]
    assert taken == pytest.approx([0.0, 0.52, 1.0, 1.52, 2.0, 2.52, 3.0, 3.52], abs=1e-6)


@settings(max_examples=40, deadline=None)
@example(10.999999999999996, [0.0])
@given(st.floats(0.1, 30), st.lists(st.floats(0, 5), min_size=1, max_size=100))
def test_samples_never_lie_closer_than_the_grid_says(rate: float, steps: list[float]) -> None:
    grid = Grid(rate)
    at = NOW
    for step in steps:
        at += step
        due = grid.due
        if grid.takes(at):
            assert at >= due
            assert at < grid.due <= at + 1 / rate + 1e-5
