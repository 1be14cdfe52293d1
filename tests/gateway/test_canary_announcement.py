"""What a gateway transmits, and how a simulated store is told."""

import asyncio
import contextlib
import json
import random
from pathlib import Path

import pytest

from beacons import canary, codec
from config.clock import VirtualClock
from gateway.canary import NoCanary, announcement, open_canary, own_canary
from gateway.lines_source import LinesSource
from gateway.settings import GatewayConfig
from tests.gateway.ingest_server import NAMESPACE

FRAME = canary.canary(NAMESPACE, "gw-01", -62)


def _config(source: str, *, is_on: bool = True) -> GatewayConfig:
    return GatewayConfig(
        "http://127.0.0.1:1", Path("nowhere"), source, canary=is_on, canary_power_1m_dbm=-62
    )


@pytest.mark.parametrize("source", ["bleak", "bleak-passive", "unix:/air/gw-01.sock"])
def test_a_gateway_with_an_air_sends_its_own_canary(source: str) -> None:
    assert own_canary(_config(source), NAMESPACE, "gw-01") == FRAME


def test_neither_a_recording_nor_one_that_is_turned_off_sends(clock: VirtualClock) -> None:
    for config in (_config("lines:walk.jsonl"), _config("bleak", is_on=False)):
        frame = own_canary(config, NAMESPACE, "gw-01")
        assert (frame, announcement(frame)) == (None, None)
        sender = open_canary(config, frame, clock, random.Random(1))
        assert isinstance(sender, NoCanary)
        assert sender.health.state == "off"


async def test_a_simulated_store_is_told_on_each_connection(
    clock: VirtualClock, tmp_path: Path
) -> None:
    told: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await told.put(await reader.readline())
        writer.close()

    socket = tmp_path / "air.sock"
    async with await asyncio.start_unix_server(serve, socket):
        source = LinesSource(
            f"unix:{socket}", lambda: 0, clock, random.Random(1), announcement(FRAME)
        )
        adverts = source.adverts()
        listening = asyncio.create_task(anext(adverts))
        first = json.loads(await asyncio.wait_for(told.get(), 5))
        while told.empty():
            await clock.advance(1)
            await asyncio.wait([listening], timeout=0.005)
        assert json.loads(told.get_nowait()) == first
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening

    assert first["interval_s"] == canary.INTERVAL_S
    assert codec.decode(bytes.fromhex(first["data"]), NAMESPACE) == [FRAME]
