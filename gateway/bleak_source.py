"""Adverts from this machine's Bluetooth radio, through bleak; brought back when it falls silent.

BlueZ tells what it knows of a device, not the octets on air, so the structures that we read are
built again from it. A bluetoothd that restarts leaves a scanner silent without an error; hence the
watch on silence.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from bleak import BleakScanner
from bleak.args.bluez import BlueZScannerArgs
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError
from dbus_fast.errors import DBusFastError

from config.clock import Clock
from gateway.backoff import Backoff
from gateway.bluez_adverts import ad_structures, patterns
from gateway.known_beacons import KnownBeacons
from gateway.source import RSSI_UNAVAILABLE_DBM, Advert, SourceHealth

# A ring's drain: a tenth of a window late at most, and one wake-up for many adverts.
DRAIN_S: Final = 0.05
# A second of the busiest radio: bleak takes some 4,000 adverts/s beside our own work on a Pi.
RING_SIZE: Final = 4_096
# Even a small shop's radio hears something each second; one at night may not, so the patience
# doubles with each restart that changed nothing.
SILENCE_S: Final = 15.0
MAX_SILENCE_S: Final = 300.0
# Source: habluetooth, const.py: what starting and stopping take at the worst.
START_TIMEOUT_S: Final = 15.0
STOP_TIMEOUT_S: Final = 5.0
START_BACKOFF_CAP_S: Final = 60.0
# Every so many failures in a row the radio itself is reset: it takes up to half a minute.
RECOVER_EVERY: Final = 3
# BlueZ's word for "no reading", as bleak passes it on.
NO_READING_DBM: Final = -127

# What bleak lets through when bluetoothd or the bus goes away under it. ValueError: a callback
# that is no longer registered.
RADIO_ERRORS: Final = (BleakError, DBusFastError, OSError, EOFError, ValueError)

Recover = Callable[[], Awaitable[bool]]

log = logging.getLogger(__name__)


class BleakSource:
    """One adapter's scan, for ever."""

    def __init__(
        self,
        namespace: bytes,
        known: KnownBeacons,
        now_ms: Callable[[], int],
        clock: Clock,
        chance: random.Random,
        recover: Recover,
        *,
        is_passive: bool = False,
        adapter: str | None = None,
    ) -> None:
        """recover: resets the radio; whether that worked.

        is_passive: quieter on the air, but BlueZ then keeps RSSI changes under 8 dB to itself.
        """
        self._namespace = namespace
        self._known = known
        self._now_ms = now_ms
        self._clock = clock
        self._recover = recover
        self._is_passive = is_passive
        self._adapter = adapter
        self._start_backoff = Backoff(chance, first_s=1.0, cap_s=START_BACKOFF_CAP_S)
        self._ring: deque[Advert] = deque(maxlen=RING_SIZE)
        self._heard_at_s = 0.0
        self._patience_s = SILENCE_S
        self._failures_in_a_row = 0
        self.health: Final = SourceHealth(kind="bleak-passive" if is_passive else "bleak")

    async def adverts(self) -> AsyncGenerator[Advert, None]:
        """What the radio hears; scanning stops when the generator is closed."""
        while True:
            scanner = await self._started()
            if scanner is None:
                await self._clock.sleep(self._start_backoff.next_s())
                continue
            try:
                while not self._is_silent():
                    await self._clock.sleep(DRAIN_S)
                    while self._ring:
                        yield self._ring.popleft()
            finally:
                await _stop(scanner)
            await self._failed(f"no advert for {self._patience_s:.0f} s")
            self._patience_s = min(MAX_SILENCE_S, 2 * self._patience_s)

    async def _started(self) -> BleakScanner | None:
        scanner = self._scanner()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await scanner.start()
        except RADIO_ERRORS as error:
            await _stop(scanner)
            await self._failed(f"the scan does not start: {error or type(error).__name__}")
            return None
        self.health.state = "listening"
        self._heard_at_s = self._clock.monotonic_s()
        return scanner

    def _scanner(self) -> BleakScanner:
        bluez = BlueZScannerArgs()
        if self._adapter is not None:
            bluez["adapter"] = self._adapter
        if not self._is_passive:
            return BleakScanner(self._on_advert, bluez=bluez)
        bluez["or_patterns"] = patterns(self._namespace, self._known)
        return BleakScanner(self._on_advert, scanning_mode="passive", bluez=bluez)

    def _on_advert(self, device: BLEDevice, advertisement: AdvertisementData) -> None:
        # Called for each signal on the bus: a plain function, since a coroutine is a task each.
        at_ms = self._now_ms()
        self._works()
        data = ad_structures(advertisement, self._namespace, at_ms)
        if not data:
            return
        self.health.adverts += 1
        if len(self._ring) == RING_SIZE:
            self.health.discarded += 1
        rssi_dbm = advertisement.rssi
        if rssi_dbm == NO_READING_DBM:
            rssi_dbm = RSSI_UNAVAILABLE_DBM
        self._ring.append(Advert(at_ms, device.address, rssi_dbm, data))

    def _works(self) -> None:
        self._heard_at_s = self._clock.monotonic_s()
        if self._failures_in_a_row:
            log.info("radio works again", extra={"failures": self._failures_in_a_row})
            self._failures_in_a_row = 0
            self._patience_s = SILENCE_S
            self._start_backoff.reset()
            self.health.trouble = None

    def _is_silent(self) -> bool:
        return self._clock.monotonic_s() - self._heard_at_s >= self._patience_s

    async def _failed(self, why: str) -> None:
        self._failures_in_a_row += 1
        self.health.state = "waiting"
        self.health.trouble = why
        self.health.restarts += 1
        log.warning("scan begun again", extra={"why": why, "in_a_row": self._failures_in_a_row})
        if self._failures_in_a_row % RECOVER_EVERY == 0:
            self.health.recoveries += 1
            has_recovered = await self._recover()
            log.warning("radio reset", extra={"worked": has_recovered})


async def _stop(scanner: BleakScanner) -> None:
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await scanner.stop()
    except RADIO_ERRORS as error:
        # Expected when bluetoothd has gone: there is no scan left to stop.
        log.debug("scan did not stop cleanly", extra={"why": str(error)})
