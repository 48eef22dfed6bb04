"""The page of what other programs receive: not stale, complete, with a real event."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema

from monitor import events
from monitor.messages import Phase
from workers.received import EXAMPLE, page

ROOT = Path(__file__).parents[2]


def test_it_is_not_stale() -> None:
    assert page() == (ROOT / "docs" / "events.md").read_text("utf-8"), "make schema"


def test_every_field_has_a_sentence_and_a_row() -> None:
    rows = page().splitlines()
    for name, definition in json.loads(events.schema("alert"))["$defs"].items():
        for field, value in definition.get("properties", {}).items():
            assert value.get("description"), f"{name}.{field}"
            assert any(line.startswith(f"| `{field}`") and value["description"] in line for line in rows)


def test_the_example_is_an_event() -> None:
    jsonschema.validate(json.loads(EXAMPLE.read_bytes()), json.loads(events.schema("alert")))
    assert events.from_json(EXAMPLE.read_bytes()).phase is Phase.NEW


def test_the_program_on_the_page_reads_events() -> None:
    (program,) = [part.removeprefix("python\n") for part in page().split("```") if part.startswith("python\n")]
    line = json.dumps(json.loads(EXAMPLE.read_bytes()))
    told = subprocess.run([sys.executable, "-c", program], input=f"{line}\n", capture_output=True, text=True, check=True).stdout
    assert told.count("\t") == 3
    assert json.loads(line)["data"]["summary"] in told
