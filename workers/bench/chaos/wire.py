"""A network that can be cut: a TCP proxy before a broker, which passes nothing for a while and lets connections stay open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from workers.lifecycle import ended, first

CHUNK: Final = 2**16


@dataclass(slots=True)
class Wire:
    """What lies between clients at one port and a broker at another; whole until it is cut."""

    broker_port: int
    _whole: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._whole.set()

    def cut(self) -> None:
        """Pass nothing on, in either direction; nobody is told, as by a cable that is pulled."""
        self._whole.clear()

    def mend(self) -> None:
        """Pass everything on again, also what waited, as TCP does by sending it again."""
        self._whole.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it or the broker ends its connection; without a broker, end it at once."""
        async with _closing(writer):
            await self._whole.wait()
            with suppress(OSError):
                answers, asks = await asyncio.open_connection("127.0.0.1", self.broker_port)
                async with _closing(asks):
                    await first(self._pass(reader, asks), self._pass(answers, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._whole.wait()
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def wire(port: int, broker_port: int) -> AsyncIterator[Wire]:
    """Listen at a port of loopback while the body runs, for a broker at another; ends every connection."""
    made, serving = Wire(broker_port), set[asyncio.Task[None]]()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            with suppress(asyncio.CancelledError):  # asyncio 3.11 would report a task that ends so
                await made.carry(reader, writer)
        finally:
            serving.discard(task)

    server = await asyncio.start_server(carry, "127.0.0.1", port)
    try:
        yield made
    finally:
        server.close()
        await ended(*serving)
