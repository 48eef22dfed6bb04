"""Reasons: what a window's probability rests on, and what was expected instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from moments import picture, sound, window
from saying import Read

from monitor.align import Window
from monitor.config import RULES
from monitor.explain import (
    DIFFERS,
    EVERY_S,
    EXPECTED,
    EXPLAIN_FROM,
    FEWEST,
    KEPT,
    MOVES,
    WORDS,
    Explainer,
    Ordinary,
    Spoken,
    scaled,
    strangeness,
)
from monitor.language import TextFeatures
from monitor.messages import Embedding, Judgement, Modality, Reasons, Ref, Score, Share, Topic, Transcript, Word, floats, pack
from monitor.scoring import score
from monitor.told import place, strongest, told

PICTURE, SOUND, TEXT = Modality.PICTURE, Modality.SOUND, Modality.TEXT
HEATS = arrays(np.float32, (4, 4), elements=st.floats(-1, 1, width=32))


def ref(offset: int) -> Ref:
    return Ref(topic=Topic.VIDEO, partition=0, offset=offset)


def shot(index: int, *, change: float = 0.0, cell: int | None = None) -> Embedding:
    """A picture that moves a little everywhere, and in one cell a lot."""
    motion = np.full(32, 0.0)
    if cell is not None:
        motion[cell] = 1.0
    made = picture(index, change)
    vector = np.random.default_rng(index).normal(1, 0.1, 16)
    return msgspec.structs.replace(made, source=ref(index), vector=pack(vector), motion=pack(motion))


class Sums:
    """A network: the first kind is known by movement in cell 5 and by loud sounds, the second by the word `help`."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, windows: Sequence[Window]) -> np.ndarray:
        self.batches.append(len(windows))
        return np.array([[self._first(each), self._second(each)] for each in windows], np.float32)

    def _first(self, each: Window) -> float:
        moves = max((floats(item.motion)[5] for item in each.pictures), default=0)
        loud = max((floats(item.vector)[0] for item in each.sounds), default=0)
        return float(0.5 * moves + 0.4 * loud)

    def _second(self, each: Window) -> float:
        return float(max((floats(item.vector)[0] for item in each.texts), default=0))


class Helps(Read):
    """A text encoder: 1 where `help` is said."""

    name = "helps"

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[0.9 * ("help" in text)] for text in texts], np.float32).reshape(-1, 1)


def loud(index: int, level: float) -> Embedding:
    return msgspec.structs.replace(sound(index), vector=pack(np.array([level, 0.0])))


def utterance(text: str) -> Embedding:
    words = tuple(Word(text=f" {word}", at=n * 0.3, until=n * 0.3 + 0.3, probability=0.9) for n, word in enumerate(text.split()))
    transcript = Transcript(
        camera="hall", at=0, until=3, captured=3, modalities=(), text=text, language="en", confidence=1, no_speech=0, words=words
    )
    item = loud(0, 0)
    return msgspec.structs.replace(item, modality=TEXT, vector=pack(Helps()([text])[0]), transcript=transcript)


def judged(each: Window, **chances: float) -> Score:
    parts = {"first": {PICTURE: 0.5, SOUND: 0.4}, "second": {TEXT: 0.9}, "unusual_picture": {PICTURE: 0.9}}
    said = [Judgement(kind=kind, probability=chance, parts=parts.get(kind, {})) for kind, chance in chances.items()]
    return score(each, said, (), learning=False)


def reasons(made: Score, kind: str) -> Reasons:
    found = next(judgement.reasons for judgement in made.judgements if judgement.kind == kind)
    assert found is not None
    return found


def explainer() -> Explainer:
    return Explainer(Sums(), ("first", "second"), Helps())


class Close(Sums):
    """A network: the first kind is known by how the liveliest part of the picture moves."""

    def _first(self, each: Window) -> float:
        return max((0.5 * float(floats(item.closeup)[0]) for item in each.pictures if item.closeup), default=0.0)


def test_what_moves_closely_lies_where_the_middle_of_the_liveliest_part_is() -> None:
    numbers = np.array([1.0] * 19 + [0.3, 0.4])  # second column, second row
    close = [msgspec.structs.replace(shot(n, cell=n), closeup=pack(numbers)) for n in (5, 6)]
    each = window(7, close, [])
    found = reasons(Explainer(Close(), ("first", "second"), Helps())(each, judged(each, first=0.9)), "first")
    assert found.heat[1] == (0, 1, 0, 0)


