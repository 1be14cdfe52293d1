"""The real bleak, its BlueZ backend and a real message bus; only bluetoothd is a stand-in."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime

import pytest

from beacons import canary, ceid, codec, ibeacon
from beacons.ibeacon import IBeacon
from config.clock import VirtualClock
from gateway import bleak_source
from gateway.aggregate import Aggregator
from gateway.bleak_source import SILENCE_S, BleakSource
from gateway.known_beacons import KnownBeacons
from gateway.server_time import unix_ms
from gateway.source import RSSI_UNAVAILABLE_DBM, Advert
from tests.fakes.fake_bluez import FakeBlueZ, Heard
from tests.gateway.ingest_server import NAMESPACE
from tests.gateway.radio import bluez, system_bus

SHELF = bytes.fromhex("f7826da64fa24e988024bc5b71e0893e")
# DESIGN section 4, for w and w+1 of unix 1790000000.
NOW_UUID = "ed936b12-1837-e792-4def-1810c0451a01"
NEXT_UUID = "283f404e-cb85-af7f-eaac-1910c0451a01"


@pytest.fixture
async def bus() -> AsyncIterator[str]:
    async with system_bus() as address:
        yield address


@pytest.fixture
async def radio(bus: str) -> AsyncIterator[FakeBlueZ]:
    async with bluez(bus) as fake:
        yield fake


class Recovery:
    """Counts the resets that were asked for."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self) -> bool:
        self.asked += 1
        return True


@pytest.fixture
def recovery() -> Recovery:
    return Recovery()


def source(clock: VirtualClock, recovery: Recovery, *, is_passive: bool = False) -> BleakSource:
    return BleakSource(
        NAMESPACE,
        KnownBeacons.named([SHELF.hex()]),
        lambda: unix_ms(clock.now()),
        clock,
        random.Random(7),
        recovery,
        is_passive=is_passive,
    )


def handset(rssi_dbm: int = -60, *uuids: str) -> Heard:
    return Heard("C0:FF:EE:00:00:01", rssi_dbm, service_uuids=list(uuids or (NOW_UUID,)))


def shelf_beacon(rssi_dbm: int) -> Heard:
    payload = b"\x02\x15" + SHELF + b"\x00\x01\x00\x02\xc5"
    return Heard("C0:FF:EE:00:00:02", rssi_dbm, manufacturer_data={0x004C: payload})


def fellow(rssi_dbm: int) -> Heard:
    _, data = ibeacon.encode(canary.canary(NAMESPACE, "gw-02"))
    return Heard("C0:FF:EE:00:00:03", rssi_dbm, manufacturer_data={ibeacon.APPLE: data[2:]})


class Listener:
    """Adverts as they come, while the virtual clock is moved on."""

    def __init__(self, lines: BleakSource, clock: VirtualClock) -> None:
        self._clock = clock
        self.found: list[Advert] = []
        self._adverts: AsyncGenerator[Advert, None] = lines.adverts()
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for advert in self._adverts:
            self.found.append(advert)

    async def until(self, is_so: object, step_s: float = 0.05) -> None:
        """Move the clock on until `is_so()`."""
        assert callable(is_so)
        async with asyncio.timeout(20):
            while not is_so():
                assert not self._task.done(), self._task
                await self._clock.advance(step_s)
                await asyncio.wait([self._task], timeout=0.002)

    async def stop(self) -> None:
        self._task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self._task
        await self._adverts.aclose()


async def test_an_active_scan_hears_every_advert_with_its_level(
    radio: FakeBlueZ, clock: VirtualClock, recovery: Recovery
) -> None:
    listener = Listener(source(clock, recovery), clock)
    await listener.until(lambda: radio.discovering)

    for rssi_dbm in (-60, -61, -61, -64, -50):
        await radio.hear(handset(rssi_dbm))
    await listener.until(lambda: len(listener.found) >= 5)

    assert [one.rssi_dbm for one in listener.found] == [-60, -61, -61, -64, -50]
    (frame,) = codec.decode(listener.found[0].data, NAMESPACE)
    assert frame == codec.decode(b"\x11\x07" + _on_air(NOW_UUID), NAMESPACE)[0]
    assert {one.address for one in listener.found} == {"C0:FF:EE:00:00:01"}
    await listener.stop()
    assert radio.discovering == set()


