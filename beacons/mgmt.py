"""Adverts as the Linux kernel hands them up on its Bluetooth management socket."""

import struct
from dataclasses import dataclass
from typing import Final, Literal

from beacons import address
from beacons.frame import MalformedEvent

_KIND: Final = "mgmt event"
_DEVICE_FOUND: Final = 0x0012
_ADV_MONITOR_DEVICE_FOUND: Final = 0x002F
_NO_RSSI: Final = 127
_HEADER: Final = struct.Struct("<HHH")  # event, controller index, octets that follow
_HANDLE_OCTETS: Final = 2
_DEVICE: Final = struct.Struct("<6sBbIH")  # address, its type, RSSI, flags, count of data octets


@dataclass(frozen=True, slots=True)
class DeviceFound:
    """One advert, as heard by the controller with this index."""

    event: Literal["DEVICE_FOUND", "ADV_MONITOR_DEVICE_FOUND"]
    index: int
    monitor_handle: int | None  # of the monitor that matched; None outside monitors
    address: str
    address_type: int  # 1 public, 2 random
    rssi_dbm: int | None
    flags: int
    data: bytes


def decode(event: bytes) -> DeviceFound | None:
    """The advert in one event; None when it is a whole event of another kind.

    Raises MalformedEvent when it is not whole.
    Source: BlueZ, doc/mgmt-protocol.rst, "Device Found Event" and "Advertisement Monitor Device
    Found Event".
    """
    if len(event) < _HEADER.size:
        raise MalformedEvent(_KIND, len(event), f"{len(event)} octets, too few for a header")
    code, index, announced = _HEADER.unpack_from(event)
    present = len(event) - _HEADER.size
    if announced != present:
        raise MalformedEvent(_KIND, 4, f"{announced} octets are announced and {present} follow")
    if code == _DEVICE_FOUND:
        return _device(event, _HEADER.size, index, None)
    if code == _ADV_MONITOR_DEVICE_FOUND:
        at = _HEADER.size + _HANDLE_OCTETS
        return _device(event, at, index, int.from_bytes(event[_HEADER.size : at], "little"))
    return None


def _device(event: bytes, at: int, index: int, monitor_handle: int | None) -> DeviceFound:
    data_at = at + _DEVICE.size
    if data_at > len(event):
        raise MalformedEvent(_KIND, len(event), "cut before its data")
    on_air, address_type, rssi_dbm, flags, count = _DEVICE.unpack_from(event, at)
    if data_at + count != len(event):
        problem = f"{count} octets of data are announced and {len(event) - data_at} follow"
        raise MalformedEvent(_KIND, data_at - 2, problem)
    return DeviceFound(
        event="DEVICE_FOUND" if monitor_handle is None else "ADV_MONITOR_DEVICE_FOUND",
        index=index,
        monitor_handle=monitor_handle,
        address=address.text(on_air),
        address_type=address_type,
        rssi_dbm=None if rssi_dbm == _NO_RSSI else rssi_dbm,
        flags=flags,
        data=event[data_at:],
    )
