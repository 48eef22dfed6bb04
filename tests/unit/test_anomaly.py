"""One probability of the kinds': noisy-or."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.anomaly import Anomaly, load, save
from monitor.errors import ModelError
from monitor.messages import Judgement, Modality, Reasons

ANOMALY = Anomaly(network="n", kinds=("fight", "fire"), slopes=(1.0, 0.5), offsets=(0.0, -2.0), leak=0.01)


def test_nothing_known_leaves_the_leak() -> None:
    assert ANOMALY(("fight", "fire"), [[0, 0]]) == pytest.approx([0.01])


def test_a_kind_that_is_believed_keeps_its_probability() -> None:
    assert ANOMALY(("fight",), [[0.7]]) == pytest.approx([1 - 0.99 * 0.3])


def test_a_kind_that_was_not_fitted_is_not_read() -> None:
    assert ANOMALY(("fight", "thunder"), [[0.7, 1.0]]) == pytest.approx(ANOMALY(("fight",), [[0.7]]))


@given(st.lists(st.floats(0.001, 0.999), min_size=2, max_size=2), st.floats(0, 0.999))
def test_more_of_a_kind_is_never_less_of_an_anomaly(given_: list[float], more: float) -> None:
    raised = [max(given_[0], more), given_[1]]
    low, high = ANOMALY(("fight", "fire"), [given_, raised])
    assert high >= low
    assert 0 <= low <= 1


def judgement(kind: str, probability: float, **parts: float) -> Judgement:
    return Judgement(kind=kind, probability=probability, parts={Modality(name): part for name, part in parts.items()})


@given(st.floats(0.0, 0.999), st.floats(0.0, 0.999))
def test_one_window_is_judged_as_many_are(fight: float, fire: float) -> None:
    one = ANOMALY.judged([judgement("fight", fight), judgement("fire", fire), judgement("thunder", 0.9)])
    assert one.kind == "anomaly"
    assert one.probability == pytest.approx(ANOMALY(("fight", "fire"), [[fight, fire]])[0])


def test_what_speaks_for_the_kinds_speaks_for_the_anomaly() -> None:
    whole = ANOMALY.judged([judgement("fight", 0.9, picture=0.6, sound=0.3), judgement("fire", 0.2, sound=0.2)])
    assert whole.parts[Modality.PICTURE] > whole.parts[Modality.SOUND] > 0
    assert sum(whole.parts.values()) == pytest.approx(whole.probability, abs=0.02)  # what leaks in is nobody's


def test_it_has_the_reasons_of_the_strongest_kind() -> None:
    reasons = Reasons(text="Seen, most of all at the upper left of the picture")
    fight = msgspec.structs.replace(judgement("fight", 0.9), reasons=reasons)
    assert ANOMALY.judged([judgement("fire", 0.3), fight]).reasons == Reasons(text=f"fight: {reasons.text}")
    assert ANOMALY.judged([judgement("fight", 0.9), judgement("fire", 0.3)]).reasons is None
    assert ANOMALY.judged([]).reasons is None


def test_it_says_which_kind_is_the_strongest() -> None:
    assert ANOMALY.judged([judgement("fire", 0.3), judgement("fight", 0.9)]).likely == "fight"
    assert not ANOMALY.judged([]).likely


def test_it_takes_the_place_of_what_a_network_says_itself() -> None:
    fight = judgement("fight", 0.9)
    assert ANOMALY.added((judgement("anomaly", 0.1), fight)) == (fight, ANOMALY.judged([fight]))


def test_it_is_written_and_read(tmp_path: Path) -> None:
    save(tmp_path, ANOMALY)
    assert load(tmp_path) == ANOMALY


def test_without_a_file_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="scenewatch calibrate"):
        load(tmp_path)


def test_columns_are_found_by_name() -> None:
    assert np.allclose(ANOMALY(("fire", "fight"), [[0.2, 0.9]]), ANOMALY(("fight", "fire"), [[0.9, 0.2]]))
