"""Ranks of photos, and a map from pictures to captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import SourceError
from monitor.jpeg import encode_jpeg
from workers.evaluate.retrieval import captions, ranks, ridge, spared


@given(st.permutations(range(6)))
def test_a_caption_that_is_nearest_to_its_photo_has_rank_none(order: list[int]) -> None:
    similar = np.eye(6, dtype=np.float32)[order]
    assert not ranks(similar, np.array(order)).any()
    assert (ranks(-similar, np.array(order)) == 5).all()


def test_a_map_finds_what_is_linear_in_the_roots_of_the_features() -> None:
    rng = np.random.default_rng(0)
    features, weights = rng.random((400, 8)).astype(np.float32), rng.normal(0, 1, (8, 3)).astype(np.float32)
    targets = np.sqrt(features) @ weights
    found = ridge(features[:300], targets[:300], features[300:])
    meant = targets[300:] - targets[:300].mean(axis=0)
    cosine = (found * meant).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(meant, axis=1)
    assert cosine.min() > 0.85


def test_a_third_of_the_photos_is_spared_whatever_folder_they_lie_in() -> None:
    names = [f"{number}.jpg" for number in range(3000)]
    assert np.mean([spared(name) for name in names]) == pytest.approx(1 / 3, abs=0.03)
    assert all(spared(f"some/where/{name}") == spared(name) for name in names[:50])


def test_captions_are_of_photos_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="--data"):
        captions(tmp_path)
    folder = tmp_path / "image_text"
    (folder / "flickr8k").mkdir(parents=True)
    there = next(f"image_text/flickr8k/{number}.jpg" for number in range(9) if not spared(f"{number}.jpg"))
    (folder / "flickr8k_captions.csv").write_text(
        f"path,image,caption\n{there},a.jpg,A dog .\n{there},a.jpg,A brown dog .\ngone.jpg,b.jpg,A cat .\n"
    )
    with pytest.raises(SourceError, match="holds no photo"):
        captions(tmp_path)
    (tmp_path / there).write_bytes(encode_jpeg(np.zeros((8, 8, 3), np.uint8)))
    assert captions(tmp_path) == {there: ["A dog .", "A brown dog ."]}
