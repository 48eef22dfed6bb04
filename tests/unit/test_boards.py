"""The boards of deploy/grafana: not stale, complete, readable, and asking for what there is."""

import json
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from boards.board import Addresses
from generate import BOARDS, generated
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from queries import DASHBOARDS, NEEDS, flat, panels, substituted

from monitor.metrics import Metrics

ROOT = Path(__file__).parents[2]
FILES = sorted(DASHBOARDS.glob("*.json"))
SUFFIXES = ("_bucket", "_sum", "_count")
GPU = {"scenewatch_gpu_memory_used_bytes", "scenewatch_gpu_memory_total_bytes", "scenewatch_gpu_utilization_ratio"}


def boards() -> list[tuple[str, dict[str, Any]]]:
    return [(path.stem, json.loads(path.read_text())) for path in FILES]


def everything() -> list[Any]:
    return [
        pytest.param(board, panel, id=f"{name}-{panel['title']}")
        for name, board in boards()
        for panel in flat(board["panels"])
        if panel["type"] != "row"
    ]


def test_are_what_the_generator_writes_now() -> None:
    written = {path.name: path.read_text() for path in FILES}
    assert written == generated(Addresses()), "stale: run python deploy/grafana/generate.py"


@pytest.mark.parametrize(("board", "panel"), everything())
def test_every_panel_says_what_it_shows(board: dict[str, Any], panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith("."), "a sentence that says what is seen"
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None
    assert [target["refId"] for target in panel["targets"]] == list("ABCDEFGHIJKLMNOP"[: len(panel["targets"])])
    assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


@pytest.mark.parametrize(("name", "board"), boards())
def test_panels_lie_side_by_side_and_fill_their_rows(name: str, board: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        at = panel["gridPos"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert x < 24
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]
    height = max(y for _, y in taken) + 1
    empty = {(x, y) for x in range(24) for y in range(height)} - set(taken)
    assert not empty, f"{name}: {len(empty)} places with nothing in them, first at {min(empty, key=lambda at: at[::-1])}"


@pytest.mark.parametrize(("name", "board"), boards())
def test_ids_addresses_and_titles_are_unique_within_reason(name: str, board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in flat(board["panels"])]
    assert len(set(ids)) == len(ids)
    assert board["uid"] == f"scenewatch-{name}"
    assert len(board["uid"]) <= 40, "Grafana's limit"


@pytest.mark.parametrize(("name", "board"), boards())
def test_the_sdk_reads_a_board_as_it_was_written(name: str, board: dict[str, Any]) -> None:
    plugins.register_default_plugins()
    again = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert _asked(again) == _asked(board)
    assert [panel["type"] for panel in again["panels"]] == [panel["type"] for panel in board["panels"]]
    assert [panel.get("fieldConfig", {}).get("defaults", {}).get("unit") for panel in again["panels"]] == [
        panel.get("fieldConfig", {}).get("defaults", {}).get("unit") for panel in board["panels"]
    ]


def _asked(board: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in flat(board["panels"]) for target in panel.get("targets", [])]


def test_ask_only_for_metrics_that_there_are() -> None:
    known = {described.name for described in Metrics().described} | GPU
    histograms = {described.name for described in Metrics().described if described.kind == "histogram"}
    known |= {name + suffix for name in histograms for suffix in SUFFIXES}
    asked = {name for panel in panels() for text in panel.expressions for name in re.findall(r"\bscenewatch_\w+", text)}
    assert asked <= known, sorted(asked - known)


def test_every_metric_is_on_a_board() -> None:
    asked = " ".join(text for panel in panels() for text in panel.expressions)
    unseen = {described.name for described in Metrics().described if described.name not in asked}
    assert not unseen, f"nobody looks at {sorted(unseen)}"


def test_what_a_panel_needs_is_told() -> None:
    needs = {panel.needs for panel in panels() if "scenewatch_gpu_" in " ".join(panel.expressions)}
    assert needs == {frozenset({"a GPU"})}
    assert set(NEEDS.values()) == {what for panel in panels() for what in panel.needs}


def test_variables_of_grafana_are_replaced() -> None:
    assert substituted('a{camera=~"$camera", b="${site:regex}"}[$__rate_interval]') == 'a{camera=~".*", b=".*"}[1m]'
    with pytest.raises(KeyError):
        substituted("a[$nobody]")


@pytest.mark.parametrize(("name", "board"), boards())
def test_variables_that_are_asked_for_are_there(name: str, board: dict[str, Any]) -> None:
    variables = {variable["name"] for variable in board["templating"]["list"]}
    builtin = {"__url_time_range", "__all_variables", "__rate_interval", "__interval", "__range", "__value", "__data", "__field"}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps({key: value for key, value in board.items() if key != "templating"})))
    assert used - builtin <= variables, used - builtin - variables


