"""The real thing: our processes, Prometheus with our rules, Alertmanager; cameras die, stages lag, brokers go, and every question has an answer."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import monitored
import pytest
from broker import free_port
from kafka_cluster import Cluster, launch
from monitors import LIMITS, ROOT, WINDOWS, Asked, alerts, program, rules, shortened
from rich.console import Console
from rich.table import Table

from monitor.messages import Topic
from workers import monitoring
from workers.stage import Stage

sys.path.insert(0, str(ROOT / "deploy" / "grafana"))
import queries

pytestmark = [pytest.mark.prometheus, pytest.mark.kafka]

GPU = "a GPU"
"""What may be missing here, and nothing else."""
STAND_INS = {name for name, given, put in LIMITS if given.startswith("scenewatch_")}
MAX_SERIES = 120
Told = list[tuple[str, str, str]]


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Cluster]:
    cluster = launch(tmp_path / "kafka", 3)
    yield cluster
    for node in cluster.nodes:
        if node.process:
            node.process.send_signal(signal.SIGCONT)
    cluster.close()


@pytest.mark.timeout(1200)
async def test_every_question_has_an_answer_and_every_rule_fires_and_clears(
    tmp_path: Path, three: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    program("prometheus"), program("prometheus-alertmanager"), program("promtool")
    told: Told = []

    def heard(receiver: str, notification: monitoring.Notification) -> None:
        told.extend((receiver, alert["status"], alert["labels"]["alertname"]) for alert in notification["alerts"])

    begun, begin = time.monotonic(), time.time()
    with ExitStack() as stack:
        port = stack.enter_context(monitoring.listening(heard))
        order = monitoring.Order(
            folder=tmp_path / "prometheus",
            prometheus=free_port(),
            alertmanager=free_port(),
            notifications=port,
            targets=[],
            rules=shortened(tmp_path / "rules"),
            every_s=1.0,
            quick=True,
        )
        prometheus, _ = stack.enter_context(monitoring.started(order))
        asked = Asked(prometheus.url)
        async with monitored.system(tmp_path / "system", three) as system:
            monitoring.write_targets(order, system.addresses)
            ready_s = time.monotonic() - begun
            await scenario(system, asked, order, stack)
        took_s = time.monotonic() - begun
        report = Report(asked, order.rules, begin, time.time())
        with capsys.disabled():
            report.show(f"ready after {ready_s:.0f} s, {took_s:.0f} s in all")
    assert not report.without
    assert report.fired == {rule["alert"] for rule in alerts()}
    assert report.fired - report.cleared == {"Watchdog"}
    assert report.series_per_camera < MAX_SERIES
    for name, receiver in (
        ("SiteOffline", "page"),
        ("BrokerAway", "page"),
        ("SinkFailing", "page"),
        ("DeadLetters", "desk"),
        ("CameraSilent", "log"),
    ):
        assert {(receiver, "firing", name), (receiver, "resolved", name)} <= set(told)
    assert ("deadman", "firing", "Watchdog") in told


async def scenario(system: monitored.System, asked: Asked, order: monitoring.Order, stack: ExitStack) -> None:
    """Break one thing after the other, and wait for what Prometheus says of it."""

    async def fires(*names: str, severity: str = ".+", clear: bool = False, ever: bool = False) -> None:
        for name in names:
            firing = f'ALERTS{{alertname="{name}", alertstate="firing", severity=~"{severity}"}}'
            if ever:
                firing = f"last_over_time({firing}[10m])"
            await asyncio.to_thread(asked.until, firing, there=not clear)
            print(f"{time.time():.1f} {name} {severity} {'clear' if clear else 'fires'}", file=open("/tmp/rp/steps", "a"))

    # What cameras show by themselves: a call for help, a covered lens, a still picture without sound. One sink fails from the beginning.
    for topic in (Topic.VIDEO, Topic.SCORES):
        await system.bus.publish_bytes(topic, "hall", b"\x00alien")
    await fires("DeadLetters", "NormalityDrift", "CameraFrozen", "CameraSilent", "CameraBlind", "SinkFailing", "AlarmStorm", ever=True)
    await fires("RecogniserSlow", "BudgetOverrun", "SilenceTooLong", "Watchdog", ever=True)
    stack.enter_context(monitored.answering(system.webhook))
    # Two of three cameras die, and come back.
    for name in ("hall", "yard"):
        system.wires[name].cut()
    await fires("CameraOffline", "SiteOffline", "CameraFlapping")
    for name in ("hall", "yard"):
        system.wires[name].mend()
    await fires("CameraOffline", "SiteOffline", clear=True)
    # A stage stands still: its process does not answer, capture takes less, and when it goes on it is behind.
    system.signal(Stage.ENCODE, signal.SIGSTOP)
    await fires("StageDown")
    await fires("LadderEngaged", severity="critical")
    system.signal(Stage.ENCODE, signal.SIGCONT)
    await fires("StageLagging", severity="critical")
    await fires("StageDown", "LadderEngaged", "StageLagging", clear=True)
    # One broker of three is lost, then the others are away.
    await asyncio.to_thread(system.cluster.kill, 1)
    await fires("BrokerUnderReplicated", severity="warning")
    await fires("BrokerUnderReplicated", severity="critical")
    for number in (2, 3):
        system.signal_broker(number, signal.SIGSTOP)
    await fires("BrokerAway")
    await fires("SpoolFilling", severity="warning")
    await fires("SpoolFilling", severity="critical")
    for number in (2, 3):
        system.signal_broker(number, signal.SIGCONT)
    await asyncio.to_thread(system.cluster.start, 1)
    await fires("CaptureToAlertBurningFast", "CaptureToAlertBurningSlowly")
    await fires("BrokerAway", "BrokerUnderReplicated", "SpoolFilling", "DeadLetters", "SinkFailing", clear=True)
    # Prometheus is told of no process any more.
    monitoring.write_targets(order, [])
    await fires("StageMissing")
    monitoring.write_targets(order, system.addresses)
    await fires("StageMissing", "CaptureToAlertBurningFast", "CaptureToAlertBurningSlowly", clear=True)


class Report:
    """What Prometheus knows at the end, of the whole time."""

    def __init__(self, asked: Asked, shorter: Path, begin: float, end: float) -> None:
        has_data = partial(asked.has_data, begin=begin, end=end)
        self.panels = [(panel, text) for panel in queries.panels() for text in panel.expressions]
        self.without = [
            f"{panel.board}: {panel.title}: {text}" for panel, text in self.panels if GPU not in queries.needs(text) and not has_data(text)
        ]
        self.gpu = [f"{panel.board}: {panel.title}" for panel, text in self.panels if GPU in queries.needs(text)]
        self.short = list(rules(shorter))
        self.without += [f"rule {rule.get('alert') or rule['record']}: {rule['expr']}" for rule in self.short if not has_data(rule["expr"])]
        self.fired, self.cleared = _history(asked, begin, end)
        (one,) = asked.now('max(max_over_time(count by (camera) ({camera!="", job="scenewatch", __name__=~"scenewatch_.*"})[3m:5s]))')
        self.series_per_camera = float(one["value"][1])
        self.scrapes = [
            float(one["value"][1]) for one in asked.now('quantile_over_time(0.5, scrape_duration_seconds{job="scenewatch"}[5m])')
        ]

    def show(self, times: str) -> None:
        table = Table("what", "figure", title="Prometheus against the running system")
        table.add_row("panels' queries run", str(len(self.panels)))
        table.add_row("rules' queries run", str(len(self.short)))
        table.add_row("without data", "\n".join([str(len(self.without)), *self.without]))
        table.add_row("left out: they need a GPU", "\n".join(self.gpu))
        table.add_row("alerts that fired", str(len(self.fired)))
        table.add_row("… and cleared", str(len(self.cleared)))
        table.add_row("… by a stand-in (tests/monitors.py)", ", ".join(sorted(STAND_INS)))
        table.add_row("ranges in the shorter rules", ", ".join(f"{given} {put}" for given, put in WINDOWS.items()))
        table.add_row("series a camera, over all processes", f"{self.series_per_camera:.0f}")
        table.add_row("a scrape of a process, median, ms", ", ".join(f"{1000 * seconds:.0f}" for seconds in sorted(self.scrapes)))
        table.add_row("time", times)
        Console(width=200).print(table)


def _history(asked: Asked, begin: float, end: float) -> tuple[set[str], set[str]]:
    """Names of alerts that fired, and of those that did so and then did not."""
    fired, cleared = set(), set()
    for one in asked.over('count by (alertname) (ALERTS{alertstate="firing"})', begin, end):
        fired.add(one["metric"]["alertname"])
        times = [float(at) for at, _ in one["values"]]
        if max(times) < end - 2 or any(later - earlier > 1.5 for earlier, later in itertools.pairwise(times)):
            cleared.add(one["metric"]["alertname"])
    return fired, cleared
