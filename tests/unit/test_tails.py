import numpy as np
import pytest

from monitor.tails import Tail, probability


def ordinary(scores) -> Tail:
    tail = Tail(0.05)
    for score in scores:
        tail.add(float(score))
    return tail


def test_a_quarter_of_what_is_ordinary_lies_above_where_the_tail_begins():
    scores = np.random.default_rng(1).exponential(2.0, 4000) + 5
    assert ordinary(scores).rarity(float(np.quantile(scores, 0.75))) == pytest.approx(0.25, rel=0.05)


def test_an_exponential_tail_is_extrapolated_to_scores_that_were_never_seen():
    scores = np.random.default_rng(2).exponential(2.0, 4000) + 5
    assert ordinary(scores).rarity(5 + 2 * np.log(1e4)) == pytest.approx(1e-4, rel=0.8)


def test_a_higher_score_is_rarer():
    tail = ordinary(np.random.default_rng(3).normal(10, 1, 200))
    rarities = [tail.rarity(score) for score in (10, 12, 14, 20)]
    assert rarities == sorted(rarities, reverse=True)


def test_a_few_equal_scores_do_not_make_the_next_one_impossible():
    assert ordinary([3.0] * 20).rarity(3.3) > 0.01


def test_old_scores_give_way_to_new_ones():
    tail = ordinary([1.0] * 5000)
    for _ in range(5000):
        tail.add(100.0)
    assert tail.rarity(100.0) >= 0.2


def test_a_tail_without_scores_finds_nothing_rare():
    assert 0 < Tail(0.1).rarity(0.0) <= 1


def test_even_odds_are_a_half():
    assert probability(1.0) == 0.5