def test_each_token_is_left_out_and_left_alone_in_one_batch() -> None:
    explain = explainer()
    each = window(3, [shot(n, cell=5 if n == 2 else None) for n in range(4)], [loud(n, 1.0 if n == 1 else 0.0) for n in range(4)])
    found = reasons(explain(each, judged(each, first=0.9)), "first")
    assert explain.network.batches == [1 + 4 + 2 * (4 + 4 + 1)]
    assert [(share.at, share.share) for share in found.pictures] == [(1.0, 0.5)]
    assert [(share.at, share.share) for share in found.sounds] == [(0.5, 0.4)]
    assert (len(found.heat), len(found.heat[0]), found.heat[1][1], sum(map(sum, found.heat))) == (4, 4, 1, 1)
    assert (found.heat_of, found.picture) == (MOVES, ref(2))
    assert found.text == "Seen, most of all at the upper left of the picture; heard, most of all 1.0 s before the end"


def test_words_are_left_out_and_left_alone() -> None:
    each = replace(window(3, [], []), texts=(utterance("please help me"),), revision=1, final=True)
    found = reasons(explainer()(each, judged(each, second=0.9)), "second")
    assert [(word.text, word.share) for word in found.words] == [(" help", pytest.approx(0.9, abs=1e-3))]
    assert found.text == "Said, most of all “help”"


def test_what_is_said_has_a_judge_of_its_own_that_is_asked_of_words_alone() -> None:
    asked: list[str] = []

    def meant(windows: Sequence[Window]) -> np.ndarray:
        asked.extend(item.transcript.text for each in windows for item in each.texts if item.transcript)
        return np.array([[0.8 * any("stab" in _said(item) for item in each.texts)] for each in windows], np.float32)

    explain = Explainer(Sums(), ("first", "second"), Helps(), Spoken(meant, ("threat",)))
    each = replace(window(3, [shot(0, cell=5)], []), texts=(utterance("I will stab you"),), revision=1, final=True)
    made = score(each, [Judgement(kind="threat", probability=0.8, parts={TEXT: 0.8})], (), learning=False)
    found = reasons(explain(each, made), "threat")
    assert [(word.text, word.share) for word in found.words] == [(" stab", pytest.approx(0.8, abs=1e-3))]
    assert found.text == "Said, most of all “stab”"
    assert not found.heat
    assert {"I will you", "stab"} <= set(asked)


def _said(item: Embedding) -> str:
    return item.transcript.text if item.transcript else ""


