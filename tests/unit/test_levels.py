import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.levels import BEGIN, ORDINARY, Levels, lowered
from monitor.messages import Judgement, Modality


def crying(probability: float) -> Judgement:
    return Judgement(kind="crying", probability=probability, parts={Modality.SOUND: probability})


def taken_after(windows: int, probability: float) -> float:
    levels = Levels()
    for _ in range(windows):
        levels.take([crying(probability)])
    return levels.take([crying(probability)])["crying"]


def test_after_a_quiet_minute_an_incident_of_ten_seconds_is_believed_as_it_is():
    levels = Levels()
    for probability in [0.001] * 120 + [0.9] * 20:
        taken = levels.take([crying(probability)])
    assert taken["crying"] == 0


def test_a_camera_s_first_windows_are_believed_and_within_ten_seconds_it_is_known_what_the_place_sounds_like():
    assert taken_after(2, 0.5) == 0
    assert taken_after(20, 0.5) == pytest.approx(-ORDINARY, abs=0.7)


def test_what_lasts_for_minutes_is_believed_as_little_as_ordinary_sound():
    taken = taken_after(600, 0.3)
    (after,) = lowered([crying(0.3)], {"crying": taken})
    assert after.probability == pytest.approx(1 / (1 + math.exp(-ORDINARY)), rel=0.1)
    assert after.parts == {Modality.SOUND: pytest.approx(after.probability)}


def test_what_is_louder_than_the_camera_always_is_still_stands_out():
    taken = taken_after(600, 0.1)
    background, incident = lowered([crying(0.1), crying(0.9)], {"crying": taken})
    assert background.probability < 0.02
    assert incident.probability > 0.3


def test_what_is_usual_is_forgotten_again():
    levels = Levels()
    for probability in [0.5] * 400 + [0.001] * 1200:
        levels.take([crying(probability)])
    assert levels.take([crying(0.5)])["crying"] == 0


def test_words_pictures_and_silence_have_no_level():
    fight = Judgement(kind="fight", probability=0.9, parts={Modality.PICTURE: 0.9})
    levels = Levels()
    for _ in range(400):
        assert levels.take([fight, crying(0.0)]) == {}
    assert tuple(lowered([fight, crying(0.0)], {"crying": 3.0})) == (fight, crying(0.0))


@given(st.lists(st.floats(0, 1), max_size=300))
def test_a_level_takes_away_and_never_adds(probabilities: list[float]):
    levels = Levels()
    for probability in probabilities:
        taken = levels.take([crying(probability)])
        (after,) = lowered([crying(probability)], taken)
        assert 0 <= after.probability <= max(probability, 1e-4)
        assert all(0 <= less <= -BEGIN + 12 for less in taken.values())
