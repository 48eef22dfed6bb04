from __future__ import annotations

import numpy as np
import pytest

from monitor.interaction import FAR, INTERACTION, WRISTS, Moment, Person, before, interaction, person
from monitor.objects import KEY_POINTS, KeyPoint


def standing(x: float = 0.5, lean: float = 0.0, wrist: tuple[float, float] = (0.0, 0.5)) -> Person:
    """Somebody of body size 1, upright in a picture two heights high; wrists where they are told, from the middle of the box."""
    points = np.full((len(KEY_POINTS), 2), np.nan, np.float32)
    places = {"nose": (lean, 0.0), "shoulder": (lean, 0.2), "hip": (0.0, 0.6), "ankle": (0.0, 1.0), "wrist": wrist}
    for number, name in enumerate(KEY_POINTS):
        if (part := name.split()[-1]) in places:
            points[number] = np.add(places[part], (x, 0))
    return Person(np.array([x - 0.2, 0, x + 0.2, 1], np.float32), points)


def test_an_empty_picture_has_nobody_near() -> None:
    found = interaction([Moment(0.0, ())])
    assert found.shape == (INTERACTION,)
    assert found[3] == found[18] == FAR
    assert found.sum() == 2 * FAR


def test_a_person_alone_stands_still() -> None:
    found = interaction([Moment(n / 10, (standing(),)) for n in range(3)])
    assert found[0] == pytest.approx(np.log(2))
    assert found[1] == pytest.approx(1)
    assert found[3] == FAR
    assert not found[6:15].any()
    assert found[20] == pytest.approx(0, abs=1e-5)


def test_a_blow_is_a_quick_wrist_that_is_near_another() -> None:
    other = standing(0.9)
    moments = [Moment(n / 10, (standing(wrist=(reach, 0.4)), other)) for n, reach in enumerate((0.0, 0.05, 0.35))]
    found = interaction(moments)
    assert found[9] == pytest.approx(3.0, rel=1e-3)
    assert found[19] == pytest.approx(3.0, rel=1e-3)
    assert found[11] == pytest.approx(25.0, rel=1e-3)
    far = interaction([Moment(moment.at, (moment.people[0], standing(3.0))) for moment in moments])
    assert far[9] == found[9]
    assert far[19] == 0


def test_a_walk_moves_the_body_and_not_the_limbs() -> None:
    found = interaction([Moment(n / 10, (standing(0.5 + n / 50),)) for n in range(3)])
    assert found[13] == pytest.approx(0.2, rel=1e-3)
    assert found[7] == pytest.approx(0, abs=1e-4)


def test_two_who_come_together_are_closing() -> None:
    found = interaction([Moment(n / 10, (standing(0.5), standing(1.5 - n / 10))) for n in range(3)])
    assert found[3] == pytest.approx(0.8, rel=1e-3)
    assert found[6] == pytest.approx(1.0, rel=1e-3)


def test_who_leans_is_tilted_and_who_raises_a_hand_has_it_up() -> None:
    found = interaction([Moment(0.0, (standing(lean=0.4), standing(1.5, wrist=(0.0, 0.0))))])
    assert found[20] == pytest.approx(1 - np.cos(np.pi / 4), rel=1e-3)
    assert found[22] == pytest.approx(0.5)


def test_movement_in_people_is_told_from_movement_elsewhere() -> None:
    velocity = np.zeros((100, 200, 2), np.float32)
    velocity[:, 30:70] = 0.5
    inside = interaction([Moment(0.0, (standing(0.5),), velocity)])
    assert inside[24] == pytest.approx(1)
    assert inside[15] == pytest.approx(np.sqrt(2), rel=1e-3)
    assert interaction([Moment(0.0, (standing(1.5),), velocity)])[24] == 0


def test_a_person_is_known_again_by_overlap() -> None:
    assert before(standing(0.5), (standing(1.5), there := standing(0.55))) is there
    assert before(standing(0.5), (standing(1.5),)) is None
    assert before(standing(0.5), ()) is None


def test_points_that_the_network_is_not_sure_of_are_not_read() -> None:
    points = [KeyPoint(name=name, x=0.5, y=0.25, confidence=0.1 if "wrist" in name else 0.9) for name in KEY_POINTS]
    made = person((0.25, 0, 0.75, 0.5), points, 2.0)
    assert made.box.tolist() == [0.5, 0, 1.5, 0.5]
    assert np.isnan(made.points[WRISTS]).all()
    assert made.points[0].tolist() == [1.0, 0.25]
    assert np.isfinite(interaction([Moment(n / 10, (made, made)) for n in range(3)])).all()
