"""A stand-in for bluetoothd on a private message bus, as far as a scanner or a beacon can see it.

Speaks ObjectManager, Adapter1, Device1 and AdvertisementMonitorManager1, with bluetoothd's rules of
what is reported: an RSSI that moved less than 8 dB only to a filtered discovery, and UUIDs that an
address once sent stay in its list. Speaks LEAdvertisingManager1 for one advertisement at a time.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from dbus_fast import Message, MessageType, RequestNameReply, Variant
from dbus_fast.aio.message_bus import MessageBus

ADAPTER_PATH: Final = "/org/bluez/hci0"
ADAPTER: Final = "org.bluez.Adapter1"
DEVICE: Final = "org.bluez.Device1"
MONITOR: Final = "org.bluez.AdvertisementMonitor1"
MONITORS: Final = "org.bluez.AdvertisementMonitorManager1"
ADVERTISEMENT: Final = "org.bluez.LEAdvertisement1"
ADVERTISING: Final = "org.bluez.LEAdvertisingManager1"
OBJECTS: Final = "org.freedesktop.DBus.ObjectManager"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"
BUS: Final = "org.freedesktop.DBus"
BUS_PATH: Final = "/org/freedesktop/DBus"
# Source: BlueZ, src/device.c, RSSI_THRESHOLD.
RSSI_THRESHOLD_DB: Final = 8
# dbus-fast's writer fails once the socket's buffer is full.
SIGNALS_BETWEEN_DRAINS: Final = 50

BUS_CONFIG: Final = """<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
</busconfig>
"""


@contextlib.asynccontextmanager
async def private_bus() -> AsyncIterator[str]:
    """The address of a message bus of our own: no root, no system bus, no systemd."""
    with tempfile.TemporaryDirectory(prefix="bus-") as folder:
        config = Path(folder) / "bus.conf"
        config.write_text(BUS_CONFIG.format(socket=Path(folder) / "socket"))
        daemon = await asyncio.create_subprocess_exec(
            "dbus-daemon",
            f"--config-file={config}",
            "--nofork",
            "--nopidfile",
            "--print-address=1",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert daemon.stdout is not None
        address = (await daemon.stdout.readline()).decode().strip()
        try:
            yield address
        finally:
            daemon.terminate()
            await daemon.wait()


@dataclass
class Heard:
    """What the fake's radio hears of one device."""

    address: str
    rssi_dbm: int
    manufacturer_data: dict[int, bytes] = field(default_factory=dict)
    service_data: dict[str, bytes] = field(default_factory=dict)  # by 128-bit UUID text
    service_uuids: list[str] = field(default_factory=list)

    def structures(self) -> Iterator[tuple[int, bytes]]:
        """AD type and octets, as monitors match them."""
        for company, payload in self.manufacturer_data.items():
            yield 0xFF, company.to_bytes(2, "little") + payload
        for uuid, payload in self.service_data.items():
            yield 0x16, bytes.fromhex(uuid[4:8])[::-1] + payload
        if self.service_uuids:
            yield (
                0x07,
                b"".join(bytes.fromhex(u.replace("-", ""))[::-1] for u in self.service_uuids),
            )

    def properties(self) -> dict[str, Variant]:
        """The Device1 properties that an advert sets."""
        found = {"RSSI": Variant("n", self.rssi_dbm)}
        if self.manufacturer_data:
            by_company = {k: Variant("ay", v) for k, v in self.manufacturer_data.items()}
            found["ManufacturerData"] = Variant("a{qv}", by_company)
        if self.service_data:
            by_uuid = {k: Variant("ay", v) for k, v in self.service_data.items()}
            found["ServiceData"] = Variant("a{sv}", by_uuid)
        return found


@dataclass
class Monitor:
    """One registered advertisement monitor."""

    patterns: list[tuple[int, int, bytes]] = field(default_factory=list)

    def matches(self, heard: Heard) -> bool:
        """Whether any pattern is in the advert."""
        return any(
            ad_type == wanted_type and octets[start : start + len(wanted)] == wanted
            for ad_type, octets in heard.structures()
            for start, wanted_type, wanted in self.patterns
        )


