import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import SourceError
from monitor.heads import Head
from monitor.language import LAYERS, VECTOR, TextFeatures
from monitor.sentiment import VALENCE, Sentiment, valence
from workers.training import rated as ratings
from workers.training.rated import GENRES, Rated, rated
from workers.training.sentiment import crossed, figures, teach


def read(rows: int, seed: int = 0) -> TextFeatures:
    rng = np.random.default_rng(seed)
    vectors, layers = rng.normal(size=(rows, VECTOR)), rng.normal(size=(rows, len(LAYERS), VECTOR))
    return TextFeatures(vectors.astype(np.float32), layers.astype(np.float32))


@given(st.integers(0, 99), st.floats(0, 100))
def test_it_is_never_beyond_the_ends_of_the_scale(seed: int, loud: float) -> None:
    head = Head((VALENCE,), np.full((1, VECTOR * (1 + len(LAYERS))), loud, np.float32), np.zeros(1, np.float32))
    assert np.abs(valence(head, read(3, seed).rows)).max() <= 1


def test_of_other_languages_nothing_is_said() -> None:
    judge = Sentiment(Head((VALENCE,), np.zeros((1, VECTOR * (1 + len(LAYERS))), np.float32), np.array([0.25], np.float32)), "")
    assert judge(read(3), ["en", "de", "en"]) == [0.25, None, 0.25]
    assert judge(read(0), []) == []


def test_a_map_learns_what_the_features_tell() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 8)).astype(np.float32)
    truth = np.clip(features @ rng.normal(size=8) * 0.1 + 0.2, -1, 1)
    assert valence(teach(features, truth), features) == pytest.approx(truth, abs=0.02)


def test_a_genre_is_judged_by_what_the_others_taught() -> None:
    """What is favourable in one genre alone is not known there."""
    rng = np.random.default_rng(0)
    known = [Rated("", genre, float(rng.choice((-0.5, 0.5)))) for genre in GENRES for _ in range(60)]
    features = rng.normal(0, 0.1, (len(known), 4)).astype(np.float32)
    for n, each in enumerate(known):
        features[n, 0 if each.genre == "news" else 1] = each.valence
    found = figures(known, crossed(known, features))
    assert found["r_tweets"] > 0.9
    assert found["auc_films"] > 0.9
    assert abs(found["r_news"]) < 0.5


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "package.tar.gz"
    monkeypatch.setattr(ratings, "_fetched", lambda: path)
    return path


def test_ratings_are_read_out_of_the_archive_in_the_archive(package: Path) -> None:
    lines = {f"hutto_ICWSM_2014/{name}_GroundTruth.txt": b"1_1\t-2.0\tawful &amp; sad\r\n2\t3.0\tfine\r\n" for name in GENRES.values()}
    package.write_bytes(packed({ratings.INSIDE: packed(lines)}))
    assert rated(0)[:2] == [Rated("awful & sad", "tweets", -0.5), Rated("fine", "tweets", 0.75)]
    assert len(rated(0, most=1)) == len(GENRES)


# gzip writes when it was packed: in a test's name that would differ from worker to worker
@pytest.mark.parametrize(
    "content",
    [b"", b"none", packed({}), packed({ratings.INSIDE: b"none"}), packed({ratings.INSIDE: packed({})})],
    ids=["nothing", "no archive", "empty", "none inside", "empty inside"],
)
def test_a_package_that_holds_no_ratings_is_told(package: Path, content: bytes) -> None:
    package.write_bytes(content)
    with pytest.raises(SourceError, match="can't be read"):
        rated(0)


def test_lines_that_are_no_ratings_are_told(package: Path) -> None:
    lines = {f"hutto_ICWSM_2014/{name}_GroundTruth.txt": b"1\tmany\twords\n" for name in GENRES.values()}
    package.write_bytes(packed({ratings.INSIDE: packed(lines)}))
    with pytest.raises(SourceError, match="can't be read"):
        rated(0)
