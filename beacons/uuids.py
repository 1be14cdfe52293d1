"""UUIDs as 16 octets in text order, as text, and as the short forms of Bluetooth."""

import re
from typing import Final

from beacons.frame import FrameError

# Short UUIDs stand in the first four octets of this one.
# Source: Bluetooth Core Specification 5.4, Vol 3, Part B, section 2.5.1.
_BASE_TAIL: Final = bytes.fromhex("00001000800000805f9b34fb")
_TEXT: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class MalformedUuid(FrameError):
    """Text that is no UUID of the form 8-4-4-4-12."""

    def __init__(self, text: str) -> None:
        super().__init__(f"no UUID: {text[:64]!r}")


def text(uuid: bytes) -> str:
    """The lower-case 8-4-4-4-12 form of 16 octets."""
    digits = uuid.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def octets(uuid_text: str) -> bytes:
    """The 16 octets of the 8-4-4-4-12 form, either case. Raises MalformedUuid."""
    if not _TEXT.fullmatch(uuid_text):
        raise MalformedUuid(uuid_text)
    return bytes.fromhex(uuid_text.replace("-", ""))


def from_air(element: bytes) -> bytes:
    """The 16 octets of a UUID of 2, 4 or 16 octets as it stands on air, little-endian."""
    if len(element) == 16:
        return element[::-1]
    return element[::-1].rjust(4, b"\x00") + _BASE_TAIL
