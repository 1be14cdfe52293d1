"""The air of the simulated store: one unix socket a gateway, adverts as JSON lines.

Whoever connects to `{directory}/{gateway_id}.sock` hears what that gateway's radio hears. A radio
does not wait: a listener that reads too slowly misses adverts, which are counted. A line the other
way, `{"interval_s": 1.0, "data": "hex"}`, has the radio transmit that until the connection ends.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Annotated, Final, Self, cast

import msgspec

log = logging.getLogger(__name__)

# sun_path of Linux holds 108 octets, the last one zero. Source: unix(7).
LONGEST_SOCKET_PATH: Final = 107
# What waits for one listener: about 2,500 adverts, ten seconds of the busiest gateway.
LISTENER_BUFFER_BYTES: Final = 256 * 1024
# A legacy advert in hex takes 62; more than this before a line's end is no such line.
LONGEST_ORDER: Final = 1_024
# As radios allow. Source: Core Specification 5.4, Vol 4, Part E, 7.8.5.
SHORTEST_INTERVAL_S: Final = 0.02
LONGEST_INTERVAL_S: Final = 10.24


class AirError(Exception):
    """The sockets cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class HeardAdvert:
    """One advert as one gateway's radio heard it."""

    at_ms: int
    address: str
    rssi_dbm: int
    data: bytes


class Transmission(msgspec.Struct, frozen=True):
    """What a gateway's radio is to send. data: AD structures in hex."""

    interval_s: Annotated[float, msgspec.Meta(ge=SHORTEST_INTERVAL_S, le=LONGEST_INTERVAL_S)]
    data: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{2}){1,31}$")]


class Air:
    """The sockets of all gateways, open from `async with` until its end."""

    def __init__(self, directory: Path, gateway_ids: Iterable[str]) -> None:
        self._directory = directory
        self._listeners: dict[str, set[_Listener]] = {name: set() for name in gateway_ids}
        self._servers: list[asyncio.Server] = []
        self.sent = 0
        self.dropped = 0

    async def __aenter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        for gateway_id, listeners in self._listeners.items():
            path = self.socket_path(gateway_id)
            path.unlink(missing_ok=True)  # left by a run that was killed
            self._servers.append(
                await loop.create_unix_server(partial(_Listener, listeners), str(path))
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.close()
        for gateway_id, listeners in self._listeners.items():
            for listener in tuple(listeners):
                listener.hang_up()
            self.socket_path(gateway_id).unlink(missing_ok=True)
        log.info("air closed", extra={"adverts": self.sent, "dropped": self.dropped})

    def socket_path(self, gateway_id: str) -> Path:
        """Where that gateway listens. Raises AirError when the system allows no such name."""
        if "/" in gateway_id or gateway_id.startswith("."):
            raise AirError(f"{gateway_id!r} cannot be the name of a gateway's socket")
        path = self._directory / f"{gateway_id}.sock"
        size_bytes = len(str(path).encode())
        if size_bytes > LONGEST_SOCKET_PATH:
            raise AirError(
                f"the socket path {path} has {size_bytes} octets and the system allows"
                f" {LONGEST_SOCKET_PATH}: choose a shorter run directory"
            )
        return path

    def listeners(self, gateway_id: str) -> int:
        """How many processes hear what this gateway hears."""
        return len(self._listeners[gateway_id])

    def transmissions(self) -> dict[str, Transmission]:
        """What each gateway transmits now; none that was not told to."""
        return {
            gateway_id: listener.transmission
            for gateway_id, listeners in self._listeners.items()
            for listener in listeners
            if listener.transmission is not None
        }

    def carry(self, heard: Mapping[str, list[HeardAdvert]]) -> None:
        """Give every listener what its gateway heard; never waits."""
        for gateway_id, adverts in heard.items():
            listeners = self._listeners[gateway_id]
            if not listeners:
                continue
            lines = b"".join(map(_line, adverts))
            for listener in listeners:
                if listener.hear(lines):
                    self.sent += len(adverts)
                else:
                    self.dropped += len(adverts)


class _Listener(asyncio.Protocol):
    def __init__(self, listeners: "set[_Listener]") -> None:
        self._listeners = listeners
        self._transport: asyncio.WriteTransport | None = None
        self._is_full = False
        self._order = b""
        self.transmission: Transmission | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are write transports without being subclasses of the class.
        transport = cast("asyncio.WriteTransport", transport)
        transport.set_write_buffer_limits(high=LISTENER_BUFFER_BYTES)
        self._transport = transport
        self._listeners.add(self)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._listeners.discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        *lines, self._order = (self._order + data).split(b"\n")
        for line in lines:
            try:
                self.transmission = msgspec.json.decode(line, type=Transmission)
            except msgspec.DecodeError as error:
                log.warning("gateway said what is no transmission", extra={"why": str(error)})
        if len(self._order) > LONGEST_ORDER:
            log.warning("gateway said too much", extra={"octets": len(self._order)})
            self._order = b""

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False

    def hear(self, lines: bytes) -> bool:
        """True when the lines are on their way."""
        if self._is_full or self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(lines)
        return True

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _line(advert: HeardAdvert) -> bytes:
    # No field can hold a quote, so this is JSON, at a third of an encoder's cost.
    return (
        f'{{"at_ms": {advert.at_ms}, "address": "{advert.address}",'
        f' "rssi": {advert.rssi_dbm}, "data": "{advert.data.hex()}"}}\n'
    ).encode()
