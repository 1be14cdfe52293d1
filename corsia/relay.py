"""A network between a gateway and the API that can be cut: for rehearsals of bad days."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

log = logging.getLogger(__name__)

CHUNK_BYTES: Final = 65_536


class Relay:
    """TCP from a port of its own to another, while it is not cut."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""
        self.broken = 0  # ends of connections that were cut, and connections refused

    def cut(self) -> None:
        """Break every connection and let none through."""
        self._is_cut = True
        self.broken += len(self._writers)
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        if self._is_cut:
            self.broken += 1
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, far_writer), name="up")
                both.create_task(_pump(far_reader, writer), name="down")
        finally:
            self._writers -= {writer, far_writer}


@asynccontextmanager
async def open_relay(host: str, port: int) -> AsyncIterator[Relay]:
    """A relay to host:port on a free port of this machine, for the length of the block."""
    relay = Relay(host, port)
    server = await asyncio.start_server(relay.carry, "127.0.0.1", 0)
    relay.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        server.close()
        relay.cut()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await server.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry octets one way until the reading side ends, then end the writing side."""
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        writer.transport.abort()
    else:
        writer.close()
