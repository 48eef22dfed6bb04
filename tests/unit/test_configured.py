"""The page of the configuration's keys and its schema: not stale, complete, and true of the files that are shipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from monitor.config import RULES, Config
from workers.configured import page, schema, written

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "configs").glob("*.yaml"))


def keys(section: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in (section, *section["$defs"].values()):
        yield from each.get("properties", {}).items()


def test_neither_is_stale() -> None:
    assert page() == (ROOT / "docs" / "configuration.md").read_text("utf-8"), "scenewatch keys"
    assert written() == (ROOT / "docs" / "schema" / "config.schema.json").read_text("utf-8"), "scenewatch keys"


def test_every_key_has_a_sentence() -> None:
    assert [key for key, value in keys(schema()) if not value.get("description", "").strip()] == []


def test_every_key_and_every_kind_is_on_the_page() -> None:
    lines = page().splitlines()
    sections = {"cameras", "capture", "speech", "models", "fusion", "normality", "alerts", "metrics", "tracing", "kafka", "sinks"}
    inner = {"pressure", "spool", "rules", "watch", "look_for", "retention", "security", "type"}
    plain = {key for key, _ in keys(schema())} - sections - inner
    assert [key for key in sorted(plain) if not any(line.startswith("| `") and f"{key}` |" in line for line in lines)] == []
    assert [kind for kind in RULES if not any(line.startswith(f"| `{kind}` |") for line in lines)] == []


@pytest.mark.parametrize(
    "row",
    [
        "| `cameras.NAME.fps` | number, above 0, at most 30 | `2` | Pictures a second that are analysed. |",
        "| `cameras.NAME.transport` | `tcp`, `udp` | `tcp` | RTSP only. |",
        "| `alerts.watch.NAME.severity` | `info`, `warning`, `critical` | `critical` | Of its alerts. |",
        "| `sinks[].url` | text | needed | Where it is posted to. |",
        "## `capture.pressure`",
        "## `sinks[]`: `type: evidence`",
    ],
)
def test_a_key_is_told_with_bounds_default_and_meaning(row: str) -> None:
    assert row in page().splitlines()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_files_that_are_shipped_are_what_the_schema_says(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), schema())


def test_the_schema_knows_a_mistake() -> None:
    for wrong in ({"camras": {}}, {"cameras": {"door": {"fps": 2}}}, {"metrics": {"port": -1}}, {"sinks": [{"type": "pigeon"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema())


def test_the_example_on_the_page_is_a_configuration() -> None:
    (example,) = [part.removeprefix("yaml\n") for part in page().split("```") if part.startswith("yaml\n")]
    assert set(Config.model_validate(yaml.safe_load(example)).alerts.look_for) == {"dogs"}
