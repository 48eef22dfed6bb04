"""`scenewatch size`: what so many cameras need, from the figures that were measured."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Column, Table

from monitor.errors import ConfigError
from monitor.sizing import Brokers, Costs, Demand, Plan, Site, camera_ms, costs, plan
from workers.report import figures

MEASURED: Final = ("stages", "more", "bus")
NO_GPU: Final = "not measured: no machine with one was there. The networks' part below is what could go to one."
NETWORKS: Final = ("transcribe", "encode", "fuse")


def measured(folder: Path) -> Costs:
    """Read the reports that `scenewatch bench stages`, `more` and `bus` wrote. Raises ConfigError if one is missing."""
    paths = {name: folder / f"{name}.json" for name in MEASURED}
    if absent := [str(path) for path in paths.values() if not path.exists()]:
        raise ConfigError(f"{', '.join(absent)}: not found: name the folder with --figures, or measure: scenewatch bench NAME --json FILE")
    return costs({name: figures(path) for name, path in paths.items()})


def size(demand: Demand, site: Site, folder: Path, out: Path | None) -> int:
    """Print what is needed, and write it as JSON if a file is named."""
    costs = measured(folder)
    found = plan(costs, demand, site)
    console = Console()
    for line in sentences(demand, site, found):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(table(costs, demand, found))
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(as_data(costs, demand, site, found), indent=1) + "\n", "utf-8")
    return 0


def as_data(costs: Costs, demand: Demand, site: Site, found: Plan) -> Mapping[str, Any]:
    """Everything, for other programs."""
    asked = {"demand": asdict(demand), "site": asdict(site), "camera_ms": camera_ms(costs, demand)}
    return asked | {"plan": asdict(found), "total_cores": round(found.total_cores, 2), "gpus": None, "gpus_why": NO_GPU}


def sentences(demand: Demand, site: Site, found: Plan) -> list[str]:
    """What is needed, in words."""
    cells = f"{found.cells} cells, each with a Kafka of its own and {found.cameras} cameras; of each:" if found.cells > 1 else "One cell:"
    usual, alive = (found.busy_cores / (machines * site.machine_cores) for machines in (found.machines, found.machines - 1))
    busy = f"busy at {usual:.0%} ({alive:.0%} when one is dead)"
    return [
        f"{demand.cameras} cameras, {demand.fps:g} pictures a second, somebody speaks {demand.speech:.0%} of the time. {cells}",
        f"stages    {found.machines} machines of {site.machine_cores} cores, {busy}; {found.partitions} partitions",
        f"brokers   {brokers(found.brokers, site)}",
        f"GPUs      {NO_GPU}",
    ]


def brokers(needs: Brokers, site: Site) -> str:
    """What Kafka needs, in words."""
    each_gb, count = needs.disk_gb / needs.count, needs.count
    return (
        f"{count} with {rounded(each_gb)} GB of disk each ({site.replication} copies, media for {site.media_minutes:g} minutes: "
        f"kafka.retention.media_gb: {needs.media_gb:.0f}; pictures and sound are {needs.media_share:.0%} of it); "
        f"{needs.network_in_mb_s / count:.1f} MB/s in and "
        f"{needs.network_out_mb_s / count:.1f} MB/s out each; {needs.busy_cores:.1f} cores busy, all brokers and their clients together"
    )


def rounded(value: float) -> str:
    """A number with two digits that count."""
    digits = max(0, 1 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:.{min(digits, 2)}f}"


def table(costs: Costs, demand: Demand, found: Plan) -> Table:
    """A stage a line."""
    each = camera_ms(costs, demand)
    right = {"justify": "right"}
    made = Table("stage", Column("ms a camera-second", **right), Column("cores busy", **right), Column("processes", **right), "on a GPU")  # type: ignore[arg-type]
    for stage in found.stages:
        gpu = "could be" if stage.name in NETWORKS else "no"
        made.add_row(stage.name, f"{each[stage.name]:.2f}", f"{stage.busy_cores:.2f}", str(stage.processes), gpu)
    made.add_row("bus", f"{each['bus']:.2f}", f"{found.brokers.busy_cores:.2f}", f"{found.brokers.count} brokers", "no")
    return made
