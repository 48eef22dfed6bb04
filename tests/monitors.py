"""Prometheus for tests: the programs, what they are asked, and the rules with shorter times."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

ROOT = Path(__file__).parent.parent
PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTMANAGER = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))

Rule = dict[str, Any]


def program(name: str) -> str:
    """Where a program is; without it the test is skipped, but not in CI, where tests/needs.py installs it."""
    found = shutil.which(name)
    if found is None:
        (pytest.fail if os.environ.get("SCENEWATCH_CI") else pytest.skip)(
            f"no {name}; to run it: apt-get install prometheus prometheus-alertmanager"
        )
    return str(found)


def ran(name: str, *arguments: str | Path) -> str:
    """What a program says; it must end well."""
    done = subprocess.run([program(name), *map(str, arguments)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules(folder: Path = PROMETHEUS / "rules") -> Iterator[Rule]:
    for path in sorted(folder.glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def alerts(folder: Path = PROMETHEUS / "rules") -> Iterator[Rule]:
    return (rule for rule in rules(folder) if "alert" in rule)


WINDOWS = {"5m": "6s", "10m": "8s", "15m": "15s", "30m": "8s", "1h": "12s", "2h": "14s", "6h": "16s", "1d": "20s", "3d": "24s"}
"""What a range of the rules is in their shorter copy."""
LIMITS = (
    ("SilenceTooLong", "> 86400", "> 6"),
    ("StageLagging", "> 1800", "> 3"),
    ("StageLagging", "> 10", "> 1.5"),
    ("RecogniserSlow", "ratio_rate5m > 1", "ratio_rate5m > 0.001"),
    ("AlarmStorm", "> 10", "> 1.5"),
    ("CameraFlapping", "> 4", "> 1.5"),
    *(
        (name, f"> {limit})", "> 0.04)")
        for name in ("CaptureToAlertBurningFast", "CaptureToAlertBurningSlowly")
        for limit in ("0.72", "0.30", "0.15", "0.05")
    ),
    *((name, f">= {least})", ">= 0.5)") for name in ("CaptureToAlertBurningFast", "CaptureToAlertBurningSlowly") for least in ("10", "20")),
    # A drift is told after two minutes of learning and three of shift. What stands in for it is a camera that learns.
    ("NormalityDrift", "scenewatch_normality_drift", "scenewatch_normality_learning"),
)
"""By alert: what stands in its expression, and what stands there in the shorter copy."""


def shortened(folder: Path) -> Path:
    """Write the rules with ranges of WINDOWS, limits of LIMITS, and a second in place of each `for`; expressions are the same otherwise."""
    folder.mkdir()
    unused = set(LIMITS)
    for path in RULES:
        read = yaml.safe_load(path.read_text())
        for group in read["groups"]:
            for rule in group["rules"]:
                rule["expr"] = _shorter(rule["expr"])
                for name, given, put in LIMITS:
                    if rule.get("alert") == name and given in rule["expr"]:
                        rule["expr"] = rule["expr"].replace(given, put)
                        unused.discard((name, given, put))
                for key in ("for", "keep_firing_for"):
                    if key in rule:
                        rule[key] = "1s"
        (folder / path.name).write_text(yaml.safe_dump(read, sort_keys=False, allow_unicode=True))
    assert not {one for one in unused if one[0] not in {"CaptureToAlertBurningFast", "CaptureToAlertBurningSlowly"}}, unused
    return folder


def _shorter(expression: str) -> str:
    ranged = re.sub(r"\[(\d+[smhd])\]", lambda found: f"[{WINDOWS[found[1]]}]", expression)
    return re.sub(r"offset (\d+[smhd])", lambda found: f"offset {WINDOWS[found[1]]}", ranged)


@dataclass(frozen=True)
class Asked:
    """A Prometheus that is asked."""

    url: str

    def now(self, expression: str) -> list[dict[str, Any]]:
        return self._ask("query", query=expression)

    def over(self, expression: str, begin: float, end: float, step: float = 1.0) -> list[dict[str, Any]]:
        return self._ask("query_range", query=expression, start=begin, end=end, step=step)

    def has_data(self, expression: str, begin: float, end: float) -> bool:
        """Whether there was a number at any time between."""
        return any(not math.isnan(float(value)) for series in self.over(expression, begin, end) for _, value in series["values"])

    def firing(self, name: str = "") -> set[str]:
        """Names of alerts that fire now."""
        return {one["metric"]["alertname"] for one in self.now(f'ALERTS{{alertstate="firing", alertname=~"{name or ".*"}"}}')}

    def until(self, expression: str, within_s: float = 120.0, *, there: bool = True) -> None:
        """Wait until something is there, or is not."""
        until = time.monotonic() + within_s
        while bool(self.now(expression)) is not there:
            assert time.monotonic() < until, (
                f"{'no' if there else 'still'} {expression} after {within_s:g} s; firing: {sorted(self.firing())}"
            )
            time.sleep(0.3)

    def _ask(self, what: str, **asked: Any) -> list[dict[str, Any]]:
        answer = httpx.post(f"{self.url}/api/v1/{what}", data=asked, timeout=20).json()
        assert answer["status"] == "success", (asked, answer)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found if answer["data"]["resultType"] in {"vector", "matrix"} else [{"metric": {}, "value": found}]
