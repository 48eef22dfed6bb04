"""Simulated clusters of the sizes that `scenewatch size` plans, and the simulation held against what was measured on one machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from monitor.simulation import STAGES, Cluster, Costs, Outcome, Simulation
from monitor.sizing import Costs as Measured
from monitor.sizing import Demand, Plan, Site, camera_ms, plan
from workers import size
from workers.bench.cameras import LATE_S
from workers.report import figures, machine

SIZES: Final = (10, 1_000, 100_000)
SEEDS: Final = (1, 2, 3, 4, 5)
SLICE: Final = 300
"""Of more cameras, a slice is simulated: as many machines, partitions and processes less as cameras."""
SECONDS: Final = 300.0
FAILS_AT: Final = 60.0
STREAM_S: Final = 31.8
"""The length of the stream that `bench cameras` plays."""
MOST: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A cluster, and what came of it."""

    demand: Demand
    plan: Plan
    cluster: Cluster
    outcome: Outcome

    @property
    def share(self) -> float:
        """Of one cell, that was simulated."""
        return self.cluster.cameras / self.plan.cameras


def measure(folder: Path, page: Path | None) -> dict[str, float]:
    """Validate, then simulate every size; writes the page if one is named."""
    measured = size.measured(folder)
    checked = validate(measured, figures(folder / "cameras.json"))
    rows = [simulate(measured, cameras) for cameras in SIZES]
    if page:
        from workers.bench.sizingpage import write  # noqa: PLC0415 (the page imports what is here)

        write(page, measured, checked, rows, machine())
    return checked | {f"{name}_{row.demand.cameras}": value for row in rows for name, value in _figures(row)}


def simulated(measured: Measured, demand: Demand) -> Costs:
    """A camera's costs, as the simulation counts them: seconds."""
    each = camera_ms(measured, demand)
    return Costs(
        capture=each["capture"] / 2000,
        encode=each["encode"] / 2000,
        fuse=(each["fuse"] + each["alert"] + each["deliver"]) / 2000,
        speech=each["transcribe"] / 1000 / demand.speech,
    )


def validate(measured: Measured, seen: Mapping[str, float]) -> dict[str, float]:
    """`bench cameras` simulated: how many keep up on its machine, and delays at half of what was measured; and how wrong that is."""
    cores = machine().cores
    costs = simulated(measured, Demand(cameras=1, things=False))
    alone = Cluster(cameras=1, machines=1, cores=cores, partitions=8, processes=tuple((name, 1) for name in STAGES))
    most = max((n for n in range(1, MOST) if median(_late(alone, costs, n, seed) for seed in SEEDS) <= LATE_S), default=0)
    half = _of(alone, int(seen["half_load_cameras"]))
    runs = [Simulation(half, costs, seconds=STREAM_S, seed=seed).run() for seed in SEEDS]
    found = {
        "cameras": float(most),
        "picture_p50_s": median(run.picture_p50_s for run in runs),
        "picture_p95_s": median(run.picture_p95_s for run in runs),
        "speech_p50_s": median(run.speech_p50_s for run in runs),
        "speech_p95_s": median(run.speech_p95_s for run in runs),
    }
    wrong = {f"{name}_error": value / seen[name] - 1 for name, value in found.items()}
    return {f"simulated_{name}": value for name, value in found.items()} | {f"measured_{name}": seen[name] for name in found} | wrong


def _of(cluster: Cluster, cameras: int) -> Cluster:
    return Cluster(
        cameras=cameras, machines=cluster.machines, cores=cluster.cores, partitions=cluster.partitions, processes=cluster.processes
    )


def _late(cluster: Cluster, costs: Costs, cameras: int, seed: int) -> float:
    return Simulation(_of(cluster, cameras), costs, seconds=STREAM_S, seed=seed).run().unfinished_s


def simulate(measured: Measured, cameras: int) -> Row:
    """A cluster as it was planned, one machine of which dies: of some seeds, which lay cameras in partitions, the run in the middle."""
    demand, site = Demand(cameras=cameras), Site()
    planned = plan(measured, demand, site)
    cluster = cluster_of(planned, site)
    each = simulated(measured, demand)
    runs = [Simulation(cluster, each, seconds=SECONDS, fails_at=FAILS_AT, seed=seed).run() for seed in SEEDS]
    return Row(demand=demand, plan=planned, cluster=cluster, outcome=sorted(runs, key=lambda run: run.recovery_s)[len(runs) // 2])


def cluster_of(planned: Plan, site: Site) -> Cluster:
    """A cell, or a slice of it. With one machine less there must be a process of every stage, so there are two at least."""
    share = min(1.0, SLICE / planned.cameras)
    counts = {stage.name: stage.processes for stage in planned.stages}
    return Cluster(
        cameras=round(planned.cameras * share),
        machines=max(2, math.ceil(planned.machines * share)),
        cores=site.machine_cores,
        partitions=max(8, math.ceil(planned.partitions * share)),
        processes=tuple((name, max(2, math.ceil(counts[name] * share))) for name in STAGES),
    )


def _figures(row: Row) -> Iterator[tuple[str, float]]:
    yield "cells", row.plan.cells
    yield "machines", row.plan.cells * row.plan.machines
    yield "busy_cores", row.plan.cells * row.plan.busy_cores
    yield "brokers", row.plan.cells * row.plan.brokers.count
    yield "partitions", row.plan.partitions
    yield "simulated_cameras", row.cluster.cameras
    yield "simulated_machines", row.cluster.machines
    outcome = row.outcome
    yield from (
        ("utilisation", outcome.utilisation),
        ("busiest", outcome.busiest),
        ("picture_p50_s", outcome.picture_p50_s),
        ("picture_p95_s", outcome.picture_p95_s),
        ("speech_p50_s", outcome.speech_p50_s),
        ("speech_p95_s", outcome.speech_p95_s),
        ("lag_max_s", outcome.lag_max_s),
        ("recovery_s", outcome.recovery_s),
        ("uncaptured", outcome.uncaptured),
    )
