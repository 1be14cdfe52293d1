"""AD structures, the units of an advert, both ways; and the plain summary of an advert.

What a structure of ours means is the business of `beacons.codec`.
Source: Bluetooth Core Specification 5.4, Vol 3, Part C, section 11; Core Specification Supplement
11, Part A.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from beacons import uuids
from beacons.frame import UnencodableFrame, check_octets, check_range

# Source: Bluetooth Assigned Numbers, section 2.3.
FLAGS: Final = 0x01
SHORTENED_NAME: Final = 0x08
COMPLETE_NAME: Final = 0x09
TX_POWER: Final = 0x0A
COMPLETE_UUID16S: Final = 0x03
INCOMPLETE_UUID128S: Final = 0x06
COMPLETE_UUID128S: Final = 0x07
SERVICE_DATA16: Final = 0x16
SERVICE_DATA128: Final = 0x21
MANUFACTURER: Final = 0xFF
# AD type -> octets of a UUID: lists (incomplete, complete) and service data.
_UUID_LISTS: Final = {0x02: 2, 0x03: 2, 0x04: 4, 0x05: 4, 0x06: 16, 0x07: 16}
_SERVICE_DATA: Final = {0x16: 2, 0x20: 4, 0x21: 16}

# What a legacy advert, or its scan response, can hold.
LEGACY_OCTETS: Final = 31
# The length octet of a structure counts its type too.
_MAX_DATA_OCTETS: Final = 254


class Structure(NamedTuple):
    """One AD structure: its type and the octets after it.

    A named tuple, for it is taken apart where it is read, several times for every advert heard.
    """

    type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """What an advert says of its sender, by the generic access profile. Absent is None or empty."""

    flags: int | None
    local_name: str | None
    service_uuids: tuple[str, ...]  # as lower-case 128-bit text
    service_data: Mapping[str, bytes]
    manufacturer_data: tuple[tuple[int, bytes], ...]  # company and payload: a company may recur
    tx_power_dbm: int | None


def structures(data: bytes) -> list[Structure]:
    """The AD structures in order; those without data octets are left out.

    Never raises. A zero where a length should stand is padding: an advert and its scan response
    are often joined with it, so one octet is skipped and the walk goes on. A structure that
    overruns the buffer ends the walk, and what came before stays.
    """
    found = []
    at, end = 0, len(data)
    while at < end:
        length = data[at]
        if length == 0:
            at += 1
            continue
        stop = at + 1 + length
        if stop > end:
            break
        if length > 1:
            found.append(Structure(data[at + 1], data[at + 2 : stop]))
        at = stop
    return found


def gap(data: bytes) -> Gap:
    """The summary of an advert. Never raises: what cannot be read is left out.

    A complete name beats a shortened one, the first shortened one the second; of other values
    that recur the last one counts, and manufacturer data and UUIDs are all kept.
    """
    flags: int | None = None
    complete: str | None = None
    shortened: str | None = None
    service_uuids: list[str] = []
    service_data: dict[str, bytes] = {}
    manufacturer_data: list[tuple[int, bytes]] = []
    tx_power_dbm: int | None = None
    for ad_type, value in structures(data):
        if ad_type == FLAGS:
            flags = value[0]
        elif ad_type == COMPLETE_NAME:
            complete = value.decode(errors="replace")
        elif ad_type == SHORTENED_NAME and shortened is None:
            shortened = value.decode(errors="replace")
        elif ad_type == TX_POWER and len(value) == 1:
            tx_power_dbm = int.from_bytes(value, signed=True)
        elif ad_type == MANUFACTURER and len(value) >= 2:
            manufacturer_data.append((int.from_bytes(value[:2], "little"), value[2:]))
        elif size := _UUID_LISTS.get(ad_type):
            service_uuids += (
                uuids.text(uuids.from_air(value[at : at + size]))
                for at in range(0, len(value) - size + 1, size)
            )
        elif (size := _SERVICE_DATA.get(ad_type)) and len(value) >= size:
            service_data[uuids.text(uuids.from_air(value[:size]))] = value[size:]
    return Gap(
        flags=flags,
        local_name=shortened if complete is None else complete,
        service_uuids=tuple(service_uuids),
        service_data=service_data,
        manufacturer_data=tuple(manufacturer_data),
        tx_power_dbm=tx_power_dbm,
    )


def build(parts: Iterable[Structure], limit_octets: int = LEGACY_OCTETS) -> bytes:
    """The octets of an advert.

    Raises UnencodableFrame when they are more than the limit, or a structure is empty or too long.
    """
    advert = bytearray()
    for ad_type, data in parts:
        check_range("AD structure", "type", ad_type, 0, 0xFF)
        check_range("AD structure", "count of data octets", len(data), 1, _MAX_DATA_OCTETS)
        advert += bytes([len(data) + 1, ad_type])
        advert += data
    if len(advert) > limit_octets:
        raise UnencodableFrame("advert", f"{len(advert)} octets, and {limit_octets} is the limit")
    return bytes(advert)


def flags(value: int) -> Structure:
    """Flags, such as 0x06: generally discoverable, no classic Bluetooth."""
    check_range("flags", "value", value, 0, 0xFF)
    return Structure(FLAGS, bytes([value]))


def name(text: str, *, is_complete: bool = True) -> Structure:
    """The local name, whole or shortened."""
    return Structure(COMPLETE_NAME if is_complete else SHORTENED_NAME, text.encode())


def tx_power(dbm: int) -> Structure:
    """The power at which the advert is sent."""
    check_range("TX power", "value", dbm, -127, 127)
    return Structure(TX_POWER, dbm.to_bytes(1, signed=True))


def service_uuid16s(values: Iterable[int]) -> Structure:
    """The complete list of 16-bit service UUIDs."""
    data = bytearray()
    for value in values:
        check_range("service UUID list", "16-bit UUID", value, 0, 0xFFFF)
        data += value.to_bytes(2, "little")
    return Structure(COMPLETE_UUID16S, bytes(data))


def service_uuid128s(values: Iterable[bytes]) -> Structure:
    """The complete list of 128-bit service UUIDs, each given as 16 octets in text order."""
    data = bytearray()
    for value in values:
        check_octets("service UUID list", "128-bit UUID", value, 16)
        data += value[::-1]
    return Structure(COMPLETE_UUID128S, bytes(data))


def service_data(uuid16: int, payload: bytes) -> Structure:
    """Service data under a 16-bit UUID."""
    check_range("service data", "16-bit UUID", uuid16, 0, 0xFFFF)
    return Structure(SERVICE_DATA16, uuid16.to_bytes(2, "little") + payload)


def manufacturer(company: int, payload: bytes) -> Structure:
    """Manufacturer data of one company."""
    check_range("manufacturer data", "company", company, 0, 0xFFFF)
    return Structure(MANUFACTURER, company.to_bytes(2, "little") + payload)
