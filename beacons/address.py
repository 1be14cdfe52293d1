"""Bluetooth device addresses: octets on air, and text."""

import re
from typing import Final

from beacons.frame import FrameError

# Six octets in hex; between two of them one of the separators that tools and paths use, or none.
_TEXT: Final = re.compile(r"[0-9a-f]{2}([-:._ ]?[0-9a-f]{2}){5}", re.IGNORECASE)
_SEPARATORS: Final = re.compile(r"[-:._ ]")


class MalformedAddress(FrameError):
    """Text that is no device address. The text itself is left out: it may name a person's phone."""

    def __init__(self, length: int) -> None:
        super().__init__(f"no device address in these {length} characters: six octets are needed")


def text(on_air: bytes) -> str:
    """Lower-case text, most significant octet first, of six octets in the order of the air."""
    return on_air[::-1].hex(":")


def octets(address: str) -> bytes:
    """The six octets, most significant first; case and separator do not matter.

    Raises MalformedAddress.
    """
    if not _TEXT.fullmatch(address):
        raise MalformedAddress(len(address))
    return bytes.fromhex(_SEPARATORS.sub("", address))
