"""The canary on a real message bus; only bluetoothd is a stand-in."""

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from dbus_fast.aio.message_bus import MessageBus

from beacons import canary, ibeacon
from config.clock import VirtualClock
from gateway.bluez_canary import BLUEZ, BluezCanary
from tests.fakes.fake_bluez import FakeBlueZ
from tests.gateway.ingest_server import NAMESPACE
from tests.gateway.radio import bluez, system_bus

FRAME = canary.canary(NAMESPACE, "gw-01")


@pytest.fixture
async def bus() -> AsyncIterator[str]:
    async with system_bus() as address:
        yield address


class Running:
    """A canary that runs while the virtual clock is moved on."""

    def __init__(self, clock: VirtualClock, adapter: str | None = None) -> None:
        self._clock = clock
        self.sender = BluezCanary(FRAME, clock, random.Random(7), adapter)
        self._task = asyncio.create_task(self.sender.run())

    async def until(self, is_so: Callable[[], object], step_s: float = 1.0) -> None:
        async with asyncio.timeout(20):
            while not is_so():
                assert not self._task.done(), self._task
                await self._clock.advance(step_s)
                await asyncio.wait([self._task], timeout=0.002)

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


@pytest.fixture
async def running(clock: VirtualClock) -> AsyncIterator[Running]:
    made = Running(clock)
    yield made
    await made.stop()


async def test_what_is_registered_is_our_ibeacon_once_a_second(bus: str, running: Running) -> None:
    async with bluez(bus) as radio:
        await running.until(lambda: radio.advertised)

        (properties,) = radio.advertised.values()
        assert properties["Type"] == "broadcast"
        assert properties["MinInterval"] == properties["MaxInterval"] == 1_000
        ((company, payload),) = properties["ManufacturerData"].items()
        assert ibeacon.decode(company, payload.value) == FRAME
        await running.until(lambda: running.sender.health.state == "sending")


async def test_it_is_off_the_air_when_the_gateway_stops(bus: str, running: Running) -> None:
    async with bluez(bus) as radio:
        await running.until(lambda: radio.advertised)
        await running.stop()
        await running_out(radio)


async def running_out(radio: FakeBlueZ) -> None:
    async with asyncio.timeout(5):
        while radio.advertised:
            await radio.drain()


async def test_a_bluetoothd_that_restarts_gets_it_again(
    bus: str, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        async with bluez(bus) as first:
            await running.until(lambda: running.sender.health.state == "sending")
            assert first.advertised
            caplog.clear()
        await running.until(lambda: running.sender.health.state == "waiting")
        async with bluez(bus) as second:
            await running.until(lambda: second.advertised)
            await running.until(lambda: running.sender.health.state == "sending")
    assert running.sender.health.trouble is None
    assert caplog.messages[0] == "canary not on air: fellow gateways cannot hear this one"
    assert caplog.messages[-1] == "canary on air"


async def test_an_adapter_that_cannot_advertise_is_said_once_and_asked_again(
    bus: str, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    async with bluez(bus) as radio:
        radio.advertising_refusals = ["NotPermitted"] * 1_000
        await running.until(lambda: radio.registrations >= 4)
        assert running.sender.health.state == "waiting"
        assert "hci0 has no room for one more advertisement" in str(running.sender.health.trouble)
        radio.advertising_refusals.clear()
        await running.until(lambda: running.sender.health.state == "sending", step_s=5)
    warned = [record for record in caplog.records if record.message.startswith("canary not")]
    assert len([record for record in warned if "NotPermitted" in record.__dict__["why"]]) == 1


async def test_an_adapter_that_is_not_there_is_named(bus: str, clock: VirtualClock) -> None:
    running = Running(clock, "hci7")
    async with bluez(bus):
        await running.until(lambda: running.sender.health.trouble)
        assert "hci7 is not there, or cannot advertise" in str(running.sender.health.trouble)
        await running.stop()


async def test_without_bluetoothd_it_waits(bus: str, running: Running) -> None:
    await running.until(lambda: running.sender.health.trouble)
    assert "bluetoothd is not running" in str(running.sender.health.trouble)


async def test_an_advertisement_that_was_dropped_is_registered_again(
    bus: str, running: Running
) -> None:
    async with bluez(bus) as radio:
        await running.until(lambda: running.sender.health.state == "sending")
        await radio.release()
        await running.until(lambda: radio.registrations >= 2)
        await running.until(lambda: running.sender.health.state == "sending")


async def test_it_is_registered_anew_now_and_then_without_a_complaint(
    bus: str, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    async with bluez(bus) as radio:
        await running.until(lambda: radio.registrations >= 3, step_s=30)
        await running.until(lambda: radio.advertised)
    assert "NotPermitted" not in caplog.text


async def test_a_machine_without_a_message_bus_waits(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus")
    running = Running(clock)
    await running.until(lambda: running.sender.health.trouble)
    assert "the message bus" in str(running.sender.health.trouble)
    await running.stop()


async def test_a_bluetoothd_that_does_not_answer_is_said(
    bus: str, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.bluez_canary.CALL_TIMEOUT_S", 0.2)
    mute = await MessageBus(bus_address=bus).connect()
    await mute.request_name(BLUEZ)
    mute.add_message_handler(lambda _message: True)  # taken, and never replied to
    health = running.sender.health
    await running.until(lambda: str(health.trouble).startswith("BlueZ did not answer within"))
    mute.disconnect()


async def test_a_message_bus_that_hangs_up_is_said_with_a_reason(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_unix_server(hang_up, tmp_path / "bus"):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
        running = Running(clock)
        await running.until(lambda: running.sender.health.trouble)
        assert re.fullmatch(r"the message bus: \w.*", str(running.sender.health.trouble))
        await running.stop()
