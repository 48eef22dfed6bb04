"""The configuration that Prometheus and Alertmanager are started with: that of deploy/, elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from broker import free_port
from monitors import ALERTMANAGER, PROMETHEUS

from monitor.errors import ConfigError
from workers import monitoring, observe


def order(folder: Path) -> monitoring.Order:
    return monitoring.Order(folder=folder, prometheus=1, alertmanager=2, notifications=3, targets=["127.0.0.1:4"], every_s=1.5)


def test_prometheus_scrapes_the_given_targets_and_all_else_is_as_deployed(tmp_path: Path) -> None:
    made = monitoring.prometheus_yml(order(tmp_path))
    given = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert made["global"]["scrape_interval"] == made["global"]["scrape_timeout"] == "1.5s"
    assert made["global"]["external_labels"] == given["global"]["external_labels"]
    assert made["alerting"]["alertmanagers"] == [{"static_configs": [{"targets": ["127.0.0.1:2"]}]}]
    assert made["scrape_configs"][0]["sample_limit"] == given["scrape_configs"][0]["sample_limit"]
    assert made["rule_files"] == [str(PROMETHEUS / "rules" / "*.yml")]
    monitoring.write_targets(order(tmp_path), ["127.0.0.1:4"])
    (file,) = made["scrape_configs"][0]["file_sd_configs"][0]["files"]
    assert json.loads(Path(file).read_text()) == [{"targets": ["127.0.0.1:4"]}]


def test_alertmanager_sends_to_the_given_port_and_keeps_its_routes(tmp_path: Path) -> None:
    made, given = monitoring.alertmanager_yml(order(tmp_path)), yaml.safe_load(ALERTMANAGER.read_text())
    assert {hook["url"] for one in made["receivers"] for hook in one["webhook_configs"]} == {
        f"http://127.0.0.1:3/{name}" for name in ("page", "desk", "log", "deadman")
    }
    assert (made["route"], made["inhibit_rules"]) == (given["route"], given["inhibit_rules"])


def test_a_missing_program_is_an_error_that_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"prometheus and alertmanager: not found.*apt-get install .*prometheus prometheus-alertmanager"):
        monitoring.programs()


def test_a_port_that_was_asked_for_and_is_taken_is_an_error_and_any_other_gives_way() -> None:
    with monitoring.listening(lambda _receiver, _told: None) as taken:
        with pytest.raises(ConfigError, match=f"metrics: something listens at port {taken} already"):
            observe.Ports(metrics=taken).chosen()
        assert observe.Ports(metrics=free_port()).chosen()["metrics"] != taken
    assert observe.Ports(prometheus=0).chosen()["prometheus"] != 0
