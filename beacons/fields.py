"""Frames as plain named values, both ways: what JSON lines, logs of a survey and tests show.

Octets are lower-case hex, UUIDs their text; `type` names the kind of frame.
"""

from collections.abc import Mapping
from typing import assert_never

from beacons import uuids
from beacons.altbeacon import AltBeacon
from beacons.ceid import Ceid
from beacons.codec import Frame
from beacons.eddystone import (
    EddystoneEid,
    EddystoneEtlm,
    EddystoneTlm,
    EddystoneUid,
    EddystoneUrl,
)
from beacons.frame import UnencodableFrame
from beacons.ibeacon import IBeacon
from beacons.overflow import AppleOverflow


def of(frame: Frame) -> dict[str, object]:
    """The frame's values by name."""
    return {"type": frame.kind} | _values(frame)


def to_frame(values: Mapping[str, object]) -> Frame:
    """The frame with these values. Ranges are the encoder's business; types are checked here.

    Raises UnencodableFrame when a value is missing, has another type, or is no hex.
    """
    kind = values.get("type")
    read = _Reader(str(kind), values)
    match kind:
        case "ibeacon":
            return IBeacon(
                read.uuid("uuid"), read.int("major"), read.int("minor"), read.int("tx_power_1m")
            )
        case "altbeacon":
            reserved = None if values.get("mfg_reserved") is None else read.int("mfg_reserved")
            return AltBeacon(read.int("mfg_id"), read.hex("id"), read.int("ref_rssi"), reserved)
        case "apple_overflow":
            return AppleOverflow(read.hex("mask"))
        case "eddystone_uid":
            return EddystoneUid(
                read.int("tx_power_0m"), read.hex("namespace"), read.hex("instance")
            )
        case "eddystone_url":
            return EddystoneUrl(read.int("tx_power_0m"), read.text("url"))
        case "eddystone_tlm":
            temperature_c = (
                None if values.get("temperature_c") is None else read.float("temperature_c")
            )
            return EddystoneTlm(
                read.int("battery_mv"), temperature_c, read.int("adv_count"), read.int("uptime_ds")
            )
        case "eddystone_etlm":
            return EddystoneEtlm(read.hex("ciphertext"), read.hex("salt"), read.hex("mic"))
        case "eddystone_eid":
            return EddystoneEid(read.int("tx_power_0m"), read.hex("eid"))
        case "ceid":
            return Ceid(
                read.hex("eid"),
                read.int("window_low"),
                read.int("version"),
                read.int("device_class"),
            )
        case _:
            raise UnencodableFrame(repr(kind), "no such type of frame")


def _values(frame: Frame) -> dict[str, object]:
    match frame:
        case IBeacon():
            return {
                "uuid": uuids.text(frame.uuid),
                "major": frame.major,
                "minor": frame.minor,
                "tx_power_1m": frame.tx_power_1m_dbm,
            }
        case AltBeacon():
            return {
                "mfg_id": frame.company,
                "id": frame.beacon_id.hex(),
                "ref_rssi": frame.ref_rssi_dbm,
                "mfg_reserved": frame.reserved,
            }
        case AppleOverflow():
            return {"mask": frame.mask.hex(), "positions": list(frame.positions)}
        case EddystoneUid():
            return {
                "tx_power_0m": frame.tx_power_0m_dbm,
                "namespace": frame.namespace.hex(),
                "instance": frame.instance.hex(),
            }
        case EddystoneUrl():
            return {"tx_power_0m": frame.tx_power_0m_dbm, "url": frame.url}
        case EddystoneTlm():
            return {
                "version": 0,
                "battery_mv": frame.battery_mv,
                "temperature_c": frame.temperature_c,
                "adv_count": frame.advert_count,
                "uptime_ds": frame.uptime_ds,
            }
        case EddystoneEtlm():
            return {
                "version": 1,
                "ciphertext": frame.ciphertext.hex(),
                "salt": frame.salt.hex(),
                "mic": frame.mic.hex(),
            }
        case EddystoneEid():
            return {"tx_power_0m": frame.tx_power_0m_dbm, "eid": frame.eid.hex()}
        case Ceid():
            return {
                "eid": frame.eid.hex(),
                "window_low": frame.window_low,
                "version": frame.version,
                "device_class": frame.device_class,
            }
        case _:
            assert_never(frame)


class _Reader:
    """Values by name and type, with an error that says which one is wrong."""

    def __init__(self, kind: str, values: Mapping[str, object]) -> None:
        self._kind = kind
        self._values = values

    def text(self, name: str) -> str:
        value = self._values.get(name)
        if not isinstance(value, str):
            raise UnencodableFrame(self._kind, f"{name} is no text")
        return value

    def int(self, name: str) -> int:
        value = self._values.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise UnencodableFrame(self._kind, f"{name} is no whole number")
        return value

    def float(self, name: str) -> float:
        value = self._values.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise UnencodableFrame(self._kind, f"{name} is no number")
        return value

    def hex(self, name: str) -> bytes:
        try:
            return bytes.fromhex(self.text(name))
        except ValueError as e:
            raise UnencodableFrame(self._kind, f"{name} is no hex") from e

    def uuid(self, name: str) -> bytes:
        try:
            return uuids.octets(self.text(name))
        except uuids.MalformedUuid as e:
            raise UnencodableFrame(self._kind, f"{name} is no UUID") from e
