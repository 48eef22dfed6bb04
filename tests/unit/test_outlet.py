"""What the cameras give, past a broker that was away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from monitor.config import Spool
from monitor.memory import MemoryBus
from monitor.messages import Frame, Message, Modality, Sound, Topic
from monitor.metrics import Metrics
from workers.outlet import Outlet

HAS = (Modality.PICTURE, Modality.SOUND, Modality.TEXT)


class Broker(MemoryBus):
    """A bus that hangs while it is away, and remembers what came in which order."""

    def __init__(self) -> None:
        super().__init__()
        self.there = asyncio.Event()
        self.got: list[Message] = []

    async def publish(self, topic: Topic, messages: Sequence[Message]) -> None:
        await self.there.wait()
        await asyncio.sleep(0.01)
        self.got += messages


def sound(seq: int, captured: float) -> Sound:
    return Sound(camera="door", at=seq / 2, until=seq / 2 + 0.5, captured=captured, modalities=HAS, seq=seq, pcm=bytes(16000))


def frame(seq: int) -> Frame:
    return Frame(
        camera="door", at=seq / 2, until=seq / 2 + 0.5, captured=time.time(), modalities=HAS, seq=seq, jpeg=b"a picture", width=9, height=9
    )


async def test_pictures_wait_for_the_sound_of_an_outage(tmp_path: Path) -> None:
    broker = Broker()
    outlet = Outlet(broker, "capture", Metrics(), Spool(), tmp_path)
    await outlet.put(Topic.AUDIO, [sound(seq, time.time() - 60) for seq in range(300)], wait=False)
    await asyncio.sleep(0.05)
    late = asyncio.ensure_future(outlet.put(Topic.VIDEO, [frame(999)], wait=False))
    await asyncio.sleep(0.05)
    assert outlet.why_dropped() == "broker"
    broker.there.set()
    async with asyncio.timeout(10):
        await late
    assert [message.seq for message in broker.got if isinstance(message, Sound | Frame)] == [*range(300), 999]
    assert outlet.why_dropped() == "overflow"
    await outlet.close()
