"""TensorBoard reads how a training went."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.training import board
from workers.training.checkpoint import Curves

pytest.importorskip("tensorboard", reason="tensorboard is not installed: scenewatch[tensorboard]")


def test_curves_and_figures_are_read_again(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: PLC0415 - an extra

    curves = Curves(taught=[3.0, 2.0, 1.0], looks=[2], held_out=[2.5])
    board.write(curves, {"cv_fight_window_ap": 0.75}, tmp_path)
    read = EventAccumulator(str(tmp_path))
    read.Reload()
    assert [(event.step, event.value) for event in read.Scalars("loss/taught")] == [(1, 3.0), (2, 2.0), (3, 1.0)]
    assert [(event.step, event.value) for event in read.Scalars("loss/held out")] == [(2, 2.5)]
    assert read.Scalars("figures/cv_fight_window_ap")[0].value == 0.75
