"""An advert to the frames in it, and a frame to its AD structure.

Only bytes are judged here: who owns an identifier is the engine's business.
"""

from dataclasses import dataclass
from typing import Final, assert_never

from beacons import advert, altbeacon, ceid, eddystone, ibeacon, overflow
from beacons.altbeacon import AltBeacon
from beacons.ceid import Ceid
from beacons.eddystone import (
    EddystoneEid,
    EddystoneEtlm,
    EddystoneFrame,
    EddystoneTlm,
    EddystoneUid,
    EddystoneUrl,
)
from beacons.frame import MalformedFrame, UnencodableFrame
from beacons.ibeacon import IBeacon
from beacons.overflow import AppleOverflow

Frame = IBeacon | AltBeacon | AppleOverflow | EddystoneFrame | Ceid
# The frames that say who is there: each has `kind` and `identifier`, as sightings carry them.
IdentifiedFrame = Ceid | IBeacon | AltBeacon | EddystoneUid | EddystoneEid

_EDDYSTONE_ON_AIR: Final = eddystone.SERVICE_UUID16.to_bytes(2, "little")


@dataclass(frozen=True, slots=True)
class Decoded:
    """The frames of one advert in the order of their structures, and how many were malformed."""

    frames: tuple[Frame, ...]
    malformed: int


def decode(data: bytes, namespace: bytes | None = None) -> list[Frame]:
    """The frames in one advert, in order; what is not ours or malformed gives none. Never raises.

    data: its AD structures. namespace: the operator's 4 octets; None reports no CEID.
    """
    return list(decode_counted(data, namespace).frames)


def decode_counted(data: bytes, namespace: bytes | None = None) -> Decoded:
    """As `decode`, with the count of structures that announce a frame and break its format."""
    namespace_on_air = None if namespace is None else namespace[::-1]
    frames: list[Frame] = []
    malformed = 0
    for ad_type, value in advert.structures(data):
        frame: Frame | None
        try:
            if ad_type == advert.MANUFACTURER:
                if len(value) < 2:
                    continue
                frame = from_manufacturer(value[0] | value[1] << 8, value[2:])
            elif ad_type == advert.SERVICE_DATA16:
                if value[:2] != _EDDYSTONE_ON_AIR:
                    continue
                frame = eddystone.decode(value[2:])
            elif ad_type in (advert.COMPLETE_UUID128S, advert.INCOMPLETE_UUID128S):
                if namespace_on_air is not None:
                    frames += _ceids(value, namespace_on_air)
                continue
            else:
                continue
        except MalformedFrame:
            malformed += 1
            continue
        if frame is not None:
            frames.append(frame)
    return Decoded(tuple(frames), malformed)


def from_manufacturer(company: int, payload: bytes) -> IBeacon | AltBeacon | AppleOverflow | None:
    """The frame in one manufacturer-data field; None when it is not ours.

    payload: the octets after the company code. Raises MalformedFrame.
    """
    return (
        ibeacon.decode(company, payload)
        or overflow.decode(company, payload)
        or altbeacon.decode(company, payload)
    )


def from_service_data(uuid16: int, payload: bytes) -> EddystoneFrame | None:
    """The frame in the service data of a 16-bit UUID; None when it is not ours.

    payload: the octets after the UUID. Raises MalformedFrame.
    """
    return eddystone.decode(payload) if uuid16 == eddystone.SERVICE_UUID16 else None


def encode(frame: Frame, namespace: bytes | None = None) -> advert.Structure:
    """The AD structure that carries the frame.

    namespace: the operator's 4 octets, which only a CEID needs. Raises UnencodableFrame.
    """
    match frame:
        case IBeacon():
            return ibeacon.encode(frame)
        case AltBeacon():
            return altbeacon.encode(frame)
        case AppleOverflow():
            return overflow.encode(frame)
        case EddystoneUid() | EddystoneUrl() | EddystoneTlm() | EddystoneEtlm() | EddystoneEid():
            return eddystone.encode(frame)
        case Ceid():
            if namespace is None:
                raise UnencodableFrame(frame.kind, "the namespace is missing")
            return ceid.encode(frame, namespace)
        case _:
            assert_never(frame)


def _ceids(uuid_list: bytes, namespace_on_air: bytes) -> list[Ceid]:
    """The CEIDs among the 128-bit UUIDs of one list; on air the namespace stands first."""
    found = []
    for at in range(0, len(uuid_list) - 15, 16):
        if uuid_list[at : at + 4] == namespace_on_air:
            heard = ceid.from_service_uuid(uuid_list[at : at + 16][::-1], namespace_on_air[::-1])
            if heard is not None:
                found.append(heard)
    return found
