"""One line of hex to one JSON object: the core of `corsia gateway decode`.

A line is an advert, an HCI event packet or a management event, as a sniffer or a log shows it.
"""

from typing import Final, Literal, assert_never

from beacons import advert, codec, fields, hci, mgmt
from beacons.frame import MalformedEvent

Level = Literal["ad", "hci", "mgmt"]

_HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")


def decode_line(line: str, level: Level) -> dict[str, object]:
    """What the octets say: for an advert its frames and summary; else the reports of the event.

    Case, white space and a leading 0x do not matter. Never raises: a line that is no hex, or an
    event that is not whole, gives `{"error": "a sentence"}`.
    """
    try:
        octets = _octets(line)
        match level:
            case "ad":
                return _advert(octets)
            case "hci":
                return {"reports": [_report(report) for report in hci.decode(octets)]}
            case "mgmt":
                return _mgmt_event(mgmt.decode(octets))
            case _:
                assert_never(level)
    except (_NoHex, MalformedEvent) as e:
        return {"error": f"{e}."}


class _NoHex(Exception):
    """A line that is no hex; the message says where."""


def _octets(line: str) -> bytes:
    start = len(line) - len(line.lstrip())
    if line[start : start + 2] in ("0x", "0X"):
        start += 2
    for at in range(start, len(line)):
        if line[at] not in _HEX_DIGITS and not line[at].isspace():
            raise _NoHex(f"No hex: {line[at]!r} at character {at + 1} of the line")
    digits = "".join(line[start:].split())
    if len(digits) % 2:
        raise _NoHex(f"No hex: {len(digits)} digits, an odd number, so the last octet is cut")
    return bytes.fromhex(digits)


def _advert(octets: bytes) -> dict[str, object]:
    summary = advert.gap(octets)
    return {
        "frames": [fields.of(frame) for frame in codec.decode(octets)],
        "gap": {
            "flags": summary.flags,
            "local_name": summary.local_name,
            "service_uuids": list(summary.service_uuids),
            "service_data": {uuid: data.hex() for uuid, data in summary.service_data.items()},
            "manufacturer_data": [
                [company, payload.hex()] for company, payload in summary.manufacturer_data
            ],
            "tx_power": summary.tx_power_dbm,
        },
    }


def _report(report: hci.Report) -> dict[str, object]:
    return {
        "event_type": report.event_type,
        "address_type": report.address_type,
        "address": report.address,
        "ad_hex": report.data.hex(),
        "rssi": report.rssi_dbm,
    }


def _mgmt_event(found: mgmt.DeviceFound | None) -> dict[str, object]:
    if found is None:
        return {"event": None}
    event: dict[str, object] = {
        "event": found.event,
        "index": found.index,
        "address": found.address,
        "address_type": found.address_type,
        "rssi": found.rssi_dbm,
        "flags": found.flags,
        "ad_hex": found.data.hex(),
    }
    if found.monitor_handle is not None:
        event["monitor_handle"] = found.monitor_handle
    return event
