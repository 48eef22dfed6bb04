from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from monitor.config import Camera
from workers import watch

EVERY_S = 0.01


class Applied:
    def __init__(self) -> None:
        self.names: list[list[str]] = []
        self.came = asyncio.Event()

    async def apply(self, cameras: Mapping[str, Camera]) -> None:
        self.names.append(sorted(cameras))
        self.came.set()


async def test_cameras_that_come_and_go_in_the_file_are_applied_and_mistakes_are_not(tmp_path: Path) -> None:
    path, applied = tmp_path / "c.yaml", Applied()
    path.write_text("cameras: {a: {source: a.mp4}}\n")
    task = asyncio.create_task(watch.cameras([path], applied.apply, every_s=EVERY_S))
    await asyncio.sleep(EVERY_S * 3)
    path.write_text("cameras: {a: {source: a.mp4}, b: {sorce: b.mp4}}\n")
    await asyncio.sleep(EVERY_S * 5)
    assert applied.names == []
    path.write_text("cameras: {b: {source: b.mp4}, c: {source: c.mp4}}\n")
    await asyncio.wait_for(applied.came.wait(), 5)
    assert applied.names == [["b", "c"]]
    task.cancel()
