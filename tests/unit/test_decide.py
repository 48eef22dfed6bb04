"""Incidents begin, change and end under one id, and nothing is told twice."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from records import handed_over, numbered

from monitor.config import Alerts, Phrase, Rule
from monitor.decide import Decider
from monitor.holding import Holding
from monitor.messages import (
    Alert,
    CameraState,
    Judgement,
    Mark,
    Message,
    Modality,
    Phase,
    Pose,
    Presence,
    Score,
    Severity,
    State,
    Topic,
    Transcript,
    Word,
)

HAS = (Modality.PICTURE, Modality.SOUND, Modality.TEXT)
NEW, UPDATE, END = Phase.NEW, Phase.UPDATE, Phase.END
RULE = Rule(enabled=True, raise_at=0.8, clear_at=0.5, raise_after=2, clear_after=3, cool_down_s=5)
SETTINGS = Alerts(
    rules=dict.fromkeys(("fight", "distress", "anomaly", "unusual_picture"), RULE),
    watch={"help": Phrase(phrases=("help me",))},
    update_s=2,
)
EPOCH = 1_700_000_000.0


def score(until: float, *, revision: int = 0, final: bool = False, learning: bool = False, text: str = "", **kinds: float) -> Score:
    return Score(
        camera="hall",
        at=until - 4,
        until=until,
        captured=until,
        modalities=HAS,
        revision=revision,
        final=final,
        judgements=tuple(Judgement(kind=kind, probability=value) for kind, value in kinds.items()),
        learning=learning,
        transcripts=(transcript(until - 2, text),) if text else (),
    )


def transcript(at: float, text: str) -> Transcript:
    words = tuple(Word(text=word, at=at, until=at + 1, probability=0.9) for word in text.split())
    return Transcript(
        camera="hall", at=at, until=at + 1, captured=at, modalities=HAS, text=text, language="en", confidence=0.9, no_speech=0, words=words
    )


def state(at: float, *states: State, detail: str = "") -> CameraState:
    return CameraState(camera="hall", at=at, states=states, detail=detail, modalities=HAS)


def mark(until: float, *, last: bool = False) -> Mark:
    return Mark(camera="hall", at=until, until=until, captured=until, modalities=HAS, modality=Modality.TEXT, last=last)


def told(decider: Decider, messages: Iterable[Message]) -> list[Alert]:
    return [alert for message in messages for alert in tell(decider, message)]


def tell(decider: Decider, message: Message) -> list[Alert]:
    match message:
        case Score():
            return decider.score(message)
        case Transcript():
            return decider.transcript(message)
        case CameraState():
            return decider.state(message)
        case Mark():
            return decider.heard(message)
    raise AssertionError(message)


def decided(messages: Iterable[Message], alerts: Alerts = SETTINGS) -> list[Alert]:
    return told(Decider(alerts), messages)


def row(*probabilities: float, begin: float = EPOCH) -> list[Message]:
    return [score(begin + index / 2, fight=value) for index, value in enumerate(probabilities)]


def phases(alerts: Sequence[Alert]) -> list[Phase]:
    return [alert.phase for alert in alerts]


def test_one_loud_window_is_no_incident() -> None:
    assert not decided(row(0.9, 0.7, 0.9, 0.7))


def test_two_in_a_row_are() -> None:
    (alert,) = decided(row(0.1, 0.9, 0.85))
    assert (alert.phase, alert.kind, alert.probability, alert.sequence) == (NEW, "fight", 0.9, 0)
    assert (alert.at, alert.until, alert.captured) == (EPOCH - 3.5, EPOCH + 1, EPOCH + 1)


def test_it_lasts_until_it_has_been_quiet_for_long_enough() -> None:
    alerts = decided(row(0.9, 0.9, 0.4, 0.4, 0.6, 0.4, 0.4, 0.4))
    assert phases(alerts) == [NEW, END]
    assert alerts[1].until == EPOCH + 2
    assert alerts[0].id == alerts[1].id


def test_after_its_end_it_cools_down() -> None:
    quiet = [0.0] * 3
    alerts = decided(row(0.9, 0.9, *quiet, *[0.9] * 20))
    assert phases(alerts) == [NEW, END, NEW]
    assert alerts[2].until == EPOCH + 2 + 5 + 0.5
    assert alerts[2].id != alerts[0].id


def test_a_stronger_window_is_told_at_most_every_so_often() -> None:
    alerts = decided(row(0.8, 0.8, 0.82, 0.84, 0.86, 0.88, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9))
    assert [(alert.phase, alert.until - EPOCH, alert.sequence) for alert in alerts] == [(NEW, 0.5, 0), (UPDATE, 2.5, 1), (UPDATE, 4.5, 2)][
        : len(alerts)
    ]
    assert len(alerts) >= 2


def test_it_becomes_critical_at_once_and_stays_so() -> None:
    alerts = decided(row(0.8, 0.8, 0.96, 0.8))
    assert [(alert.phase, alert.severity) for alert in alerts] == [(NEW, Severity.WARNING), (UPDATE, Severity.CRITICAL)]


def test_spoken_kinds_are_decided_on_final_scores_alone() -> None:
    first = [score(EPOCH + index / 2, distress=0.9) for index in range(4)]
    final = [score(EPOCH + index / 2, revision=1, final=True, distress=0.9, fight=0.9, text="help me please") for index in range(4)]
    assert not decided(first)
    alerts = decided(final)
    assert {alert.kind for alert in alerts} == {"distress"}
    assert "help me please" in alerts[0].summary
    assert [word.text for word in alerts[0].words] == ["help", "me", "please"] * 2


def final(until: float, **kinds: float) -> Score:
    return score(until, revision=1, final=True, **kinds)


def both(fight: Sequence[float], anomaly: Sequence[float], lag: int) -> list[Message]:
    """First scores, four seconds more of them than are named, and, so many windows behind them, final ones."""
    first = [score(EPOCH + index / 2, fight=value) for index, value in enumerate([*fight, *[0.0] * 8])]
    last = [final(EPOCH + index / 2, anomaly=value) for index, value in enumerate(anomaly)]
    steps = [
        [*first[index : index + 1], *(last[index - lag : index - lag + 1] if index >= lag else [])] for index in range(len(first) + lag)
    ]
    return [each for step in steps for each in step]


def lives(alerts: Sequence[Alert]) -> list[tuple[str, Phase, float]]:
    return sorted(
        [(alert.kind, alert.phase, alert.until - EPOCH) for alert in alerts if alert.phase is not UPDATE], key=lambda x: (x[0], x[2])
    )


@pytest.mark.parametrize("lag", [0, 1, 30])
@pytest.mark.parametrize("early", [0, 3])
def test_an_anomaly_is_quiet_while_a_kind_of_it_is_told_or_soon_will_be(lag: int, early: int) -> None:
    alerts = decided(both([0.0] * early + [0.9] * 8 + [0.0] * 20, [0.9] * (8 + early) + [0.0] * 20, lag))
    assert [(alert.kind, alert.phase) for alert in alerts] == [("fight", NEW), ("fight", END)]


@pytest.mark.parametrize("lag", [0, 1, 30])
def test_an_anomaly_ends_when_a_kind_is_told_and_cools_down_after_that(lag: int) -> None:
    alerts = decided(both([0.0] * 8 + [0.9] * 4 + [0.0] * 22, [0.9] * 34, lag))
    assert lives(alerts) == [
        ("anomaly", NEW, 0.5),
        ("anomaly", END, 2),  # two seconds later the fight is raised, …
        ("anomaly", NEW, 12.5),  # … which ends at 7.0
        ("fight", NEW, 4.5),
        ("fight", END, 5.5),
    ]


def test_an_anomaly_is_told_two_seconds_later_or_when_the_camera_ends() -> None:
    decider, records = Decider(SETTINGS), both([0.0] * 4, [0.9] * 2, 0)
    assert [len(tell(decider, record)) for record in records] == [0, 0, 0, 0, 0, 0, 0, 1, *[0] * (len(records) - 8)]
    decider = Decider(SETTINGS)
    assert not told(decider, records[:6])
    assert phases(decider.ended("hall")) == [NEW, END]


def test_of_a_camera_that_ended_nothing_is_needed_although_its_budget_saw_what_waited() -> None:
    decider = Decider(SETTINGS.model_copy(update={"budget": "1/day"}))
    told(decider, [score(EPOCH + at / 2, final=True, anomaly=0.9) for at in range(3)])
    assert decider.needed(Topic.SCORES, "hall") < EPOCH
    decider.ended("hall")
    assert decider.needed(Topic.SCORES, "hall") == float("inf")


def test_a_clock_that_is_set_back_decides_on_what_waits() -> None:
    decider = Decider(SETTINGS)
    assert not told(decider, [score(EPOCH + at / 2, final=True, anomaly=0.9) for at in range(3)])
    (alert,) = decider.score(score(EPOCH - 7200, final=True))
    assert (alert.kind, alert.phase) == ("anomaly", NEW)


def test_what_is_unusual_does_not_name_an_anomaly() -> None:
    alerts = decided([score(EPOCH + at / 2, final=True, unusual_picture=0.9, anomaly=0.9) for at in range(6)])
    assert [alert.kind for alert in alerts] == ["unusual_picture", "anomaly"]


def test_what_is_said_is_told_before_the_anomaly_that_it_makes() -> None:
    alerts = decided([score(EPOCH + at / 2, final=True, threat=0.9, anomaly=0.9) for at in range(9)])
    assert {alert.kind for alert in alerts} == {"threat"}


def test_an_anomaly_says_what_it_may_be() -> None:
    judgement = Judgement(kind="anomaly", probability=0.9, likely="glass_break")
    (alert,) = decided([replace(score(EPOCH + at / 2, final=True), judgements=(judgement,)) for at in range(6)])
    assert (alert.kind, alert.likely) == ("anomaly", "glass_break")
    assert alert.summary == "hall: something is wrong, perhaps breaking glass, 90 % probable"


def test_an_alert_says_how_favourable_the_least_favourable_of_its_words_are() -> None:
    def said(sentiment: float | None, at: float) -> Score:
        made = score(at, revision=1, final=True, distress=0.9, text="help me please")
        return msgspec.structs.replace(made, transcripts=(msgspec.structs.replace(made.transcripts[0], sentiment=sentiment),))

    assert decided([said(0.2, EPOCH), said(-0.6, EPOCH + 0.5), said(None, EPOCH + 1)])[0].sentiment == -0.6
    assert decided([said(None, EPOCH), said(None, EPOCH + 0.5)])[0].sentiment is None


def test_a_camera_without_sound_decides_everything_on_its_only_revision() -> None:
    scores = [score(EPOCH + index / 2, final=True, fight=0.9, distress=0.9) for index in range(2)]
    assert {alert.kind for alert in decided(scores)} == {"fight", "distress"}


def test_nothing_is_unusual_while_normality_learns() -> None:
    assert not decided([score(EPOCH + index / 2, learning=True, unusual_picture=1.0) for index in range(9)])
    assert decided([score(EPOCH + index / 2, learning=False, unusual_picture=1.0) for index in range(9)])


def test_a_kind_that_is_switched_off_is_no_alert() -> None:
    assert not decided(row(1, 1, 1), Alerts(rules={"fight": Rule(enabled=False)}))


def test_a_rule_changes_only_what_it_says() -> None:
    rule = Alerts(rules={"fire": Rule(raise_at=0.9)}).rule("fire")
    assert (rule.raise_at, rule.severity) == (0.9, Severity.CRITICAL)


def test_windows_far_apart_are_not_in_a_row() -> None:
    assert not decided([score(EPOCH, fight=0.9), score(EPOCH + 60, fight=0.9)])


def test_an_incident_ends_in_a_long_gap() -> None:
    alerts = decided([*row(0.9, 0.9), score(EPOCH + 60, fight=0.9)])
    assert phases(alerts) == [NEW, END]
    assert alerts[1].until == EPOCH + 0.5


def test_a_kind_that_is_judged_no_longer_clears() -> None:
    alerts = decided([*row(0.9, 0.9), *(score(EPOCH + 1 + index / 2) for index in range(3))])
    assert phases(alerts) == [NEW, END]


def test_what_is_not_a_number_clears() -> None:
    assert phases(decided(row(0.9, 0.9, *[float("nan")] * 3))) == [NEW, END]


def test_the_end_of_a_camera_ends_its_incidents() -> None:
    decider = Decider(SETTINGS)
    told(decider, row(0.9, 0.9))
    (alert,) = decider.ended("hall")
    assert (alert.phase, alert.sequence) == (END, 1)
    assert not decider.ended("hall")
    assert not decider._scored


def test_the_same_records_again_are_told_once() -> None:
    decider, records = Decider(SETTINGS), row(0.9, 0.9, 0.0, 0.0, 0.0)
    assert phases(told(decider, records)) == [NEW, END]
    assert not told(decider, records)
    decider.ended("hall")
    assert not told(decider, records)


def test_a_clock_that_is_set_back_begins_afresh() -> None:
    alerts = decided([*row(0.9, 0.9), *row(0.9, 0.9, begin=EPOCH - 10_000)])
    assert phases(alerts) == [NEW, END, NEW]


def test_an_alert_says_and_shows_who_is_in_its_key_frame() -> None:
    lying = Presence(label="person", confidence=0.9, box=(0.1, 0.7, 0.5, 0.9), pose=Pose.LYING)
    (alert,) = decided(replace(one, things=(lying,)) for one in row(0.9, 0.9))
    assert alert.things == (lying,)
    assert "; in the picture a person lying; 90 % probable" in alert.summary


def test_a_watched_phrase_is_an_incident_with_its_words() -> None:
    (alert,) = decided([transcript(EPOCH, "please help me")])
    assert (alert.kind, alert.severity, alert.phase) == ("phrase:help", Severity.CRITICAL, NEW)
    assert [word.text for word in alert.words] == ["help", "me"]
    assert alert.text == "please help me"


def test_a_phrase_said_again_joins_and_quiet_ends_it() -> None:
    alerts = decided([transcript(EPOCH, "help me"), transcript(EPOCH + 20, "help me"), mark(EPOCH + 50), mark(EPOCH + 51)])
    assert [(alert.phase, alert.until - EPOCH) for alert in alerts] == [(NEW, 1), (UPDATE, 21), (END, 21)]


def test_a_phrase_ends_with_the_camera() -> None:
    assert phases(decided([transcript(EPOCH, "help me"), mark(EPOCH + 2, last=True)])) == [NEW, END]


def test_a_phrase_after_its_quiet_is_a_new_incident() -> None:
    alerts = decided([transcript(EPOCH, "help me"), transcript(EPOCH + 60, "help me")])
    assert phases(alerts) == [NEW, END, NEW]
    assert alerts[2].id != alerts[0].id


def test_a_transcript_delivered_twice_is_told_once() -> None:
    once = transcript(EPOCH, "help me")
    assert phases(decided([once, once])) == [NEW]


@pytest.mark.parametrize("what", [State.BLIND, State.FROZEN, State.SILENT])
def test_an_unwell_camera_is_an_alert_until_it_is_well(what: State) -> None:
    alerts = decided([state(EPOCH, State.LIVE), state(EPOCH + 1, what), state(EPOCH + 9, State.LIVE)])
    assert [(alert.phase, alert.kind, alert.until - EPOCH) for alert in alerts] == [
        (NEW, f"camera:{what.value}", 1),
        (END, f"camera:{what.value}", 9),
    ]


def test_one_of_two_troubles_can_end_alone() -> None:
    alerts = decided([state(EPOCH, State.BLIND, State.SILENT), state(EPOCH + 5, State.SILENT)])
    assert [(alert.phase, alert.kind) for alert in alerts] == [(NEW, "camera:blind"), (NEW, "camera:silent"), (END, "camera:blind")]


def test_a_camera_that_stays_away_is_offline_with_the_reason() -> None:
    decider = Decider(SETTINGS)
    away = [state(EPOCH, State.STALLED), state(EPOCH + 5, State.CONNECTING, detail="connection refused")]
    assert not told(decider, away)
    assert not decider.tick(EPOCH + 19)
    (alert,) = decider.tick(EPOCH + 20.5)
    assert alert.summary == "hall: the camera is offline (connection refused)"
    assert not decider.tick(EPOCH + 30)
    (back,) = decider.state(state(EPOCH + 40, State.LIVE))
    assert (back.phase, back.id, back.until) == (END, alert.id, EPOCH + 40)
    assert back.summary == "hall: the camera is offline (connection refused), over after 40 s"


def test_a_camera_that_comes_back_soon_was_never_offline() -> None:
    decider = Decider(SETTINGS)
    assert not told(decider, [state(EPOCH, State.CONNECTING), state(EPOCH + 5, State.LIVE)])
    assert not decider.tick(EPOCH + 100)


def test_a_later_state_tells_the_time_too() -> None:
    assert phases(decided([state(EPOCH, State.STALLED), state(EPOCH + 21, State.CONNECTING)])) == [NEW]


def test_the_end_of_a_file_is_no_alert() -> None:
    decider = Decider(SETTINGS)
    assert not told(decider, [state(EPOCH, State.CONNECTING), state(EPOCH + 1, State.LIVE), state(EPOCH + 2, State.ENDED)])
    assert not decider.tick(EPOCH + 100)
    assert not decider._watched


def test_a_removed_camera_ends_what_was_wrong_with_it() -> None:
    assert phases(decided([state(EPOCH, State.BLIND), state(EPOCH + 2, State.ENDED)])) == [NEW, END]


def test_camera_alerts_can_be_switched_off() -> None:
    assert not decided([state(EPOCH, State.BLIND)], Alerts(cameras=False))


LEVELS = st.sampled_from([0.0, 0.3, 0.6, 0.85, 0.97])


@st.composite
def lanes(draw: st.DrawFn) -> list[list[Message]]:
    """The sequences that decide: scores as seen, final scores, utterances with marks, states."""
    steps = draw(st.lists(st.tuples(LEVELS, LEVELS, LEVELS, LEVELS, st.sampled_from([0.5, 0.5, 0.5, 7.0, 60.0])), min_size=1, max_size=40))
    times = [EPOCH + sum(step[-1] for step in steps[:index]) for index in range(len(steps))]
    seen: list[Message] = [score(time, fight=fight, unusual_picture=odd) for time, (fight, odd, *_) in zip(times, steps, strict=True)]
    final: list[Message] = [
        score(time, revision=1, final=True, distress=distress, anomaly=anomaly)
        for time, (_, _, distress, anomaly, _) in zip(times, steps, strict=True)
    ]
    said: list[Message] = [
        transcript(time, "help me") if fight > 0.9 else mark(time) for time, (fight, *_) in zip(times, steps, strict=True)
    ]
    fares: list[Message] = [state(time, State.BLIND if fight > 0.6 else State.LIVE) for time, (fight, *_) in zip(times, steps, strict=True)]
    return [seen, final, said, fares]


def interleaved(streams: list[list[Message]], seed: int) -> list[Message]:
    """Some order of all; a window's final score comes after its first, as the fuse stage gives them."""
    turns = [index for index, stream in enumerate(streams) for _ in stream]
    random.Random(seed).shuffle(turns)
    taken = [0] * len(streams)
    mixed = []
    for turn in turns:
        swapped = 1 - turn if (turn == 1 and taken[1] >= taken[0]) or (turn == 0 and taken[0] == len(streams[0])) else turn
        mixed.append(streams[swapped][taken[swapped]])
        taken[swapped] += 1
    return mixed


