"""The real thing: our processes, Prometheus, Alertmanager; cameras die, stages lag, brokers go, and every question has an answer."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
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
LATE_S = 14.0
"""So long nothing is judged, from a second before a call for help: it lasts four, and more than five are left."""
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
        (tmp_path / "system").mkdir()
        async with monitored.system(tmp_path / "system", three) as system:
            monitoring.write_targets(order, system.addresses)  # before anything is captured: a camera has learned in ten seconds
            await system.capture()
            monitoring.write_targets(order, system.addresses)
            ready_s = time.monotonic() - begun
            scene = Scene(system, asked)
            await what_cameras_show(scene, stack)
            await two_cameras_die_and_come_back(scene)
            await stages_stand_still_and_are_slow(scene)
            await brokers_are_lost(scene)
            await nothing_is_scraped(scene, order)
        took_s = time.monotonic() - begun
        report = Report(asked, order.rules, begin, time.time())
        with capsys.disabled():
            report.show(scene.steps, f"ready after {ready_s:.0f} s, {took_s:.0f} s in all")
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


@dataclass
class Scene:
    """What can be broken, and Prometheus, which is asked what it says of it."""

    system: monitored.System
    asked: Asked
    begun: float = field(default_factory=time.monotonic)
    steps: list[str] = field(default_factory=list)

    async def fires(self, *names: str, severity: str = "", clear: bool = False, ever: bool = False) -> None:
        """Wait until alerts fire, one after the other; or are clear; or have fired at any time."""
        for name in names:
            firing = f'ALERTS{{alertname="{name}", alertstate="firing", severity=~"{severity or ".+"}"}}'
            await asyncio.to_thread(self.asked.until, f"last_over_time({firing}[10m])" if ever else firing, there=not clear)
            said = " ".join(filter(None, (name, severity, "is clear" if clear else "fires")))
            self.steps.append(f"{time.monotonic() - self.begun:.0f} s: {said}")

    async def clears(self, *names: str) -> None:
        await self.fires(*names, clear=True)


async def what_cameras_show(scene: Scene, stack: ExitStack) -> None:
    """A call for help, a covered lens, a still picture without sound, two records that nobody can read; one sink fails till the end."""
    for topic in (Topic.VIDEO, Topic.SCORES):
        await scene.system.bus.publish_bytes(topic, "hall", b"\x00alien")
    await scene.fires(
        "DeadLetters", "NormalityDrift", "CameraFrozen", "CameraSilent", "CameraBlind", "SinkFailing", "AlarmStorm", ever=True
    )
    await scene.fires("RecogniserSlow", "BudgetOverrun", "SilenceTooLong", "Watchdog", ever=True)
    stack.enter_context(monitored.answering(scene.system.webhook))


async def two_cameras_die_and_come_back(scene: Scene) -> None:
    for name in ("hall", "yard"):
        scene.system.wires[name].cut()
    await scene.fires("CameraOffline", "SiteOffline", "CameraFlapping")
    for name in ("hall", "yard"):
        scene.system.wires[name].mend()
    await scene.clears("CameraOffline", "SiteOffline")


async def stages_stand_still_and_are_slow(scene: Scene) -> None:
    """Nothing is judged while somebody calls: two processes do not answer, capture takes less, the alert is late. Then one is slow."""
    system = scene.system
    await system.until_call(1.0)
    stopped_at = time.monotonic()
    for stage in (Stage.ENCODE, Stage.ALERT):
        system.signal(stage, signal.SIGSTOP)
    await scene.fires("StageDown")
    await scene.fires("LadderEngaged", severity="critical")
    await asyncio.sleep(stopped_at + LATE_S - time.monotonic())
    system.signal(Stage.ALERT, signal.SIGCONT)
    async with system.slowed(Stage.ENCODE):
        await scene.fires("StageLagging", severity="critical")
    await scene.fires("CaptureToAlertBurningFast", "CaptureToAlertBurningSlowly", ever=True)
    await scene.clears("StageDown", "LadderEngaged", "StageLagging")


async def brokers_are_lost(scene: Scene) -> None:
    """One of three, then the others; all come back."""
    system = scene.system
    await asyncio.to_thread(system.cluster.kill, 1)
    await scene.fires("BrokerUnderReplicated", severity="warning")
    await scene.fires("BrokerUnderReplicated", severity="critical")
    for number in (2, 3):
        system.signal_broker(number, signal.SIGSTOP)
    await scene.fires("BrokerAway")
    await scene.fires("SpoolFilling", severity="warning")
    await scene.fires("SpoolFilling", severity="critical")
    for number in (2, 3):
        system.signal_broker(number, signal.SIGCONT)
    await asyncio.to_thread(system.cluster.start, 1)
    await scene.clears("BrokerAway", "BrokerUnderReplicated", "SpoolFilling", "DeadLetters", "SinkFailing")


async def nothing_is_scraped(scene: Scene, order: monitoring.Order) -> None:
    """Prometheus is told of no process any more, and then of all again."""
    monitoring.write_targets(order, [])
    await scene.fires("StageMissing")
    monitoring.write_targets(order, scene.system.addresses)
    await scene.clears("StageMissing", "CaptureToAlertBurningFast", "CaptureToAlertBurningSlowly")


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

    def show(self, steps: list[str], times: str) -> None:
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
        table.add_row("what was waited for", "\n".join(steps))
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