def test_links_lead_to_boards_that_there_are() -> None:
    names = {path.stem for path in FILES}
    for path in FILES:
        for name in re.findall(r"/d/scenewatch-(\w+)", path.read_text()):
            assert name in names, f"{path.name} leads to {name}"


def test_links_lead_to_run_books_that_there_are() -> None:
    books = {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")}
    linked = {name for path in FILES for name in re.findall(r"docs/runbooks/(\w+)\.md", path.read_text())}
    assert linked <= books, sorted(linked - books)
    alerts = {rule["alert"] for path in (ROOT / "deploy/prometheus/rules").glob("*.yml") for rule in _rules(path) if "alert" in rule}
    assert alerts <= linked, f"no board leads to what to do about {sorted(alerts - linked)}"


def test_rules_lead_to_boards_that_there_are() -> None:
    names = {path.stem for path in FILES}
    linked = {
        name for path in (ROOT / "deploy/prometheus/rules").glob("*.yml") for name in re.findall(r"/d/scenewatch-(\w+)", path.read_text())
    }
    assert linked <= names


def _rules(path: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def test_the_console_is_linked_where_one_is_named() -> None:
    for name, text in generated(Addresses(console="https://evidence.example.org", runbooks="https://wiki.example.org/books")).items():
        board = json.loads(text)
        assert [link["url"] for link in board["links"] if link["type"] == "link"] == ["${console}"], name
        values = {variable["name"]: variable["query"] for variable in board["templating"]["list"]}
        assert (values["console"], values["runbooks"]) == ("https://evidence.example.org", "https://wiki.example.org/books")


def test_steps_of_colour_rise() -> None:
    for _, board in boards():
        for panel in flat(board["panels"]):
            steps = [step["value"] for step in panel.get("fieldConfig", {}).get("defaults", {}).get("thresholds", {}).get("steps", [])]
            assert all(one < two for one, two in pairwise(steps[1:])), panel["title"]


def test_latencies_show_single_alerts() -> None:
    late = re.compile(r"(capture|utterance)_to_alert_seconds_bucket")
    for _, board in boards():
        for panel in flat(board["panels"]):
            if panel["type"] not in {"timeseries", "heatmap"} or "Within" in panel["title"]:
                continue
            targets = [target for target in panel["targets"] if late.search(target["expr"])]
            assert not targets or any(target.get("exemplar") for target in targets), panel["title"]


def test_grafana_is_told_where_the_boards_are() -> None:
    folder = DASHBOARDS.parent / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards" / "scenewatch.yaml").read_text())["providers"]
    assert source["type"] == "prometheus"
    assert provider["type"] == "file"
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
    assert len(BOARDS) == len(FILES)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool; to run it: apt-get install prometheus")
def test_prometheus_understands_every_question(tmp_path: Path) -> None:
    rules = [{"record": f"q{number}", "expr": text} for number, text in enumerate(text for panel in panels() for text in panel.expressions)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "boards", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"SUCCESS: {len(rules)} rules found" in done.stdout