class Counting(Helps):
    """Remembers what it was asked together."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def together(self, texts: Sequence[str]) -> TextFeatures:
        self.asked.append(list(texts))
        return self.features(texts)


def test_an_utterance_is_read_once_and_all_of_it_together_whatever_else_is_said() -> None:
    encoder = Counting()
    explain = Explainer(Sums(), ("first", "second"), encoder)
    for until, texts in ((3, ("help me",)), (4, ("good evening", "help me"))):
        each = replace(window(until, [], []), texts=tuple(map(utterance, texts)), revision=1, final=True)
        explain.forget("hall")
        reasons(explain(each, judged(each, second=0.9)), "second")
    assert encoder.asked == [["me", "help"], ["help", "me"], ["evening", "good"], ["good", "evening"]]


def test_of_many_words_the_newest_are_asked_for() -> None:
    encoder = Counting()
    said = " ".join(f"word{n}" for n in range(WORDS + 10)) + " help"
    each = replace(window(3, [], []), texts=(utterance(said),), revision=1, final=True)
    found = reasons(Explainer(Sums(), ("first", "second"), encoder)(each, judged(each, second=0.9)), "second")
    assert [word.text for word in found.words] == [" help"]
    assert [len(texts) for texts in encoder.asked] == [WORDS, WORDS]


def test_what_is_said_twice_matters_each_time() -> None:
    each = replace(window(3, [], []), texts=(utterance("help help"),), revision=1, final=True)
    found = reasons(explainer()(each, judged(each, second=0.9)), "second")
    assert [word.share for word in found.words] == pytest.approx([0.45, 0.45], abs=1e-3)


def test_of_an_anomaly_the_kind_that_it_may_be_is_explained_where_it_is_decided() -> None:
    each = window(7, [shot(7, cell=5)], [loud(7, 1.0)])
    anomaly = Judgement(kind="anomaly", probability=0.4, likely="first")
    first = judged(each, first=0.2, second=0.2)
    made = msgspec.structs.replace(first, judgements=(*first.judgements, anomaly))
    assert all(judgement.reasons is None for judgement in explainer()(each, msgspec.structs.replace(made, final=False)).judgements)
    explained = explainer()(each, msgspec.structs.replace(made, revision=1, final=True))
    assert {judgement.kind for judgement in explained.judgements if judgement.reasons is not None} == {"first"}
    assert reasons(explained, "first").sounds


def test_what_is_improbable_or_was_explained_before_costs_nothing() -> None:
    explain = explainer()
    each = window(3, [shot(0, cell=5)], [])
    made = judged(each, first=0.2)
    assert explain(each, made) is made
    final = replace(each, revision=1, final=True)
    again = msgspec.structs.replace(judged(final, first=0.9), revision=1)
    assert explain(final, again) is again
    assert explain.network.batches == []


def test_what_goes_on_is_explained_once_and_again_when_it_becomes_stronger_or_time_has_passed() -> None:
    explain, each = explainer(), window(0, [], [loud(0, 1.0)])

    def is_explained(after_s: float, chance: float) -> bool:
        later = replace(each, until=each.until + after_s)
        return explain(later, judged(later, first=chance)).judgements[0].reasons is not None

    assert [is_explained(0, 0.8), is_explained(1, 0.8), is_explained(1.5, 0.9), is_explained(2, 0.9), is_explained(7, 0.8)] == [
        True,
        False,
        True,
        False,
        True,
    ]


def test_reasons_that_a_judge_gave_itself_stay() -> None:
    own = Reasons(text="because")
    each = window(3, [shot(0)], [])
    made = score(each, [Judgement(kind="unusual_picture", probability=0.9, reasons=own)], (), learning=False)
    assert reasons(explainer()(each, made), "unusual_picture") is own


def after_ordinary_moments(explain: Explainer, count: int) -> int:
    step = int(EVERY_S * 2)
    for n in range(count):
        each = window(n * step, [], [])
        each = replace(each, pictures=(shot(n * step),))
        explain(each, judged(each, unusual_picture=0.1))
    return count * step


def test_what_is_unusual_is_hot_where_it_differs_and_shown_beside_what_was_expected() -> None:
    explain = explainer()
    index = after_ordinary_moments(explain, 10)
    each = replace(window(index, [], []), pictures=(shot(index, change=9.0),))
    found = reasons(explain(each, judged(each, unusual_picture=0.9)), "unusual_picture")
    heat = np.array(found.heat)
    assert heat.shape == (7, 7)
    assert (heat.ravel().argmax(), heat.max()) == (30, 1)
    assert np.delete(heat.ravel(), 30).max() < 0.2
    assert found.heat_of == DIFFERS
    assert len(found.expected) == EXPECTED
    assert ref(index) not in found.expected
    assert place(found.heat) == "middle left"


def test_nothing_is_expected_by_who_has_seen_little() -> None:
    explain = explainer()
    index = after_ordinary_moments(explain, FEWEST - 1)
    each = replace(window(index, [], []), pictures=(shot(index, change=9.0),))
    assert reasons(explain(each, judged(each, unusual_picture=0.9)), "unusual_picture").heat == ()
    explain.forget("hall")
    assert reasons(explain(each, judged(each, unusual_picture=0.9)), "unusual_picture").expected == ()


def test_examples_are_bounded_and_begin_anew_with_the_clock() -> None:
    ordinary = Ordinary()
    for n in range(0, 20_000, 30):
        ordinary.take(shot(n))
    assert len(ordinary.examples) == KEPT
    assert all(later.at - earlier.at >= EVERY_S for earlier, later in zip(ordinary.examples, list(ordinary.examples)[1:], strict=False))
    ordinary.take(shot(3))
    assert [example.at for example in ordinary.examples] == [1.5]


def test_a_moment_that_was_seen_before_is_nowhere_strange() -> None:
    grids = np.random.default_rng(0).normal(0, 1, (8, 49, 112)).astype(np.float32)
    assert not strangeness(grids[3], grids).any()


@given(HEATS)
def test_a_heat_map_is_from_zero_to_one(heat: np.ndarray) -> None:
    shares = scaled(heat)
    assert shares.min() >= 0
    assert shares.max() == pytest.approx(1) or not (heat > 0).any()


@pytest.mark.parametrize(
    ("row", "column", "said"),
    [(0, 0, "upper left"), (3, 3, "centre"), (6, 6, "lower right"), (3, 6, "middle right"), (0, 3, "upper centre")],
)
def test_a_place_has_a_name(row: int, column: int, said: str) -> None:
    heat = np.zeros((7, 7))
    heat[row, column] = 1
    assert place(heat.tolist()) == said
    assert place(()) == ""


def test_what_speaks_against_it_is_said() -> None:
    assert told(Reasons(), {PICTURE: -0.2, SOUND: 0.9}, 4.0) == "Heard; what is seen speaks against it"
    assert told(Reasons(), {}, 4.0) == ""
    assert strongest((Share(at=0, until=1, share=-0.2),)) is None


def test_whatever_a_shipped_rule_raises_is_explained() -> None:
    assert min(rule.raise_at for rule in RULES.values()) >= EXPLAIN_FROM
