"""`scenewatch bench chaos`: every row beside a run in which nothing breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from monitor.messages import Topic
from workers.bench.chaos import faults
from workers.bench.chaos.counted import KEYS, Counted, count
from workers.bench.chaos.plant import cameras, looking, plant
from workers.stage import Stage

STARTS_AT: Final = 1_800_000_000.0
PARTITIONS: Final = 4
SETTLE_S: Final = 3.0
"""The stages' models load, and the groups form, before the cameras begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one run."""

    name: str
    counted: Counted
    done: faults.Done


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where the runs happen and what they watch."""

    url: str
    films: Sequence[Path]
    cameras: int
    folder: Path

    def settings(self, name: str) -> dict[str, Any]:
        """The configuration of one run."""
        return {
            "bus": f"{self.url}?session_s=6",
            "topic_prefix": f"{name}.",
            "kafka": {"partitions": PARTITIONS},
            "cameras": cameras(self.films, self.cameras, STARTS_AT),
            "alerts": {
                "watch": {"said": {"phrases": ["typography", "used", "letter", "letters", "help"]}},
                "rules": {kind: {"raise_at": 0.05, "clear_at": 0.03, "cool_down_s": 2} for kind in ("fight", "fire", "crying")},
            },
            "sinks": [{"type": "jsonl", "path": str(self.folder / name / "alerts.jsonl")}],
            "capture": {"pressure": {"enabled": False}},
            "metrics": {"port": 0},
            "log_level": "info",
        }

    async def run(self, name: str, fault: faults.Fault) -> Row:
        """Watch all films to their end while something is done to the plant."""
        done = faults.Done()
        async with plant(self.folder / name, self.settings(name)) as made, looking(made.config) as bus:
            await asyncio.sleep(SETTLE_S)
            capture = made.start(Stage.CAPTURE)
            capture.wanted = False
            breaking = asyncio.ensure_future(fault(made, bus, done))
            while capture.process.poll() is None:
                await asyncio.sleep(0.5)
            breaking.cancel()
            await asyncio.wait([breaking])
            await bus.drain()
            return Row(name=name, counted=await count(bus, PARTITIONS), done=done)


def figures(rows: Sequence[Row]) -> dict[str, float]:
    """What was lost and doubled in each row, beside the first."""
    whole = rows[0].counted
    found: dict[str, float] = {f"{topic.value}": float(len(whole.items[topic])) for topic in KEYS}
    for row in rows[1:]:
        found[f"faults_{row.name}"] = float(row.done.faults)
        for topic in KEYS:
            found[f"lost_{row.name}_{topic.value}"] = float(len(row.counted.lost(topic, whole)))
        found[f"lost_{row.name}"] = sum(found[f"lost_{row.name}_{topic.value}"] for topic in KEYS)
        found[f"doubled_{row.name}"] = float(row.counted.doubled(Topic.ALERTS))
        found[f"again_{row.name}_scores"] = float(row.counted.doubled(Topic.SCORES))
        if row.done.recovered_s:
            found[f"recover_s_{row.name}"] = max(row.done.recovered_s)
    return found
