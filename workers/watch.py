"""Cameras come and go while we run: the configuration files are looked at, and what changed is applied."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from monitor.config import Camera
from monitor.configfile import load
from monitor.errors import ConfigError

log = structlog.get_logger()

EVERY_S: Final = 1.0

Apply = Callable[[Mapping[str, Camera]], Awaitable[None]]


async def cameras(paths: Sequence[Path], apply: Apply, *, every_s: float = EVERY_S) -> None:
    """Apply the cameras of a configuration whenever one of its files changes; a mistake leaves them as they are."""
    seen = _stamps(paths)
    while True:
        await asyncio.sleep(every_s)
        stamps = _stamps(paths)
        if stamps == seen:
            continue
        seen = stamps
        try:
            config = load(paths)
        except ConfigError as error:
            log.warning("configuration not applied", error=str(error))
            continue
        log.info("cameras applied", cameras=sorted(config.cameras))
        await apply(config.cameras)


def _stamps(paths: Sequence[Path]) -> list[tuple[int, int] | None]:
    """Tell when each file was written and how long it is; None for one that is away (an editor may be replacing it)."""
    return [(path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else None for path in paths]
