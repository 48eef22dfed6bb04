from __future__ import annotations

import asyncio
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from broker import free_port

from monitor import config
from monitor.errors import ConfigError
from monitor.metrics import Metrics
from workers.serve import HUNG_S, START_S, Vitals, served


@contextmanager
def serving(vitals: Vitals) -> Iterator[str]:
    port = free_port()
    with served(config.Metrics(port=port), Metrics(), vitals):
        yield f"http://127.0.0.1:{port}"


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_metrics_are_where_they_were_and_other_paths_are_not_there() -> None:
    with serving(Vitals()) as url:
        status, text = get(f"{url}/metrics")
        assert (status, "scenewatch_pressure_step" in text) == (200, True)
        assert get(f"{url}/etc/passwd")[0] == 404


def test_a_process_is_alive_while_its_loop_turns() -> None:
    vitals = Vitals(begun=0)
    assert vitals.alive(START_S - 1) == ""
    assert "not started" in vitals.alive(START_S)
    vitals.beat_at = 1000
    assert vitals.alive(1000 + HUNG_S - 1) == ""
    assert "hung for 60 s" in vitals.alive(1060)


async def test_the_beat_goes_on() -> None:
    vitals = Vitals()
    beating = asyncio.ensure_future(vitals.beat())
    await asyncio.sleep(0)
    assert vitals.beat_at is not None
    beating.cancel()


def test_health_is_told_over_http() -> None:
    vitals = Vitals()
    with serving(vitals) as url:
        assert get(f"{url}/healthz") == (200, '{"ok":true}\n')
        vitals.beat_at = -HUNG_S * 10**6
        status, text = get(f"{url}/healthz")
        assert (status, json.loads(text)["ok"]) == (503, False)


def test_a_process_is_ready_when_every_condition_holds() -> None:
    vitals = Vitals()
    with serving(vitals) as url:
        assert get(f"{url}/readyz")[0] == 503
        ready = {"bus": True, "assigned": False}
        vitals.conditions = {"bus": lambda: ready["bus"], "assigned": lambda: ready["assigned"]}
        assert get(f"{url}/readyz") == (503, '{"ok":false,"conditions":{"bus":true,"assigned":false}}\n')
        ready["assigned"] = True
        assert get(f"{url}/readyz")[0] == 200


def test_a_client_that_says_nothing_keeps_nobody_from_being_answered() -> None:
    with serving(Vitals()) as url, socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))):
        assert get(f"{url}/healthz")[0] == 200


def test_a_port_that_is_taken_is_a_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (
            pytest.raises(ConfigError, match="metrics: can't listen on"),
            served(config.Metrics(port=taken.getsockname()[1]), Metrics(), Vitals()),
        ):
            pass
