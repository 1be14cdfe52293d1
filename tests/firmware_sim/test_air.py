"""The air's sockets: who hears what, and what happens to those who do not listen."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firmware_sim.air import (
    LISTENER_BUFFER_BYTES,
    Air,
    AirError,
    HeardAdvert,
    Transmission,
)

ADVERT = HeardAdvert(1_790_000_000_123, "4a:00:00:00:00:01", -67, bytes.fromhex("020106"))
# Adverts in one go: more than a socket's own buffer takes, less than ours.
FLOOD = [ADVERT] * 1000


@pytest.fixture
async def air(tmp_path: Path) -> AsyncIterator[Air]:
    async with Air(tmp_path, ["gw-01", "gw-02"]) as opened:
        yield opened


async def listen(air: Air, gateway_id: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    before = air.listeners(gateway_id)
    reader, writer = await asyncio.open_unix_connection(str(air.socket_path(gateway_id)))
    while air.listeners(gateway_id) == before:
        await asyncio.to_thread(lambda: None)
    return reader, writer


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def test_a_listener_hears_its_gateway_as_json_lines(air: Air) -> None:
    reader, writer = await listen(air, "gw-02")

    air.carry({"gw-01": [ADVERT] * 3, "gw-02": [ADVERT]})

    assert json.loads(await reader.readline()) == {
        "at_ms": 1_790_000_000_123,
        "address": "4a:00:00:00:00:01",
        "rssi": -67,
        "data": "020106",
    }
    assert air.sent == 1
    await hang_up(writer)


async def test_every_listener_of_a_gateway_hears_it(air: Air) -> None:
    listeners = [await listen(air, "gw-01") for _ in range(3)]

    air.carry({"gw-01": [ADVERT]})

    lines = [await reader.readline() for reader, _ in listeners]
    assert len(set(lines)) == 1
    for _, writer in listeners:
        await hang_up(writer)


async def test_adverts_that_nobody_hears_are_nobodys_loss(air: Air) -> None:
    air.carry({"gw-01": FLOOD})

    assert (air.sent, air.dropped) == (0, 0)


async def test_a_listener_that_does_not_read_loses_adverts_and_holds_nobody_up(air: Air) -> None:
    _, asleep = await listen(air, "gw-01")
    asleep.transport.pause_reading()  # type: ignore[attr-defined]
    reader, awake = await listen(air, "gw-02")

    for _ in range(50):
        air.carry({"gw-01": FLOOD, "gw-02": [ADVERT]})

    assert [json.loads(await reader.readline())["rssi"] for _ in range(50)] == [-67] * 50
    assert air.dropped > 30_000
    # What was taken for the sleeper is bounded: ours, the system's two buffers, and one flood.
    assert (air.sent - 50) * 90 < LISTENER_BUFFER_BYTES + 2 * 212_992 + 100_000
    await hang_up(awake)
    await hang_up(asleep)


async def test_a_listener_that_wakes_up_hears_again(air: Air) -> None:
    reader, writer = await listen(air, "gw-01")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(50):
        air.carry({"gw-01": FLOOD})
    dropped, kept = air.dropped, air.sent

    writer.transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(kept):
        await reader.readline()
    air.carry({"gw-01": [ADVERT]})

    assert await reader.readline()
    assert air.dropped == dropped
    await hang_up(writer)


async def test_a_listener_that_is_gone_is_forgotten(air: Air) -> None:
    _, writer = await listen(air, "gw-01")
    await hang_up(writer)

    while air.listeners("gw-01"):
        await asyncio.to_thread(lambda: None)
    air.carry({"gw-01": [ADVERT]})

    assert air.sent == 0


async def test_the_end_of_the_air_ends_the_listeners_and_removes_the_sockets(
    tmp_path: Path,
) -> None:
    async with Air(tmp_path, ["gw-01"]) as air:
        reader, writer = await listen(air, "gw-01")

    assert await reader.read() == b""
    assert list(tmp_path.iterdir()) == []
    await hang_up(writer)


async def test_a_socket_left_by_a_killed_run_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "gw-01.sock").write_bytes(b"")

    async with Air(tmp_path, ["gw-01"]) as air:
        _, writer = await listen(air, "gw-01")
        await hang_up(writer)


async def test_a_path_too_long_for_a_socket_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(AirError, match="choose a shorter run directory"):
        async with Air(tmp_path / ("x" * 120), ["gw-01"]):
            pass


async def test_a_gateway_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(AirError, match="cannot be the name"):
        Air(tmp_path, []).socket_path("../gw-01")


async def test_a_gateway_that_asks_for_it_transmits_until_it_hangs_up(air: Air) -> None:
    _, writer = await listen(air, "gw-02")
    assert air.transmissions() == {}

    writer.write(b'{"interval_s": 1.0, "data": "02011a"}\n')
    while not air.transmissions():
        await asyncio.to_thread(lambda: None)
    assert air.transmissions() == {"gw-02": Transmission(1.0, "02011a")}

    await hang_up(writer)
    while air.listeners("gw-02"):
        await asyncio.to_thread(lambda: None)
    assert air.transmissions() == {}


@pytest.mark.parametrize(
    "said",
    [
        b"not json\n",
        b'{"interval_s": 0.0001, "data": "02011a"}\n',
        b'{"interval_s": 1.0, "data": ""}\n',
        b'{"interval_s": 1.0, "data": "' + b"00" * 32 + b'"}\n',
        b'{"interval_s": 1.0, "data": "zz"}\n',
        b"x" * 5_000 + b"\n",
    ],
)
async def test_what_is_no_transmission_is_said_and_forgotten(
    air: Air, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await listen(air, "gw-01")
    writer.write(said)
    while not caplog.records:
        await asyncio.to_thread(lambda: None)
    assert air.transmissions() == {}
    air.carry({"gw-01": [ADVERT]})
    assert await reader.readline()
    await hang_up(writer)
