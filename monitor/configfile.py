"""Configuration files: YAML, later files over earlier ones; a mistake is named by file, line and key."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from monitor.config import Config, Section
from monitor.errors import ConfigError

MAX_BYTES = 2**20
"""A configuration is no larger."""

Key = tuple[str | int, ...]
Lines = dict[Key, tuple[Path, int]]
Checked = TypeVar("Checked", bound=Section)


def load(paths: Sequence[Path]) -> Config:
    """Read and merge files, the last one winning key by key; raises ConfigError."""
    merged: dict[str, Any] = {}
    lines: Lines = {}
    for path in paths:
        tree, where = read(path)
        merged = merge(merged, tree)
        lines |= where
    return validate(merged, lines)


def validate(tree: dict[str, Any], lines: Lines) -> Config:
    """Check a tree; `lines` says where each key stands."""
    return check(Config, tree, lines)


def check(section: type[Checked], tree: dict[str, Any], lines: Lines) -> Checked:
    """Check a tree against any section; raises ConfigError naming file, line and key."""
    try:
        return section.model_validate(tree)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(tuple(e["loc"]), str(e["msg"]), lines) for e in error.errors())) from error


def read(path: Path) -> tuple[dict[str, Any], Lines]:
    """Read one file as plain data, and the line of each of its keys; raises ConfigError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_BYTES} bytes: this is no configuration")
        node = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: this is no YAML: {getattr(error, 'problem', None) or error}") from error
    if node is None:
        return {}, {}
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path}:{node.start_mark.line + 1}: expected `key: value` lines")
    lines: Lines = {}
    return _plain(node, (), path, lines), lines


def _plain(node: yaml.Node, key: Key, path: Path, lines: Lines) -> Any:
    """Turn a YAML node into plain data and note the lines; refuses keys that stand twice."""
    lines.setdefault(key, (path, node.start_mark.line + 1))
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for name_node, value_node in node.value:
            name = str(name_node.value)
            line = name_node.start_mark.line + 1
            if name in result:
                raise ConfigError(f"{path}:{line}: {_dotted((*key, name))}: stands here a second time")
            lines[(*key, name)] = (path, line)
            result[name] = _plain(value_node, (*key, name), path, lines)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, (*key, index), path, lines) for index, child in enumerate(node.value)]
    return yaml.SafeLoader("").construct_object(node)


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Lay one tree over another: mappings are merged, everything else is replaced."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _explain(loc: Key, message: str, lines: Lines) -> str:
    """Name file, line and key of one mistake: the nearest key that stands in a file."""
    at = next((loc[:n] for n in range(len(loc), -1, -1) if loc[:n] in lines), ())
    path, line = lines.get(at, (Path("configuration"), 0))
    hint = _unknown(str(loc[-1])) if message.startswith("Extra inputs") else message
    return f"{path}:{line}: {_dotted(loc)}: {hint}"


def _unknown(name: str) -> str:
    """Say that there is no such key, and which one may be meant."""
    near = get_close_matches(name, _names(), 1)
    return f"no such key{f', is {near[0]} meant?' if near else ''}; all there are: scenewatch check --keys"


@cache
def _names() -> tuple[str, ...]:
    """Every key of every section."""
    schema = Config.model_json_schema()
    return tuple(dict.fromkeys(name for section in (schema, *schema["$defs"].values()) for name in section.get("properties", ())))


def _dotted(key: Key) -> str:
    return ".".join(str(part) for part in key) or "(top)"
