"""AES-128 on single blocks: the one-way function of the rotating identifiers."""

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK_OCTETS: Final = 16


def encrypt_blocks(key: bytes, blocks: bytes) -> bytes:
    """Each 16-octet block encrypted by itself; the key has 16 octets too.

    Blocks here are distinct by construction (a counter stands in each) and never hold a message,
    so the weakness of ECB, equal blocks for equal text, has nothing to show.
    Raises ValueError when the key or the blocks have another size.
    """
    if len(key) != BLOCK_OCTETS:
        raise ValueError(f"an AES-128 key has 16 octets, not {len(key)}")
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 (see above)
    return encryptor.update(blocks) + encryptor.finalize()
