"""The evaluations by name, and how sure their figures are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.errors import ConfigError
from workers.evaluate import EVALUATIONS, Task, evaluation, everything, run
from workers.evaluate.interval import interval, with_interval
from workers.evaluate.page import LINES, flat, page


@pytest.mark.parametrize("name", EVALUATIONS)
def test_every_evaluation_that_is_named_is_there(name: str) -> None:
    assert callable(evaluation(name))


def test_an_unknown_evaluation_is_a_mistake_that_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="speech"):
        evaluation("smell")


@pytest.mark.parametrize("name", ["tone", "sounds", "budget"])
def test_an_evaluation_that_knows_no_sets_says_so_and_which_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"eval {name} has no sets.*fights.*normality"):
        run(name, Task(data=tmp_path, of="other"))


def test_everything_is_of_no_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="eval all has no sets"):
        everything(Task(data=tmp_path, of="other"), None)


@pytest.mark.parametrize("name", ["incidents", "fusion-kinds"])
def test_composed_streams_know_their_sets(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="there is no set 'other'; there are small"):
        run(name, Task(data=tmp_path, of="other"))


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide() -> None:
    values = np.random.default_rng(1).normal(0, 1, 400)
    low, high = interval(lambda rows: float(values[rows].mean()), range(400))
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.2)


def test_what_is_of_one_recording_is_drawn_together() -> None:
    values = np.repeat([0.0, 1.0], 50)
    found = with_interval("mean", lambda rows: float(values[rows].mean()), ["a"] * 50 + ["b"] * 50)
    assert found == {"mean": 0.5, "mean_low": 0.0, "mean_high": 1.0}


def test_the_page_shows_what_was_measured_and_nothing_else() -> None:
    text = page({"tone": {"uar": 0.9, "uar_low": 0.8, "uar_high": 0.95}})
    assert "| 0.900 | 0.800 to 0.950 | 0.88 | `scenewatch eval tone` |" in text
    assert text.count("scenewatch eval tone") == 1
    assert "normality" not in text


def test_of_equal_names_the_first_keeps_its_own() -> None:
    assert flat({"fights": {"ap": 1.0}, "incidents": {"ap": 2.0}}) == {"ap": 1.0, "incidents_ap": 2.0}


def test_every_line_of_the_page_is_of_an_evaluation_that_there_is() -> None:
    assert {line.of for line in LINES} <= EVALUATIONS.keys()
