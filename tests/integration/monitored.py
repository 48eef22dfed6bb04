"""What Prometheus watches in a test: three Kafka brokers, a process a stage, live cameras, sinks; and what can be done to them."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import av
import film
import msgspec
import numpy as np
from broker import free_port
from local_kafka import Cluster

from monitor import topics
from monitor.brokers import brokers
from monitor.budget import Budgets
from monitor.config import Alerts, Config
from monitor.feedback import Feedback, Verdict
from monitor.kafka import KafkaBus
from monitor.messages import Topic
from workers.bench.chaos import live
from workers.bench.chaos.plant import Plant, looking, plant
from workers.bench.chaos.wire import Wire, wire
from workers.feedback import Store
from workers.stage import Stage

SITES = {"hall": "north", "yard": "north", "gate": "south"}
PARTITIONS = 4
TURN_S, AT_FIRST, LEAST, HALVED_EVERY_S = 0.1, 0.2, 0.02, 5.0
"""A process that is slowed runs so much of each turn at first, half as much every so many seconds, and never less."""
READY_S = 240.0
"""Six processes load their models at the same time, beside whatever else this machine does."""
STILL_S, STILL_AT, RATE = 20, 10, 10


def still_film(path: Path) -> Path:
    """Ten seconds of a wall with noise and hum, then ten in which neither picture nor sound changes at all."""
    rng = np.random.default_rng(5)
    wall = np.kron(rng.integers(60, 200, (18, 32, 3)), np.ones((10, 10, 1)))
    with av.open(str(path), "w") as out:
        seen = out.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "g": "5", "qp": "20"})
        seen.width, seen.height, seen.pix_fmt = 320, 180, "yuv420p"
        heard = out.add_stream("aac", rate=16_000, layout="mono")
        for n in range(STILL_S * RATE):
            noise = rng.normal(0, 4, wall.shape) if n < STILL_AT * RATE else 0
            frame = av.VideoFrame.from_ndarray(np.clip(wall + noise, 0, 255).astype(np.uint8), "rgb24")
            frame.pts, frame.time_base = n, Fraction(1, RATE)
            out.mux(seen.encode(frame))
        out.mux(seen.encode(None))
        for start in range(0, STILL_S * 16_000, 1000):
            hum = rng.normal(0, 0.01, (1, 1000)) if start < STILL_AT * 16_000 else np.zeros((1, 1000))
            piece = av.AudioFrame.from_ndarray(hum.astype(np.float32), "fltp", "mono")
            piece.sample_rate, piece.pts, piece.time_base = 16_000, start, Fraction(1, 16_000)
            out.mux(heard.encode(piece))
        out.mux(heard.encode(None))
    return path


@contextmanager
def answering(port: int) -> Iterator[None]:
    """A webhook that takes everything."""

    class Taken(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Taken)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class System:
    """What runs."""

    plant: Plant
    cluster: Cluster
    bus: KafkaBus
    wires: dict[str, Wire]
    """Before each camera."""
    webhook: int
    """Nobody listens at this port."""
    begun: float
    """When the hall's film began to be played, by the monotonic clock."""

    async def capture(self) -> None:
        """Let the cameras' pictures and sound come."""
        self.plant.start(Stage.CAPTURE)
        await self.plant.ready(READY_S)

    async def until_call(self, before_s: float) -> None:
        """Wait until so many seconds before somebody calls for help in the hall."""
        await asyncio.sleep((film.CALL_AT - before_s - (time.monotonic() - self.begun)) % film.SECONDS)

    @property
    def addresses(self) -> list[str]:
        return [_address(worker.log) for worker in self.plant.workers]

    def signal(self, stage: Stage, number: signal.Signals) -> None:
        self.plant.one(stage).process.send_signal(number)

    @asynccontextmanager
    async def slowed(self, stage: Stage) -> AsyncIterator[None]:
        """Let a process run less and less of the time, until it is too slow for any machine; turns are too short for it to seem dead."""
        turns = asyncio.ensure_future(self._turns(stage))
        try:
            yield
        finally:
            turns.cancel()
            self.signal(stage, signal.SIGCONT)

    async def _turns(self, stage: Stage) -> None:
        begun = time.monotonic()
        while True:
            share = max(AT_FIRST / 2 ** ((time.monotonic() - begun) // HALVED_EVERY_S), LEAST)
            self.signal(stage, signal.SIGSTOP)
            await asyncio.sleep(TURN_S * (1 - share))
            self.signal(stage, signal.SIGCONT)
            await asyncio.sleep(TURN_S * share)

    def signal_broker(self, number: int, sent: signal.Signals) -> None:
        process = self.cluster.nodes[number - 1].process
        assert process is not None
        process.send_signal(sent)


def _address(log: Path) -> str:
    told = [json.loads(line) for line in log.read_text().splitlines() if '"event": "metrics"' in line]
    return str(told[-1]["url"]).removeprefix("http://").removesuffix("/metrics")


def settings(folder: Path, cluster: Cluster, urls: dict[str, str], webhook: int) -> dict[str, Any]:
    quick = {"lag_s": 3, "clear_lag_s": 1.5, "down_after_s": 0.5, "up_after_s": 2, "sound_lag_s": 300}
    return {
        "bus": f"{cluster.url}?session_s=20",
        "kafka": {"partitions": PARTITIONS},
        "cameras": {name: {"source": url, "site": SITES[name], "fps": 1} for name, url in urls.items()},
        "models": {"objects": "off", "tone": False, "shadow": "fusion-default"},
        "speech": {"model": "whisper-tiny-en"},
        "fusion": {"hop_s": 1},
        "normality": {"warm_up_s": 10},
        "alerts": {
            "watch": {"help": {"phrases": ["help", "ambulance"]}},
            "budget": "1/week",
            "feedback": str(folder / "feedback.jsonl"),
            "offline_after_s": 2,
            "rules": {kind: {"cool_down_s": 1} for kind in ("phrase:help", "call_for_help", "unusual_picture", "unusual_sound")},
        },
        "capture": {
            "stall_s": 2,
            "open_timeout_s": 2,
            "retry_max_s": 1,
            "unhealthy_s": 0.5,
            "pressure": quick,
            "spool": {"folder": str(folder / "spool"), "memory_mb": 0, "disk_mb": 0.5},
        },
        "sinks": [
            {"type": "jsonl", "path": str(folder / "alerts.jsonl")},
            {"type": "webhook", "url": f"http://127.0.0.1:{webhook}/", "attempts": 1, "timeout_s": 1},
        ],
        "metrics": {"port": 0},
        "log_level": "info",
    }


def opinions(folder: Path) -> None:
    """What people said of yesterday's alerts."""
    store = Store(folder / "feedback.jsonl")
    for verdict in Verdict:
        store.add(Feedback(camera="hall", at=time.time() - 9e4, until=time.time() - 8.9e4, verdict=verdict, given=time.time() - 8e4))


async def past(bus: KafkaBus, alerts: Alerts) -> None:
    """What the alert stage would have kept after a day and a quarter of quiet scores."""
    budgets, chance = Budgets(alerts), np.random.default_rng(1)
    now = time.time() - 600
    for minute in range(30 * 60):
        for window in range(4):  # more than a rule wants in a row
            until = (now - (30 * 60 - minute) * 60) // 60 * 60 + 10 + window
            budgets.saw("hall", "unusual_picture", until, float(chance.beta(1, 20)), alerts.rule("unusual_picture"))
    assert budgets.expected_alarms_per_day()
    await bus.publish(Topic.BUDGET, budgets.to_keep())


async def prepare(config: Config) -> None:
    """Create `dead-letter` with one copy, so that a lost broker leaves some of its partitions without a leader."""
    async with topics.administration(brokers(config.bus)) as admin:
        spec = next(spec for spec in topics.specs(config.kafka, "", 3) if spec.name == Topic.DEAD_LETTER.value)
        single = msgspec.structs.replace(spec.settings, min_insync_replicas=1)
        await topics.create(admin, [msgspec.structs.replace(spec, replication=1, settings=single)])


@asynccontextmanager
async def system(folder: Path, cluster: Cluster) -> AsyncIterator[System]:
    """Run it: all processes behind capture are ready when the body begins; then `System.capture`."""
    films = {"hall": film.make(folder / "hall.mp4"), "yard": still_film(folder / "still.mp4"), "gate": folder / "still.mp4"}
    ports = {name: free_port() for name in films}
    webhook = free_port()
    given = settings(folder, cluster, {name: f"http://127.0.0.1:{port}/0" for name, port in ports.items()}, webhook)
    config = Config.model_validate(given)
    await prepare(config)
    async with looking(config) as bus:
        await past(bus, config.alerts)
        opinions(folder)
        begun = time.monotonic()
        with live.served([films["hall"]]) as [hall], live.served([films["yard"]]) as [yard], live.served([films["gate"]]) as [gate]:
            behind = {name: int(url.rpartition(":")[2].partition("/")[0]) for name, url in zip(films, (hall, yard, gate), strict=True)}
            async with (
                wire(ports["hall"], behind["hall"]) as first,
                wire(ports["yard"], behind["yard"]) as second,
                wire(ports["gate"], behind["gate"]) as third,
                plant(folder / "plant", given) as made,
            ):
                await made.ready(READY_S)
                yield System(made, cluster, bus, dict(zip(films, (first, second, third), strict=True)), webhook, begun)
