"""Alerts and their pages; what rules ask for, and what there is."""

from __future__ import annotations

import re

import pytest
from monitors import ALERTMANAGER, PROMETHEUS, ROOT, alerts, rules

from monitor.metrics import Metrics

BOOKS = ROOT / "docs" / "runbooks"
ALERTS = sorted({rule["alert"] for rule in alerts()})
HEADINGS = ("What it means", "What to look at", "What to do", "What it costs to ignore")


def test_every_alert_has_a_run_book_and_every_run_book_an_alert() -> None:
    assert sorted(path.stem for path in BOOKS.glob("*.md")) == ALERTS


@pytest.mark.parametrize("alert", ALERTS)
def test_a_run_book_says_what_it_is_what_to_do_and_what_it_costs(alert: str) -> None:
    text = (BOOKS / f"{alert}.md").read_text()
    assert text.startswith(f"# {alert}\n")
    assert tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) == HEADINGS
    for link in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (BOOKS / link).exists(), link


def test_every_alert_has_a_severity_a_text_and_links() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning", "info", "none"}
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description", "runbook_url", "dashboard_url"}
        assert notes["runbook_url"].endswith(f"/{rule['alert']}.md")
        assert re.search(r"/d/scenewatch-\w+", notes["dashboard_url"])


def test_run_books_and_rules_ask_for_metrics_that_there_are() -> None:
    there = {name for one in Metrics().described for name in _exposed(one.name, one.kind)}
    there |= {"scenewatch_gpu_memory_used_bytes", "scenewatch_gpu_memory_total_bytes", "scenewatch_gpu_utilization_ratio"}
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for text in [rule["expr"] for rule in rules()] + [path.read_text() for path in BOOKS.glob("*.md")]:
        for name in re.findall(r"[a-z_]+:\w+:\w+", text):
            assert name in recorded, name
        for name in re.findall(r"\bscenewatch_[a-z_]+", re.sub(r"[a-z_]+:\w+:\w+", "", text)):
            assert name in there, name


def _exposed(name: str, kind: str) -> set[str]:
    return {name} | ({f"{name}{suffix}" for suffix in ("_bucket", "_sum", "_count")} if kind == "histogram" else set())


def test_names_of_recorded_rules_are_level_metric_operations() -> None:
    for rule in rules():
        if "record" in rule:
            assert re.fullmatch(r"[a-z_]+:scenewatch_[a-z_]+:\w+", rule["record"])


def test_nobody_reads_a_secret_in_these_files() -> None:
    for path in [ALERTMANAGER, *PROMETHEUS.rglob("*.yml")]:
        for line in path.read_text().splitlines():
            assert not re.search(r"(password|token|routing_key|api_key|api_url|credentials|auth_password):", line), (path, line)
