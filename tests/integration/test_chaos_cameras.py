"""The live cameras of the chaos bench."""

from __future__ import annotations

import time
from pathlib import Path

import av
from clips import make

from workers.bench.chaos import live


def first_pictures(url: str, count: int) -> list[tuple[float, bool]]:
    """Stream times of the first pictures that come, and whether they are key frames."""
    with av.open(url) as camera:
        packets = (packet for packet in camera.demux(video=0) if packet.pts is not None)
        return [(float(packet.pts * packet.time_base), packet.is_keyframe) for packet, _ in zip(packets, range(count), strict=False)]


def test_a_camera_goes_on_whether_it_is_watched_or_not(tmp_path: Path) -> None:
    film = make(tmp_path / "film.mp4", 2.0)
    with live.served([film]) as [url]:
        begun = time.monotonic()
        first = first_pictures(url, 10)
        time.sleep(2.5)
        second = first_pictures(url, 10)
        apart = time.monotonic() - begun
    assert first[0][1]
    assert second[0][1]
    assert 2.0 < second[0][0] - first[0][0] < apart + 2
