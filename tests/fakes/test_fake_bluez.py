"""The fake bluetoothd, asked as any program on the bus would ask."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio.message_bus import MessageBus

from tests.fakes.fake_bluez import (
    ADAPTER,
    ADAPTER_PATH,
    ADVERTISING,
    DEVICE,
    OBJECTS,
    PROPERTIES,
    FakeBlueZ,
    Heard,
    private_bus,
)

PHONE = "C0:FF:EE:00:00:01"


class Client:
    """A program that asks and listens."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self.signals: list[Message] = []

    async def ask(self, interface: str, member: str, path: str = ADAPTER_PATH) -> Message:
        return await self.send(interface, member, path, "", [])

    async def send(
        self, interface: str, member: str, path: str, signature: str, body: list[Any]
    ) -> Message:
        return await self._bus.call(
            Message(
                destination="org.bluez",
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=body,
            )
        )

    def levels_dbm(self) -> list[int]:
        """The RSSI of each report so far."""
        found = []
        for signal in self.signals:
            properties = signal.body[1]
            if signal.member == "InterfacesAdded":
                properties = properties[DEVICE]
            if "RSSI" in properties:
                found.append(properties["RSSI"].value)
        return found


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with private_bus() as bus_address:
        yield bus_address


@pytest.fixture
async def fake(address: str) -> AsyncIterator[FakeBlueZ]:
    started = await FakeBlueZ.started(address)
    yield started
    await started.stop()


@pytest.fixture
async def client(address: str, fake: FakeBlueZ) -> AsyncIterator[Client]:
    bus = await MessageBus(bus_address=address).connect()
    made = Client(bus)

    def listen(message: Message) -> None:
        if message.member in {"InterfacesAdded", "PropertiesChanged"}:
            made.signals.append(message)

    bus.add_message_handler(listen)
    for interface in (OBJECTS, PROPERTIES):
        reply = await bus.call(
            Message(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
                member="AddMatch",
                signature="s",
                body=[f"type='signal',interface='{interface}'"],
            )
        )
        assert reply is not None
    yield made
    bus.disconnect()


async def test_it_shows_one_powered_adapter(client: Client) -> None:
    reply = await client.ask(OBJECTS, "GetManagedObjects", "/")

    assert reply.body[0][ADAPTER_PATH][ADAPTER]["Powered"] == Variant("b", True)


async def test_nothing_is_reported_while_nobody_scans(client: Client, fake: FakeBlueZ) -> None:
    await fake.hear(Heard(PHONE, -60))
    await client.ask(OBJECTS, "GetManagedObjects", "/")

    assert client.signals == []


async def test_a_scan_reports_every_level_also_the_same(client: Client, fake: FakeBlueZ) -> None:
    await client.ask(ADAPTER, "StartDiscovery")

    for rssi_dbm in (-60, -60, -61):
        await fake.hear(Heard(PHONE, rssi_dbm))
    await client.ask(OBJECTS, "GetManagedObjects", "/")

    assert client.levels_dbm() == [-60, -60, -61]


async def test_uuids_that_were_ever_heard_stay(client: Client, fake: FakeBlueZ) -> None:
    await client.ask(ADAPTER, "StartDiscovery")
    first, second = (f"{n:032x}" for n in (1, 2))

    await fake.hear(Heard(PHONE, -60, service_uuids=[first]))
    await fake.hear(Heard(PHONE, -60, service_uuids=[second]))
    await client.ask(OBJECTS, "GetManagedObjects", "/")

    assert client.signals[-1].body[1]["UUIDs"].value == [first, second]


async def test_a_second_scan_of_the_same_program_is_in_progress(client: Client) -> None:
    first = await client.ask(ADAPTER, "StartDiscovery")
    second = await client.ask(ADAPTER, "StartDiscovery")

    assert first.message_type is MessageType.METHOD_RETURN
    assert second.error_name == "org.bluez.Error.InProgress"


async def test_stopping_what_was_not_started_fails(client: Client) -> None:
    reply = await client.ask(ADAPTER, "StopDiscovery")

    assert reply.error_name == "org.bluez.Error.Failed"


async def test_it_refuses_as_often_as_told(client: Client, fake: FakeBlueZ) -> None:
    fake.refusals = ["NotReady"]

    first = await client.ask(ADAPTER, "StartDiscovery")
    second = await client.ask(ADAPTER, "StartDiscovery")

    assert first.error_name == "org.bluez.Error.NotReady"
    assert second.error_name is None


async def test_an_advertisement_without_its_object_is_refused(
    client: Client, fake: FakeBlueZ
) -> None:
    reply = await client.send(
        ADVERTISING, "RegisterAdvertisement", ADAPTER_PATH, "oa{sv}", ["/nothing", {}]
    )

    assert reply.error_name == "org.bluez.Error.Failed"
    assert fake.advertised == {}
