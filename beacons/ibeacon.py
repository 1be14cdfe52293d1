"""iBeacon: the frame of Apple's beacons, and of the beacon that our gateways transmit."""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from beacons import advert
from beacons.frame import MalformedFrame, check_octets, check_range

APPLE: Final = 0x004C
_TYPE_AND_LENGTH: Final = b"\x02\x15"
_PAYLOAD_OCTETS: Final = 23


@dataclass(frozen=True, slots=True)
class IBeacon:
    """A region's UUID, two numbers within it, and the power to compare with."""

    kind: ClassVar[Literal["ibeacon"]] = "ibeacon"

    uuid: bytes  # 16, in text order
    major: int
    minor: int
    tx_power_1m_dbm: int  # what a phone hears one metre away

    @property
    def identifier(self) -> str:
        """UUID, major and minor as 40 hex digits."""
        return f"{self.uuid.hex()}{self.major:04x}{self.minor:04x}"


def decode(company: int, payload: bytes) -> IBeacon | None:
    """The iBeacon in one manufacturer-data field; None when it is another kind.

    payload: the octets after the company code, 23 in a good frame.
    Raises MalformedFrame when the type octets match and the length does not.
    Source: Apple, Proximity Beacon Specification R1, section 2.
    """
    if company != APPLE or payload[:2] != _TYPE_AND_LENGTH:
        return None
    if len(payload) != _PAYLOAD_OCTETS:
        raise MalformedFrame("ibeacon", f"{len(payload)} octets, not {_PAYLOAD_OCTETS}")
    return IBeacon(
        uuid=payload[2:18],
        major=payload[18] << 8 | payload[19],
        minor=payload[20] << 8 | payload[21],
        tx_power_1m_dbm=int.from_bytes(payload[22:], signed=True),
    )


def encode(frame: IBeacon) -> advert.Structure:
    """The manufacturer data of an iBeacon. Raises UnencodableFrame."""
    check_octets(frame.kind, "uuid", frame.uuid, 16)
    check_range(frame.kind, "major", frame.major, 0, 0xFFFF)
    check_range(frame.kind, "minor", frame.minor, 0, 0xFFFF)
    check_range(frame.kind, "tx_power_1m", frame.tx_power_1m_dbm, -128, 127)
    payload = (
        _TYPE_AND_LENGTH
        + frame.uuid
        + frame.major.to_bytes(2)
        + frame.minor.to_bytes(2)
        + frame.tx_power_1m_dbm.to_bytes(1, signed=True)
    )
    return advert.manufacturer(APPLE, payload)
