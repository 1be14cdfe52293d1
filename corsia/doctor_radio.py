"""Whether this machine could be a gateway: D-Bus, BlueZ and an adapter that is switched on.

Only ever a warning: a server needs no radio.
"""

import asyncio
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from corsia.findings import Finding, ok, warn

DEFAULT_BUS: Final = "unix:path=/run/dbus/system_bus_socket"
ANSWER_S: Final = 3.0
ADAPTER: Final = "org.bluez.Adapter1"


async def radio(hci_dir: Path, environment: Mapping[str, str]) -> Finding:
    """The Bluetooth adapters as BlueZ knows them. hci_dir: where the kernel lists its own."""
    name = "bluetooth"
    if importlib.util.find_spec("dbus_fast") is None:
        return warn(name, "not looked at", "pip install 'corsia[gateway]'")
    from dbus_fast.errors import DBusFastError

    address = environment.get("DBUS_SYSTEM_BUS_ADDRESS") or DEFAULT_BUS
    try:
        async with asyncio.timeout(ANSWER_S):
            adapters = await _adapters(address)
    except (OSError, DBusFastError, EOFError) as error:
        what = f"the system's D-Bus does not answer ({type(error).__name__})"
        return warn(name, what, "apt install dbus, and start it")
    if adapters is None:
        return warn(name, "BlueZ is not on the D-Bus", "apt install bluez, and start bluetooth")
    if not adapters:
        kernel = sorted(path.name for path in hci_dir.glob("hci*"))
        if kernel:
            what = f"BlueZ has no adapter, the kernel has {', '.join(kernel)}"
            return warn(name, what, "systemctl restart bluetooth")
        return warn(name, "there is no adapter", "plug one in, or check dtoverlay=disable-bt")
    if not any(adapters.values()):
        what = f"{', '.join(adapters)} is switched off"
        return warn(name, what, "rfkill unblock bluetooth; bluetoothctl power on")
    on = ", ".join(adapter for adapter, is_powered in adapters.items() if is_powered)
    return ok(name, f"{on} is switched on")


async def _adapters(address: str) -> dict[str, bool] | None:
    """Each adapter and whether it is switched on; None when BlueZ is not there."""
    from dbus_fast import Message, MessageType
    from dbus_fast.aio import MessageBus

    bus = await MessageBus(bus_address=address).connect()
    try:
        answer = await bus.call(
            Message(
                destination="org.bluez",
                path="/",
                interface="org.freedesktop.DBus.ObjectManager",
                member="GetManagedObjects",
            )
        )
    finally:
        bus.disconnect()
    if answer is None or answer.message_type is not MessageType.METHOD_RETURN:
        return None
    objects: Mapping[str, Any] = answer.body[0]
    return {
        path.rpartition("/")[2]: bool(interfaces[ADAPTER]["Powered"].value)
        for path, interfaces in sorted(objects.items())
        if ADAPTER in interfaces
    }
