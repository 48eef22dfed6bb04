"""A budget becomes a threshold that raises about as many alarms as are wanted, and survives a restart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.budget import BLOCK_S, DAY, KEPT, Budgets, Peaks, chance, logit
from monitor.config import Alerts, Rule
from monitor.errors import ConfigError, MessageError
from monitor.extremes import Pareto, extremal_index, fit, predicted
from monitor.feedback import Feedback, Verdict, examples, from_lines, to_line
from monitor.messages import Learned

RULE = Rule(raise_at=0.8, clear_at=0.5, raise_after=2)


def days(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).exponential(1.0, count * DAY)


def learned(heights: np.ndarray, per_day: float, steps: float = 0.0) -> Peaks:
    peaks = Peaks(1, DAY)
    for block, height in enumerate(heights):
        peaks.close(block, float(height))
        if (block + 1) % 720 == 0:
            peaks.refit((block + 1) * BLOCK_S, per_day, steps)
    return peaks


def test_an_exponential_tail_is_found() -> None:
    values = np.random.default_rng(1).exponential(2.0, 20_000)
    tail = fit(values, 0.05)
    assert tail.level(1e-4) == pytest.approx(2 * math.log(1e4), rel=0.1)
    assert tail.share_above(tail.level(1e-3)) == pytest.approx(1e-3)


def test_a_level_far_beyond_what_was_seen_is_exceeded_as_often_as_predicted() -> None:
    rng, share, plain, cautious = np.random.default_rng(2), 1e-5, [], []
    for _ in range(100):
        tail = fit(rng.exponential(1.0, 3000), 0.03)
        plain.append(math.exp(-tail.level(share)) / share)
        cautious.append(math.exp(-predicted(tail).level(share)) / share)
    assert np.mean(plain) > 1.5  # of some draws it is far too low, and those count
    assert 0.5 < np.mean(cautious) < 1.3


@given(st.floats(-0.5, 0.5), st.floats(0.05, 10), st.integers(2, 1000), st.floats(1e-7, 0.03))
def test_what_is_predicted_of_a_level_is_what_it_was_found_for(shape: float, scale: float, peaks: int, share: float) -> None:
    likely = predicted(Pareto(1.0, scale, shape, 0.03, peaks))
    level = likely.level(share)
    assert level >= 1.0
    assert likely.share_above(level) <= share * (1 + 1e-9)
    assert likely.share_above(level - 2e-3) >= share * (1 - 1e-9)


def test_neighbours_are_one_cluster() -> None:
    assert extremal_index(np.array([0, 5, 5, 0, 5, np.nan, 0.0]), 1) == pytest.approx(2 / 3)
    assert extremal_index(np.zeros(5), 1) == 1


@given(st.floats(1e-9, 1 - 1e-9))
def test_log_odds_and_back(probability: float) -> None:
    assert chance(logit(probability)) == pytest.approx(probability)


@pytest.mark.parametrize(("per_day", "ratio"), [(1 / 7, 3.0), (1.0, 2.0), (24.0, 1.4)])
def test_about_as_many_alarms_as_are_wanted(per_day: float, ratio: float) -> None:
    raised = 0
    for seed in range(6):
        heights = days(21, seed)
        thresholds = learned(heights, per_day).thresholds[-1]
        raised += int((days(70, seed + 100) >= thresholds.height).sum())
        assert thresholds.per_day == pytest.approx(per_day, rel=0.05)
    assert 1 / ratio < raised / (420 * per_day) < ratio


def test_nothing_is_decided_before_enough_was_seen() -> None:
    assert not learned(days(1)[: DAY - 60], 1.0).thresholds


def test_an_incident_does_not_hide_its_successors() -> None:
    heights = days(7)
    burning = heights.copy()
    burning[5 * DAY : 5 * DAY + 10] = 30.0
    calm, after = learned(heights, 1.0).thresholds[-1].height, learned(burning, 1.0).thresholds[-1].height
    assert after == pytest.approx(calm, abs=0.7)


def test_verdicts_move_the_threshold() -> None:
    heights = days(3)
    fewer, same, more = (learned(heights, 1.0, steps).thresholds[-1].height for steps in (4, 0, -4))
    assert fewer > same > more


def fed(budgets: Budgets, begin: float, hours: float, seed: int = 3) -> list[float]:
    """Windows of two cameras' hours; the raise_at of each."""
    rng = np.random.default_rng(seed)
    found = []
    for index in range(int(hours * 720)):
        until = begin + index * 5.0
        found.append(budgets.rule("hall", "fight", until, RULE).raise_at)
        budgets.saw("hall", "fight", until, chance(float(rng.normal(-4, 1))), RULE)
    return found


def test_thresholds_survive_a_restart_and_are_causal() -> None:
    settings = Alerts(budget="1/day", budget_after_h=2, rules={"fight": RULE})
    whole, first = Budgets(settings), Budgets(settings)
    fed(whole, 0, 5)
    fed(first, 0, 5)
    (kept,) = first.to_keep()
    second = Budgets(settings)
    second.resume(kept)
    before = kept.at - 60
    assert second.rule("hall", "fight", before, RULE) == whole.rule("hall", "fight", before, RULE)
    assert fed(whole, 18_000, 3, 4)[10:] == pytest.approx(fed(second, 18_000, 3, 4)[10:], rel=0.05)
    assert first.expected_alarms_per_day()["hall"] == pytest.approx(1, rel=0.01)


def test_what_is_no_state_is_refused() -> None:
    with pytest.raises(MessageError):
        Budgets(Alerts(budget="1/day")).resume(Learned(camera="hall", at=0, data=b"\x01"))


def test_while_learning_the_rule_holds() -> None:
    budgets = Budgets(Alerts(budget="1/day"))
    assert budgets.rule("hall", "fight", 0.0, RULE) is RULE
    assert not Budgets(Alerts()).holds_for("fight")


@pytest.mark.parametrize("text", ["1", "1/month", "0/day", "100/hour", "-1/day"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Alerts(budget=text)


def test_a_budget_is_a_rate() -> None:
    assert [Alerts(budget=text).budget_per_day for text in ("1/day", "7/week", "0.5/hour")] == pytest.approx([1, 1, 12])


def test_minutes_that_were_told_rightly_are_no_ordinary_ones() -> None:
    peaks = learned(days(2), 1.0)
    block = peaks.newest
    peaks.close(block + 1, 50.0)
    assert math.isfinite(peaks.heights[(block + 1) % KEPT])
    peaks.heed(block + 1, block + 1, Verdict.RIGHT)
    assert math.isnan(peaks.heights[(block + 1) % KEPT])


def test_feedback_is_stored_and_teaches() -> None:
    item = Feedback(camera="hall", at=1, until=2, verdict=Verdict.ORDINARY, given=3, kind="fight")
    missed = Feedback(camera="hall", at=5, until=6, verdict=Verdict.MISSED, given=7)
    assert from_lines(to_line(item) + to_line(missed) + to_line(item)) == (item, missed)
    right = Feedback(camera="hall", at=8, until=9, verdict=Verdict.RIGHT, given=10, kind="fight")
    assert [example.label for example in examples([item, missed, right])] == ["ordinary", "anomaly", "fight"]
    with pytest.raises(ConfigError, match="line 1"):
        from_lines(b"{}\n")
