"""Eddystone-EID: agreeing on an identity key, rotating with it, and resolving what was heard.

Source: Eddystone protocol specification, eddystone-eid/eid-computation.md and README.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from beacons import aes
from beacons.frame import FrameError, check_octets, check_range

_KIND: Final = "eddystone_eid"
_MAX_EXPONENT: Final = 15
_MAX_COUNTER: Final = 0xFFFFFFFF


class RefusedKey(FrameError):
    """A public key with which no secret can be shared."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What one side of a registration knows after it has heard the other's public key."""

    public_key: bytes  # 32, this side's
    shared_secret: bytes  # 32
    identity_key: bytes  # 16


@dataclass(frozen=True, slots=True)
class EidKey:
    """A registered beacon, as its owner keeps it."""

    key_id: str
    identity_key: bytes  # 16
    exponent: int  # the identifier changes every 2 ** exponent seconds
    offset_s: int  # the beacon's counter less our unix time


@dataclass(frozen=True, slots=True)
class Resolved:
    """Whose identifier it was, and how many windows its clock runs ahead of ours."""

    key_id: str
    window_delta: int


def temporary_key(identity_key: bytes, counter: int) -> bytes:
    """The key of 65,536 seconds of the beacon's counter.

    identity_key: 16 octets. Raises UnencodableFrame for another length, or a counter outside 32
    bits.
    """
    check_octets(_KIND, "identity key", identity_key, 16)
    check_range(_KIND, "counter", counter, 0, _MAX_COUNTER)
    block = bytes(11) + b"\xff" + bytes(2) + (counter >> 16).to_bytes(2)
    return aes.encrypt_blocks(identity_key, block)


def eid(identity_key: bytes, exponent: int, counter: int) -> bytes:
    """The 8 octets that a beacon sends while its clock shows `counter` seconds.

    Raises UnencodableFrame for an exponent outside 0..15 or a counter outside 32 bits.
    """
    window_start = start_of_window(exponent, counter)
    block = bytes(11) + bytes([exponent]) + window_start.to_bytes(4)
    return aes.encrypt_blocks(temporary_key(identity_key, counter), block)[:8]


def start_of_window(exponent: int, counter: int) -> int:
    """The counter with the bits cleared that do not change the identifier.

    Raises UnencodableFrame as `eid` does.
    """
    check_range(_KIND, "exponent", exponent, 0, _MAX_EXPONENT)
    check_range(_KIND, "counter", counter, 0, _MAX_COUNTER)
    return counter >> exponent << exponent


def agree_as_resolver(resolver_private_key: bytes, beacon_public_key: bytes) -> Agreement:
    """The resolver's side of a registration. Raises RefusedKey."""
    public_key, shared_secret = _share(resolver_private_key, beacon_public_key)
    identity_key = _identity_key(shared_secret, public_key, beacon_public_key)
    return Agreement(public_key, shared_secret, identity_key)


def agree_as_beacon(beacon_private_key: bytes, resolver_public_key: bytes) -> Agreement:
    """The beacon's side of a registration. Raises RefusedKey."""
    public_key, shared_secret = _share(beacon_private_key, resolver_public_key)
    identity_key = _identity_key(shared_secret, resolver_public_key, public_key)
    return Agreement(public_key, shared_secret, identity_key)


def resolution_table(
    keys: Iterable[EidKey], now_s: int, tolerance_windows: int
) -> dict[bytes, Resolved]:
    """Every identifier that is good now, for one look-up a sighting.

    tolerance_windows: how many windows either side of a beacon's own one are taken. Where two
    beacons share an identifier by chance, the one nearer to its own window has it.
    """
    registered = list(keys)
    table: dict[bytes, Resolved] = {}
    for delta in sorted(range(-tolerance_windows, tolerance_windows + 1), key=abs):
        for key in registered:
            counter = now_s + key.offset_s + (delta << key.exponent)
            if 0 <= counter <= _MAX_COUNTER:
                heard = eid(key.identity_key, key.exponent, counter)
                table.setdefault(heard, Resolved(key.key_id, delta))
    return table


def resolve(
    heard: bytes, keys: Iterable[EidKey], now_s: int, tolerance_windows: int
) -> Resolved | None:
    """The beacon that sends this identifier now; None when none does."""
    return resolution_table(keys, now_s, tolerance_windows).get(heard)


def _share(private_key: bytes, peer_public_key: bytes) -> tuple[bytes, bytes]:
    try:
        private = X25519PrivateKey.from_private_bytes(private_key)
        peer = X25519PublicKey.from_public_bytes(peer_public_key)
    except ValueError as e:
        raise RefusedKey(f"an X25519 key has 32 octets: {e}") from e
    try:
        shared_secret = private.exchange(peer)
    except ValueError as e:
        # The exchange yields zero, which anybody could guess: the peer's point has a small order.
        raise RefusedKey("the peer's public key yields a shared secret of zero") from e
    return private.public_key().public_bytes_raw(), shared_secret


def _identity_key(shared_secret: bytes, resolver_public: bytes, beacon_public: bytes) -> bytes:
    salt = resolver_public + beacon_public
    return HKDF(SHA256(), length=16, salt=salt, info=b"").derive(shared_secret)
