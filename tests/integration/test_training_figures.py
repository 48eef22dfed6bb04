from __future__ import annotations

import numpy as np
import pytest

from workers.training.crossing import alarms
from workers.training.figures import area_under_roc, average_precision, calibration_error, platt


def test_average_precision_is_1_when_all_positives_come_first() -> None:
    assert average_precision([1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2]) == 1


def test_average_precision_of_a_known_order() -> None:
    assert average_precision([1, 0, 1, 0], [4, 3, 2, 1]) == pytest.approx((1 + 2 / 3) / 2)


def test_average_precision_of_equal_scores_is_the_share_of_positives() -> None:
    assert average_precision([1, 0, 0, 0], [1, 1, 1, 1]) == 0.25


def test_average_precision_without_a_positive_is_0() -> None:
    assert average_precision([0, 0], [1, 2]) == 0


def test_area_under_roc_counts_pairs_in_order_and_ties_half() -> None:
    assert area_under_roc([1, 0, 1, 0], [4, 3, 2, 1]) == 0.75
    assert area_under_roc([1, 0], [1, 1]) == 0.5
    assert area_under_roc([1, 1], [1, 2]) == 0.5


def test_platt_finds_the_slope_and_offset_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 20_000)
    labels = rng.random(20_000) < 1 / (1 + np.exp(-(0.5 * logits - 1)))
    slope, offset = platt(labels, logits)
    assert slope == pytest.approx(0.5, abs=0.05)
    assert offset == pytest.approx(-1, abs=0.1)


def test_platt_of_separable_labels_stays_finite() -> None:
    assert np.isfinite(platt([0, 0, 1, 1], [-50, -40, 40, 50])).all()


def test_calibration_error_is_0_when_frequencies_are_the_probabilities() -> None:
    assert calibration_error([1, 0, 0, 0], [0.25] * 4) == 0
    assert calibration_error([0, 0], [0.9, 0.9]) == pytest.approx(0.9)


def test_an_alarm_is_so_many_windows_in_a_row_and_counts_once() -> None:
    assert alarms([0.9, 0.1, 0.9, 0.9, 0.9, 0.1, 0.9, 0.9], 0.8, 2) == 2
    assert alarms([0.9, 0.1, 0.9], 0.8, 2) == 0
    assert alarms([], 0.8, 2) == 0
