"""docs/sizing.md, written from what was measured, planned and simulated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from monitor.sizing import AGAIN, FULL, LIMIT, PROCESS_CORES, Costs, Demand, Plan, Site, camera_ms
from workers.bench.sizing import FAILS_AT, SECONDS, SEEDS, SLICE, Row
from workers.report import Machine
from workers.size import NO_GPU, rounded

CHECKED: Final = {
    "cameras": "cameras that keep up",
    "picture_p50_s": "picture to alert at half of that, p50 (s)",
    "picture_p95_s": "… p95 (s)",
    "speech_p50_s": "end of an utterance to its words, p50 (s)",
    "speech_p95_s": "… p95 (s)",
}
HEAD: Final = """# How much so many cameras need

```sh
scenewatch size --cameras 200 --fps 2 --speech 0.1     # cores, processes, partitions, brokers, disks, network
scenewatch size --cameras 200 --no-things --decode key --json size.json
```

Written by `scenewatch bench sizing --page docs/sizing.md` on {day}, on {cores} cores of an {cpu}, from docs/figures/`stages.json`,
`more.json` and `bus.json`: what `scenewatch bench stages`, `more` and `bus` measured, on the day and the machine that stand in
each. Measure
on yours, and name the folder with `--figures`.

**GPUs: {no_gpu}**"""
COSTS: Final = """## What a camera costs

Milliseconds of processor for a second of 1080p25 H.264 with sound, two pictures a second. *Everything*: people and things, tone, somebody
speaks half of the time. *Little*: neither, key frames only, somebody speaks a tenth of the time.
"""
PLANS: Final = """## 10, 1,000 and 100,000 cameras

Everything on, machines of {cores} cores that may be busy at {load}, {copies} copies of every record, media kept for {minutes}
minutes. A topic has
{most} partitions at most and a stage no more processes than partitions, so many cameras are *cells*: clusters of their own, alike, each
with its own `bus`. Partitions, processes and `media_gb` are those of a cell, the rest is all cells'.
"""
SIMULATED: Final = """## Simulated: a usual minute, and a machine that dies

`monitor/simulation.py` plays {seconds} s of such a cluster, event after event; after {fails} s one machine dies for good. What is
shown is the run in the middle of {seeds} seeds, by how soon all is as usual: which cameras lie together is up to chance. Of a
cell of more than
{most} cameras a slice is played: as many machines, partitions and processes less as cameras. The machine that dies is then a larger part
of what is played than it is of the cell, as if as large a part of the cell died: the last column says how large.
"""
CHECK: Final = """## How wrong the simulation is

The same program plays what `scenewatch bench cameras` measured on one machine of two cores: everything in one process, without people and
things. The median of {seeds} seeds.
"""
SAFE: Final = """\
Words come later than it says: a job is given two cores at once, and what a recogniser does on one of them alone is not known.
How many cameras keep up is on the safe side: that larger batches cost less is not counted on. On several machines nothing was measured."""
ASSUMED: Final = """## What is assumed

- Costs add up, and grow in proportion to cameras, pictures and speech; larger batches make them less, which is not counted on. A stream of
  fewer pixels costs less to decode: measure yours.
- A process of a stage uses {process} cores at most, as the one of `bench cameras` did. Processors are as fast as those that were measured.
- Cameras lie in partitions by a hash, so the busiest process has more than the mean, by the expected maximum of as many
  normal variables. It
  may be busy at {full}. Where a process has few cameras that is what makes processes many: a stage has more of them than its cores say.
- Partitions are {again} times the processes of the largest stage, and 8 at least: whoever takes one of a dead process's has a third more
  to do. Capture's cameras are shared out by hand.
- With one machine dead, the busiest of the others is busy at {full} at most, by the same expected maximum. Brokers have machines of
  their own.
- A broker takes in and gives out what `bench bus` measured of one that shares two cores with its clients, at `--load`; there are as many at
  least as copies. Records are not compressed: pictures are JPEG.
- Disks hold what retention keeps (`kafka.retention`), every copy, and an eighth more for segments that are not deleted yet.
  `media_gb` is what
  that key must be at least, or it cuts the minutes short.
- The simulation knows no ladder of pressure, no delay of Kafka's, no lock of Python's. A dead process's partitions lie idle for 10 s
  (`session_s`), and its stage pauses for 3 s when they are shared out anew.
