"""Of the processes that have one name on one machine, one works; the others wait as its spares, with everything loaded.

A process that dies lets go of its lock, however it dies: its spare goes on after a poll, with the same name (static membership,
KIP-345), while the one that is started again becomes the next spare.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Final

import structlog
from filelock import AsyncFileLock

from monitor import cache
from monitor.config import Config
from workers.stage import Stage

POLL_S: Final = 0.1

log = structlog.get_logger()


class Turn:
    """One process's wish to be the one that works; without a lasting name it always is."""

    def __init__(self, lock: AsyncFileLock | None) -> None:
        self._lock = lock

    def held(self) -> bool:
        """Whether this process is the one."""
        return self._lock is None or self._lock.is_locked

    async def taken(self) -> None:
        """Wait until it is; from then on it is, until it ends."""
        if self._lock is None:
            return
        try:
            await self._lock.acquire(timeout=0)
        except TimeoutError:
            log.info("waiting as a spare", lock=self._lock.lock_file)
            await self._lock.acquire(poll_interval=POLL_S)
            log.info("the spare takes over")


def turn(config: Config, stage: Stage, instance: str | None, folder: Path | None = None) -> Turn:
    """The turn of a stage's process with a lasting name in its group; its lock lies in `folder`, or the cache.

    Where that can't be written to, as in a container, there are no spares.
    """
    if not instance:
        return Turn(None)
    parent = folder or cache.cache_dir() / "turns"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=parent).close()
    except OSError as error:
        log.info("a second process of this name can't wait as a spare", why=str(error))
        return Turn(None)
    name = hashlib.sha256(f"{config.bus.partition('?')[0]} {config.topic_prefix} {stage} {instance}".encode()).hexdigest()[:12]
    return Turn(AsyncFileLock(parent / f"{name}.lock", thread_local=False))
