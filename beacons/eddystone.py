"""Eddystone frames: UID, URL, TLM, eTLM and EID, in the service data of 0xFEAA.

Their keys and rotation are in `eddystone_eid`, their encrypted telemetry in `eddystone_etlm`.
Source: Eddystone protocol specification, protocol-specification.md and the README.md of
eddystone-uid, eddystone-url, eddystone-tlm (tlm-plain.md, tlm-encrypted.md) and eddystone-eid.
"""

import math
import struct
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, assert_never

from beacons import advert, eddystone_url
from beacons.frame import MalformedFrame, UnencodableFrame, check_octets, check_range

SERVICE_UUID16: Final = 0xFEAA

_UID: Final = 0x00
_URL: Final = 0x10
_TLM: Final = 0x20
_EID: Final = 0x30
_PLAIN: Final = 0  # versions of TLM
_ENCRYPTED: Final = 1

_MIN_POWER_DBM: Final = -100
_MAX_POWER_DBM: Final = 20
_NO_TEMPERATURE: Final = -0x8000
_TELEMETRY: Final = struct.Struct(">HhII")


@dataclass(frozen=True, slots=True)
class EddystoneUid:
    """A fixed identity."""

    kind: ClassVar[Literal["eddystone_uid"]] = "eddystone_uid"

    tx_power_0m_dbm: int  # at the antenna; 41 dB less one metre away
    namespace: bytes  # 10
    instance: bytes  # 6

    @property
    def identifier(self) -> str:
        """Namespace and instance as 32 hex digits."""
        return self.namespace.hex() + self.instance.hex()


@dataclass(frozen=True, slots=True)
class EddystoneUrl:
    """A link."""

    kind: ClassVar[Literal["eddystone_url"]] = "eddystone_url"

    tx_power_0m_dbm: int
    url: str


@dataclass(frozen=True, slots=True)
class EddystoneTlm:
    """How the beacon is: battery, temperature and counters since it started."""

    kind: ClassVar[Literal["eddystone_tlm"]] = "eddystone_tlm"

    battery_mv: int  # 0 where there is no battery to measure
    temperature_c: float | None
    advert_count: int
    uptime_ds: int  # tenths of a second


@dataclass(frozen=True, slots=True)
class EddystoneEtlm:
    """Telemetry that only the owner of the identity key can read."""

    kind: ClassVar[Literal["eddystone_etlm"]] = "eddystone_etlm"

    ciphertext: bytes  # 12
    salt: bytes  # 2
    mic: bytes  # 2


@dataclass(frozen=True, slots=True)
class EddystoneEid:
    """A rotating identity."""

    kind: ClassVar[Literal["eddystone_eid"]] = "eddystone_eid"

    tx_power_0m_dbm: int
    eid: bytes  # 8

    @property
    def identifier(self) -> str:
        """The ephemeral identifier as 16 hex digits."""
        return self.eid.hex()


EddystoneFrame = EddystoneUid | EddystoneUrl | EddystoneTlm | EddystoneEtlm | EddystoneEid


def decode(payload: bytes) -> EddystoneFrame | None:
    """The frame in the service data of 0xFEAA; None when it is another kind.

    payload: the octets after the UUID. Other users of 0xFEAA have frame types of their own (Find
    My Device, 0x40), so an unknown type or telemetry version is no fault.
    Raises MalformedFrame when the type is known and the rest does not fit.
    """
    if not payload:
        return None
    frame_type = payload[0]
    if frame_type == _UID:
        return _decode_uid(payload)
    if frame_type == _URL:
        return _decode_url(payload)
    if frame_type == _TLM:
        return _decode_tlm(payload)
    if frame_type == _EID:
        return _decode_eid(payload)
    return None


def encode(frame: EddystoneFrame) -> advert.Structure:
    """The service data of a frame. Raises UnencodableFrame."""
    return advert.service_data(SERVICE_UUID16, _payload(frame))


def telemetry(octets: bytes) -> EddystoneTlm:
    """The telemetry in the 12 octets after the version, plain or decrypted."""
    battery_mv, temperature, advert_count, uptime_ds = _TELEMETRY.unpack(octets)
    return EddystoneTlm(
        battery_mv=battery_mv,
        temperature_c=None if temperature == _NO_TEMPERATURE else temperature / 256,
        advert_count=advert_count,
        uptime_ds=uptime_ds,
    )


