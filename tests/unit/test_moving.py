import msgspec
import numpy as np
import pytest
from moments import picture, sound, window

from monitor.align import Window
from monitor.closeup import CLOSEUP
from monitor.heads import Head
from monitor.messages import Embedding, Modality, pack
from monitor.motion import MOTION
from monitor.moving import CLASSES, KIND, MOVES, QUANTILES, Moving, features, measured, pooled
from workers.reasons import Listening

NUMBERS = (2 + len(QUANTILES)) * MOVES


def moving(number: int, change: float) -> Embedding:
    """A picture in which every number of the movement is the same."""
    return msgspec.structs.replace(picture(number), motion=pack(np.full(MOTION, change, np.float32)))


def judging() -> Moving:
    """The more the picture's change is on average, the more it is a fight."""
    weight = np.zeros((len(CLASSES), NUMBERS), np.float32)
    weight[0, :MOTION] = 1.0
    return Moving(Head(CLASSES, weight, np.zeros(len(CLASSES), np.float32)), (1.0, -10.0), "moving")


class Network:
    """Stands in for the fusion network, which sees no fight."""

    kinds = (KIND, "fire")
    name = "network"

    def probabilities(self, windows: list[Window]) -> np.ndarray:
        return np.array([[0.1 * bool(each.pictures), 0.2 * bool(each.sounds)] for each in windows])

    at_once = probabilities


def test_pooled_numbers_are_means_deviations_and_quantiles_of_roots():
    numbers = np.array([[0.0, 4.0], [1.0, 4.0], [4.0, -4.0]])
    found = pooled(numbers).reshape(6, 2)
    np.testing.assert_allclose(found[0], [1.0, 2 / 3])
    np.testing.assert_allclose(found[1], [np.std([0, 1, 2]), np.std([2, 2, -2])])
    np.testing.assert_allclose(found[3], [1.0, 2.0])
    assert features(np.zeros((3, MOVES))).shape == (NUMBERS,)


def test_the_order_of_the_pictures_does_not_matter():
    some = [moving(5, 0.1), moving(6, 0.9), moving(7, 0.4)]
    np.testing.assert_allclose(*(judging().probabilities([window(7, row, [])]) for row in (some, some[::-1])))


def test_one_picture_or_one_without_movement_says_nothing():
    assert judging().probabilities([window(7, [moving(7, 1.0)], [])]).tolist() == [0.0]
    unmoved = [msgspec.structs.replace(picture(number), motion=b"") for number in (6, 7)]
    assert measured(window(7, unmoved, [])).shape == (0, MOVES)
    assert judging().probabilities([window(7, [], [])]).tolist() == [0.0]


def test_what_was_not_measured_closely_counts_as_still_there():
    near = msgspec.structs.replace(moving(6, 1.0), closeup=pack(np.arange(CLOSEUP, dtype=np.float32)))
    numbers = measured(window(7, [near, moving(7, 1.0)], []))
    np.testing.assert_allclose(numbers[:, MOTION:], [np.arange(MOVES - MOTION), np.zeros(MOVES - MOTION)])
    assert (numbers[:, :MOTION] == 1).all()


def test_a_picture_after_the_window_is_not_seen():
    assert len(measured(window(7, [moving(7, 1.0), moving(9, 1.0)], []))) == 1


def test_what_moves_more_is_more_probably_a_fight():
    still, fighting = (window(7, [moving(6, change), moving(7, change)], []) for change in (0.01, 1.0))
    assert judging().probabilities([still, fighting]) == pytest.approx([0.001, 1.0], abs=0.01)


def test_of_a_fight_the_movement_speaks_alone_and_where_it_is_silent_the_network_does():
    listening = Listening(Network(), None, judging())
    assert listening.kinds == (KIND, "fire")
    seen, unseen = window(7, [moving(6, 1), moving(7, 1)], [sound(7)]), window(7, [picture(7)], [sound(7)])
    moved, unknown = listening([seen, unseen])
    assert moved[0].probability == pytest.approx(float(judging().probabilities([window(7, [moving(6, 1), moving(7, 1)], [])])[0]))
    assert moved[0].parts == {Modality.PICTURE: pytest.approx(moved[0].probability)}
    assert unknown[0].probability == 0.1
    assert moved[1].probability == unknown[1].probability == 0.2


def test_the_shipped_head_takes_a_still_or_black_picture_for_no_fight():
    shipped = Moving.load()
    still, nothing = window(7, [moving(6, 0.0), moving(7, 0.0)], []), window(7, [], [])
    assert shipped.probabilities([still])[0] < 0.05
    assert shipped.probabilities([nothing])[0] == 0
