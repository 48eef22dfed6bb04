"""Windows follow from each modality's own order, never from how modalities interleave."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import handed_over, numbered

from monitor.align import HELD, RESTART_S, Aligner, Window
from monitor.config import Fusion
from monitor.holding import Holding
from monitor.messages import Embedding, Mark, Modality, Topic

PICTURE, SOUND, TEXT = Modality.PICTURE, Modality.SOUND, Modality.TEXT
EVERYTHING = (PICTURE, SOUND, TEXT)
SETTINGS = Fusion(window_s=4, hop_s=0.5, patience_s=5, text_patience_s=30)
EPOCH = 1_700_000_000.0


def item(
    modality: Modality, at: float, until: float | None = None, has: tuple[Modality, ...] = EVERYTHING, camera: str = "hall"
) -> Embedding:
    until = at + 0.5 if until is None else until
    return Embedding(camera=camera, at=at, until=until, captured=at, modalities=has, modality=modality, vector=b"")


def mark(modality: Modality, until: float, has: tuple[Modality, ...] = EVERYTHING, *, last: bool = False) -> Mark:
    return Mark(camera="hall", at=until, until=until, captured=until, modalities=has, modality=modality, last=last)


def ends(*modalities: Modality, at: float, has: tuple[Modality, ...] = EVERYTHING) -> list[Embedding | Mark]:
    return [mark(modality, at, has, last=True) for modality in modalities]


def pushed(items: Sequence[Embedding | Mark], *, live: bool = False) -> list[Window]:
    aligner = Aligner(SETTINGS, live=live)
    return [window for each in items for window in aligner.push(each)]


def halves(modality: Modality, begin: float, end: float, has: tuple[Modality, ...] = EVERYTHING) -> list[Embedding | Mark]:
    return [item(modality, begin + index / 2, has=has) for index in range(round((end - begin) * 2))]


def test_a_camera_without_sound_is_final_at_once() -> None:
    windows = pushed(halves(PICTURE, EPOCH, EPOCH + 2, has=(PICTURE,)))
    assert [window.until - EPOCH for window in windows] == [0.5, 1.0, 1.5, 2.0]
    assert all(window.final and window.revision == 0 and window.complete for window in windows)
    assert [len(window.pictures) for window in windows] == [1, 2, 3, 4]


def test_a_window_holds_no_more_than_its_span() -> None:
    windows = pushed(halves(PICTURE, EPOCH, EPOCH + 20, has=(PICTURE,)))
    assert windows[-1].at == EPOCH + 16
    assert [picture.at - EPOCH for picture in windows[-1].pictures] == [16, 16.5, 17, 17.5, 18, 18.5, 19, 19.5]


def test_picture_waits_for_sound() -> None:
    aligner = Aligner(SETTINGS, live=False)
    assert not [window for each in halves(PICTURE, 10, 20) for window in aligner.push(each)]
    assert [window.until for window in aligner.push(item(SOUND, 10))] == [10.5]


def test_the_words_are_never_in_revision_0_even_when_they_are_there_first() -> None:
    has = (SOUND, TEXT)
    windows = pushed([item(TEXT, 10, 12, has), mark(TEXT, 12, has), *halves(SOUND, 10, 12, has)])
    assert [(window.until, window.revision, len(window.texts), window.final) for window in windows[:2]] == [
        (10.5, 0, 0, False),
        (10.5, 1, 1, True),
    ]


def test_a_final_window_without_words_is_marked_unchanged() -> None:
    has = (SOUND, TEXT)
    first, final = pushed([item(SOUND, 10, has=has), mark(TEXT, 10.5, has)])
    assert (first.revision, first.final, first.unchanged) == (0, False, False)
    assert (final.revision, final.final, final.unchanged) == (1, True, True)
    assert final.sounds == first.sounds


def test_final_windows_wait_for_the_open_utterance() -> None:
    has = (SOUND, TEXT)
    aligner = Aligner(SETTINGS, live=False)
    early = [window for each in [*halves(SOUND, 10, 14, has), mark(TEXT, 11, has)] for window in aligner.push(each)]
    assert [window.until for window in early if window.final] == [10.5, 11.0]
    words: list[Embedding | Mark] = [item(TEXT, 11, 13.2, has), mark(TEXT, 14, has)]
    later = [window for each in words for window in aligner.push(each)]
    assert [window.until for window in later] == [11.5, 12.0, 12.5, 13.0, 13.5, 14.0]
    assert all(window.texts for window in later)


def test_hours_without_a_source_make_no_windows() -> None:
    has = (PICTURE,)
    windows = pushed([item(PICTURE, EPOCH, has=has), item(PICTURE, EPOCH + 1e6, has=has)])
    untils = [window.until - EPOCH for window in windows]
    assert untils == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 1e6 + 0.5]


def test_a_live_camera_waits_for_its_slow_sound_only_so_long() -> None:
    windows = pushed(halves(PICTURE, 100, 110), live=True)
    assert windows[-1].until == 104.5, "the newest picture is of 109.5"
    assert not any(window.complete for window in windows)


def test_a_picture_that_stands_for_seconds_does_not_outrun_the_sound() -> None:
    rare = [item(PICTURE, 10.0 + 6 * n, 16.0 + 6 * n, (PICTURE, SOUND)) for n in range(4)]
    late_by = 2.0
    sounds = halves(SOUND, 10, 34, (PICTURE, SOUND))
    aligner = Aligner(SETTINGS, live=True)
    windows = [
        window
        for each in sorted([*rare, *sounds], key=lambda one: one.at + late_by * (one.modality is SOUND))
        for window in aligner.push(each)
    ]
    assert not aligner.late
    assert all(window.complete and window.sounds for window in windows)


def test_a_live_camera_waits_for_words_only_so_long() -> None:
    has = (SOUND, TEXT)
    windows = [window for window in pushed(halves(SOUND, 100, 140, has), live=True) if window.final]
    assert windows[-1].until == 110
    assert not windows[-1].complete


def test_what_comes_after_patience_is_dropped_and_counted() -> None:
    aligner = Aligner(SETTINGS, live=True)
    for each in halves(PICTURE, 100, 110):
        aligner.push(each)
    aligner.push(item(SOUND, 102))
    assert aligner.late == 1
    (window,) = aligner.push(item(PICTURE, 110))
    assert window.until == 105
    assert not window.sounds


def test_the_end_flushes_what_is_open_and_not_more() -> None:
    windows = pushed([*halves(PICTURE, 10, 12.5), *halves(SOUND, 10, 12), *ends(*EVERYTHING, at=12.5)])
    assert max(window.until for window in windows) == 12.5
    assert sum(window.final for window in windows) == 5


def test_an_ended_picture_holds_no_sound_up() -> None:
    windows = pushed([item(PICTURE, 10), mark(PICTURE, 10.5, last=True), *halves(SOUND, 10, 20)])
    assert windows[-1].until == 20
    assert windows[-1].complete


def test_a_run_that_is_over_says_so_and_leaves_nothing_behind() -> None:
    aligner = Aligner(SETTINGS, live=False)
    for each in [*halves(PICTURE, 10, 12), *halves(SOUND, 10, 12), *ends(PICTURE, TEXT, at=12)]:
        aligner.push(each)
    *_, end = aligner.advance(mark(SOUND, 12, last=True))
    assert isinstance(end, Mark)
    assert (end.last, end.modality, end.until) == (True, PICTURE, 12.0)
    assert "hall" not in aligner


def test_a_camera_that_comes_back_at_the_same_time_gives_the_same_windows() -> None:
    run: list[Embedding | Mark] = [*halves(PICTURE, 10, 12), *halves(SOUND, 10, 12), *ends(*EVERYTHING, at=12)]
    once = pushed(run)
    assert pushed(run + run) == once + once


def test_items_of_the_next_run_wait_for_the_end_of_this_one() -> None:
    pictures: list[Embedding | Mark] = [*halves(PICTURE, 10, 12), mark(PICTURE, 12, last=True)]
    others: list[Embedding | Mark] = [*halves(SOUND, 10, 12), *ends(SOUND, TEXT, at=12)]
    once = pushed(pictures + others)
    again = pushed(pictures + pictures + others + others)
    assert sorted(again, key=key) == sorted(once + once, key=key)


def test_a_mark_delivered_twice_holds_nothing_up() -> None:
    run = [*halves(PICTURE, 10, 12), *ends(PICTURE, PICTURE, at=12), *halves(SOUND, 10, 12), *ends(SOUND, TEXT, at=12)]
    aligner = Aligner(SETTINGS, live=False)
    assert [window for each in run for window in aligner.push(each)] == pushed([each for each in run if each != run[5]] + [])
    assert "hall" not in aligner


def test_a_run_whose_end_never_comes_is_ended_by_force() -> None:
    aligner = Aligner(SETTINGS, live=False)
    begun: list[Embedding | Mark] = [item(PICTURE, 10), mark(PICTURE, 10.5, last=True), item(SOUND, 10)]
    for each in begun:
        aligner.push(each)
    windows = [window for each in halves(PICTURE, 5000, 5000 + HELD / 2 + 1) for window in aligner.push(each)]
    assert windows[0].until == 10.5
    assert [window for each in halves(SOUND, 5000, 5001) for window in aligner.push(each)]


def test_a_clock_that_is_set_back_begins_afresh() -> None:
    has = (PICTURE,)
    windows = pushed([item(PICTURE, EPOCH, has=has), item(PICTURE, EPOCH - RESTART_S - 10, has=has)])
    assert [window.until - EPOCH for window in windows] == [0.5, -RESTART_S - 9.5]


@pytest.mark.parametrize("at", [float("nan"), float("inf"), -1.0, 1e300])
def test_a_time_that_cannot_be_is_dropped(at: float) -> None:
    aligner = Aligner(SETTINGS, live=False)
    assert not aligner.push(item(PICTURE, at, at, has=(PICTURE,)))
    assert aligner.late == 1


def test_words_can_be_left_out() -> None:
    aligner = Aligner(SETTINGS, live=False, uses=frozenset({PICTURE, SOUND}))
    windows = [window for each in halves(SOUND, 10, 11, has=(SOUND, TEXT)) for window in aligner.push(each)]
    assert [window.final for window in windows] == [True, True]


def test_an_utterance_that_begins_before_its_mark_is_held_by_later_windows() -> None:
    has = (SOUND, TEXT)
    windows = pushed([*halves(SOUND, 10, 12, has), mark(TEXT, 11, has), item(TEXT, 10.8, 11.4, has), mark(TEXT, 12, has)])
    assert [(window.until, len(window.texts)) for window in windows if window.final] == [(10.5, 0), (11, 0), (11.5, 1), (12, 1)]


def test_words_that_are_ahead_do_not_use_up_the_patience_for_picture_and_sound() -> None:
    aligner = Aligner(SETTINGS, live=True)
    early = [window for each in (mark(TEXT, 30), *halves(PICTURE, 10, 12)) for window in aligner.push(each)]
    assert early == []
    windows = [window for each in halves(SOUND, 10, 12) for window in aligner.push(each)]
    assert [window.until for window in windows if window.revision == 0] == [10.5, 11, 11.5, 12]
    assert all(window.complete for window in windows)


def key(window: Window) -> tuple[float, int]:
    return window.until, window.revision


@st.composite
def lanes(draw: st.DrawFn) -> list[list[Embedding | Mark]]:
    """Streams of the modalities that one camera has, each in its own order, with gaps, marks and an end."""
    has = draw(st.sampled_from([(PICTURE,), (SOUND, TEXT), (PICTURE, SOUND), EVERYTHING]))
    begin = draw(st.sampled_from([0.0, 7.3, EPOCH]))
    return [[*draw(lane(modality, begin, has)), mark(modality, 0, has, last=True)] for modality in has]


@st.composite
def lane(draw: st.DrawFn, modality: Modality, time: float, has: tuple[Modality, ...]) -> list[Embedding | Mark]:
    items: list[Embedding | Mark] = []
    for pause, length in draw(st.lists(st.tuples(PAUSES, LENGTHS), max_size=12)):
        if modality is TEXT and pause:
            items.append(mark(TEXT, time + pause, has))
        time += pause
        items.append(item(modality, time, time + length, has))
        time += length
    return items


PAUSES = st.sampled_from([0.0, 0.0, 0.0, 0.25, 3.0, 9.9, 60.0])
LENGTHS = st.sampled_from([0.5, 0.5, 0.1, 1.7])


def interleaved(streams: list[list[Embedding | Mark]], seed: int) -> list[Embedding | Mark]:
    chance = random.Random(seed)
    turns = [index for index, stream in enumerate(streams) for _ in stream]
    chance.shuffle(turns)
    iterators = [iter(stream) for stream in streams]
    return [next(iterators[turn]) for turn in turns]


@settings(max_examples=30, deadline=None)
@given(lanes(), st.integers(0, 2**32), st.integers(0, 2**32))
def test_windows_do_not_depend_on_the_interleaving(streams: list[list[Embedding | Mark]], one: int, other: int) -> None:
    first, second = pushed(interleaved(streams, one)), pushed(interleaved(streams, other))
    assert sorted(first, key=key) == sorted(second, key=key)


@settings(max_examples=30, deadline=None)
@given(lanes(), st.integers(0, 2**32), st.booleans())
def test_windows_are_causal_on_the_grid_and_each_comes_once(streams: list[list[Embedding | Mark]], seed: int, live: bool) -> None:
    windows = pushed(interleaved(streams, seed), live=live)
    for revision in (0, 1):
        untils = [window.until for window in windows if window.revision == revision]
        assert untils == sorted(set(untils))
    finals = [window.until for window in windows if window.final]
    assert sorted({window.until for window in windows}) == finals
    for window in windows:
        held = (*window.pictures, *window.sounds, *window.texts)
        assert held
        assert (window.until / 0.5).is_integer()
        assert all(each.at < window.until and each.until > window.at for each in held)
        assert window.revision or not window.texts


@settings(max_examples=25, deadline=None)
@given(lanes(), st.integers(0, 2**32), st.data())
def test_items_delivered_twice_change_nothing(streams: list[list[Embedding | Mark]], seed: int, data: st.DataObject) -> None:
    items = interleaved(streams, seed)
    if len({each.modality for each in items if isinstance(each, Mark) and each.last}) < len(streams):
        return
    cut = data.draw(st.integers(0, len(items) - 1))
    end = min(index for index, each in enumerate(items) if isinstance(each, Mark) and each.last)
    again = data.draw(st.integers(0, min(cut, end)))
    repeated = items[: min(cut, end)] + items[again:]
    assert sorted(pushed(repeated), key=key) == sorted(pushed(items), key=key)


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**32))
def test_a_live_camera_keeps_no_more_than_patience(seed: int) -> None:
    aligner = Aligner(SETTINGS, live=True)
    streams: list[list[Embedding | Mark]] = [[*halves(PICTURE, 0, 200)], [*halves(SOUND, 0, 200)]]
    most = 0
    for each in interleaved(streams, seed):
        aligner.push(each)
        most = max(most, sum(len(lane.items) for run in aligner._runs.values() for lane in run.lanes.values()))
    assert most <= 2 * 2 * (30 + 4 + 1)


@settings(max_examples=40, deadline=None)
@given(lanes(), st.integers(0, 2**32), st.data())
def test_a_successor_closes_the_windows_that_its_predecessor_would_have(
    streams: list[list[Embedding | Mark]], seed: int, data: st.DataObject
) -> None:
    records = numbered(interleaved(streams, seed), lambda _: Topic.EMBEDDINGS)
    cut = data.draw(st.integers(0, len(records)))
    aligner, holding, windows = Aligner(SETTINGS, live=False), Holding(), []
    for record in records[:cut]:
        windows += aligner.push(record.message)
        holding.saw(record)
    successor = Aligner(SETTINGS, live=False)
    for record in handed_over(records, cut, holding.keep(lambda _, camera: aligner.needed(camera))):
        successor.push(record.message)
    for record in records[cut:]:
        windows += successor.push(record.message)
    assert windows == pushed([record.message for record in records])
