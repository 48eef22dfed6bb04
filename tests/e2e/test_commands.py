"""The commands that a user types, and their mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from film import Command


def test_help_names_every_command(scenewatch: Command) -> None:
    shown = scenewatch("--help")
    assert shown.returncode == 0
    for name in ("demo", "run", "worker", "check", "evidence", "replay", "models", "eval", "bench", "train", "schema"):
        assert name in shown.stdout


def test_check_names_file_line_and_key(scenewatch: Command, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("cameras:\n  hall:\n    source: a.mp4\n    fsp: 3\n")
    shown = scenewatch("check", "c.yaml")
    assert shown.returncode == 2
    assert "c.yaml:4: cameras.hall.fsp" in shown.stderr


def test_every_key_is_shown_without_a_file(scenewatch: Command) -> None:
    shown = scenewatch("check", "--keys")
    assert "offline_after_s" in json.loads(shown.stdout)["$defs"]["Alerts"]["properties"]
    assert scenewatch("check").returncode == 2


@pytest.mark.parametrize("name", ["embedded.yaml", "cameras.example.yaml", "demo.yaml", "gpu.yaml"])
def test_the_configurations_that_come_with_it_are_good(scenewatch: Command, name: str) -> None:
    shown = scenewatch("check", Path(__file__).parents[2] / "configs" / name)
    assert (shown.returncode, shown.stdout[:5]) == (0, "good:"), shown.stderr


def test_models_are_installed_and_genuine(scenewatch: Command) -> None:
    shown = scenewatch("models")
    assert shown.returncode == 0, shown.stdout
    for name in (
        "efficientnet-lite0",
        "whisper-base",
        "mpnet-base",
        "fusion-default",
        "silero-vad",
        "centernet-mobilenetv3",
        "movenet-lightning",
    ):
        assert name in shown.stdout


def test_schemas_are_written(scenewatch: Command, tmp_path: Path) -> None:
    assert scenewatch("schema", "out").returncode == 0
    assert json.loads((tmp_path / "out" / "alert.schema.json").read_text())["$schema"]


def test_pages_are_written_wherever_one_is(scenewatch: Command, tmp_path: Path) -> None:
    assert scenewatch("schema", "out", "--page", "events.md").returncode == 0
    assert scenewatch("keys").returncode == scenewatch("metrics").returncode == 0
    assert "call_for_help" in (tmp_path / "events.md").read_text()
    assert "`cameras.NAME.source`" in (tmp_path / "docs" / "configuration.md").read_text()
    assert "$schema" in json.loads((tmp_path / "docs" / "schema" / "config.schema.json").read_text())
    assert "scenewatch_" in (tmp_path / "docs" / "metrics.md").read_text()


def test_a_worker_needs_a_shared_bus(scenewatch: Command, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("bus: memory://\n")
    shown = scenewatch("worker", "encode", "--config", "c.yaml")
    assert shown.returncode == 2
    assert "kafka://" in shown.stderr


@pytest.mark.parametrize(("name", "content"), [("text.mp4", b"this is no video\n" * 99), ("empty.mp4", b"")])
def test_a_file_that_is_no_video_is_a_clear_error(scenewatch: Command, tmp_path: Path, elsewhere: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    shown = scenewatch("run", elsewhere, name, "--fast")
    assert shown.returncode == 1
    assert name in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_file_that_is_not_there_is_a_clear_error(scenewatch: Command, elsewhere: Path) -> None:
    shown = scenewatch("run", elsewhere, "nowhere.mp4", "--fast")
    assert shown.returncode in {1, 2}
    assert "nowhere.mp4" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_missing_model_says_what_to_do(scenewatch: Command, tmp_path: Path, recording: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"cameras: {{hall: {{source: {recording}}}}}\nmodels: {{picture: no-such-model}}\n")
    shown = scenewatch("run", "c.yaml", "--fast")
    assert shown.returncode == 2
    assert "no-such-model" in shown.stderr
