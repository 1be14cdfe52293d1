"""Link-layer advertising PDUs, as a sniffer records them: header, address, AD structures."""

from dataclasses import dataclass
from typing import Final

from beacons import address
from beacons.frame import MalformedEvent

_KIND: Final = "advertising PDU"
_DIRECTED: Final = 0x1
# PDU types that announce a device. The others ask for something (SCAN_REQ, CONNECT_IND) or
# belong to extended advertising.
_NAMES: Final = {
    0x0: "ADV_IND",
    _DIRECTED: "ADV_DIRECT_IND",
    0x2: "ADV_NONCONN_IND",
    0x4: "SCAN_RSP",
    0x6: "ADV_SCAN_IND",
}
_TX_RANDOM: Final = 0x40
_RX_RANDOM: Final = 0x80


@dataclass(frozen=True, slots=True)
class Pdu:
    """An advert on the link layer, meant for everybody or, when directed, for one address."""

    pdu_type: str
    tx_add_random: bool
    adv_address: str
    data: bytes | None  # None when directed
    rx_add_random: bool | None  # these two only when directed
    target_address: str | None


def decode(packet: bytes) -> Pdu:
    """The advert in one PDU, given from its header on and without the CRC.

    Raises MalformedEvent when it is not whole or announces no device.
    Source: Bluetooth Core Specification 5.4, Vol 6, Part B, section 2.3.
    """
    if len(packet) < 2:
        raise MalformedEvent(_KIND, len(packet), f"{len(packet)} octets, too few for a header")
    pdu_type = packet[0] & 0x0F
    if pdu_type not in _NAMES:
        raise MalformedEvent(_KIND, 0, f"type {pdu_type} announces no device")
    body = packet[2:]
    if packet[1] != len(body):
        raise MalformedEvent(_KIND, 1, f"{packet[1]} octets are announced and {len(body)} follow")
    is_directed = pdu_type == _DIRECTED
    if len(body) < 6 or (is_directed and len(body) != 12):
        raise MalformedEvent(_KIND, 2, f"{len(body)} octets do not fit {_NAMES[pdu_type]}")
    return Pdu(
        pdu_type=_NAMES[pdu_type],
        tx_add_random=bool(packet[0] & _TX_RANDOM),
        adv_address=address.text(body[:6]),
        data=None if is_directed else body[6:],
        rx_add_random=bool(packet[0] & _RX_RANDOM) if is_directed else None,
        target_address=address.text(body[6:]) if is_directed else None,
    )
