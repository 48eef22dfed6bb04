"""`scenewatch bench chaos`: every row beside a run in which nothing breaks."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from monitor import config
from monitor.errors import SourceError
from monitor.messages import Topic
from monitor.pieces import PIECE_S
from workers.bench.chaos import clock, disk, faults, live
from workers.bench.chaos.cluster import ROOT, Site, cluster
from workers.bench.chaos.counted import MADE, Counted, count
from workers.bench.chaos.plant import Plant, alone, cameras, looking, plant
from workers.bench.chaos.watched import Watched, watching
from workers.stage import Stage

STARTS_AT: Final = 1_800_000_000.0
PARTITIONS: Final = 4
SESSION_S: Final = 6
HOP_S: Final = 1.0
"""A window ends every second."""
CALM: Final = "calm"
STEADY: Final = "steady"
TIMES: Final = 3
"""So often a camera's film of half a minute is played, …"""
LONG: Final = 7
"""… and so often where much is done to the plant, one thing after the other."""
LOST: Final = (Topic.AUDIO, *MADE)
PHRASES: Final = ("typography", "used", "letter", "letters", "help")
"""Words of the sentences, so that there are alerts; and rules that the film meets now and then."""
DISK_MB: Final = 2.0
QUICK: Final = {"lag_s": 1, "clear_lag_s": 0.5, "down_after_s": 0.5}
"""The ladder's limits where alerts within seconds are worth more than every frame."""
RULES: Final = ("fight", "fire", "crying")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One row: what is done, and to how many brokers."""

    name: str
    fault: faults.Fault
    brokers: int = 3
    times: int = TIMES
    """So often each camera's film is played."""
    beside: str = CALM
    """The row that it is held against: nothing is done there to the same films."""
    ladder: bool = False
    """Capture may take less under pressure."""
    sees_less: bool = False
    """Frames are dropped on purpose, so that alerts that need pictures, and windows' content, are not compared."""
    spares: bool = False
    """Each stage has a second process of its name, which waits until the first has died."""
    clocked: bool = False
    """Its processes have a clock of their own, so how late alerts are can't be seen from outside."""
    live: bool = False
    """Its cameras send whether they are watched or not, so nothing can be compared with a run in which all was watched."""
    disk_mb: float = 0.0
    """The spool lies on a disk of this size, and hardly anything in memory."""

    def missing(self) -> str:
        """What it needs and this machine does not have."""
        try:
            if self.clocked:
                clock.library()
            if self.disk_mb:
                disk.check()
        except SourceError as error:
            return str(error)
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one run."""

    plan: Plan
    counted: Counted
    done: faults.Done
    watched: Watched
    seconds: float
    peaks_mb: dict[str, float]
    """The most memory that a stage's process had."""

    @property
    def quiet(self) -> bool:
        """Whether others are held against it."""
        return self.plan.name in (CALM, STEADY)


