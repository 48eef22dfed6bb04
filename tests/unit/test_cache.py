import hashlib
import json
import os
from pathlib import Path

import pytest

from monitor.cache import sha256


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "scenewatch"


def test_a_changed_file_is_noticed_though_its_size_and_time_are_the_old_ones(tmp_path: Path):
    path = tmp_path / "weights"
    path.write_bytes(b"good")
    stat = path.stat()
    sha256(path)
    path.write_bytes(b"evil")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert sha256(path) == hashlib.sha256(b"evil").hexdigest()


def test_a_known_file_is_not_read_again(tmp_path: Path, cache: Path):
    path = tmp_path / "weights"
    path.write_bytes(b"good")
    sha256(path)
    remembered = cache / "verified.json"
    remembered.write_text(remembered.read_text().replace(hashlib.sha256(b"good").hexdigest(), "a" * 64))
    assert sha256(path) == "a" * 64


def test_files_that_are_gone_are_forgotten(tmp_path: Path, cache: Path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        sha256(tmp_path / name)
        (tmp_path / name).unlink()
    assert list(json.loads((cache / "verified.json").read_text())) == [str(tmp_path / "b")]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"x": 1}'])
def test_a_damaged_cache_only_costs_time(tmp_path: Path, cache: Path, content: bytes):
    cache.mkdir(parents=True)
    (cache / "verified.json").write_bytes(content)
    (tmp_path / "weights").write_bytes(b"good")
    assert sha256(tmp_path / "weights") == hashlib.sha256(b"good").hexdigest()


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path, cache: Path):
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    (tmp_path / "weights").write_bytes(b"good")
    assert sha256(tmp_path / "weights") == hashlib.sha256(b"good").hexdigest()
