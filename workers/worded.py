"""What a value may be, in words, from its JSON Schema: for pages that are written from the code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

TYPES: Final = {"boolean": "`true`, `false`", "integer": "whole number", "null": "null", "number": "number", "string": "text"}
BOUNDS: Final = {"exclusiveMinimum": "above", "minimum": "at least", "exclusiveMaximum": "below", "maximum": "at most"}


def worded(value: Schema, definitions: Schema) -> str:
    """Say it; a class that has a table of its own is a link to it."""
    match value:
        case {"$ref": str(where)}:
            name, found = where.rsplit("/", 1)[1], defined(value, definitions)
            said = f"[{name}](#{name.lower()})" if "properties" in found else worded(found, definitions)
        case {"anyOf": [*some]}:
            said = " or ".join(worded(each, definitions) for each in some)
        case {"enum": [*some]}:
            said = ", ".join(f"`{each}`" for each in some)
        case {"prefixItems": [first, *others]}:
            said = f"list of {1 + len(others)}: {worded(first, definitions)}"
        case {"items": item}:
            said = f"list: {worded(item, definitions)}"
        case {"additionalProperties": item}:
            said = f"{worded(item, definitions)}, by name"
        case _:
            said = ", ".join([TYPES[value["type"]], *_bounds(value)])
    return said


def defined(value: Schema, definitions: Schema) -> Schema:
    """What a value refers to; itself, if it refers to nothing."""
    found: Schema = definitions[value["$ref"].rsplit("/", 1)[1]] if "$ref" in value else value
    return found


def _bounds(value: Schema) -> Iterator[str]:
    yield from (f"{word} {value[name]:g}" for name, word in BOUNDS.items() if name in value)
