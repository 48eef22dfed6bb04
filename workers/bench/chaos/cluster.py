"""Kafka brokers of the bench's own: the same as `make kafka`, on free ports of loopback."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from monitor.errors import SourceError

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


@asynccontextmanager
async def cluster(folder: Path, count: int) -> AsyncIterator[Brokers]:
    """Start so many brokers, and end them. Raises SourceError where Kafka can't be had here."""
    script = _script()
    try:
        made: Brokers = await asyncio.to_thread(script.Cluster.launch, folder, count)
    except script.UnavailableError as error:
        raise SourceError(f"bench chaos: {error}") from error
    try:
        yield made
    finally:
        await asyncio.to_thread(made.close)


def hang(brokers: Brokers, *, on: bool) -> None:
    """Let every node stand still, with its connections open (SIGSTOP), or go on: what a network that is cut looks like."""
    for node in brokers.nodes:
        os.kill(node.process.pid, signal.SIGSTOP if on else signal.SIGCONT)


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
