"""Eddystone-EID: agreeing, rotating, resolving; and the telemetry encrypted with its key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacons import eddystone_eid, eddystone_etlm
from beacons.eddystone import EddystoneTlm
from beacons.eddystone_eid import EidKey, RefusedKey, Resolved
from beacons.frame import UnencodableFrame

IDENTITY_KEY = bytes(range(16))


@given(st.integers(0, 15), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_an_identifier_lasts_exactly_its_window(exponent: int, counter: int, other: int) -> None:
    here = eddystone_eid.eid(IDENTITY_KEY, exponent, counter)
    there = eddystone_eid.eid(IDENTITY_KEY, exponent, other)
    assert (here == there) == (counter >> exponent == other >> exponent)


def test_both_sides_agree() -> None:
    resolver, beacon = bytes(range(32)), bytes(range(32, 64))
    beacon_public = eddystone_eid.agree_as_beacon(beacon, b"\x09" + bytes(31)).public_key
    as_resolver = eddystone_eid.agree_as_resolver(resolver, beacon_public)
    as_beacon = eddystone_eid.agree_as_beacon(beacon, as_resolver.public_key)
    assert as_beacon.public_key == beacon_public
    assert as_beacon.shared_secret == as_resolver.shared_secret
    assert as_beacon.identity_key == as_resolver.identity_key
    assert len(as_beacon.identity_key) == 16


def test_keys_of_another_length_are_refused() -> None:
    with pytest.raises(RefusedKey, match="32 octets"):
        eddystone_eid.agree_as_beacon(bytes(31), b"\x09" + bytes(31))
    with pytest.raises(RefusedKey, match="32 octets"):
        eddystone_eid.agree_as_resolver(bytes(32), b"\x09")


def test_the_table_holds_each_beacon_in_each_window() -> None:
    keys = [EidKey("a", IDENTITY_KEY, 4, 0), EidKey("b", bytes(16), 10, 50_000)]
    table = eddystone_eid.resolution_table(keys, now_s=100_000, tolerance_windows=1)
    assert len(table) == 6
    assert table[eddystone_eid.eid(IDENTITY_KEY, 4, 100_016)] == Resolved("a", 1)
    assert table[eddystone_eid.eid(bytes(16), 10, 150_000 - 1024)] == Resolved("b", -1)


def test_one_key_registered_twice_resolves_to_the_nearer_clock() -> None:
    ahead, right = EidKey("ahead", IDENTITY_KEY, 4, 16), EidKey("right", IDENTITY_KEY, 4, 0)
    heard = eddystone_eid.eid(IDENTITY_KEY, 4, 1_600)
    assert eddystone_eid.resolve(heard, [ahead, right], 1_600, 1) == Resolved("right", 0)


def test_windows_before_and_after_the_counter_do_not_exist() -> None:
    first = EidKey("first", IDENTITY_KEY, 15, 0)
    assert len(eddystone_eid.resolution_table([first], now_s=0, tolerance_windows=1)) == 2
    assert len(eddystone_eid.resolution_table([first], now_s=2**32 - 1, tolerance_windows=1)) == 2
    assert eddystone_eid.resolution_table([first], now_s=2**33, tolerance_windows=1) == {}


def test_what_no_beacon_has_is_refused() -> None:
    with pytest.raises(UnencodableFrame, match="exponent is 16"):
        eddystone_eid.eid(IDENTITY_KEY, 16, 0)
    with pytest.raises(UnencodableFrame, match="counter is 4294967296"):
        eddystone_eid.eid(IDENTITY_KEY, 0, 2**32)
    with pytest.raises(UnencodableFrame, match="identity key has 15 octets"):
        eddystone_eid.temporary_key(bytes(15), 0)


@given(
    st.builds(
        EddystoneTlm,
        st.integers(0, 0xFFFF),
        st.one_of(st.none(), st.integers(-0x7FFF, 0x7FFF).map(lambda raw: raw / 256)),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**32 - 1),
    ),
    st.integers(0, 15),
    st.integers(0, 2**32 - 1),
    st.binary(min_size=2, max_size=2),
)
def test_telemetry_is_read_with_its_key_and_window(
    frame: EddystoneTlm, exponent: int, counter: int, salt: bytes
) -> None:
    hidden = eddystone_etlm.encrypt(frame, IDENTITY_KEY, exponent, counter, salt)
    assert hidden.salt == salt
    assert eddystone_etlm.decrypt(hidden, IDENTITY_KEY, exponent, counter) == frame


def test_telemetry_under_another_key_is_none() -> None:
    frame = EddystoneTlm(3000, 21.5, 1000, 36000)
    hidden = eddystone_etlm.encrypt(frame, IDENTITY_KEY, 8, 344_865, b"\xa5\x5a")
    assert eddystone_etlm.decrypt(hidden, bytes(16), 8, 344_865) is None


def test_a_salt_of_another_length_is_refused() -> None:
    with pytest.raises(UnencodableFrame, match="salt has 1 octets, not 2"):
        eddystone_etlm.encrypt(EddystoneTlm(0, None, 0, 0), IDENTITY_KEY, 8, 0, b"\x01")
