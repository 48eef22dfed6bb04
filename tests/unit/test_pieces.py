from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.messages import SOUND_HZ
from monitor.pieces import Cutter

BEGIN = 1_800_000_000.0


def ramp(begin: int, count: int) -> np.ndarray:
    return (np.arange(begin, begin + count) % 30_000).astype(np.int16)


def test_pieces_end_on_half_seconds_and_the_first_is_shorter() -> None:
    cutter = Cutter()
    pieces = cutter.push(BEGIN + 0.3, ramp(0, SOUND_HZ)) + cutter.flush()
    assert [(round(piece.at - BEGIN, 4), round(piece.until - BEGIN, 4)) for piece in pieces] == [(0.3, 0.5), (0.5, 1.0), (1.0, 1.3)]
    assert [len(piece.samples) for piece in pieces] == [3200, 8000, 4800]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=60), st.floats(0, 1))
def test_no_sample_is_lost_or_doubled_however_sound_is_blocked(blocks: list[int], offset: float) -> None:
    cutter = Cutter()
    pieces = []
    done = 0
    for count in blocks:
        pieces += cutter.push(BEGIN + offset + done / SOUND_HZ, ramp(done, count))
        done += count
    pieces += cutter.flush()
    assert np.array_equal(np.concatenate([piece.samples for piece in pieces]), ramp(0, done))
    for piece in pieces:
        assert piece.until - piece.at == pytest.approx(len(piece.samples) / SOUND_HZ, abs=2e-4)
    for piece in pieces[:-1]:
        assert piece.until * 2 == int(piece.until * 2)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 3), st.integers(0, 20_000)), min_size=1, max_size=40))
def test_pieces_never_overlap_whatever_the_times(blocks: list[tuple[float, int]]) -> None:
    cutter = Cutter()
    at, pieces = BEGIN, []
    for off, count in blocks:
        at += off
        pieces += cutter.push(at, ramp(0, count))
    pieces += cutter.flush()
    for before, after in pairwise(pieces):
        assert before.at < before.until <= after.at + 1e-6
    assert all(piece.until - piece.at <= 0.5 + 1e-6 and len(piece.samples) for piece in pieces)


def test_a_gap_ends_the_piece_and_a_small_one_is_jitter() -> None:
    cutter = Cutter()
    cutter.push(BEGIN, ramp(0, 1600))
    assert not cutter.push(BEGIN + 0.13, ramp(0, 1600))
    (piece,) = cutter.push(BEGIN + 0.4, ramp(0, 160))
    assert (piece.at, piece.until) == (BEGIN, pytest.approx(BEGIN + 0.2))
    assert cutter.gaps == 1
    (rest,) = cutter.flush()
    assert rest.at == BEGIN + 0.4


@pytest.mark.parametrize("off", [0.03, -0.03])
def test_a_small_shift_that_stays_is_made_up_for(off: float) -> None:
    cutter = Cutter()
    for n in range(50):
        cutter.push(BEGIN + n * 0.02, ramp(0, 320))
    for n in range(50, 100):
        cutter.push(BEGIN + n * 0.02 + off, ramp(0, 320))
    assert cutter.position == pytest.approx(BEGIN + 2.0 + off, abs=0.0101)
    assert cutter.gaps == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-0.009, 0.009), min_size=50, max_size=100))
def test_jitter_is_no_shift(jitter: list[float]) -> None:
    cutter = Cutter()
    for n, off in enumerate([0.0, *jitter]):  # the first block is what the others are held against
        cutter.push(BEGIN + n * 0.02 + off, ramp(0, 320))
    assert cutter.gaps == 0


def test_sound_that_repeats_time_is_dropped() -> None:
    cutter = Cutter()
    cutter.push(BEGIN, ramp(0, 4800))
    cutter.push(BEGIN + 0.1, ramp(1600, 4800))
    (piece,) = cutter.flush()
    assert np.array_equal(piece.samples, ramp(0, 6400))


def test_nothing_begins_before_a_promise() -> None:
    cutter = Cutter()
    cutter.push(BEGIN, ramp(0, 1600))
    (piece,) = cutter.skip_to(BEGIN + 3)
    assert piece.until == pytest.approx(BEGIN + 0.1)
    assert cutter.push(BEGIN + 2.0, ramp(0, 8000)) == []
    (late,) = cutter.push(BEGIN + 2.9, ramp(0, 11_200))
    assert (late.at, late.until) == (BEGIN + 3, BEGIN + 3.5)


def test_the_peak_of_the_loudest_negative_sample_is_positive() -> None:
    cutter = Cutter()
    (piece,) = cutter.push(BEGIN, np.full(8000, -32768, np.int16))
    assert piece.peak == 32768