def telemetry_octets(frame: EddystoneTlm) -> bytes:
    """The 12 octets of telemetry. Raises UnencodableFrame."""
    check_range(frame.kind, "battery_mv", frame.battery_mv, 0, 0xFFFF)
    check_range(frame.kind, "adv_count", frame.advert_count, 0, 0xFFFFFFFF)
    check_range(frame.kind, "uptime_ds", frame.uptime_ds, 0, 0xFFFFFFFF)
    temperature = _NO_TEMPERATURE
    if frame.temperature_c is not None:
        if not math.isfinite(frame.temperature_c):
            raise UnencodableFrame(frame.kind, f"temperature_c is {frame.temperature_c}")
        temperature = round(frame.temperature_c * 256)
        check_range(frame.kind, "temperature_c x 256", temperature, -0x7FFF, 0x7FFF)
    return _TELEMETRY.pack(frame.battery_mv, temperature, frame.advert_count, frame.uptime_ds)


def _decode_uid(payload: bytes) -> EddystoneUid:
    # 20 with the two reserved octets; many senders stop before them.
    if len(payload) not in (18, 20):
        raise MalformedFrame("eddystone_uid", f"{len(payload)} octets, not 20 or 18")
    return EddystoneUid(_signed(payload[1]), payload[2:12], payload[12:18])


def _decode_url(payload: bytes) -> EddystoneUrl:
    if not 4 <= len(payload) <= 20:
        raise MalformedFrame("eddystone_url", f"{len(payload)} octets, outside 4..20")
    url = eddystone_url.expand(payload[2], payload[3:])
    if url is None:
        raise MalformedFrame("eddystone_url", "a reserved octet in the URL")
    return EddystoneUrl(_signed(payload[1]), url)


def _decode_tlm(payload: bytes) -> EddystoneTlm | EddystoneEtlm | None:
    if len(payload) < 2:
        raise MalformedFrame("eddystone_tlm", "no version octet")
    if payload[1] == _PLAIN:
        if len(payload) != 14:
            raise MalformedFrame("eddystone_tlm", f"{len(payload)} octets, not 14")
        return telemetry(payload[2:])
    if payload[1] == _ENCRYPTED:
        if len(payload) != 18:
            raise MalformedFrame("eddystone_etlm", f"{len(payload)} octets, not 18")
        return EddystoneEtlm(payload[2:14], payload[14:16], payload[16:])
    return None


def _decode_eid(payload: bytes) -> EddystoneEid:
    if len(payload) != 10:
        raise MalformedFrame("eddystone_eid", f"{len(payload)} octets, not 10")
    return EddystoneEid(_signed(payload[1]), payload[2:])


def _payload(frame: EddystoneFrame) -> bytes:
    match frame:
        case EddystoneUid():
            check_octets(frame.kind, "namespace", frame.namespace, 10)
            check_octets(frame.kind, "instance", frame.instance, 6)
            head = _head(_UID, frame.kind, frame.tx_power_0m_dbm)
            return head + frame.namespace + frame.instance + bytes(2)
        case EddystoneUrl():
            head = _head(_URL, frame.kind, frame.tx_power_0m_dbm)
            return head + eddystone_url.compress(frame.url)
        case EddystoneTlm():
            return bytes([_TLM, _PLAIN]) + telemetry_octets(frame)
        case EddystoneEtlm():
            check_octets(frame.kind, "ciphertext", frame.ciphertext, 12)
            check_octets(frame.kind, "salt", frame.salt, 2)
            check_octets(frame.kind, "mic", frame.mic, 2)
            return bytes([_TLM, _ENCRYPTED]) + frame.ciphertext + frame.salt + frame.mic
        case EddystoneEid():
            check_octets(frame.kind, "eid", frame.eid, 8)
            return _head(_EID, frame.kind, frame.tx_power_0m_dbm) + frame.eid
        case _:
            assert_never(frame)


def _head(frame_type: int, kind: str, tx_power_0m_dbm: int) -> bytes:
    check_range(kind, "tx_power_0m", tx_power_0m_dbm, _MIN_POWER_DBM, _MAX_POWER_DBM)
    return bytes([frame_type]) + tx_power_0m_dbm.to_bytes(1, signed=True)


def _signed(octet: int) -> int:
    return octet - 256 if octet > 127 else octet