def order(alert: Alert) -> tuple[str, str, int]:
    return alert.kind, alert.id, alert.sequence


@settings(max_examples=20, deadline=None)
@given(lanes(), st.integers(0, 2**32), st.integers(0, 2**32))
def test_the_interleaving_changes_no_alert(streams: list[list[Message]], one: int, other: int) -> None:
    assert sorted(decided(interleaved(streams, one)), key=order) == sorted(decided(interleaved(streams, other)), key=order)


@settings(max_examples=25, deadline=None)
@given(lanes())
def test_every_life_is_new_then_updates_then_end_and_none_overlap(streams: list[list[Message]]) -> None:
    decider = Decider(SETTINGS)
    alerts = told(decider, interleaved(streams, 0)) + decider.ended("hall") + told(decider, [mark(EPOCH, last=True)])
    alerts += decider.state(state(EPOCH + 1e6, State.ENDED))
    by_kind: dict[str, list[Alert]] = {}
    for alert in alerts:
        by_kind.setdefault(alert.kind, []).append(alert)
    for lives in by_kind.values():
        begins = [index for index, alert in enumerate(lives) if alert.phase is NEW]
        incidents = [lives[begin:end] for begin, end in pairwise([*begins, len(lives)])]
        assert sum(map(len, incidents)) == len(lives)
        assert len({incident[0].id for incident in incidents}) == len(incidents)
        for incident in incidents:
            assert {alert.id for alert in incident} == {incident[0].id}
            assert phases(incident) == [NEW, *[UPDATE] * (len(incident) - 2), END]
            assert [alert.sequence for alert in incident] == list(range(len(incident)))
            assert all(a.probability <= b.probability and a.until <= b.until for a, b in pairwise(incident))


