"""Every stage a process on Apache Kafka: what breaks is started again, and nothing is lost or doubled."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from local_kafka import Cluster

from monitor.config import Config
from monitor.messages import Topic
from monitor.metrics import Metrics
from workers import local
from workers.bench.chaos import faults, table
from workers.bench.chaos.cluster import Site
from workers.replay import Kept
from workers.stage import Stage

pytestmark = pytest.mark.kafka
VICTIMS = (Stage.FUSE, Stage.ALERT)


async def test_stages_that_are_killed_lose_and_double_nothing(apache: Cluster, recording: Path, tmp_path: Path) -> None:
    bench = table.Bench(films={table.TIMES: [recording]}, cameras=1, folder=tmp_path)
    plan = table.Plan(name="killed", fault=partial(faults.kill, times=1, stages=VICTIMS), brokers=1)
    row = await bench.run(plan, Site(brokers=apache), None)
    assert row.done.faults == len(VICTIMS)
    assert row.counted.doubled(Topic.ALERTS) == 0

    ends = {revision: sorted(item[1] for item in row.counted.items[Topic.SCORES] if item[2] == revision) for revision in (0, 1)}
    for untils in ends.values():
        assert {later - earlier for earlier, later in pairwise(untils)} == {table.HOP_S}

    said = await undisturbed(bench.settings(plan, apache.url))
    assert {item[1] for item in said} >= {"phrase:said", "camera:blind"}
    assert set(row.counted.items[Topic.ALERTS]) == said


async def undisturbed(settings: dict[str, object]) -> set[tuple[object, ...]]:
    """The alerts of the same film in one process in which nothing breaks."""
    kept = Kept()
    config = Config.model_validate(settings | {"bus": "memory://", "metrics": {"enabled": False}})
    assert await local.everything(config, Metrics(), [kept], fast=True) == ()
    return {(alert.camera, alert.kind, alert.id, alert.sequence) for alert in kept.alerts}
