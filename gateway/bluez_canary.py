"""The canary through BlueZ: registered once, sent by the radio itself, registered again when lost.

bluetoothd forgets what was registered when it restarts or the adapter goes away, and a radio that
was reset may forget it without a word; hence the watch on both and a new registration now and then.
"""

import asyncio
import logging
import random
from typing import Annotated, Final

from dbus_fast import BusType, Message, MessageType, PropertyAccess, Variant
from dbus_fast.aio.message_bus import MessageBus
from dbus_fast.annotations import DBusSignature, DBusStr, DBusUInt32
from dbus_fast.errors import DBusFastError
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

from beacons import canary, ibeacon
from beacons.ibeacon import APPLE, IBeacon
from config.clock import Clock
from gateway.backoff import Backoff
from gateway.canary import CanaryHealth
from gateway.radio_recovery import DEFAULT_ADAPTER

BLUEZ: Final = "org.bluez"
ADVERTISEMENT: Final = "org.bluez.LEAdvertisement1"
MANAGER: Final = "org.bluez.LEAdvertisingManager1"
OUR_PATH: Final = "/corsia/canary"
BUS: Final = "org.freedesktop.DBus"
BUS_PATH: Final = "/org/freedesktop/DBus"

CALL_TIMEOUT_S: Final = 15.0
# How soon a bluetoothd that restarted has the canary again, when it comes back at once.
LOOK_EVERY_S: Final = 5.0
REFRESH_S: Final = 600.0
# An adapter that cannot advertise is asked every few minutes whether it can by now.
BACKOFF_CAP_S: Final = 300.0
# What a bus lets through that goes away while it is asked.
BUS_ERRORS: Final = (DBusFastError, OSError, EOFError)

_ManufacturerData = Annotated[dict[int, Variant], DBusSignature("a{qv}")]

log = logging.getLogger(__name__)


class RefusedError(Exception):
    """BlueZ does not advertise for us; the message says why in its words."""


class Advertisement(ServiceInterface):
    """An advertisement as BlueZ reads it. Source: BlueZ, doc/org.bluez.LEAdvertisement.rst."""

    def __init__(self, frame: IBeacon) -> None:
        super().__init__(ADVERTISEMENT)
        _, data = ibeacon.encode(frame)
        self._payload = data[2:]  # BlueZ puts the company's two octets before it
        self.is_released = False

    @dbus_method()
    def Release(self) -> None:  # noqa: N802
        """BlueZ has dropped it."""
        self.is_released = True

    @dbus_property(PropertyAccess.READ)
    def Type(self) -> DBusStr:  # noqa: N802
        """Not connectable."""
        return "broadcast"

    @dbus_property(PropertyAccess.READ)
    def ManufacturerData(self) -> _ManufacturerData:  # noqa: N802
        """The iBeacon."""
        return {APPLE: Variant("ay", self._payload)}

    @dbus_property(PropertyAccess.READ)
    def MinInterval(self) -> DBusUInt32:  # noqa: N802
        """Milliseconds; a BlueZ that does not know it sends each 1.28 s."""
        return round(canary.INTERVAL_S * 1_000)

    @dbus_property(PropertyAccess.READ)
    def MaxInterval(self) -> DBusUInt32:  # noqa: N802
        """Milliseconds."""
        return round(canary.INTERVAL_S * 1_000)


class BluezCanary:
    """One adapter's canary, for ever."""

    def __init__(
        self, frame: IBeacon, clock: Clock, chance: random.Random, adapter: str | None = None
    ) -> None:
        self._frame = frame
        self._clock = clock
        self._adapter_path = f"/org/bluez/{adapter or DEFAULT_ADAPTER}"
        self._backoff = Backoff(chance, first_s=1.0, cap_s=BACKOFF_CAP_S)
        self._is_gone = False
        self.health: Final = CanaryHealth("starting")

    async def run(self) -> None:
        """Keep the canary on air until cancelled."""
        while True:
            try:
                await self._send_until_lost()
            except RefusedError as error:
                self._note(str(error))
            except TimeoutError:  # an OSError, too
                self._note(f"BlueZ did not answer within {CALL_TIMEOUT_S:.0f} s")
            except BUS_ERRORS as error:
                self._note(f"the message bus: {str(error) or type(error).__name__}")
            else:
                continue
            self.health.restarts += 1
            await self._clock.sleep(self._backoff.next_s())

    async def _send_until_lost(self) -> None:
        """Return when it is time to register anew. Raises RefusedError, or what the bus does."""
        bus = MessageBus(bus_type=BusType.SYSTEM)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await bus.connect()
                advertisement = await self._registered(bus)
            self._note(None)
            self._backoff.reset()
            for _ in range(round(REFRESH_S / LOOK_EVERY_S)):
                await self._clock.sleep(LOOK_EVERY_S)
                if not bus.connected:
                    raise RefusedError("the message bus has gone")
                if self._is_gone:
                    raise RefusedError("bluetoothd has gone")
                if advertisement.is_released:
                    raise RefusedError("BlueZ has dropped the advertisement")
        finally:
            # BlueZ drops what was registered by a client that leaves the bus.
            bus.disconnect()

    async def _registered(self, bus: MessageBus) -> Advertisement:
        self._is_gone = False
        bus.add_message_handler(self._watch)
        rule = f"type='signal',interface='{BUS}',member='NameOwnerChanged',arg0='{BLUEZ}'"
        await _call(bus, BUS, BUS_PATH, BUS, "AddMatch", "s", rule)
        advertisement = Advertisement(self._frame)
        bus.export(OUR_PATH, advertisement)
        await _call(
            bus, BLUEZ, self._adapter_path, MANAGER, "RegisterAdvertisement", "oa{sv}",
            OUR_PATH, {},
        )  # fmt: skip
        return advertisement

    def _watch(self, message: Message) -> None:
        if message.member == "NameOwnerChanged" and message.body[0] == BLUEZ:
            self._is_gone = True

    def _note(self, trouble: str | None) -> None:
        if trouble is None and self.health.state != "sending":
            log.info("canary on air", extra={"adapter": self._adapter_path.rpartition("/")[2]})
        elif trouble is not None and trouble != self.health.trouble:
            log.warning("canary not on air: fellow gateways cannot hear this one",
                        extra={"why": trouble})  # fmt: skip
        self.health.state = "sending" if trouble is None else "waiting"
        self.health.trouble = trouble


async def _call(
    bus: MessageBus, service: str, path: str, interface: str, member: str, signature: str,
    *arguments: object,
) -> None:  # fmt: skip
    reply = await bus.call(
        Message(
            destination=service,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(arguments),
        )
    )
    if reply.message_type is MessageType.ERROR:
        raise RefusedError(_words(reply, path.rpartition("/")[2]))


def _words(reply: Message, adapter: str) -> str:
    """What an error means for the person at the Pi."""
    said = f"{reply.error_name}: {reply.body[0] if reply.body else 'no reason given'}"
    match (reply.error_name or "").rpartition(".")[2]:
        case "UnknownObject" | "UnknownMethod" | "UnknownInterface" | "NotSupported":
            return f"{adapter} is not there, or cannot advertise ({said})"
        case "ServiceUnknown" | "NameHasNoOwner":
            return f"bluetoothd is not running ({said})"
        case "NotPermitted":
            return f"{adapter} has no room for one more advertisement ({said})"
        case "AccessDenied" | "NotAuthorized":
            return f"this user may not advertise ({said})"
        case _:
            return f"BlueZ refused ({said})"
