"""The page that lists every key of the configuration, docs/configuration.md, and its JSON Schema (`scenewatch keys`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from monitor import config
from monitor.config import RULES, Config, Rule
from monitor.documented import with_sentences
from monitor.sentences import HAPPENS
from workers.worded import Schema, defined, worded

ID: Final = "urn:scenewatch:schema:config:1"
HEAD: Final = """# Configuration

One or more YAML files: `scenewatch run cameras.yaml site.yaml` lays the later ones over the earlier ones, key by key. Every key has a
default; start from [configs/cameras.example.yaml](../configs/cameras.example.yaml) and set what differs. This page is written by
`scenewatch keys`; a test says when it is stale.

- **A mistake is named** by file, line and key: `scenewatch check cameras.yaml`. Unknown keys are mistakes.
- **Editors know the keys**: put `# yaml-language-server: $schema=` and the address of
  [docs/schema/config.schema.json](schema/config.schema.json) into the first line (`scenewatch check --keys` prints the same).
- **Secrets stay outside**: `${NAME}` in addresses, headers and user names is read from the environment, and never logged.
- **Cameras are applied while it runs**, a second after a file has changed; a file with a mistake changes nothing. Everything else is read
  at the start.

```yaml
cameras:
  entrance: {source: "rtsp://${CAMERA_USER}:${CAMERA_PASSWORD}@192.0.2.10/stream1", site: north}
alerts:
  budget: 1/day                        # thresholds follow from each camera's own scores
  rules:
    crying: {enabled: false}           # what differs from the kind's rule, below
    fight: {raise_at: 0.5}
  watch:                               # alerts of kind phrase:help, from what is said
    help: {phrases: ["help", "call an ambulance"]}
  look_for:                            # alerts of kind sees:NAME, from what is seen
    dogs: {texts: ["a dog", "two dogs"], severity: info}
sinks:
  - {type: console}
  - {type: webhook, url: "https://example.org/hooks/scenewatch", headers: {Authorization: "Bearer ${HOOK_TOKEN}"}}
```

**Looked for in words** is what a camera shows more plainly than it usually does: each camera's own ordinary moments are the measure, and
nothing is told before `normality.warm_up_s` of them were seen. Short names of things and scenes work best ("a dog", "two people", "a
person lying", "cars on a road"); several texts are alternatives. How well it works: [accuracy](accuracy.md), `scenewatch eval retrieval`.
"""
TOP: Final = "At the top"
KIND: Final = "KIND"
NAME: Final = "NAME"
PLACES: Final = (KIND, NAME)
"""What stands in place of a name that a user gives."""


@cache
def schema() -> dict[str, Any]:
    """The configuration's JSON Schema, with a sentence a key."""
    described = with_sentences(Config.model_json_schema(), vars(config))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": ID, **described}


def written() -> str:
    """The JSON Schema as it stands in its file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def page() -> str:
    """Give the page as Markdown."""
    return "\n".join([HEAD, *_section("", schema(), TOP), *_kinds()]) + "\n"


def _section(path: str, section: Schema, title: str, says: str = "") -> Iterator[str]:
    """A table of its keys, then those of the sections in it."""
    keys = {key: value for key, value in section["properties"].items() if not any(_inner(key, value)) and "const" not in value}
    yield f"## {title}\n"
    if says:
        yield f"{says}\n"
    if keys:
        yield "| key | may be | default | |\n|---|---|---|---|"
        for key, value in keys.items():
            default = "needed" if key in section.get("required", ()) else _default(value)
            yield f"| `{path}{key}` | {worded(value, schema()['$defs'])} | {default} | {value['description']} |"
        yield ""
    for key, value in section["properties"].items():
        for name, found in _inner(key, value):
            kind = found["properties"].get("type", {}).get("const")
            title = f"`{path}{name}`" if kind is None else f"`{path}{name}`: `type: {kind}`"
            says = f"{found['description']} {value['description']}" if name.endswith(PLACES) else found["description"]
            yield from _section(f"{path}{name}.", found, title, says)


def _inner(key: str, value: Schema) -> Iterator[tuple[str, Schema]]:
    """The sections that a key holds: itself, those by name, or those of a list; nothing for a plain value."""
    named = [value.get("additionalProperties"), *value.get("patternProperties", {}).values()]
    held = [
        (key, value),
        *((f"{key}.{KIND if key == 'rules' else NAME}", each) for each in named if isinstance(each, dict)),
        *((f"{key}[]", each) for each in value.get("items", {}).get("oneOf", ())),
    ]
    found = [(name, defined(each, schema()["$defs"])) for name, each in held if "$ref" in each]
    yield from ((name, each) for name, each in found if "properties" in each)


def _default(value: Schema) -> str:
    match value.get("default"):
        case None | "" | [] | {}:
            return ""
        case float(number):
            return f"`{number:g}`"
        case str(text):
            return f"`{text}`"
        case other:
            return f"`{json.dumps(other)}`"


def _kinds() -> Iterator[str]:
    """The rules of each kind, as shipped."""
    yield "## Kinds of incidents, and their rules as shipped\n"
    yield "Kinds of your own are `phrase:NAME` (`alerts.watch`) and `sees:NAME` (`alerts.look_for`)."
    yield "What each key says: `alerts.rules.KIND`.\n"
    yield "| kind | tells that | enabled | severity | raise_at | raise_after | clear_at | clear_after | cool_down_s |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for kind, rule in {**RULES, "any other": Rule()}.items():
        numbers = (rule.raise_at, rule.raise_after, rule.clear_at, rule.clear_after, rule.cool_down_s)
        told = " | ".join(f"{number:g}" for number in numbers)
        yield f"| `{kind}` | {HAPPENS.get(kind, '')} | {'yes' if rule.enabled else 'no'} | {rule.severity} | {told} |"
