"""Resolvable private addresses: does this address belong to this identity key?"""

import hmac
from typing import Final

from beacons import address as addresses
from beacons import aes

_RESOLVABLE: Final = 0b01


def resolves(irk: bytes, address: str) -> bool:
    """Whether the address was made with the identity resolving key.

    irk: 16 octets, most significant first.
    Raises MalformedAddress; ValueError when the key has another size.
    Source: Bluetooth Core Specification 5.4, Vol 3, Part H, section 2.2.2; Vol 6, Part B, 1.3.2.
    """
    octets = addresses.octets(address)
    prand, hash_heard = octets[:3], octets[3:]
    hash_made = aes.encrypt_blocks(irk, bytes(13) + prand)[13:]
    return octets[0] >> 6 == _RESOLVABLE and hmac.compare_digest(hash_made, hash_heard)
