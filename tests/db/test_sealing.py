"""Handset secrets at rest: opened by their own key and for their own handset only."""

import pytest

from db.sealing import SealError, seal, unseal

KEY, SECRET = bytes(range(32)), b"s" * 32


def test_a_sealed_secret_opens_with_its_key_for_its_owner() -> None:
    assert unseal(KEY, "handset-1", seal(KEY, "handset-1", SECRET)) == SECRET


def test_a_sealed_secret_fits_its_column_and_never_looks_the_same() -> None:
    sealed = {seal(KEY, "handset-1", SECRET) for _ in range(5)}

    assert len(sealed) == 5
    assert {len(one) for one in sealed} == {60}  # 12 nonce, 32 secret, 16 tag; the column has 64
    assert all(SECRET not in one for one in sealed)


@pytest.mark.parametrize(
    ("key", "owner", "flipped"),
    [
        (bytes(32), "handset-1", None),
        (KEY, "handset-2", None),
        (KEY, "handset-1", 0),
        (KEY, "handset-1", 20),
        (KEY, "handset-1", 59),
    ],
)
def test_another_key_another_owner_or_a_changed_octet_opens_nothing(
    key: bytes, owner: str, flipped: int | None
) -> None:
    sealed = bytearray(seal(KEY, "handset-1", SECRET))
    if flipped is not None:
        sealed[flipped] ^= 1

    with pytest.raises(SealError, match="does not open with the present data key"):
        unseal(key, owner, bytes(sealed))


@pytest.mark.parametrize("length", [0, 12, 27])
def test_a_piece_of_a_sealed_secret_opens_nothing(length: int) -> None:
    with pytest.raises(SealError):
        unseal(KEY, "handset-1", seal(KEY, "handset-1", SECRET)[:length])
