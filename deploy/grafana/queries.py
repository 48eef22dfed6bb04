"""Reads the boards back: every panel's expressions, with Grafana's variables replaced, as Prometheus can be asked them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

DASHBOARDS: Final = Path(__file__).parent / "dashboards"

VARIABLES: Final = MappingProxyType(
    {
        "camera": ".*",
        "site": ".*",
        "stage": ".*",
        "__rate_interval": "1m",
        "__range": "5m",
        "__interval": "1m",
    }
)
"""Wide values, so that whatever is there is found. Where $__interval is used, a panel asks for a minute at least."""

NEEDS: Final = MappingProxyType(
    {
        "scenewatch_gpu_": "a GPU",
        "scenewatch_broker_": "kafka://",
        "scenewatch_spool_": "kafka://",
        "scenewatch_alarm_budget_": "alerts.budget",
        "scenewatch_alarms_expected_": "alerts.budget, for hours",
        "scenewatch_normality_drift": "normality that has learned",
        'verdict=~"right|wrong"': "feedback",
        "scenewatch_shadow_": "models.shadow",
        "ALERTS{": "rules",
        "increase(scenewatch_camera_alerts_total[1m])": "an incident within a minute",
    }
)
"""What must be there for questions with this in them to have answers; to all others a running system gives some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel's questions to Prometheus."""

    board: str
    """The file's name without `.json`."""
    title: str
    expressions: tuple[str, ...]
    """PromQL, without variables."""
    needs: frozenset[str] = frozenset()
    """What must be there for it to show everything (see NEEDS)."""


def panels(folder: Path = DASHBOARDS) -> Iterator[Panel]:
    """Every panel that asks something, and every annotation, of all boards of a folder."""
    for path in sorted(folder.glob("*.json")):
        board = json.loads(path.read_text())
        for panel in flat(board["panels"]):
            if panel.get("targets"):
                yield _panel(path.stem, panel["title"], [target["expr"] for target in panel["targets"]])
        for annotation in board["annotations"]["list"]:
            if annotation.get("expr"):
                yield _panel(path.stem, f"annotation: {annotation['name']}", [annotation["expr"]])


def flat(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Panels as they stand on a board, those of closed rows too."""
    for panel in panels:
        yield panel
        yield from flat(panel.get("panels") or [])


def substituted(expression: str) -> str:
    """An expression with wide values in place of Grafana's variables.

    Raises:
        KeyError: for a variable that nobody here knows.

    """
    return re.sub(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)", lambda found: VARIABLES[found[1] or found[2]], expression)


def needs(expression: str) -> frozenset[str]:
    """What must be there for one question to have an answer; nothing for most."""
    return frozenset(what for part, what in NEEDS.items() if part in expression)


def _panel(board: str, title: str, expressions: list[str]) -> Panel:
    every = frozenset(what for expression in expressions for what in needs(expression))
    return Panel(board=board, title=title, expressions=tuple(map(substituted, expressions)), needs=every)
