"""AES-EAX and the single-block AES below the rotating identifiers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacons import aes, eax

# Source: Bellare, Rogaway, Wagner, "The EAX Mode of Operation", appendix G (the first three).
_PUBLISHED = [
    (
        "233952dee4d5ed5f9b9c6d6ff80ff478",
        "62ec67f9c3a4a407fcb2a8c49031a8b3",
        "6bfb914fd07eae6b",
        "",
        "e037830e8389f27b025a2d6527e79d01",
    ),
    (
        "91945d3f4dcbee0bf45ef52255f095a4",
        "becaf043b0a23d843194ba972c66debd",
        "fa3bfd4806eb53fa",
        "f7fb",
        "19dd5c4c9331049d0bdab0277408f67967e5",
    ),
    (
        "01f74ad64077f2e704c0f60ada3dd523",
        "70c3db4f0d26368400a10ed05d2bff5e",
        "234a3463c1264ac6",
        "1a47cb4933",
        "d851d5bae03a59f238a23e39199dc9266626c40f80",
    ),
]


@pytest.mark.parametrize(("key", "nonce", "header", "plaintext", "expected"), _PUBLISHED)
def test_the_published_vectors(
    key: str, nonce: str, header: str, plaintext: str, expected: str
) -> None:
    parts = (bytes.fromhex(key), bytes.fromhex(nonce), bytes.fromhex(header))
    ciphertext, tag = eax.encrypt(*parts, bytes.fromhex(plaintext))
    assert (ciphertext + tag).hex() == expected
    assert eax.decrypt(*parts, ciphertext, tag) == bytes.fromhex(plaintext)


@given(st.binary(max_size=40), st.binary(max_size=20), st.integers(4, 16), st.integers(0, 7))
def test_a_changed_tag_yields_nothing(
    plaintext: bytes, nonce: bytes, tag_octets: int, bit: int
) -> None:
    ciphertext, tag = eax.encrypt(bytes(16), nonce, b"", plaintext)
    changed = bytes([tag[0] ^ 1 << bit]) + tag[1:tag_octets]
    assert eax.decrypt(bytes(16), nonce, b"", ciphertext, tag[:tag_octets]) == plaintext
    assert eax.decrypt(bytes(16), nonce, b"", ciphertext, changed) is None


def test_no_tag_at_all_is_no_proof() -> None:
    with pytest.raises(ValueError, match="1 to 16 octets, not 0"):
        eax.decrypt(bytes(16), b"", b"", b"", b"")


def test_aes_128_of_fips_197() -> None:
    # Source: FIPS 197, appendix C.1.
    key, text = bytes(range(16)), bytes.fromhex("00112233445566778899aabbccddeeff")
    once = bytes.fromhex("69c4e0d86a7b0430d8cdb78070b4c55a")
    assert aes.encrypt_blocks(key, text + text) == once + once


def test_aes_takes_keys_of_16_octets_and_whole_blocks() -> None:
    with pytest.raises(ValueError, match="16 octets, not 32"):
        aes.encrypt_blocks(bytes(32), bytes(16))
    with pytest.raises(ValueError, match="block"):
        aes.encrypt_blocks(bytes(16), bytes(15))
