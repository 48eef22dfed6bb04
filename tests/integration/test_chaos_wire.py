"""The network of the chaos bench: whole, cut, whole again, and a broker that is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from broker import free_port

from workers.bench.chaos.wire import Wire, wire


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, Wire]]:
    """A client of a server that says again what it hears, through a wire."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()
        await writer.wait_closed()

    behind, port = free_port(), free_port()
    async with await asyncio.start_server(echo, "127.0.0.1", behind), wire(port, behind) as made:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        yield reader, writer, made
        writer.close()
        await writer.wait_closed()


async def test_what_is_sent_comes_through() -> None:
    async with echoing() as (reader, writer, _):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"


async def test_cut_nothing_comes_through_and_nobody_is_told_and_mended_all_of_it_does() -> None:
    async with echoing() as (reader, writer, made):
        made.cut()
        writer.write(b"hello")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(5), 0.2)
        assert not reader.at_eof()
        made.mend()
        assert await reader.readexactly(5) == b"hello"


async def test_without_a_broker_the_connection_ends() -> None:
    port = free_port()
    async with wire(port, free_port()):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
