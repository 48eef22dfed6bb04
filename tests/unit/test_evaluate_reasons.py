"""Places and masks of the pointing game."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from workers.evaluate.reasons import cells, masks


def test_a_pixel_lies_in_one_place() -> None:
    mask = np.zeros((240, 360), np.bool_)
    mask[239, 0] = mask[0, 359] = True
    found = cells(mask)
    assert found[6, 0]
    assert found[0, 6]
    assert found.sum() == 2
    assert cells(np.ones((240, 360), np.bool_)).all()


def test_masks_are_unpacked_to_their_width(tmp_path: Path) -> None:
    truth = np.random.default_rng(0).random((3, 5, 13)) > 0.5
    np.savez(tmp_path / "a.npz", bits=np.packbits(truth, axis=-1), shape=np.array(truth.shape))
    assert np.array_equal(masks(tmp_path / "a.npz"), truth)
