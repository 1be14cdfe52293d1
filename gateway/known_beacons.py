"""Which fixed beacons a gateway reports besides handsets: what the setting names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self, assert_never

from beacons.altbeacon import AltBeacon
from beacons.ceid import Ceid
from beacons.codec import IdentifiedFrame
from beacons.eddystone import EddystoneEid, EddystoneUid
from beacons.ibeacon import IBeacon

# Rotating ids resolve only in the backend, so a gateway can take all or none.
EDDYSTONE_EID: Final = "eddystone_eid"


class BeaconNameError(Exception):
    """A configured beacon that names none."""

    def __init__(self, said: str) -> None:
        super().__init__(
            f"{said!r} is no beacon: a UUID (iBeacon, AltBeacon), 20 hex digits (an Eddystone"
            f" namespace) or {EDDYSTONE_EID!r}"
        )


@dataclass(frozen=True, slots=True)
class KnownBeacons:
    """The fixed beacons worth reporting."""

    uuids: frozenset[str] = frozenset()  # 32 hex digits
    eddystone_namespaces: frozenset[str] = frozenset()  # 20 hex digits
    any_eddystone_eid: bool = False

    @classmethod
    def named(cls, names: Iterable[str]) -> Self:
        """The beacons of a setting. Raises BeaconNameError."""
        uuids, namespaces, any_eid = set[str](), set[str](), False
        for name in names:
            digits = name.replace("-", "").lower()
            if name == EDDYSTONE_EID:
                any_eid = True
            elif re.fullmatch("[0-9a-f]{32}", digits):
                uuids.add(digits)
            elif re.fullmatch("[0-9a-f]{20}", digits):
                namespaces.add(digits)
            else:
                raise BeaconNameError(name)
        return cls(frozenset(uuids), frozenset(namespaces), any_eid)

    def covers(self, frame: IdentifiedFrame) -> bool:
        """Whether the frame is one of these beacons', or a handset's."""
        match frame:
            case Ceid():
                return True
            case IBeacon() | AltBeacon():
                return frame.identifier[:32] in self.uuids
            case EddystoneUid():
                return frame.identifier[:20] in self.eddystone_namespaces
            case EddystoneEid():
                return self.any_eddystone_eid
            case _:
                assert_never(frame)
