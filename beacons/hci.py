"""LE advertising reports as a Bluetooth controller hands them up, in an HCI event packet."""

from dataclasses import dataclass
from typing import Final

from beacons import address
from beacons.frame import MalformedEvent

_KIND: Final = "HCI event"
_EVENT_PACKET: Final = 0x04
_LE_META: Final = 0x3E
_ADVERTISING_REPORT: Final = 0x02
_NO_RSSI: Final = 127
# A report before its data: event type, address type, address and count of data octets.
_HEAD_OCTETS: Final = 9
_MAX_REPORTS: Final = 0x19


@dataclass(frozen=True, slots=True)
class Report:
    """One advert, or scan response, as the controller heard it."""

    event_type: int  # 0 connectable .. 3 not connectable, 4 a scan response
    address_type: int  # 0 public, 1 random
    address: str
    data: bytes
    rssi_dbm: int | None


def decode(packet: bytes) -> tuple[Report, ...]:
    """All reports of one event packet; none when it is a whole event of another kind.

    packet: from the packet type, 0x04, on.
    Raises MalformedEvent when it is no event packet or is not whole.
    Source: Bluetooth Core Specification 5.4, Vol 4, Part E, section 7.7.65.2.
    """
    if len(packet) < 3:
        raise MalformedEvent(_KIND, len(packet), f"{len(packet)} octets, too few for a header")
    if packet[0] != _EVENT_PACKET:
        raise MalformedEvent(_KIND, 0, f"packet type 0x{packet[0]:02x} is not 0x04, an event")
    announced, present = packet[2], len(packet) - 3
    if announced != present:
        raise MalformedEvent(_KIND, 2, f"{announced} octets are announced and {present} follow")
    if packet[1] != _LE_META or packet[3:4] != bytes([_ADVERTISING_REPORT]):
        return ()
    if present < 2 or not 1 <= packet[4] <= _MAX_REPORTS:
        raise MalformedEvent(_KIND, 4, f"the count of reports is not 1..{_MAX_REPORTS}")
    reports = []
    at = 5
    for number in range(1, packet[4] + 1):
        report, at = _report(packet, at, number)
        reports.append(report)
    if at != len(packet):
        raise MalformedEvent(_KIND, at, f"{len(packet) - at} octets after the last report")
    return tuple(reports)


def _report(packet: bytes, at: int, number: int) -> tuple[Report, int]:
    data_at = at + _HEAD_OCTETS
    if data_at > len(packet):
        raise MalformedEvent(_KIND, at, f"report {number} is cut")
    rssi_at = data_at + packet[data_at - 1]
    if rssi_at >= len(packet):
        raise MalformedEvent(_KIND, data_at - 1, f"the data of report {number} overrun the event")
    rssi_dbm = int.from_bytes(packet[rssi_at : rssi_at + 1], signed=True)
    report = Report(
        event_type=packet[at],
        address_type=packet[at + 1],
        address=address.text(packet[at + 2 : at + 8]),
        data=packet[data_at:rssi_at],
        rssi_dbm=None if rssi_dbm == _NO_RSSI else rssi_dbm,
    )
    return report, rssi_at + 1