- `decode: key` costs a tenth of `reference` (README); who never speaks costs nothing to listen to, which leaves out the voice detector."""


def write(path: Path, costs: Costs, checked: Mapping[str, float], rows: Sequence[Row], machine: Machine) -> None:
    """Write the page."""
    parts = (_head(machine), _costs(costs), _plans(rows), _simulated(rows), _checked(checked), _assumed())
    path.write_text("\n".join(line for part in parts for line in (*part, "")).rstrip() + "\n", "utf-8")


def _head(machine: Machine) -> Iterator[str]:
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    yield HEAD.format(day=day, cores=machine.cores, cpu=machine.cpu, no_gpu=NO_GPU)


def _costs(costs: Costs) -> Iterator[str]:
    """What one camera costs, with everything and with little."""
    everything = camera_ms(costs, Demand(cameras=1))
    little = camera_ms(costs, Demand(cameras=1, things=False, tone=False, speech=0.1, decode="key"))
    yield COSTS
    yield "| stage | everything | little |"
    yield "|---|---|---|"
    for name, ms in everything.items():
        yield f"| {'brokers and their clients' if name == 'bus' else name} | {rounded(ms)} | {rounded(little[name])} |"
    yield f"| sum | {sum(everything.values()):.0f} | {sum(little.values()):.0f} |"


def _plans(rows: Sequence[Row]) -> Iterator[str]:
    """What so many cameras need."""
    site = Site()
    yield PLANS.format(
        cores=site.machine_cores, load=f"{site.load:.0%}", copies=site.replication, minutes=f"{site.media_minutes:g}", most=f"{LIMIT:,}"
    )
    yield "| cameras | cells | machines | busy cores | partitions | encode/transcribe/fuse | brokers | disk | Kafka in / out | `media_gb` |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        yield "| " + " | ".join(_planned(row.demand, row.plan)) + " |"


def _planned(demand: Demand, plan: Plan) -> Iterator[str]:
    counts = {stage.name: stage.processes for stage in plan.stages}
    needs = plan.brokers
    disk, into, out = (plan.cells * value for value in (needs.disk_gb, needs.network_in_mb_s, needs.network_out_mb_s))
    yield f"{demand.cameras:,}"
    yield f"{plan.cells} of {plan.cameras:,}"
    yield f"{plan.cells * plan.machines:,}"
    yield f"{plan.cells * plan.busy_cores:,.0f}"
    yield f"{plan.partitions}"
    yield " / ".join(str(counts[name]) for name in ("encode", "transcribe", "fuse"))
    yield f"{plan.cells * needs.count:,}"
    yield f"{disk / 1000:,.1f} TB"
    yield f"{into:,.0f} / {out:,.0f} MB/s"
    yield f"{needs.media_gb:.0f}"


def _simulated(rows: Sequence[Row]) -> Iterator[str]:
    """What came of the simulation."""
    yield SIMULATED.format(seeds=len(SEEDS), seconds=f"{SECONDS:g}", fails=f"{FAILS_AT:g}", most=SLICE)
    yield "| cameras | played | busy: all / busiest machine | picture p50 / p95 | words p50 / p95 | latest picture | usual after | it was |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        yield "| " + " | ".join(_played(row)) + " |"
    yield ""
    yield "What it captured is seen by nobody until another process captures it: that is the orchestrator's part, and is not played."


def _played(row: Row) -> Iterator[str]:
    out, cluster = row.outcome, row.cluster
    yield f"{row.demand.cameras:,}"
    yield f"{cluster.cameras} cameras, {cluster.machines} machines"
    yield f"{out.utilisation:.0%} / {out.busiest:.0%}"
    yield f"{out.picture_p50_s:.2f} / {out.picture_p95_s:.2f} s"
    yield f"{out.speech_p50_s:.1f} / {out.speech_p95_s:.1f} s"
    yield f"{out.lag_max_s:.0f} s"
    yield f"{out.recovery_s:.0f} s" if out.recovery_s < SECONDS - FAILS_AT - 1 else f"more than {SECONDS - FAILS_AT:.0f} s"
    yield f"1 of {cluster.machines}, with {out.uncaptured} cameras"


def _checked(checked: Mapping[str, float]) -> Iterator[str]:
    """The simulation beside the measurement."""
    yield CHECK.format(seeds=len(SEEDS))
    yield "| | simulated | measured | error |"
    yield "|---|---|---|---|"
    for name, words in CHECKED.items():
        simulated, measured = checked[f"simulated_{name}"], checked[f"measured_{name}"]
        yield f"| {words} | {rounded(simulated)} | {rounded(measured)} | {checked[f'{name}_error']:+.0%} |"
    yield ""
    yield SAFE


def _assumed() -> Iterator[str]:
    """What the figures stand on."""
    yield ASSUMED.format(process=f"{PROCESS_CORES:g}", again=f"{AGAIN:g}", full=f"{FULL:.0%}")
