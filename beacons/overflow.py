"""The overflow area of a backgrounded iPhone: a mask with one bit per service UUID it offers.

A hint and no identity: one UUID in 128 shares a bit. Apple does not document it; the layout and
the hash are DESIGN section 4, found from published captures of 2014 to 2021.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from beacons import advert
from beacons.frame import MalformedFrame, check_octets, check_range
from beacons.ibeacon import APPLE

_TYPE: Final = 0x01
_MASK_OCTETS: Final = 16
_CRC_POLYNOMIAL: Final = 0x09
_CRC_INITIAL: Final = 0x15


@dataclass(frozen=True, slots=True)
class AppleOverflow:
    """The mask as heard; position p is octet p // 8, bit 0x80 >> p % 8."""

    kind: ClassVar[Literal["apple_overflow"]] = "apple_overflow"

    mask: bytes  # 16

    @property
    def positions(self) -> tuple[int, ...]:
        """The positions of the set bits, ascending."""
        return tuple(p for p in range(128) if self.mask[p // 8] & 0x80 >> p % 8)


def decode(company: int, payload: bytes) -> AppleOverflow | None:
    """The overflow area in one manufacturer-data field; None when it is another kind.

    payload: the octets after the company code, 17 in a good frame.
    Raises MalformedFrame when Apple's type octet matches and the length does not.
    """
    if company != APPLE or not payload or payload[0] != _TYPE:
        return None
    if len(payload) != 1 + _MASK_OCTETS:
        raise MalformedFrame("apple_overflow", f"{len(payload)} octets, not {1 + _MASK_OCTETS}")
    return AppleOverflow(payload[1:])


def encode(frame: AppleOverflow) -> advert.Structure:
    """The manufacturer data of an overflow area. Raises UnencodableFrame."""
    check_octets(frame.kind, "mask", frame.mask, _MASK_OCTETS)
    return advert.manufacturer(APPLE, bytes([_TYPE]) + frame.mask)


def position(service_uuid: bytes) -> int:
    """The bit, 0 to 127, that a service UUID of 16 octets in text order sets.

    CRC-8, most significant bit first, of which seven bits count.
    """
    check_octets("apple_overflow", "service UUID", service_uuid, 16)
    crc = _CRC_INITIAL
    for octet in service_uuid:
        crc = _CRC_TABLE[crc ^ octet]
    return crc & 0x7F


def mask(positions: Iterable[int]) -> bytes:
    """The 16 octets with these bits set."""
    octets = bytearray(_MASK_OCTETS)
    for p in positions:
        check_range("apple_overflow", "position", p, 0, 127)
        octets[p // 8] |= 0x80 >> p % 8
    return bytes(octets)


def _crc_of(octet: int) -> int:
    crc = octet
    for _ in range(8):
        crc = (crc << 1 ^ _CRC_POLYNOMIAL if crc & 0x80 else crc << 1) & 0xFF
    return crc


_CRC_TABLE: Final = bytes(_crc_of(octet) for octet in range(256))
