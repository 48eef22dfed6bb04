"""People and things that a camera knows, and those it doesn't: walkers on a path, each with a look of his own."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from monitor.messages import Sighting, pack
from monitor.objects import LOOK
from monitor.things import FEWEST, STRANGER, Things, nearest

LOOKS = np.random.default_rng(7).normal(0, 1, (9, LOOK)).astype(np.float32)
"""Eight of walkers and, the last, of something else."""


def walker(rng: np.random.Generator, number: int = 1, *, look: int | None = None, **fields: Any) -> Sighting:
    left, foot = rng.uniform(0.1, 0.8), rng.uniform(0.7, 0.75)
    usual = {
        "box": (left, foot - 0.2, left + 0.06, foot),
        "speed": 0.1 * float(np.exp(rng.normal(0, 0.2))),
        "look": pack(LOOKS[rng.integers(8) if look is None else look] + rng.normal(0, 0.2, LOOK)),
    }
    return Sighting(**({"label": "person", "confidence": 0.8, "track": number, "dwell_s": 1.0} | usual | fields))


@pytest.fixture(scope="module")
def known() -> Things:
    rng = np.random.default_rng(0)
    return Things(300, [[walker(rng, number) for number in (1, 2, 3)] for _ in range(120)])


def evidence(things: Things, *seen: Sighting) -> float:
    things.restart()
    return things.strangeness(seen, things.see(seen, 0.0))


def test_who_goes_as_all_do_is_no_evidence(known: Things):
    rng = np.random.default_rng(1)
    assert np.quantile([evidence(known, walker(rng)) for _ in range(50)], 0.9) < 5


@pytest.mark.parametrize(
    ("fields", "least"),
    [({"speed": 0.5}, 2), ({"look": pack(LOOKS[8])}, 2), ({"box": (0.4, 0.05, 0.46, 0.25)}, 0.5), ({"box": (0.4, 0.1, 0.9, 0.75)}, 0.5)],
    ids=["fast", "other", "up", "large"],
)
def test_who_is_faster_other_or_elsewhere_is_evidence_alone_and_among_others(known: Things, fields: dict[str, Any], least: float):
    rng = np.random.default_rng(2)
    for others in (0, 6):
        usual = [walker(rng, number) for number in range(2, 2 + others)]
        same = walker(rng)
        assert evidence(known, replace(same, **fields)) > evidence(known, same) + least
        assert evidence(known, replace(same, speed=0.8), *usual) > evidence(known, same, *usual) + 2


def test_nobody_is_no_evidence(known: Things):
    assert evidence(known) == 0


def test_of_what_is_not_followed_only_the_speed_says_anything(known: Things):
    rng = np.random.default_rng(3)
    unsure = walker(rng, 0)
    assert evidence(known, walker(rng, 0, look=8, speed=unsure.speed)) == evidence(known, unsure)
    assert evidence(known, walker(rng, 0, speed=9.0)) > 5


def test_of_what_the_edge_cuts_off_too(known: Things):
    cut = walker(np.random.default_rng(9), box=(0.97, 0.5, 1.0, 0.7))
    assert evidence(known, replace(cut, look=pack(LOOKS[8]))) == evidence(known, cut)


def test_evidence_follows_the_pictures_slowly(known: Things):
    known.restart()
    rng = np.random.default_rng(4)
    calm, fast = (walker(rng), walker(rng, speed=1.0))
    rising = [known.strangeness([one], known.see([one], 0.0)) for one in (calm, fast, fast, fast)]
    assert rising == sorted(rising)
    assert rising[1] < 0.7 * rising[3]


def test_where_nobody_is_known_everybody_is_a_stranger():
    rng = np.random.default_rng(5)
    empty = Things(300, [[] for _ in range(50)])
    assert evidence(empty, walker(rng)) == STRANGER
    assert evidence(Things(300, [[walker(rng)] for _ in range(FEWEST)]), walker(rng)) != STRANGER


def test_a_speed_that_is_not_known_says_nothing(known: Things):
    assert np.isfinite(evidence(known, walker(np.random.default_rng(6), speed=None)))


def test_what_was_learned_is_no_evidence_any_more(known: Things):
    rng = np.random.default_rng(8)
    things = Things(300, [[walker(rng, number) for number in (1, 2, 3)] for _ in range(60)])
    before = evidence(things, walker(rng, look=8))
    for time in range(200):
        met = things.see([walker(rng, look=8)], time)
        things.measure(met)
        things.learn(met)
    assert evidence(things, walker(rng, look=8)) < before - 2


@given(st.integers(1, 6), st.integers(3, 9), st.integers(1, 3))
def test_the_nearest_are_as_near_as_by_hand(points: int, examples: int, count: int):
    rng = np.random.default_rng(points * 100 + examples)
    one, two = rng.normal(0, 1, (points, 4)).astype(np.float32), rng.normal(0, 1, (examples, 4)).astype(np.float32)
    expected = np.sort(np.linalg.norm(one[:, None] - two, axis=2), axis=1)[:, :count].mean(1)
    assert np.allclose(nearest(one, two, count), expected, atol=1e-3)