def plans(kills: int) -> tuple[Plan, ...]:
    """The rows of the table."""
    return (
        Plan(name=CALM, fault=faults.nothing),
        Plan(name=STEADY, fault=faults.nothing, times=LONG),
        Plan(name="kill", fault=partial(faults.kill, times=kills), spares=True, times=LONG, beside=STEADY),
        Plan(name="alone", fault=partial(faults.kill, times=max(1, kills // 2)), times=LONG, beside=STEADY),
        Plan(name="capture", fault=partial(faults.kill_capture, times=2 * kills), live=True),
        Plan(name="scale", fault=faults.scale),
        Plan(name="broker", fault=partial(faults.broker, away_s=20)),
        Plan(name="corrupt", fault=partial(faults.corrupt, over_s=60)),
        Plan(name="clock", fault=partial(faults.wrong_clocks, by_s=3600, for_s=25), clocked=True),
        Plan(name="slow", fault=partial(faults.slow, stage=Stage.ENCODE), ladder=True, sees_less=True),
        Plan(name="gone", fault=partial(faults.broker, away_s=60), brokers=1, sees_less=True),
        Plan(name="spool", fault=partial(faults.broker, away_s=40), brokers=1, sees_less=True, disk_mb=DISK_MB),
        Plan(name="cut", fault=partial(faults.cut, away_s=20), brokers=1, sees_less=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the runs watch, and where they leave their configurations and logs."""

    films: Mapping[int, Sequence[Path]]
    """By how often they are played."""
    cameras: int
    folder: Path
    tell: Callable[[Sequence[Row], Mapping[str, float]], None] = lambda _rows, _replayed: None
    """Is told after each row what there is so far."""
    console: Console = field(default_factory=Console)

    def settings(self, plan: Plan, url: str, urls: Sequence[str] = ()) -> dict[str, Any]:
        """The configuration of one run, of the films or of live sources."""
        return {
            "bus": f"{url}?session_s={SESSION_S}",
            "topic_prefix": f"{plan.name}.",
            "kafka": {"partitions": PARTITIONS},
            "models": {"objects": "off", "tone": False},
            "speech": {"model": "whisper-tiny-en"},
            "fusion": {"hop_s": HOP_S},
            "cameras": cameras(urls, self.cameras, None)
            if urls
            else cameras([str(film) for film in self.films[plan.times]], self.cameras, STARTS_AT),
            "alerts": {
                "watch": {"said": {"phrases": list(PHRASES)}},
                "rules": {kind: {"raise_at": 0.05, "clear_at": 0.03, "cool_down_s": 2} for kind in RULES},
            },
            "sinks": [{"type": "jsonl", "path": str(self.folder / plan.name / "alerts.jsonl")}],
            "capture": {"pressure": QUICK | {"enabled": plan.ladder}, "spool": self.spool(plan)},
            "metrics": {"port": 0},
            "log_level": "info",
        }

    def spool(self, plan: Plan) -> dict[str, Any]:
        """Where sound waits for the broker."""
        folder = self.folder / f"{plan.name}-spool"
        return {"folder": str(folder)} | ({"memory_mb": plan.disk_mb / 4} if plan.disk_mb else {})

    async def rows(self, wanted: Sequence[Plan]) -> None:
        """Run the plans, those with as many brokers on one cluster; the first is the calm one. Also the replay of that one, compared."""
        done: list[Row] = []
        quiet: dict[str, Counted] = {}
        replayed: dict[str, float] = {}
        for size in sorted({plan.brokers for plan in wanted}, reverse=True):
            async with cluster(self.folder / f"kafka-{size}", size) as site:
                for plan in (plan for plan in wanted if plan.brokers == size):
                    if why := plan.missing():
                        self.console.print(f"{plan.name}: left out: {why}", highlight=False)
                        continue
                    begun = time.time()
                    done.append(await self.run(plan, site, quiet.get(plan.beside)))
                    if done[-1].quiet:
                        quiet[plan.name] = done[-1].counted
                    if plan.name == CALM:
                        replayed = await self.replay(begun)
                    self.tell(done, replayed)

    async def run(self, plan: Plan, site: Site, calm: Counted | None) -> Row:
        """Watch all films to their end while something is done to the plant."""
        self.console.print(f"{plan.name}: {self.cameras} cameras, {len(site.brokers.nodes)} brokers …", highlight=False)
        begun, done = time.monotonic(), faults.Done()
        async with AsyncExitStack() as stack:
            if plan.disk_mb:
                stack.enter_context(disk.small(self.folder / f"{plan.name}-spool", plan.disk_mb))
            urls = stack.enter_context(live.served([next(film.iterdir()) for film in self.films[plan.times]])) if plan.live else []
            made = await stack.enter_async_context(
                plant(self.folder / plan.name, self.settings(plan, site.url, urls), clocked=plan.clocked, spares=plan.spares)
            )
            bus = await stack.enter_async_context(looking(made.config))
            await made.ready()
            await made.back()
            capture = made.start(Stage.CAPTURE)
            capture.wanted = plan.live
            scene = faults.Scene(plant=made, bus=bus, site=site, calm=calm, done=done)
            async with watching(bus, capture) as watched:
                breaking = asyncio.ensure_future(plan.fault(scene))
                if plan.live:
                    await breaking
                    capture.wanted = False
                    capture.process.terminate()
                await asyncio.to_thread(capture.process.wait)
                in_time = done.faults
                await breaking
                done.late = done.faults - in_time
                await bus.drain()
            counted = await count(bus, PARTITIONS)
        seconds, peaks = time.monotonic() - begun, _peaks(made)
        row = Row(plan=plan, counted=counted, done=done, watched=watched, seconds=seconds, peaks_mb=peaks)
        self._tell(row, calm)
        return row

    async def replay(self, begun: float) -> dict[str, float]:
        """Run what the calm run captured through the stages again, as quickly as it goes, in one process, and compare the alerts."""
        self.console.print("replay: the same records again …")
        folder = self.folder / CALM
        command = (sys.executable, "-m", "workers", "replay", str(folder / "chaos.yaml"))
        span = ("--from", str(begun), "--to", str(time.time()), "--json", str(folder / "replay.json"))
        with (folder / "replay.log").open("wb") as log:
            again = await asyncio.create_subprocess_exec(*command, *span, stdout=log, stderr=log, cwd=ROOT, env=alone())
            await again.wait()
        found = json.loads((folder / "replay.json").read_text("utf-8"))
        counts = {name: float(len(found[name])) for name in ("added", "gone", "changed")}
        self.console.print(f"  {found['same']} equal, {counts}", highlight=False)
        return {"same_replay": float(found["same"]), "lost_replay": counts["gone"], "doubled_replay": 0.0} | {
            f"{name}_replay": counts[name] for name in ("added", "changed")
        }

    def _tell(self, row: Row, calm: Counted | None) -> None:
        """Show how a row went, and a few of the items that it lost or has beside the calm one."""
        counted, name = row.counted, row.plan.name
        made = ", ".join(f"{len(counted.items[topic])} {topic.value}" for topic in counted.items)
        self.console.print(f"  {row.seconds:.0f} s, busy {row.watched.busy:.0%}, {made}", highlight=False)
        recovered = ", ".join(f"{what} {' '.join(f'{one:.1f}' for one in took)}" for what, took in row.done.recovered_s.items())
        doubled, delay = counted.doubled(Topic.ALERTS), row.watched.delay_s(counted.offsets)
        self.console.print(
            f"  {row.done.faults} faults, {doubled} alerts doubled, recovered in s: {recovered or '-'}, 95 % within {delay:.1f} s",
            highlight=False,
        )
        for topic in LOST if calm and not row.plan.live else ():
            whole, spoken = calm or counted, row.plan.sees_less
            gone, more = counted.lost(topic, whole, spoken=spoken), whole.lost(topic, counted, spoken=spoken)
            if gone or more:
                self.console.print(f"  {name} {topic.value}: lost {len(gone)} {gone[:4]}, more {len(more)} {more[:4]}", highlight=False)


def _peaks(made: Plant) -> dict[str, float]:
    return {worker.stage.value: worker.peak_mb for worker in made.workers}


def figures(rows: Sequence[Row]) -> dict[str, float]:
    """What was lost and doubled in each row, beside the first."""
    quiet = {row.plan.name: row for row in rows if row.quiet}
    found = {topic.value.replace("-", "_"): float(len(items)) for topic, items in rows[0].counted.items.items()}
    for row in rows:
        found |= {f"{name}_{row.plan.name}": value for name, value in _measured(row).items()}
    for row in (row for row in rows if not row.quiet):
        judged = _judged(row) if row.plan.live else _compared(row, quiet[row.plan.beside])
        found |= {f"{name}_{row.plan.name}": value for name, value in judged.items()}
    return found


def _judged(row: Row) -> dict[str, float]:
    """What a row that can't be compared lost of what it had on the topics itself."""
    return {"faults": float(row.done.faults), "lost": float(len(row.counted.unjudged(config.Fusion().window_s)))}


def _measured(row: Row) -> dict[str, float]:
    """What a row shows by itself."""
    found = {
        "busy": row.watched.busy,
        **({} if row.plan.clocked else {"delay_p95_s": row.watched.delay_s(row.counted.offsets)}),
        "lag_s": row.counted.lag_s,
        "step": float(row.counted.step),
        "peak_mb": max(row.peaks_mb.values()),
        "doubled": float(row.counted.doubled(Topic.ALERTS)),
        "windows_twice": float(row.counted.doubled(Topic.SCORES)),
        "in": float(row.counted.total((Topic.VIDEO, Topic.AUDIO))),
        "out": float(row.counted.total(MADE)),
        "seconds": row.seconds,
    }
    return found | _recoveries(row.done.recovered_s)


def _recoveries(took: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The longest recovery, and those of each stage where there are several."""
    if not took:
        return {}
    longest = {"recover_s": max(max(each) for each in took.values())}
    return longest | ({f"recover_s_{stage}": max(each) for stage, each in took.items()} if len(took) > 1 else {})


def _compared(row: Row, calm: Row) -> dict[str, float]:
    """What a row lacks of what the calm one has, and what it has beside it."""
    less = row.plan.sees_less
    lost = {topic: len(row.counted.lost(topic, calm.counted, spoken=less)) for topic in LOST}
    more = {topic: len(calm.counted.lost(topic, row.counted, spoken=less)) for topic in LOST}
    dropped = row.watched.dropped
    unseen = len(row.counted.lost(Topic.VIDEO, calm.counted))
    read = {ref: why for ref, why in row.counted.buried.items() if ref.topic in faults.READ}
    return {
        "faults": float(row.done.faults),
        "late": float(row.done.late),
        "lost": float(sum(lost.values())),
        "more": float(sum(more.values())),
        **{f"lost_{topic.value}": float(number) for topic, number in lost.items()},
        "frames_unseen": float(unseen),
        "frames_dropped": dropped.frames,
        "frames_uncounted": unseen - dropped.frames,
        "sound_dropped_s": dropped.sound_s,
        "sound_uncounted_s": lost[Topic.AUDIO] * PIECE_S - dropped.sound_s,
        "bad": float(row.done.bad),
        "buried": float(len(read)),
    }
