"""The page that shows what other programs receive, docs/events.md, from the schemas and a recorded event (`scenewatch schema --page`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from monitor import events
from workers.worded import Schema, worded

EXAMPLE: Final = Path(__file__).parent.parent / "docs" / "schema" / "alert.example.json"
"""An event of `make demo`, as the sink `jsonl` wrote it."""
HEAD: Final = """# What other programs receive

Each alert is a [CloudEvent](https://cloudevents.io) 1.0 in JSON: a line of the sink `jsonl`, the body of the sink `webhook`
(`application/cloudevents+json`), a record on the topic `alerts`. Its [JSON Schema](schema/alert.schema.json) is generated from the code, as
is this page (`make schema`); a test says when they are stale. How sinks are set: [configuration](configuration.md).

- **An incident is one id from begin to end**: `data.phase` is `new`, then any number of `update`, then `end`; `data.sequence` counts up.
  Whoever keeps the newest sequence of each id has the state of the world.
- **At least once**: a repeated event has the same `id` (and `source`), so that dropping what was seen before makes it once. A webhook that
  answers 2xx has it; else it is tried again, and then written to the dead-letter topic ([what is promised](guarantees.md)).
- **Signed**, where the webhook has a `secret`: `webhook-id`, `webhook-timestamp` and `webhook-signature` as
  [Standard Webhooks](https://www.standardwebhooks.com) has them, whose libraries check them in many languages.
- **In order** for each camera. `data.at` is the incident's begin in all of its events, `data.until` how far it has been judged.
- **New fields may come**: ignore what you do not know. Those with a star below have a default. `dataschema` gets another number when a
  reader could break.

```python
import json, sys  # python alarms.py < alerts.jsonl

for line in sys.stdin:
    event = json.loads(line)
    alert = event["data"]
    if alert["phase"] == "new" and alert["severity"] != "info":
        print(event["time"], alert["camera"], alert["kind"], alert["summary"], sep="\\t")
```
"""


def write(folder: Path) -> None:
    """Write `NAME.schema.json` for each schema."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in events.SCHEMAS:
        (folder / f"{name}.schema.json").write_bytes(events.schema(name))


def page() -> str:
    """Give the page as Markdown."""
    definitions = json.loads(events.schema("alert"))["$defs"]
    told = EXAMPLE.read_text("utf-8").rstrip()
    where = "From the scene of `make demo`; lists are cut after their second item, numbers after the third digit."
    example = f"## One of them\n\n{where}\n\n```json\n{told}\n```\n"
    tables = "\n".join(line for name, each in definitions.items() if "properties" in each for line in _table(name, each, definitions))
    return f"{HEAD}\n{example}\n{tables}"


def _table(name: str, definition: Schema, definitions: Schema) -> Iterator[str]:
    yield f"## {name}\n\n{definition['description']}\n"
    yield "| field | is | |\n|---|---|---|"
    for field, value in definition["properties"].items():
        star = "" if field in definition.get("required", ()) else "*"
        yield f"| `{field}`{star} | {worded(value, definitions)} | {value['description']} |"
    yield ""