async def test_a_passive_scan_matches_our_namespace_and_beacons_only(
    radio: FakeBlueZ, clock: VirtualClock, recovery: Recovery
) -> None:
    listener = Listener(source(clock, recovery, is_passive=True), clock)
    await listener.until(lambda: any(one.patterns for one in radio.monitors.values()))

    await radio.hear(Heard("C0:FF:EE:00:00:09", -40, manufacturer_data={0x004C: b"\x10\x05"}))
    await radio.hear(shelf_beacon(-70))
    await radio.hear(fellow(-75))
    for rssi_dbm in (-60, -61, -80):
        await radio.hear(handset(rssi_dbm))
    await listener.until(lambda: len(listener.found) >= 4)

    # -61 is what BlueZ keeps to itself: under 8 dB.
    assert [(one.address[-2:], one.rssi_dbm) for one in listener.found] == [
        ("02", -70),
        ("03", -75),
        ("01", -60),
        ("01", -80),
    ]
    await listener.stop()
    assert radio.monitors == {}


async def test_what_is_heard_becomes_sightings(
    radio: FakeBlueZ, clock: VirtualClock, recovery: Recovery
) -> None:
    listener = Listener(source(clock, recovery), clock)
    await listener.until(lambda: radio.discovering)
    await radio.hear(handset(-60))
    await radio.hear(shelf_beacon(-70))
    await radio.hear(Heard("C0:FF:EE:00:00:08", -30, manufacturer_data={0x0006: b"\x01\x02"}))
    await listener.until(lambda: len(listener.found) >= 3)
    gathered = Aggregator(NAMESPACE, KnownBeacons.named([SHELF.hex()]))

    for advert in listener.found:
        gathered.add(advert)

    assert {(one.kind, one.identifier) for one in gathered.all()} == {
        ("ceid", "ed936b121837e7924def1810"),
        ("ibeacon", IBeacon(SHELF, 1, 2, -59).identifier),
    }
    assert gathered.counts.strangers == 1
    await listener.stop()


async def test_an_identifier_that_bluez_remembers_is_not_heard_any_more(
    radio: FakeBlueZ, recovery: Recovery
) -> None:
    # Near the end of NOW_UUID's window: all of it would be 18,000 turns of the source, and in a
    # silence that long it starts the radio again and again.
    turn_s = (ceid.window(1_790_000_000) + 1) * ceid.WINDOW_S
    clock = VirtualClock(datetime.fromtimestamp(turn_s - 5, UTC))
    listener = Listener(source(clock, recovery), clock)
    await listener.until(lambda: radio.discovering)
    await radio.hear(handset(-60, NOW_UUID))
    await listener.until(lambda: len(listener.found) == 1)

    await listener.until(lambda: clock.now().timestamp() >= turn_s, step_s=1)
    await radio.hear(handset(-60, NEXT_UUID))
    await listener.until(lambda: len(listener.found) == 2)

    assert set(radio.devices.popitem()[1]["UUIDs"].value) == {NOW_UUID, NEXT_UUID}
    assert listener.found[1].data == b"\x11\x07" + _on_air(NEXT_UUID)
    await listener.stop()


async def test_a_level_that_is_missing_is_not_a_weak_one(
    radio: FakeBlueZ, clock: VirtualClock, recovery: Recovery
) -> None:
    listener = Listener(source(clock, recovery), clock)
    await listener.until(lambda: radio.discovering)

    await radio.hear(handset(-127))
    await listener.until(lambda: listener.found)

    assert listener.found[0].rssi_dbm == RSSI_UNAVAILABLE_DBM
    await listener.stop()


