"""AltBeacon: the open beacon frame, under any company's code."""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from beacons import advert
from beacons.frame import MalformedFrame, UnencodableFrame, check_octets, check_range

_BEACON_CODE: Final = b"\xbe\xac"
_PAYLOAD_OCTETS: Final = 24


@dataclass(frozen=True, slots=True)
class AltBeacon:
    """Who made it, who it is, and the power to compare with."""

    kind: ClassVar[Literal["altbeacon"]] = "altbeacon"

    company: int
    beacon_id: bytes  # 20
    ref_rssi_dbm: int  # what is heard one metre away
    reserved: int | None  # the maker's octet; None when the sender left it out

    @property
    def identifier(self) -> str:
        """The beacon id as 40 hex digits."""
        return self.beacon_id.hex()


def decode(company: int, payload: bytes) -> AltBeacon | None:
    """The AltBeacon in one manufacturer-data field; None when it is another kind.

    payload: the octets after the company code, 24 in a good frame; makers are known to leave out
    the last, reserved one.
    Raises MalformedFrame when the beacon code matches and the length does not.
    Source: AltBeacon Protocol Specification 1.0, "AltBeacon Protocol Fields".
    """
    if payload[:2] != _BEACON_CODE:
        return None
    if len(payload) not in (_PAYLOAD_OCTETS, _PAYLOAD_OCTETS - 1):
        raise MalformedFrame("altbeacon", f"{len(payload)} octets, not 24 or 23")
    return AltBeacon(
        company=company,
        beacon_id=payload[2:22],
        ref_rssi_dbm=int.from_bytes(payload[22:23], signed=True),
        reserved=payload[23] if len(payload) == _PAYLOAD_OCTETS else None,
    )


def encode(frame: AltBeacon) -> advert.Structure:
    """The manufacturer data of an AltBeacon. Raises UnencodableFrame.

    Stricter than `decode`: the specification wants the reserved octet, and 0 to -127 dBm.
    """
    check_octets(frame.kind, "id", frame.beacon_id, 20)
    check_range(frame.kind, "ref_rssi", frame.ref_rssi_dbm, -127, 0)
    if frame.reserved is None:
        raise UnencodableFrame(frame.kind, "mfg_reserved is missing")
    check_range(frame.kind, "mfg_reserved", frame.reserved, 0, 0xFF)
    payload = (
        _BEACON_CODE
        + frame.beacon_id
        + frame.ref_rssi_dbm.to_bytes(1, signed=True)
        + bytes([frame.reserved])
    )
    return advert.manufacturer(frame.company, payload)
