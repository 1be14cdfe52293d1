"""CEID v1: the rotating identifier of a handset, as DESIGN section 4 fixes it.

The key of a device stays with the backend and the device; a gateway needs the operator's
namespace only, and hears identifiers that mean nothing to it.
"""

import hmac
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar, Final, Literal

from beacons import advert, aes
from beacons.frame import UnencodableFrame, check_octets, check_range

WINDOW_S: Final = 900
VERSION: Final = 1

_WINDOWS_A_DAY: Final = 96
_EID_OCTETS: Final = 10
_NAMESPACE_OCTETS: Final = 4
_SECRET_OCTETS: Final = 32
_DAY_LABEL: Final = b"corsia/eid/v1/day"
_EID_LABEL: Final = b"CRSA"


@dataclass(frozen=True, slots=True)
class Ceid:
    """A rotating identifier as heard."""

    kind: ClassVar[Literal["ceid"]] = "ceid"

    eid: bytes  # 10
    window_low: int  # the low octet of the window in which the handset believes to be
    version: int
    device_class: int

    @property
    def identifier(self) -> str:
        """EID, low octet of the window, version and class as 24 hex digits."""
        return f"{self.eid.hex()}{self.window_low:02x}{self.version:x}{self.device_class:x}"


def window(unix_s: float) -> int:
    """The number of the 900 s window of an instant."""
    return math.floor(unix_s / WINDOW_S)


def day_key(secret: bytes, tenant: str, day: int) -> bytes:
    """The 16-octet key of one device for one day (window // 96).

    secret: 32 octets. Raises UnencodableFrame for another length or a day outside 32 bits.
    """
    check_octets("ceid", "secret", secret, _SECRET_OCTETS)
    check_range("ceid", "day", day, 0, 0xFFFFFFFF)
    message = _DAY_LABEL + day.to_bytes(4) + tenant.encode()
    return hmac.digest(secret, message, "sha256")[:16]


def eid(day_key: bytes, window: int) -> bytes:
    """The 10-octet identifier of one window, from the key of that window's day."""
    return aes.encrypt_blocks(day_key, _block(window))[:_EID_OCTETS]


def eids(secret: bytes, tenant: str, windows: Iterable[int]) -> list[bytes]:
    """The identifiers of these windows, in their order; one key derivation for each day's run."""
    found: list[bytes] = []
    for day, of_day in groupby(windows, key=lambda w: w // _WINDOWS_A_DAY):
        blocks = b"".join(map(_block, of_day))
        encrypted = aes.encrypt_blocks(day_key(secret, tenant, day), blocks)
        found += (
            encrypted[at : at + _EID_OCTETS] for at in range(0, len(encrypted), aes.BLOCK_OCTETS)
        )
    return found


def service_uuid(eid: bytes, window: int, namespace: bytes, device_class: int = 0) -> bytes:
    """The service UUID, 16 octets in text order, that carries an identifier.

    namespace: the operator's 4 octets. device_class: 0 to 15. Raises UnencodableFrame.
    """
    check_octets("ceid", "eid", eid, _EID_OCTETS)
    check_octets("ceid", "namespace", namespace, _NAMESPACE_OCTETS)
    check_range("ceid", "device_class", device_class, 0, 15)
    return eid + bytes([window & 0xFF, VERSION << 4 | device_class]) + namespace


def from_service_uuid(uuid16: bytes, namespace: bytes) -> Ceid | None:
    """The identifier in a service UUID of 16 octets in text order.

    None under another namespace, or in a version to come.
    """
    if len(uuid16) != 16 or uuid16[12:] != namespace or uuid16[11] >> 4 != VERSION:
        return None
    return Ceid(
        eid=uuid16[:_EID_OCTETS],
        window_low=uuid16[10],
        version=VERSION,
        device_class=uuid16[11] & 0x0F,
    )


def encode(frame: Ceid, namespace: bytes) -> advert.Structure:
    """The UUID list of an advert that carries the identifier. Raises UnencodableFrame."""
    check_range(frame.kind, "window_low", frame.window_low, 0, 0xFF)
    if frame.version != VERSION:
        raise UnencodableFrame(frame.kind, f"version {frame.version} is not known")
    uuid16 = service_uuid(frame.eid, frame.window_low, namespace, frame.device_class)
    return advert.service_uuid128s([uuid16])


def advert_data(
    eid: bytes, window: int, namespace: bytes, device_class: int = 0, flags: int | None = None
) -> bytes:
    """The advert of a handset: the complete list of its one 128-bit UUID, after flags if any.

    flags: Android adds 0x02 or 0x06 when connectable and nothing otherwise; iOS adds 0x1A.
    """
    uuid_list = advert.service_uuid128s([service_uuid(eid, window, namespace, device_class)])
    return advert.build([uuid_list] if flags is None else [advert.flags(flags), uuid_list])


def _block(window: int) -> bytes:
    check_range("ceid", "window", window, 0, 0xFFFFFFFF)
    return _EID_LABEL + window.to_bytes(4) + bytes(8)
