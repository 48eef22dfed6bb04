import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.objects import Box, Thing, overlaps
from monitor.tracks import LOST_S, Tracker, fit

SHARE = st.floats(0, 1, width=16)
BOX = st.tuples(SHARE, SHARE, SHARE, SHARE).map(lambda s: (min(s[0], s[2]), min(s[1], s[3]), max(s[0], s[2]), max(s[1], s[3])))


def thing(
    left: float, top: float = 0.4, *, label: str = "person", confidence: float = 0.9, width: float = 0.05, height: float = 0.2
) -> Thing:
    return Thing(label=label, confidence=confidence, box=(left, top, left + width, top + height))


def numbers(*pictures: list[Thing], every_s: float = 0.5) -> list[list[int]]:
    tracker = Tracker()
    return [[track.number if track else 0 for track in tracker(things, index * every_s)] for index, things in enumerate(pictures)]


def test_two_who_pass_each_other_keep_their_numbers():
    walk = [[thing(0.1 + 0.04 * step), thing(0.6 - 0.04 * step, 0.5)] for step in range(10)]
    assert numbers(*walk) == [[1, 2]] * 10


def test_who_walks_so_fast_that_he_overlaps_himself_no_more_is_still_followed():
    assert numbers(*([thing(0.1 + 0.06 * step)] for step in range(8))) == [[1]] * 8


def test_an_unsure_box_continues_a_track_but_begins_none():
    unsure = thing(0.1, confidence=0.22)
    assert numbers([unsure], [thing(0.1)], [unsure]) == [[0], [1], [1]]


def test_a_car_does_not_become_a_person():
    assert numbers([thing(0.1)], [thing(0.1, label="car")]) == [[1], [2]]


def test_who_is_hidden_for_a_moment_comes_back_as_himself_and_after_long_as_another():
    assert numbers([thing(0.1)], [], [thing(0.1)]) == [[1], [], [1]]
    assert numbers([thing(0.1)], [thing(0.5)], [thing(0.1)], every_s=LOST_S + 0.1) == [[1], [2], [3]]


def test_a_track_says_how_fast_it_goes_and_for_how_long_it_has_been_there():
    tracker = Tracker()
    for step in range(20):
        (track,) = tracker([thing(0.1 + 0.02 * step)], step * 0.5)
    assert track is not None
    assert track.velocity == pytest.approx((0.04, 0.0), abs=1e-3)
    assert track.dwell_s == 9.5
    assert track.confirmed
    assert track.expected(10.0)[0] == pytest.approx(0.5, abs=0.01)


def test_a_clock_that_is_set_back_begins_anew():
    tracker = Tracker()
    tracker([thing(0.1)], 100.0)
    (track,) = tracker([thing(0.1)], 5.0)
    assert track is not None
    assert (track.number, track.dwell_s) == (2, 0.0)


@given(st.lists(BOX, min_size=1, max_size=5))
def test_a_box_fits_itself_best_and_nothing_better_than_it_overlaps(boxes: list[Box]):
    fits = fit(boxes, boxes)
    assert (fits <= overlaps(np.array(boxes, np.float32)) + 1e-5).all()
    assert (fits >= -1 - 1e-5).all()
    assert np.allclose(fits, fits.T, atol=1e-5)


@given(st.lists(st.lists(st.tuples(BOX, SHARE), max_size=6), max_size=6))
def test_no_two_things_of_a_picture_are_one_track(pictures: list[list[tuple[Box, float]]]):
    tracker = Tracker()
    for index, picture in enumerate(pictures):
        tracks = tracker([Thing(label="person", confidence=sure, box=box) for box, sure in picture], index / 2)
        known = [track.number for track in tracks if track]
        assert len(tracks) == len(picture)
        assert len(set(known)) == len(known)
