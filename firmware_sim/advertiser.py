"""What a handset's radio sends: CEID adverts, identifier and address changing in one instant."""

import random
from dataclasses import dataclass
from typing import Final

from beacons import ceid

# BLE adds this pseudo-random delay to every interval. Source: Core Specification 5.4, Vol 6,
# Part B, 4.4.2.2.1.
ADV_DELAY_S: Final = 0.010
# The rotation stays near the window's border, and not on it, so that the handsets of a store do
# not all change in one instant. Source: DESIGN section 4; the server knows w-1 and w+1.
ROTATION_SPREAD_S: Final = 120.0
# The two upper bits of a resolvable private address. Source: Core Specification 5.4, Vol 6,
# Part B, 1.3.2.2.
RESOLVABLE_BITS: Final = 0x40
# What iOS puts into Flags: general discoverable, LE with BR/EDR.
IOS_FLAGS: Final = 0x1A


@dataclass(frozen=True, slots=True)
class Identity:
    """What the backend gave a handset to be known by."""

    secret: bytes
    tenant: str
    namespace: bytes


@dataclass(frozen=True, slots=True)
class Transmission:
    """One advert leaving a handset's antenna."""

    at_s: float
    address: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Face:
    """How the handset looks to a stranger until the next rotation."""

    from_s: float
    until_s: float
    address: str
    data: bytes


class Advertiser:
    """One handset's advertising set; silent until it is allowed to send.

    seed: everything by chance follows from it. flags: None when the adverts are non-connectable.
    """

    def __init__(self, seed: int, interval_s: float, flags: int | None) -> None:
        self._seed = seed
        self._delay = random.Random(f"advDelay {seed}")
        self._interval_s = interval_s
        self._flags = flags
        self._identity: Identity | None = None
        self._face: _Face | None = None
        self._next_s: float | None = None
        # How far the handset takes its time to be ahead of the truth.
        self.clock_error_s = 0.0

    @property
    def is_allowed(self) -> bool:
        """True while the shopper lets the handset be heard."""
        return self._identity is not None

    def allow(self, identity: Identity) -> None:
        """Send from the next instant on, under this identity."""
        self._identity = identity
        self._face = None

    def forbid(self) -> None:
        """Send nothing from here on."""
        self._identity = None
        self._face = None

    def transmissions(self, from_s: float, until_s: float) -> list[Transmission]:
        """What leaves the antenna in that span of unix time; spans follow each other in order."""
        if self._identity is None:
            self._next_s = None
            return []
        if self._next_s is None or self._next_s < from_s:
            self._next_s = from_s + self._delay.uniform(0, self._interval_s)
        sent = []
        while self._next_s < until_s:
            address, data = self.face(self._next_s)
            sent.append(Transmission(self._next_s, address, data))
            self._next_s += self._interval_s + self._delay.uniform(0, ADV_DELAY_S)
        return sent

    def face(self, at_s: float) -> tuple[str, bytes]:
        """The address and the AD structures at that instant; allowed handsets only."""
        assert self._identity is not None
        own_s = at_s + self.clock_error_s
        if self._face is None or not self._face.from_s <= own_s < self._face.until_s:
            self._face = self._face_at(self._identity, own_s)
        return self._face.address, self._face.data

    def _face_at(self, identity: Identity, own_s: float) -> _Face:
        window = ceid.window(own_s)
        if own_s < self._rotation_s(window):
            window -= 1
        elif own_s >= self._rotation_s(window + 1):
            window += 1
        (eid,) = ceid.eids(identity.secret, identity.tenant, [window])
        return _Face(
            from_s=self._rotation_s(window),
            until_s=self._rotation_s(window + 1),
            address=self._address(window),
            data=ceid.advert_data(eid, window, identity.namespace, flags=self._flags),
        )

    def _rotation_s(self, window: int) -> float:
        """When this handset starts to use that window's identifier."""
        chance = random.Random(f"rotation {self._seed} {window}")
        return window * ceid.WINDOW_S + chance.uniform(-ROTATION_SPREAD_S, ROTATION_SPREAD_S)

    def _address(self, window: int) -> str:
        octets = bytearray(random.Random(f"address {self._seed} {window}").randbytes(6))
        octets[0] = octets[0] & 0x3F | RESOLVABLE_BITS
        return octets.hex(":")
