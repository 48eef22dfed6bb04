from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config import Speech
from monitor.utterances import Cut, Rules, State, advance, close, reach, rules

BY = Rules(threshold=0.5, release=0.35, silence=5, longest=30, shortest=3, padding=2)

PROBABILITIES = st.lists(st.sampled_from([0.0, 0.1, 0.4, 0.5, 0.9, 1.0]), max_size=120)
RUNS = st.lists(st.tuples(st.sampled_from([0.05, 0.4, 0.95]), st.integers(1, 8) | st.integers(20, 40)), max_size=8).map(
    lambda runs: [probability for probability, length in runs for _ in range(length)]
)
quick = settings(max_examples=60, deadline=None)

HEARD = PROBABILITIES | RUNS
TIGHT = Rules(threshold=0.5, release=0.35, silence=4, longest=30, shortest=1, padding=4)
"""Padding as long as the silence: neighbours would overlap if nothing kept them apart."""


def cut(probabilities: list[float], by: Rules = BY) -> list[Cut]:
    state, cuts = advance(State(), probabilities, by)
    return cuts + close(state, by)[1]


def speech(begin: int, end: int, length: int) -> list[float]:
    return [0.75 if begin <= window < end else 0.0 for window in range(length)]


def test_an_utterance_has_padding_before_and_after():
    assert cut(speech(10, 20, 40)) == [Cut(begin=8, end=22, speech=0.75)]


def test_a_pause_shorter_than_the_silence_does_not_part_an_utterance():
    heard = [0.75 if window not in range(12, 16) else 0.0 for window in range(28)]
    assert len(cut(heard)) == 1


def test_an_utterance_ends_as_soon_as_the_silence_is_long_enough():
    state, cuts = advance(State(), speech(10, 20, 24), BY)
    assert not cuts
    _, cuts = advance(state, [0.0], BY)
    assert cuts == [Cut(begin=8, end=22, speech=0.75)]


def test_speech_goes_on_between_the_two_thresholds_but_does_not_begin_there():
    assert cut([0.4] * 20) == []
    assert [(c.begin, c.end) for c in cut([0.0] * 5 + [0.9] + [0.4] * 9 + [0.6] * 2 + [0.0] * 10)] == [(3, 19)]


def test_too_little_speech_is_none():
    assert cut(speech(10, 12, 40)) == []


def test_a_long_utterance_is_cut_at_its_faintest_place():
    heard = [0.9] * 60
    heard[22:25] = [0.6, 0.4, 0.6]
    first, *_ = cut(heard)
    assert (first.begin, first.end) == (0, 23)


def test_speech_that_lasts_to_the_end_is_closed_there():
    assert [(c.begin, c.end) for c in cut(speech(10, 20, 20))] == [(8, 20)]


def test_the_watermark_waits_at_the_begin_of_an_open_utterance():
    state, _ = advance(State(), speech(10, 20, 15), BY)
    assert reach(state, BY) == 8


def test_the_configuration_is_counted_in_windows():
    by = rules(Speech(silence_s=0.64, max_utterance_s=16, min_utterance_s=0.32, vad_threshold=0.5))
    assert (by.silence, by.longest, by.shortest, by.padding, by.release) == (20, 500, 10, 6, 0.35)


@quick
@given(HEARD)
def test_utterances_are_in_order_and_never_overlap(probabilities: list[float]):
    for cuts in (cut(probabilities), cut(probabilities, TIGHT)):
        assert all(c.begin < c.end <= len(probabilities) for c in cuts)
        assert all(a.end <= b.begin for a, b in pairwise(cuts))


@quick
@given(HEARD)
def test_no_utterance_is_longer_than_allowed(probabilities: list[float]):
    assert all(c.end - c.begin <= BY.longest for c in cut(probabilities))


@quick
@given(HEARD)
def test_all_speech_is_in_an_utterance_where_none_is_too_short(probabilities: list[float]):
    covered = {window for c in cut(probabilities, TIGHT) for window in range(c.begin, c.end)}
    assert {window for window, p in enumerate(probabilities) if p >= BY.threshold} <= covered


@quick
@given(HEARD, st.lists(st.integers(0, 200), max_size=10))
def test_pieces_make_no_difference(probabilities: list[float], places: list[int]):
    state, cuts = State(), []
    edges = sorted({0, len(probabilities), *(place for place in places if place < len(probabilities))})
    for begin, end in pairwise(edges):
        state, more = advance(state, probabilities[begin:end], BY)
        cuts += more
    assert cuts + close(state, BY)[1] == cut(probabilities)


@quick
@given(HEARD, st.sampled_from([BY, TIGHT]))
def test_no_utterance_begins_before_a_watermark_that_was_given(probabilities: list[float], by: Rules):
    state, promised = State(), 0
    for probability in [*probabilities, None]:
        state, cuts = close(state, by) if probability is None else advance(state, [probability], by)
        assert all(c.begin >= promised for c in cuts)
        assert reach(state, by) >= promised
        promised = reach(state, by)


@quick
@given(HEARD)
def test_the_watermark_stays_near_while_nobody_speaks(probabilities: list[float]):
    state, _ = advance(State(), probabilities, BY)
    assert state.open or reach(state, BY) >= state.heard - BY.padding
    assert state.heard - reach(state, BY) <= BY.longest
