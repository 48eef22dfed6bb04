from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config import Config
from monitor.configfile import load, merge
from monitor.errors import ConfigError


def write(tmp_path: Path, text: str, name: str = "a.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert load([write(tmp_path, "")]) == Config()


def test_later_files_win_key_by_key(tmp_path: Path) -> None:
    first = write(tmp_path, "cameras:\n  hall: {source: a.mp4, fps: 4}\n")
    second = write(tmp_path, "cameras:\n  hall: {fps: 1}\n", "b.yaml")
    hall = load([first, second]).cameras["hall"]
    assert (hall.source, hall.fps) == ("a.mp4", 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bus: memory://\nfoo: 1\n", "a.yaml:2: foo: no such key"),
        ("cameras:\n  hall:\n    source: a.mp4\n    fsp: 2\n", "a.yaml:4: cameras.hall.fsp: no such key, is fps meant?"),
        ("cameras:\n  hall: {fps: 2}\n", "a.yaml:2: cameras.hall.source: Field required"),
        ("fusion:\n  window_s: 900\n", "a.yaml:2: fusion.window_s: Input should be less than or equal to 30"),
        ("bus: memory://\nbus: memory://\n", "a.yaml:2: bus: stands here a second time"),
        ("a: [\n", "a.yaml:2: this is no YAML"),
        ("- a\n", "a.yaml:1: expected `key: value` lines"),
        ("sinks:\n  - {type: mqtt}\n", "a.yaml:2: sinks.0"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_key(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load([write(tmp_path, text)])
    assert expected in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: can't be read"):
        load([tmp_path / "nowhere.yaml"])


def test_merging_leaves_its_inputs_alone() -> None:
    below, above = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merge(below, above) == {"a": {"b": 1, "c": 2}}
    assert (below, above) == ({"a": {"b": 1}}, {"a": {"c": 2}})
