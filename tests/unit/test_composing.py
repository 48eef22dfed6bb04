"""Composed streams: what is drawn, what a window of them is labelled, and how alerts are counted against them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.anomaly import Anomaly
from monitor.config import Config
from monitor.errors import SourceError
from monitor.messages import SOUND_HZ, Judgement, Modality, Score
from workers.composing.events import Found, Occurrence, Said, alarms, at_recall, crossed, f1, matched, occurrences
from workers.composing.judge import Raised, only, raised
from workers.composing.picture import SIZE, fitted, infrared, raining
from workers.composing.plan import Plan, at_level, heard_only, plan
from workers.composing.sound import looped, mixed, resampled
from workers.composing.sources import ACCENTS, Line, Sources, Split, sources
from workers.composing.timeline import Event, Timeline, labels, read, write
from workers.scene.voice import Voice
from workers.training.rows import Row


def row(name: str, label: str, group: str = "") -> Row:
    return Row(path=Path(name), name=name, label=label, group=group or name, fold=0)


SOURCES = Sources(
    split=Split.TEST,
    clips=tuple(row(f"violence/{label}{n}", label, f"scene {n // 2}") for label in ("fight", "normal") for n in range(6)),
    footage=(row("video/long", "normal pedestrians"),),
    sounds=tuple(
        row(f"sounds/{label}{n}", label)
        for label in ("sound:gun_shot", "scream", "sound:dog_bark", "sound:rain", "emotion:anger", "emotion:neutral")
        for n in range(3)
    ),
    lines=tuple(Line(text=f"{label} {n}", label=label) for label in ("threat", "help", "ordinary", "film") for n in range(4)),
    voices=(Voice("a"), Voice("b")),
)


def load(path: Path) -> np.ndarray:
    return np.random.default_rng(len(str(path))).normal(0, 0.1, 3 * SOUND_HZ).astype(np.float32)


def say(text: str, voice: Voice) -> np.ndarray:
    return np.sin(np.arange(len(text) * 1500) / 20).astype(np.float32)


def drawn(seed: int, *, calm: bool = False, minutes: float = 3) -> Plan:
    return plan(SOURCES, minutes * 60, np.random.default_rng(seed), load, say, calm=calm)


def event(begin: float, end: float, kind: str = "scream", *, incident: bool = True) -> Event:
    return Event(begin=begin, end=end, kind=kind, incident=incident, modalities=(Modality.SOUND,), sources=("x",))


def timeline(*events: Event) -> Timeline:
    return Timeline(name="t", split="test", seed=0, seconds=100, night=False, rain=False, calm=False, events=events, sources=())


def told(*times: float) -> list[Raised]:
    return [Raised(kind="fight", at=at, end=at + 1) for at in times]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
@example(4752, False)
def test_shots_fill_a_stream_without_gaps_and_a_calm_one_shows_no_fight(seed: int, calm: bool) -> None:
    planned = drawn(seed, calm=calm)
    assert planned.shots[0].begin == 0
    assert planned.shots[-1].end == pytest.approx(180)
    assert all(one.end == pytest.approx(two.begin) for one, two in pairwise(planned.shots))
    fights = sum(shot.row.label == "fight" for shot in planned.shots)
    assert (fights > 0) == any(each.kind == "fight" for each in planned.events)
    assert not (calm and any(each.incident for each in planned.events))


def test_the_same_seed_draws_the_same_stream() -> None:
    assert drawn(3).events == drawn(3).events
    assert drawn(3).events != drawn(4).events


def test_fights_and_calm_clips_are_shown_equally_long() -> None:
    lengths: dict[str, list[float]] = {"fight": [], "normal": []}
    for seed in range(30):
        for shot in drawn(seed).shots:
            if shot.row.label in lengths:
                lengths[shot.row.label].append(shot.end - shot.begin)
    assert np.mean(lengths["fight"]) == pytest.approx(np.mean(lengths["normal"]), abs=0.7)


def test_incidents_and_ordinary_sounds_are_equally_loud() -> None:
    loud: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(40):
        planned = drawn(seed)
        audible = [each for each in planned.events if each.kind != "fight"]
        for each, heard in zip(audible, planned.heard, strict=True):
            level = 10 * np.log10(np.mean(np.square(heard.samples.astype(np.float64))))
            loud[each.incident].append(level - planned.ambience_db)
    assert np.mean(loud[True]) == pytest.approx(np.mean(loud[False]), abs=2)


def test_the_same_voices_say_threats_and_ordinary_things() -> None:
    said: Counter[tuple[str, bool]] = Counter()
    for seed in range(40):
        said.update((each.sources[0].split(":")[0], each.incident) for each in drawn(seed).events if ": " in each.sources[0])
    assert {voice for voice, incident in said if incident} == {voice for voice, incident in said if not incident} == {"a", "b"}


@pytest.mark.parametrize("calm", [True, False])
def test_what_a_split_lacks_is_left_out(calm: bool) -> None:
    sounds = tuple(each for each in SOURCES.sounds if each.label == "sound:rain")
    poor = replace(SOURCES, split=Split.VAL, clips=(), sounds=sounds)
    planned = plan(poor, 180, np.random.default_rng(0), load, say, calm=calm)
    assert {shot.row.name for shot in planned.shots} == {"video/long"}
    assert {each.kind for each in planned.events} <= {"threat", "help", "film line", "ordinary speech"}


def test_a_dry_sound_is_the_same_without_its_ambience_and_silent_between_its_events() -> None:
    whole, dry = (heard_only(SOURCES, 60, np.random.default_rng(0), load, say, dry=dry) for dry in (False, True))
    assert dry.events == whole.events
    assert whole.ambience
    assert not dry.ambience
    sounding = {place for each in dry.heard for place in range(int(each.at), int(each.at + len(each.samples) / SOUND_HZ) + 1)}
    silent = [second for second in range(60) if second not in sounding]
    assert silent
    assert not any(mixed(dry)[second * SOUND_HZ : (second + 1) * SOUND_HZ].any() for second in silent)


def test_a_window_with_a_second_of_an_incident_is_one_and_one_with_its_edge_counts_neither_way() -> None:
    on, counts = labels([event(10, 16)], [9, 10.5, 11, 16, 19, 19.5, 21], 4)
    assert on.tolist() == [False, False, True, True, True, False, False]
    assert counts.tolist() == [True, False, True, True, True, False, True]


def test_of_a_shot_half_is_enough() -> None:
    assert labels([event(10, 10.5)], [10.25, 10.5], 4)[0].tolist() == [True, True]


def test_a_stream_without_incidents_is_calm_throughout() -> None:
    on, counts = labels([], [1, 2, 3], 4)
    assert not on.any()
    assert counts.all()


def test_incidents_that_overlap_are_one_occurrence() -> None:
    assert occurrences([event(10, 15), event(12, 18), event(30, 31)]) == [Occurrence(10, 18), Occurrence(30, 31)]


def test_alerts_are_counted_once_an_occurrence_and_false_outside() -> None:
    found = matched(timeline(event(10, 15), event(40, 45), event(70, 75, incident=False)), told(12, 14, 18, 71))
    assert found == Found(1, 1, 1, (2,), 3)
    assert f1([found]) == pytest.approx(0.5)


def test_an_alert_from_before_an_incident_did_not_find_it() -> None:
    assert matched(timeline(event(10, 15)), told(9)) == Found(0, 1, 1, (), 0)


def test_an_alarm_needs_two_windows_in_a_row_and_then_a_pause() -> None:
    times = np.arange(0, 20, 0.5)
    high = np.isin(times, [2, 4, 4.5, 5, 6, 6.5, 14, 14.5])
    assert [each.at for each in alarms(times, high.astype(float), 0.5)] == [4.5, 14.5]


def test_rules_are_tried_with_and_without_the_anomaly() -> None:
    known = Anomaly(network="n", kinds=("fight",), slopes=(1.0,), offsets=(0.0,), leak=0.001)
    scores = [
        Score(
            camera="hall",
            at=until - 4,
            until=until,
            captured=until,
            revision=0,
            learning=False,
            modalities=(Modality.PICTURE,),
            final=True,
            judgements=(Judgement(kind="fight", probability=0.9 if 10 <= until < 16 else 0.0),),
        )
        for until in np.arange(4, 40, 0.5).tolist()
    ]
    whole = [msgspec.structs.replace(made, judgements=known.added(made.judgements)) for made in scores]

    def told_by(settings: Config) -> list[tuple[str, float]]:
        return [(each.kind, each.at) for each in raised(whole, settings)]

    assert told_by(only(Config(), "anomaly".__eq__)) == [("anomaly", 12.5)]
    assert told_by(only(Config(), "anomaly".__ne__)) == [("fight", 11.0)]
    assert told_by(Config()) == [("fight", 11.0)]


def judged(height: float, calm: float = 0.1) -> Said:
    """Ten seconds of twenty in which something is on, and is as probable as that."""
    untils = np.arange(0.5, 40.0, 0.5)
    said = np.where((untils >= 10) & (untils < 20), height, calm)
    return Said(timeline(event(10, 20)), untils, untils, said, said)


def test_a_streams_threshold_is_chosen_by_the_others() -> None:
    """One that is told apart at another height than all others is not found, however well its own threshold would do."""
    assert [found.hits for found in crossed([judged(0.9), judged(0.9), judged(0.9), judged(0.3)])] == [1, 1, 1, 0]


def test_the_highest_threshold_that_finds_enough_is_taken() -> None:
    streams = [judged(0.9), judged(0.7), judged(0.5), judged(0.3)]
    threshold, found = at_recall(streams, 0.75)
    assert threshold == 0.5
    assert [each.hits for each in found] == [1, 1, 1, 0]


@settings(max_examples=30, deadline=None)
@given(st.floats(-60, -25), st.floats(0.001, 1))
def test_sound_is_brought_to_its_level(level_db: float, loudness: float) -> None:
    sound = np.random.default_rng(0).normal(0, loudness * 0.3, SOUND_HZ).astype(np.float32)
    assert 10 * np.log10(np.square(at_level(sound, level_db)).mean()) == pytest.approx(level_db, abs=0.5)


def test_silence_stays_silent() -> None:
    assert not at_level(np.zeros(SOUND_HZ, np.float32), -20).any()


def test_a_loop_has_no_click() -> None:
    tone = np.sin(np.arange(SOUND_HZ) * 0.031).astype(np.float32)
    assert np.abs(np.diff(looped(tone, 5 * SOUND_HZ))).max() < 0.2


def test_resampling_keeps_the_length() -> None:
    assert len(resampled(np.zeros(22_050, np.float32), 22_050)) == pytest.approx(SOUND_HZ, abs=50)


@pytest.mark.parametrize("shape", [(180, 320, 3), (576, 768, 3), (240, 320, 3), (400, 200, 3)])
def test_every_picture_fills_the_same_frame(shape: Sequence[int]) -> None:
    assert fitted(np.full(shape, 100, np.uint8)).shape == (SIZE[1], SIZE[0], 3)


def test_at_night_there_is_no_colour_and_in_the_rain_it_streaks() -> None:
    picture = np.full((SIZE[1], SIZE[0], 3), (20, 120, 220), np.uint8)
    dark = infrared(0)(picture, 3)
    assert (dark[..., 0] == dark[..., 2]).all()
    assert not np.array_equal(raining(0)(picture, 0), raining(0)(picture, 1))


def test_a_time_line_is_written_and_read(tmp_path: Path) -> None:
    made = timeline(event(1, 2), event(3, 4, incident=False))
    write(tmp_path / "t.json", made)
    assert read(tmp_path / "t.json") == made
    assert made.incidents == (event(1, 2),)


def test_a_time_line_that_is_none_is_a_clear_mistake(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=re.escape("t.json")):
        read(tmp_path / "t.json")


def test_no_voice_is_in_two_splits() -> None:
    every = [voice for voices in ACCENTS.values() for voice in voices]
    assert len(every) == len(set(every))


def test_data_that_nothing_can_be_made_of_is_a_clear_mistake(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=re.escape("manifest.csv")):
        sources(tmp_path, Split.TEST)
    (tmp_path / "manifest.csv").write_text("path,modality,label,source,licence,use,ground_truth,note,bytes\n")
    with pytest.raises(SourceError, match="nothing to compose"):
        sources(tmp_path, Split.TEST)
