"""Adverts as JSON lines: a recording, standard input, or a simulated store on a unix socket.

One line is `{"at_ms": int | null, "address": "aa:bb:...", "rssi": -67, "data": "hex"}`; at_ms null
means "now". A line that is none is counted and skipped. A simulated store can also be told what to
transmit, in a line the other way: `{"interval_s": 1.0, "data": "hex"}`.
"""

import asyncio
import os
import random
import stat
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import msgspec

from config.clock import Clock
from gateway.backoff import Backoff
from gateway.source import Advert, SourceError, SourceHealth

# The longest extended advert, 1650 octets, is 3300 hex digits; the rest of a line takes under 100.
MAX_LINE_BYTES: Final = 4_096
CHUNK_BYTES: Final = 65_536
STANDARD_INPUT: Final = "-"
# A simulated store that starts is there within a second; one that is stopped may stay away.
RECONNECT_CAP_S: Final = 2.0


class _Line(msgspec.Struct):
    # 2020 to 2100, as in beacons.sighting.
    at_ms: Annotated[int, msgspec.Meta(ge=1_577_836_800_000, le=4_102_444_800_000)] | None
    address: Annotated[str, msgspec.Meta(min_length=1, max_length=17)]
    rssi: Annotated[int, msgspec.Meta(ge=-127, le=127)]
    data: Annotated[str, msgspec.Meta(max_length=3_300)]


class _Transmission(msgspec.Struct):
    interval_s: float
    data: str


_DECODER: Final = msgspec.json.Decoder(_Line)
_ENCODER: Final = msgspec.json.Encoder()


def advert_line(advert: Advert) -> bytes:
    """The advert as one line, its end included."""
    line = _Line(advert.at_ms, advert.address, advert.rssi_dbm, advert.data.hex())
    return _ENCODER.encode(line) + b"\n"


def transmit_line(data: bytes, interval_s: float) -> bytes:
    """The line that asks a simulated store to send an advert regularly, its end included."""
    return _ENCODER.encode(_Transmission(interval_s, data.hex())) + b"\n"


def advert_of(line: bytes, now_ms: int) -> Advert | None:
    """The advert on one line, None when it is none. now_ms: its time when it says none."""
    try:
        said = _DECODER.decode(line)
        data = bytes.fromhex(said.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    at_ms = now_ms if said.at_ms is None else said.at_ms
    return Advert(at_ms, said.address, said.rssi, data)


class LineSplitter:
    """Chunks to lines, holding no more than one line of bounded length."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = b""
        self._is_overlong = False
        self.overlong = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes; those over the limit are counted instead."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if lines and self._is_overlong:
            del lines[0]  # its tail: counted when it passed the limit
            self._is_overlong = False
        kept = [line for line in lines if len(line) <= self._max_bytes]
        self.overlong += len(lines) - len(kept)
        if len(self._rest) > self._max_bytes:
            self.overlong += not self._is_overlong
            self._is_overlong = True
        if self._is_overlong:
            self._rest = b""
        return kept

    def last(self) -> bytes:
        """What came after the last line end."""
        rest, self._rest = self._rest, b""
        return rest


class LinesSource:
    """The lines of a file, of standard input, or of whoever serves a unix socket.

    Files and standard input end; a socket's server is looked for again, for ever.
    """

    def __init__(
        self,
        place: str,
        now_ms: Callable[[], int],
        clock: Clock,
        chance: random.Random,
        announcement: bytes | None = None,
    ) -> None:
        """place: `lines:PATH`, `lines:-` or `unix:PATH`.

        announcement: what a socket's server is told on connecting.
        """
        self._announcement = announcement
        self._kind, _, self._path = place.partition(":")
        self._now_ms = now_ms
        self._clock = clock
        self._backoff = Backoff(chance, cap_s=RECONNECT_CAP_S)
        self.health: Final = SourceHealth(kind=self._kind)

    async def adverts(self) -> AsyncGenerator[Advert, None]:
        """The adverts of good lines, in order. Raises SourceError."""
        chunks = self._served() if self._kind == "unix" else self._recorded()
        try:
            splitter = LineSplitter(MAX_LINE_BYTES)
            async for chunk in chunks:
                if chunk:
                    lines = splitter.feed(chunk)
                    self.health.discarded += splitter.overlong
                    splitter.overlong = 0
                else:
                    lines = [splitter.last()]
                    splitter = LineSplitter(MAX_LINE_BYTES)
                for line in lines:
                    advert = self._advert(line)
                    if advert is not None:
                        yield advert
        finally:
            await chunks.aclose()
        self.health.state = "ended"

    def _advert(self, line: bytes) -> Advert | None:
        if not line.strip():
            return None
        advert = advert_of(line, self._now_ms())
        if advert is None:
            self.health.discarded += 1
        else:
            self.health.adverts += 1
        return advert

    async def _recorded(self) -> AsyncGenerator[bytes, None]:
        """Chunks, and an empty one at the end."""
        try:
            file = sys.stdin.buffer if self._path == STANDARD_INPUT else _opened(Path(self._path))
        except OSError as error:
            raise SourceError(f"{self._path} cannot be read: {error.strerror}") from error
        self.health.state = "listening"
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            with file:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    yield chunk
        else:
            reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(reader)
            loop = asyncio.get_running_loop()
            transport, _ = await loop.connect_read_pipe(lambda: protocol, file)
            try:
                while chunk := await reader.read(CHUNK_BYTES):
                    yield chunk
            finally:
                transport.close()
        yield b""

    async def _served(self) -> AsyncGenerator[bytes, None]:
        """Chunks of one connection after another, an empty one after each connection."""
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path)
            except OSError as error:
                self.health.state = "waiting"
                self.health.trouble = str(error)
                await self._clock.sleep(self._backoff.next_s())
                continue
            self.health.state = "listening"
            self.health.trouble = None
            try:
                if self._announcement is not None:
                    writer.write(self._announcement)
                while chunk := await _next_chunk(reader):
                    self._backoff.reset()
                    yield chunk
            finally:
                writer.close()
            yield b""
            self.health.restarts += 1
            await self._clock.sleep(self._backoff.next_s())


def _opened(path: Path) -> BinaryIO:
    # A named pipe without a writer must not hold the event loop.
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")


async def _next_chunk(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(CHUNK_BYTES)
    except ConnectionError:
        return b""
