"""BlueZ's view of an advert, as AD structures again; and what a passive scan is to match.

Only what `beacons.codec` reads is built: our handsets' UUIDs, manufacturer data, 16-bit service
data. Names and other people's UUIDs are left where they are.
"""

from typing import Final

from bleak.args.bluez import OrPatternLike
from bleak.assigned_numbers import AdvertisementDataType
from bleak.backends.scanner import AdvertisementData

from beacons import advert, canary, ceid
from beacons.frame import UnencodableFrame
from gateway.known_beacons import KnownBeacons

# A 16-bit UUID as 128-bit text. Source: Bluetooth Core 5.4, volume 3 part B, section 2.5.1.
BASE_UUID_END: Final = "-0000-1000-8000-00805f9b34fb"
# An extended advert, its chain joined: more than any buffer of BlueZ's.
MAX_OCTETS: Final = 1_650

_EDDYSTONE_UID: Final = b"\xaa\xfe\x00"
_EDDYSTONE_EID: Final = b"\xaa\xfe\x30"
_IBEACON: Final = b"\x4c\x00\x02\x15"
_ALTBEACON: Final = b"\xbe\xac"
_COMPANY_OCTETS: Final = 2


def ad_structures(heard: AdvertisementData, namespace: bytes, at_ms: int) -> bytes:
    """The structures we can read of what BlueZ tells; empty when there is none.

    at_ms: when it was heard, unix milliseconds.
    """
    parts = [
        advert.manufacturer(company, payload)
        for company, payload in heard.manufacturer_data.items()
    ]
    parts += [
        advert.service_data(int(uuid[4:8], 16), payload)
        for uuid, payload in heard.service_data.items()
        if uuid.startswith("0000") and uuid.endswith(BASE_UUID_END)
    ]
    handset = _handset_uuid(heard.service_uuids, namespace, at_ms)
    if handset is not None:
        parts.append(advert.service_uuid128s([handset]))
    try:
        return advert.build(parts, MAX_OCTETS)
    except UnencodableFrame:
        # A field over 252 octets: an extended advert, and none of our formats.
        return b""


def patterns(namespace: bytes, known: KnownBeacons) -> list[OrPatternLike]:
    """What a passive scan lets through: our handsets, fellow gateways and the known beacons.

    Never the flags that others match on: Android leaves them out of non-connectable adverts.
    """
    # UUIDs are little-endian on air, so the namespace, last in the text, comes first.
    found: list[OrPatternLike] = [
        (0, AdvertisementDataType.COMPLETE_LIST_SERVICE_UUID128, namespace[::-1]),
        (0, AdvertisementDataType.INCOMPLETE_LIST_SERVICE_UUID128, namespace[::-1]),
    ]
    manufacturer = AdvertisementDataType.MANUFACTURER_SPECIFIC_DATA
    found.append((0, manufacturer, _IBEACON + canary.region(namespace)))
    for uuid in sorted(known.uuids):
        found.append((0, manufacturer, _IBEACON + bytes.fromhex(uuid)))
        found.append((_COMPANY_OCTETS, manufacturer, _ALTBEACON + bytes.fromhex(uuid)))
    service_data = AdvertisementDataType.SERVICE_DATA_UUID16
    if known.eddystone_namespaces:
        found.append((0, service_data, _EDDYSTONE_UID))
    if known.any_eddystone_eid:
        found.append((0, service_data, _EDDYSTONE_EID))
    return found


def _handset_uuid(uuids: list[str], namespace: bytes, at_ms: int) -> bytes | None:
    """The one UUID of ours that the handset sends now.

    BlueZ adds each UUID that an address ever sent to its list and takes none out; a handset whose
    address outlives its identifier shows both, and the one of the window nearest to now is on air.
    """
    suffix = namespace.hex()
    ours = [bytes.fromhex(uuid.replace("-", "")) for uuid in uuids if uuid.lower().endswith(suffix)]
    if len(ours) <= 1:
        return ours[0] if ours else None
    window = ceid.window(at_ms / 1000)
    return min(ours, key=lambda uuid: _windows_apart(uuid, window))


def _windows_apart(uuid: bytes, window: int) -> int:
    # The UUID carries the low octet of its window (DESIGN section 4), so distance is modulo 256.
    ahead = (uuid[10] - window) % 256
    return min(ahead, 256 - ahead)
