"""AES-EAX: authenticated encryption with a tag of any length, from CMAC and CTR.

Source: Bellare, Rogaway, Wagner, "The EAX Mode of Operation" (FSE 2004), figures 1 and 2.
"""

import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC


def encrypt(key: bytes, nonce: bytes, header: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
    """The ciphertext, as long as the plaintext, and the whole 16-octet tag.

    key: 16, 24 or 32 octets. Formats that carry a shorter tag send its first octets.
    """
    counter = _omac(key, 0, nonce)
    ciphertext = _ctr(key, counter, plaintext)
    return ciphertext, _tag(key, counter, header, ciphertext)


def decrypt(key: bytes, nonce: bytes, header: bytes, ciphertext: bytes, tag: bytes) -> bytes | None:
    """The plaintext; None when the tag, whole or its first octets, does not fit.

    Raises ValueError when the tag has no octets or more than 16.
    """
    if not 1 <= len(tag) <= 16:
        raise ValueError(f"an EAX tag has 1 to 16 octets, not {len(tag)}")
    counter = _omac(key, 0, nonce)
    expected = _tag(key, counter, header, ciphertext)
    if not hmac.compare_digest(expected[: len(tag)], tag):
        return None
    return _ctr(key, counter, ciphertext)


def _tag(key: bytes, counter: bytes, header: bytes, ciphertext: bytes) -> bytes:
    parts = zip(counter, _omac(key, 1, header), _omac(key, 2, ciphertext), strict=True)
    return bytes(n ^ h ^ c for n, h, c in parts)


def _omac(key: bytes, domain: int, message: bytes) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(bytes(15) + bytes([domain]) + message)
    return mac.finalize()


def _ctr(key: bytes, counter: bytes, text: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return encryptor.update(text) + encryptor.finalize()
