"""Handset secrets at rest: sealed with AES-256-GCM, bound to the handset that owns them."""

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_OCTETS: Final = 12


class SealError(Exception):
    """A sealed secret that this key does not open."""


def seal(key: bytes, owner: str, secret: bytes) -> bytes:
    """The secret as it may be stored. key: 32 octets; owner: what the secret belongs to."""
    nonce = secrets.token_bytes(NONCE_OCTETS)
    return nonce + AESGCM(key).encrypt(nonce, secret, owner.encode())


def unseal(key: bytes, owner: str, sealed: bytes) -> bytes:
    """The secret back. Raises SealError for another key, another owner or changed octets."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_OCTETS], sealed[NONCE_OCTETS:], owner.encode())
    except (InvalidTag, ValueError) as error:  # a ValueError: too short for a nonce
        raise SealError(
            "a stored handset secret does not open with the present data key"
        ) from error