class FakeBlueZ:
    """org.bluez with one adapter, hci0."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._undrained = 0
        self._activations: set[asyncio.Task[None]] = set()
        self.discovering: set[str] = set()  # bus names
        self.filters: dict[str, dict[str, Any]] = {}
        self.monitors: dict[tuple[str, str], Monitor] = {}  # by bus name and root path
        self.devices: dict[str, dict[str, Variant]] = {}
        self.refusals: list[str] = []  # error names for the next StartDiscovery calls
        # What is advertised: the properties of the object, by bus name and path.
        self.advertised: dict[tuple[str, str], dict[str, Any]] = {}
        self.registrations = 0
        self.advertising_refusals: list[str] = []  # for the next RegisterAdvertisement calls

    @classmethod
    async def started(cls, bus_address: str) -> Self:
        """The service, owning its name."""
        bus = await MessageBus(bus_address=bus_address).connect()
        fake = cls(bus)
        bus.add_message_handler(fake._answer)
        assert await bus.request_name("org.bluez") is RequestNameReply.PRIMARY_OWNER
        for rule in (
            f"type='signal',interface='{OBJECTS}',member='InterfacesAdded'",
            f"type='signal',interface='{BUS}',member='NameOwnerChanged'",
        ):
            await fake._ask_bus("AddMatch", "s", [rule])
        return fake

    async def stop(self) -> None:
        """As when bluetoothd dies: the name is gone, and nobody is told why."""
        for activation in self._activations:
            activation.cancel()
        self._bus.disconnect()
        await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    async def hear(self, heard: Heard) -> None:
        """Report an advert by bluetoothd's rules, to whoever scans or monitors."""
        is_filtered = bool(self.discovering)
        if not is_filtered and not any(m.matches(heard) for m in self.monitors.values()):
            return
        path = f"{ADAPTER_PATH}/dev_{heard.address.replace(':', '_')}"
        known = self.devices.get(path)
        if known is None:
            self.devices[path] = self._device(heard)
            added = [path, {DEVICE: self.devices[path]}]
            await self._signal("/", OBJECTS, "InterfacesAdded", "oa{sa{sv}}", added)
            return
        changed = {k: v for k, v in heard.properties().items() if known.get(k) != v}
        uuids = known["UUIDs"].value
        if new := [uuid for uuid in heard.service_uuids if uuid not in uuids]:
            changed["UUIDs"] = Variant("as", uuids + new)
        if is_filtered:
            changed["RSSI"] = Variant("n", heard.rssi_dbm)  # also when it is the same
        elif abs(known["RSSI"].value - heard.rssi_dbm) < RSSI_THRESHOLD_DB:
            changed.pop("RSSI", None)
        if changed:
            known.update(changed)
            await self._signal(
                path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [DEVICE, changed, []]
            )

    async def release(self) -> None:
        """Drop what is advertised and say so, as when an adapter is unplugged."""
        for sender, path in tuple(self.advertised):
            del self.advertised[sender, path]
            await self._bus.call(
                Message(destination=sender, path=path, interface=ADVERTISEMENT, member="Release")
            )

    async def drain(self) -> None:
        """Everything sent so far is with the bus."""
        await self._ask_bus("GetId", "", [])
        self._undrained = 0

    def _answer(self, message: Message) -> Message | bool | None:
        if message.message_type is MessageType.SIGNAL:
            self._note(message)
            return None
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        if (message.interface, message.member) == (OBJECTS, "GetManagedObjects"):
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [self._objects()])
        if message.path != ADAPTER_PATH or message.sender is None:
            return None
        if message.interface == ADVERTISING and message.member == "RegisterAdvertisement":
            reading = asyncio.ensure_future(self._advertise(message, message.sender))
            self._activations.add(reading)
            reading.add_done_callback(self._activations.discard)
            return True
        error = self._done(message.sender, message.member or "", message.body)
        if error is not None:
            return Message.new_error(message, f"org.bluez.Error.{error}", error)
        return Message.new_method_return(message)

    def _done(self, sender: str, method: str, body: list[Any]) -> str | None:
        """Do what an adapter's method asks; the error's name when it cannot be done."""
        match method:
            case "SetDiscoveryFilter":
                self.filters[sender] = {key: value.value for key, value in body[0].items()}
            case "StartDiscovery":
                if self.refusals:
                    return self.refusals.pop(0)
                if sender in self.discovering:
                    return "InProgress"
                self.discovering.add(sender)
            case "StopDiscovery":
                if sender not in self.discovering:
                    return "Failed"
                self.discovering.remove(sender)
            case "UnregisterAdvertisement":
                if self.advertised.pop((sender, body[0]), None) is None:
                    return "DoesNotExist"
            case "RegisterMonitor":
                self.monitors[sender, body[0]] = Monitor()
            case "UnregisterMonitor":
                if self.monitors.pop((sender, body[0]), None) is None:
                    return "DoesNotExist"
            case _:
                return "NotSupported"
        return None

    async def _advertise(self, message: Message, sender: str) -> None:
        """Read the client's object, as bluetoothd does before it answers."""
        self.registrations += 1
        path = message.body[0]
        error = self.advertising_refusals.pop(0) if self.advertising_refusals else None
        if error is None and (sender, path) in self.advertised:
            error = "AlreadyExists"
        elif error is None and self.advertised:
            error = "NotPermitted"
        if error is None:
            reply = await self._bus.call(
                Message(
                    destination=sender, path=path, interface=PROPERTIES, member="GetAll",
                    signature="s", body=[ADVERTISEMENT],
                )
            )  # fmt: skip
            read = {} if reply.message_type is MessageType.ERROR else reply.body[0]
            if "Type" in read:
                self.advertised[sender, path] = {name: one.value for name, one in read.items()}
            else:
                error = "Failed"
        if error is not None:
            await self._bus.send(Message.new_error(message, f"org.bluez.Error.{error}", error))
        else:
            await self._bus.send(Message.new_method_return(message))

    def _note(self, message: Message) -> None:
        if message.member == "InterfacesAdded" and MONITOR in message.body[1]:
            path, interfaces = message.body
            for (sender, root), monitor in self.monitors.items():
                if sender == message.sender and path.startswith(root):
                    monitor.patterns = [
                        (start, ad_type, bytes(octets))
                        for start, ad_type, octets in interfaces[MONITOR]["Patterns"].value
                    ]
                    activation = asyncio.ensure_future(self._activate(sender, path))
                    self._activations.add(activation)
                    activation.add_done_callback(self._activations.discard)
        elif message.member == "NameOwnerChanged" and not message.body[2]:
            gone = message.body[0]
            self.discovering.discard(gone)
            self.monitors = {k: v for k, v in self.monitors.items() if k[0] != gone}
            self.advertised = {k: v for k, v in self.advertised.items() if k[0] != gone}

    async def _activate(self, sender: str, path: str) -> None:
        await self._bus.call(
            Message(destination=sender, path=path, interface=MONITOR, member="Activate")
        )

    def _objects(self) -> dict[str, dict[str, dict[str, Variant]]]:
        adapter = {
            "Address": Variant("s", "00:00:00:00:00:01"),
            "Name": Variant("s", "fake"),
            "Alias": Variant("s", "fake"),
            "Powered": Variant("b", True),
            "Discovering": Variant("b", bool(self.discovering)),
            "Roles": Variant("as", ["central", "peripheral"]),
            "UUIDs": Variant("as", []),
        }
        monitors = {
            "SupportedMonitorTypes": Variant("as", ["or_patterns"]),
            "SupportedFeatures": Variant("as", []),
        }
        devices = {path: {DEVICE: properties} for path, properties in self.devices.items()}
        return {ADAPTER_PATH: {ADAPTER: adapter, MONITORS: monitors}, **devices}

    def _device(self, heard: Heard) -> dict[str, Variant]:
        return {
            "Address": Variant("s", heard.address),
            "AddressType": Variant("s", "random"),
            "Alias": Variant("s", heard.address.replace(":", "-")),
            "Adapter": Variant("o", ADAPTER_PATH),
            "Paired": Variant("b", False),
            "Connected": Variant("b", False),
            "Trusted": Variant("b", False),
            "Blocked": Variant("b", False),
            "ServicesResolved": Variant("b", False),
            "LegacyPairing": Variant("b", False),
            "UUIDs": Variant("as", heard.service_uuids),
            **heard.properties(),
        }

    async def _signal(
        self, path: str, interface: str, member: str, signature: str, body: list[Any]
    ) -> None:
        await self._bus.send(Message.new_signal(path, interface, member, signature, body))
        self._undrained += 1
        if self._undrained >= SIGNALS_BETWEEN_DRAINS:
            await self.drain()

    async def _ask_bus(self, member: str, signature: str, body: list[Any]) -> None:
        await self._bus.call(
            Message(
                destination=BUS,
                path=BUS_PATH,
                interface=BUS,
                member=member,
                signature=signature,
                body=body,
            )
        )
