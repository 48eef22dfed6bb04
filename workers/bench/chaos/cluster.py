"""Kafka brokers of the bench's own: the same as `make kafka`, on free ports of loopback."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from monitor.errors import SourceError
from workers.bench.chaos.wire import Wire, wire

ROOT: Final = Path(__file__).resolve().parents[3]
SCRIPT: Final = ROOT / "deploy" / "kafka-local" / "local_kafka.py"


class Brokers(Protocol):
    """What is done to a cluster; nodes are numbered from 1."""

    nodes: list[Any]
    url: str

    def kill(self, number: int) -> None:
        """End a node as a power cut would (SIGKILL)."""

    def start(self, number: int) -> None:
        """Start a node again, with its records, and wait until it serves."""

    def close(self) -> None:
        """End all nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A cluster, and the wires to it that can be cut."""

    brokers: Brokers
    wires: Sequence[Wire] = ()

    @property
    def url(self) -> str:
        """What `bus` in a configuration is."""
        return self.brokers.url

    def cut(self) -> None:
        """Cut the network between all nodes and whoever uses them."""
        for each in self.wires:
            each.cut()

    def mend(self) -> None:
        """Let everything pass again."""
        for each in self.wires:
            each.mend()


@asynccontextmanager
async def cluster(folder: Path, count: int) -> AsyncIterator[Site]:
    """Start so many brokers, and end them; one alone is behind a wire, several would copy their records to each other through it.

    Raises SourceError where Kafka can't be had here.
    """
    script = _script()
    ports = script.free_ports(1) if count == 1 else []
    try:
        made: Brokers = await asyncio.to_thread(partial(script.Cluster.launch, folder, count, reached_at=ports))
    except script.UnavailableError as error:
        raise SourceError(f"bench chaos: {error}") from error
    try:
        async with AsyncExitStack() as stack:
            pairs = zip(ports, made.nodes, strict=False)
            wires = [await stack.enter_async_context(wire(port, node.ports["PLAINTEXT"])) for port, node in pairs]
            yield Site(brokers=made, wires=wires)
    finally:
        await asyncio.to_thread(made.close)


def _script() -> Any:
    """The module behind `make kafka`; it is no part of the package."""
    name = "local_kafka"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, SCRIPT)
    if not SCRIPT.exists() or spec is None or spec.loader is None:
        raise SourceError(f"{SCRIPT}: not found: bench chaos starts its brokers with it; run it in a checkout of the repository")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
