"""The overflow area's mask and hash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacons import overflow
from beacons.frame import UnencodableFrame
from beacons.overflow import AppleOverflow


@given(st.sets(st.integers(0, 127)))
def test_a_mask_tells_its_positions(positions: set[int]) -> None:
    assert AppleOverflow(overflow.mask(positions)).positions == tuple(sorted(positions))


@given(st.binary(min_size=16, max_size=16))
def test_the_position_is_the_remainder_of_long_division(uuid: bytes) -> None:
    # The initial value of a CRC is the same as adding it to the first octet.
    remainder = int.from_bytes(bytes([uuid[0] ^ 0x15]) + uuid[1:]) << 8
    for bit in range(135, 7, -1):
        if remainder >> bit & 1:
            remainder ^= 0x109 << bit - 8
    assert overflow.position(uuid) == remainder & 0x7F


def test_what_is_no_position_or_uuid_is_refused() -> None:
    with pytest.raises(UnencodableFrame, match=r"position is 128, outside 0\.\.127"):
        overflow.mask([0, 128])
    with pytest.raises(UnencodableFrame, match="service UUID has 2 octets, not 16"):
        overflow.position(b"\xfe\xaa")
