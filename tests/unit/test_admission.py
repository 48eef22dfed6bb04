from __future__ import annotations

import pytest

from monitor.admission import CLEAR_S, ENGAGED_S, MEASURED_S, Load, Meter, refusal

EASY = Load(cameras=4, processor_share=0.4, engaged_s=0, clear_s=CLEAR_S)


def test_with_capacity_left_a_camera_is_admitted() -> None:
    assert refusal(EASY, waited=False) == ""
    assert refusal(EASY, waited=True) == ""


@pytest.mark.parametrize(
    ("load", "waited", "says"),
    [
        (EASY._replace(engaged_s=ENGAGED_S, clear_s=0), False, "have not kept up for 10 s"),
        (EASY._replace(clear_s=CLEAR_S - 1), True, "kept up for 29 s only"),
        (EASY._replace(processor_share=0.8), False, "4 cameras take 80%"),
    ],
)
def test_without_it_the_reason_is_said(load: Load, waited: bool, says: str) -> None:
    assert says in refusal(load, waited=waited)


def test_a_short_step_of_the_ladder_refuses_nobody() -> None:
    assert refusal(EASY._replace(engaged_s=ENGAGED_S / 2, clear_s=0), waited=False) == ""


def test_the_share_is_of_all_processors_over_the_last_seconds() -> None:
    meter = Meter(processors=2)
    assert meter.share == 0
    for second in range(30):
        meter.push(second, float(second))
    assert meter.share == pytest.approx(0.5)
    for second in range(30, 30 + int(MEASURED_S) + 1):
        meter.push(second, 30.0)
    assert meter.share == pytest.approx(0, abs=0.06)