async def test_a_silent_radio_is_started_again_and_at_last_reset(
    radio: FakeBlueZ, clock: VirtualClock, recovery: Recovery
) -> None:
    lines = source(clock, recovery)
    listener = Listener(lines, clock)
    await listener.until(lambda: radio.discovering)
    began_s = clock.monotonic_s()

    await listener.until(lambda: lines.health.restarts == 1, step_s=0.5)
    assert clock.monotonic_s() - began_s == pytest.approx(SILENCE_S, abs=1)
    # Each restart that changes nothing is given twice the time: 15 + 30 + 60.
    await listener.until(lambda: recovery.asked == 1, step_s=1)
    assert clock.monotonic_s() - began_s == pytest.approx(105, abs=8)
    assert lines.health.restarts == 3

    await listener.until(lambda: radio.discovering)
    await radio.hear(handset(-60))
    await listener.until(lambda: listener.found)
    assert (lines.health.state, lines.health.trouble) == ("listening", None)
    await listener.stop()


async def test_a_bluetoothd_that_restarts_is_found_again(
    bus: str, clock: VirtualClock, recovery: Recovery
) -> None:
    lines = source(clock, recovery)
    listener = Listener(lines, clock)
    async with bluez(bus) as first:
        await listener.until(lambda: first.discovering)
        await first.hear(handset(-60))
        await listener.until(lambda: len(listener.found) == 1)
    # Nobody says that it is gone: the scan is silent, and stopping it fails.
    async with bluez(bus) as second:
        await listener.until(lambda: second.discovering, step_s=1)
        await second.hear(handset(-70))
        await listener.until(lambda: len(listener.found) == 2)

        assert [one.rssi_dbm for one in listener.found] == [-60, -70]
        assert lines.health.restarts >= 1
        await listener.stop()


async def test_a_message_bus_that_dies_is_not_the_end(
    clock: VirtualClock, recovery: Recovery
) -> None:
    lines = source(clock, recovery)
    async with system_bus() as address, bluez(address) as first:
        listener = Listener(lines, clock)
        await listener.until(lambda: first.discovering or lines.health.restarts, step_s=1)
        await listener.until(lambda: first.discovering, step_s=1)
    async with system_bus() as address, bluez(address) as second:
        await listener.until(lambda: second.discovering, step_s=1)
        await second.hear(handset(-70))
        await listener.until(lambda: listener.found)
        await listener.stop()


async def test_a_scan_that_will_not_start_is_tried_with_patience(
    radio: FakeBlueZ, clock: VirtualClock, recovery: Recovery
) -> None:
    radio.refusals = ["InProgress", "NotReady", "Failed", "Failed"]
    lines = source(clock, recovery)
    listener = Listener(lines, clock)

    await listener.until(lambda: radio.discovering, step_s=0.5)

    assert radio.refusals == []
    assert lines.health.restarts == 4
    assert recovery.asked == 1
    await radio.hear(handset(-60))
    await listener.until(lambda: listener.found)
    await listener.stop()


async def test_a_flood_pushes_the_oldest_out_and_counts_them(
    radio: FakeBlueZ, clock: VirtualClock, recovery: Recovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bleak_source, "RING_SIZE", 10)
    lines = source(clock, recovery)
    listener = Listener(lines, clock)
    await listener.until(lambda: radio.discovering)

    for number in range(25):
        await radio.hear(handset(-60 - number))
    await radio.drain()
    async with asyncio.timeout(5):
        while lines.health.adverts < 25:
            await asyncio.wait([listener._task], timeout=0.002)
    await listener.until(lambda: len(listener.found) >= 10)

    assert [one.rssi_dbm for one in listener.found] == [-75 - n for n in range(10)]
    assert lines.health.discarded == 15
    await listener.stop()


def _on_air(uuid: str) -> bytes:
    return bytes.fromhex(uuid.replace("-", ""))[::-1]
