from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.errors import SourceError
from workers.evaluate import Task
from workers.evaluate.fights import fights, pooled_pictures
from workers.training.bank import Tokens, Track, gather
from workers.training.clips import GROUPS


def test_clips_of_any_length_are_pooled_to_the_same_numbers() -> None:
    width = max(columns.stop for columns in GROUPS.values())
    numbers = np.random.default_rng(0).random((8, width)).astype(np.float32)
    pairs = [
        (Track(name=name, label="", group="", fold=-1), Tokens(np.arange(len(rows), dtype=np.float32), np.ones((len(rows), 4)), rows))
        for name, rows in (("once", numbers), ("twice", np.repeat(numbers, 2, axis=0)))
    ]
    pooled = pooled_pictures(gather(pairs))
    assert set(pooled) == {*GROUPS, "place"}
    for name, columns in GROUPS.items():
        assert pooled[name].shape == (2, 6 * (columns.stop - columns.start))
        assert np.abs(np.diff(pooled[name][:, : columns.stop - columns.start], axis=0)).max() < 1e-6


def test_too_few_scenes_are_named_and_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(
        "path,modality,label,source,licence,use,ground_truth,note,bytes\nviolence/fight_surv/fight/x.mp4,video,fight,s,l,eval,g,n,1\n"
    )
    with pytest.raises(SourceError, match="1 scenes with a fight"):
        fights(Task(data=tmp_path))
