from __future__ import annotations

import numpy as np
import pytest

from workers.training.rows import FOLDS
from workers.training.sounds import MADE, beeps, hum, knocks, made


@pytest.mark.parametrize("make", [knocks, hum, beeps])
def test_a_made_sound_is_finite_audible_and_as_long_as_asked(make) -> None:
    for seed in range(20):
        sound = make(16_000, np.random.default_rng(seed))
        assert sound.shape == (16_000,)
        assert sound.dtype == np.float32
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() > 0.01


def test_made_sounds_are_no_incident_and_every_fold_has_its_own() -> None:
    recordings = list(made(np.random.default_rng(0)))
    assert {recording.kind for recording in recordings} == {""}
    for fold in range(FOLDS):
        names = {recording.species for recording in recordings if recording.row.fold == fold}
        assert names == {"made:knocks", "made:hum", "made:beeps"}
    assert len(recordings) == 3 * FOLDS * MADE
