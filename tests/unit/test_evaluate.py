"""The evaluations by name, and how sure their figures are."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.errors import ConfigError
from workers.evaluate import EVALUATIONS, evaluation
from workers.evaluate.interval import interval, with_interval


@pytest.mark.parametrize("name", EVALUATIONS)
def test_every_evaluation_that_is_named_is_there(name: str) -> None:
    assert callable(evaluation(name))


def test_an_unknown_evaluation_is_a_mistake_that_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="speech"):
        evaluation("smell")


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide() -> None:
    values = np.random.default_rng(1).normal(0, 1, 400)
    low, high = interval(lambda rows: float(values[rows].mean()), range(400))
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.2)


def test_what_is_of_one_recording_is_drawn_together() -> None:
    values = np.repeat([0.0, 1.0], 50)
    found = with_interval("mean", lambda rows: float(values[rows].mean()), ["a"] * 50 + ["b"] * 50)
    assert found == {"mean": 0.5, "mean_low": 0.0, "mean_high": 1.0}
