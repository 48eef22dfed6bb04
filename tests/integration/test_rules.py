"""The rules and Alertmanager's configuration, by Prometheus' own tools and a real Alertmanager."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from broker import free_port
from monitors import ALERTMANAGER, PROMETHEUS, RULES, alerts, program, ran

from workers import monitoring

pytestmark = pytest.mark.prometheus
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))


def test_promtool_and_amtool_take_every_file() -> None:
    ran("promtool", "check", "config", PROMETHEUS / "prometheus.yml")
    assert ran("promtool", "check", "rules", *RULES).count("SUCCESS") == len(RULES)
    ran("amtool", "check-config", ALERTMANAGER)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name.partition(".")[0])
def test_rules_do_what_their_tests_say(path: Path) -> None:
    ran("promtool", "test", "rules", path)


def test_every_alert_is_tested_to_fire_and_not_to_fire() -> None:
    fires, quiet = set(), set()
    for group in itertools.chain.from_iterable(yaml.safe_load(path.read_text())["tests"] for path in TESTS):
        fires |= {test["alertname"] for test in group.get("alert_rule_test", ()) if test["exp_alerts"]}
        for test in group["promql_expr_test"]:
            said = " ".join(sample["labels"] for sample in test["exp_samples"])
            for rule in alerts():
                name, severity = rule["alert"], rule["labels"]["severity"]
                if f'"{name}"' in said and f'severity="{severity}"' in said:
                    fires |= {name, (name, severity)}
                elif not said and name in test["expr"]:
                    quiet |= {name}
    names = {rule["alert"] for rule in alerts()}
    assert names <= fires
    assert names - quiet == {"Watchdog"}
    several = {rule["alert"] for rule in alerts() if sum(other["alert"] == rule["alert"] for other in alerts()) > 1}
    assert {(rule["alert"], rule["labels"]["severity"]) for rule in alerts() if rule["alert"] in several} - fires <= {
        ("CaptureToAlertBurningFast", "critical")
    }


ROUTES = (
    ("Watchdog", "none", "deadman"),
    ("SiteOffline", "critical", "page"),
    ("CameraOffline", "warning", "desk"),
    ("CameraSilent", "info", "log"),
    ("SilenceTooLong", "info", "log"),
    ("AlarmStorm", "warning", "desk"),
    ("StageLagging", "warning", "desk"),
    ("StageLagging", "critical", "page"),
    ("SinkFailing", "critical", "page"),
)


@pytest.mark.parametrize(("name", "severity", "receiver"), ROUTES)
def test_who_is_told(name: str, severity: str, receiver: str) -> None:
    told = ran(
        "amtool", "config", "routes", "test", "--config.file", ALERTMANAGER, f"alertname={name}", f"severity={severity}", "site=north"
    )
    assert told.strip() == receiver


Told = list[tuple[str, str, dict[str, Any]]]


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[tuple[str, Told]]:
    """A real Alertmanager with our configuration that does not wait, and what it has told."""
    program("prometheus-alertmanager"), program("prometheus")
    told: Told = []

    def heard(receiver: str, notification: monitoring.Notification) -> None:
        told.extend((receiver, alert["status"], alert["labels"]) for alert in notification["alerts"])

    with monitoring.listening(heard) as port:
        order = monitoring.Order(
            folder=tmp_path, prometheus=free_port(), alertmanager=free_port(), notifications=port, targets=[], quick=True, every_s=60.0
        )
        with monitoring.started(order) as (_, manager):
            yield manager.url, told


def fire(url: str, *labels: dict[str, str]) -> None:
    httpx.post(f"{url}/api/v2/alerts", json=[{"labels": {"cluster": "c"} | one} for one in labels]).raise_for_status()


def hidden(url: str) -> set[tuple[str, str]]:
    """What is inhibited now: name, and camera, stage, site or cluster."""
    found = httpx.get(f"{url}/api/v2/alerts", params={"inhibited": True, "active": False}).json()
    return {
        (one["labels"]["alertname"], one["labels"].get("camera") or one["labels"].get("stage") or one["labels"]["cluster"]) for one in found
    }


def wait_for(url: str, wanted: set[tuple[str, str]]) -> None:
    until = time.monotonic() + 10
    while hidden(url) != wanted:
        assert time.monotonic() < until, hidden(url)
        time.sleep(0.1)


def camera(name: str, of: str, site: str = "north", severity: str = "warning") -> dict[str, str]:
    return {"alertname": name, "camera": of, "site": site, "severity": severity}


def _named(told: Told) -> set[tuple[str, str | None]]:
    return {(labels["alertname"], labels.get("camera")) for _, _, labels in told}


def test_what_explains_another_alert_hides_it_and_nothing_else(alertmanager: tuple[str, Told]) -> None:
    url, told = alertmanager
    fire(url, camera("CameraOffline", "hall"))
    fire(
        url,
        *(camera(name, "hall") for name in ("CameraBlind", "CameraFrozen", "CameraSilent", "SilenceTooLong", "NormalityDrift")),
        *(camera(name, "yard") for name in ("CameraBlind", "SilenceTooLong", "NormalityDrift")),
        camera("AlarmStorm", "hall"),
    )
    wait_for(
        url,
        {(name, "hall") for name in ("CameraBlind", "CameraFrozen", "CameraSilent", "SilenceTooLong", "NormalityDrift")}
        | {("NormalityDrift", "yard")},
    )
    fire(url, {"alertname": "SiteOffline", "site": "north", "severity": "critical"}, camera("CameraOffline", "gate", "south"))
    until = time.monotonic() + 10
    while ("CameraOffline", "hall") not in hidden(url):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert ("CameraOffline", "gate") not in hidden(url)
    while not {("CameraOffline", "hall"), ("AlarmStorm", "hall")} <= (names := _named(told)):
        assert time.monotonic() < until, names
        time.sleep(0.1)
    assert not {("CameraBlind", "hall"), ("CameraFrozen", "hall"), ("CameraSilent", "hall")} & names


def test_without_its_broker_or_a_process_everything_lags_and_nobody_is_told_that(alertmanager: tuple[str, Told]) -> None:
    url, told = alertmanager
    lag = {"alertname": "StageLagging", "stage": "encode", "severity": "warning"}
    fire(url, {"alertname": "BrokerAway", "instance": "a", "severity": "critical"})
    spool = {"alertname": "SpoolFilling", "instance": "a", "topic": "audio", "severity": "warning"}
    fire(url, lag, lag | {"cluster": "another"}, spool, {"alertname": "BrokerUnderReplicated", "severity": "warning"})
    wait_for(url, {("StageLagging", "encode"), ("BrokerUnderReplicated", "c")})
    until = time.monotonic() + 10
    while not {"BrokerAway", "SpoolFilling", "StageLagging"} <= {labels["alertname"] for _, _, labels in told}:
        assert time.monotonic() < until, told
        time.sleep(0.1)
    assert {labels["cluster"] for _, _, labels in told if labels["alertname"] == "StageLagging"} == {"another"}
    fire(url, spool | {"severity": "critical"})
    wait_for(url, {("StageLagging", "encode"), ("BrokerUnderReplicated", "c"), ("SpoolFilling", "c")})