@settings(max_examples=20, deadline=None)
@given(lanes())
def test_a_cool_down_separates_incidents(streams: list[list[Message]]) -> None:
    alerts = [alert for alert in decided(streams[0]) if alert.kind == "fight" and alert.phase is not UPDATE]
    for end, new in pairwise(alerts):
        if new.phase is NEW:
            assert new.until >= end.until + RULE.cool_down_s


@settings(max_examples=20, deadline=None)
@given(lanes(), st.data())
def test_records_delivered_twice_are_told_once(streams: list[list[Message]], data: st.DataObject) -> None:
    records = interleaved(streams, 1)
    end = data.draw(st.integers(0, len(records)))
    begin = data.draw(st.integers(0, end))
    assert decided(records[:end] + records[begin:]) == decided(records)


TOPICS = {Score: Topic.SCORES, Transcript: Topic.TRANSCRIPTS, Mark: Topic.TRANSCRIPTS, CameraState: Topic.CAMERAS}


def succeeded(records: Sequence[Message], cut: int) -> list[Alert]:
    """What is told if another goes on from there."""
    all_ = numbered(records, lambda message: TOPICS[type(message)])
    decider, holding, alerts = Decider(SETTINGS), Holding(), []
    for record in all_[:cut]:
        alerts += tell(decider, record.message)
        holding.saw(record)
    successor = Decider(SETTINGS)
    told(successor, (record.message for record in handed_over(all_, cut, holding.keep(decider.needed))))
    return alerts + told(successor, (record.message for record in all_[cut:]))


def test_a_successor_never_begins_in_the_middle_of_an_incident() -> None:
    fight = [0.9] * 2 + [0.6] * 19 + [0.0] * 6 + [0.9] * 30  # its quiet delays what comes next, …
    odd = [0.0] * 16 + [0.9] * 41  # … and this one is open from the middle of it on
    records = [score(EPOCH + at / 2, fight=one, unusual_picture=other) for at, (one, other) in enumerate(zip(fight, odd, strict=True))]
    for cut in range(len(records)):
        assert succeeded(records, cut) == decided(records)


@settings(max_examples=40, deadline=None)
@given(lanes(), st.integers(0, 2**32), st.data())
def test_a_successor_tells_what_its_predecessor_would_have(streams: list[list[Message]], seed: int, data: st.DataObject) -> None:
    records = interleaved(streams, seed)
    assert succeeded(records, data.draw(st.integers(0, len(records)))) == decided(records)
