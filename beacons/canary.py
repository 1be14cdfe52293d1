"""The canary: an iBeacon that every gateway transmits, heard by its fellows and by iPhones' apps.

Its UUID follows from the operator's namespace, major and minor from the gateway's id, so gateway,
backend and app agree without telling each other. One UUID for all stores, because iOS watches no
more than 20 regions for an app (Apple, Core Location, startMonitoring(for:)).
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from beacons.ibeacon import IBeacon

# Slow, because a radio does not hear while it sends: three packets of 0.4 ms a second are 0.1 % of
# its time. Fast enough that a fellow that hears a third of them has three in each window.
INTERVAL_S: Final = 1.0
# What a gateway reports of a fellow at once. Neither end moves, so nothing is lost by it, and a
# gateway with twelve fellows sends one sighting a second more.
WINDOW_MS: Final = 10_000
# A Raspberry Pi's radio at 1 m, as usual for iBeacons; what apps compare with.
POWER_1M_DBM: Final = -59

_UUID_LABEL: Final = b"corsia/canary/v1/uuid"
_NUMBERS_LABEL: Final = b"corsia/canary/v1/gateway"


def region(namespace: bytes) -> bytes:
    """The 16 octets of the UUID that all canaries of an operator share.

    namespace: the operator's 4 octets. A UUID of version 8. Source: RFC 9562, section 5.8.
    """
    digits = bytearray(hashlib.sha256(_UUID_LABEL + namespace).digest()[:16])
    digits[6] = digits[6] & 0x0F | 0x80
    digits[8] = digits[8] & 0x3F | 0x80
    return bytes(digits)


def canary(namespace: bytes, gateway_id: str, power_1m_dbm: int = POWER_1M_DBM) -> IBeacon:
    """What a gateway transmits. power_1m_dbm: what a phone hears of it one metre away."""
    major, minor = _numbers(gateway_id)
    return IBeacon(region(namespace), major, minor, power_1m_dbm)


def numbers_of(identifier: str) -> str:
    """Major and minor in a sighting's identifier, as 8 hex digits.

    They alone name a gateway: gateways report no iBeacons but canaries of their operator and
    beacons that somebody configured, and one of those has a canary's 32 bits by rare chance.
    """
    return identifier[32:]


def gateway_of(gateway_ids: Iterable[str]) -> dict[str, str]:
    """`numbers_of` a canary -> the gateway that sends it.

    Gateways that share one are left out: `clashes` names them.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    for gateway_id in gateway_ids:
        major, minor = _numbers(gateway_id)
        found[f"{major:04x}{minor:04x}"].add(gateway_id)
    return {numbers: one.pop() for numbers, one in found.items() if len(one) == 1}


def clashes(gateway_ids: Iterable[str]) -> list[str]:
    """A sentence for each canary that several gateways would share; 60 ids: 1 in 2 million."""
    found: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
    for gateway_id in gateway_ids:
        found[_numbers(gateway_id)].add(gateway_id)
    return [
        f"Gateways {' and '.join(sorted(shared))} would transmit the same canary"
        f" (major {major}, minor {minor}): give one of them another id."
        for (major, minor), shared in sorted(found.items())
        if len(shared) > 1
    ]


def _numbers(gateway_id: str) -> tuple[int, int]:
    """Major and minor: 32 bits of a hash, spread evenly whatever the ids look like."""
    digest = hashlib.sha256(_NUMBERS_LABEL + gateway_id.encode()).digest()
    return int.from_bytes(digest[:2]), int.from_bytes(digest[2:4])
