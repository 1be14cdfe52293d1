"""Resolvable private addresses, device addresses and UUIDs as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacons import address, rpa, uuids
from beacons.address import MalformedAddress
from beacons.uuids import MalformedUuid

# Source: Bluetooth Core Specification 5.4, Vol 3, Part H, Appendix D.7.
IRK = bytes.fromhex("ec0234a357c8ad05341010a60a397d9b")


@pytest.mark.parametrize(
    "text",
    ["70:81:94:0d:fb:aa", "70-81-94-0D-FB-AA", "7081940dfbaa", "70_81_94_0d_fb_aa"],
)
def test_case_and_separator_do_not_matter(text: str) -> None:
    assert rpa.resolves(IRK, text)


def test_only_resolvable_addresses_resolve() -> None:
    # The same octets but for the two bits that say "resolvable": a static and a plain private one.
    assert not rpa.resolves(IRK, "f0:81:94:0d:fb:aa")
    assert not rpa.resolves(IRK, "30:81:94:0d:fb:aa")


@pytest.mark.parametrize(
    "text",
    ["", "70", "70:81:94:0d:fb", "70:81:94:0d:fb:a", "70:81:94:0d:fb:aa:00", "70::8194:0d:fb:aa"],
)
def test_what_is_no_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(MalformedAddress) as refused:
        rpa.resolves(IRK, text)
    assert text == "" or text not in str(refused.value).replace(str(len(text)), "")


def test_a_key_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="16 octets, not 15"):
        rpa.resolves(IRK[1:], "70:81:94:0d:fb:aa")


@given(st.text(max_size=24))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        octets = address.octets(text)
    except MalformedAddress:
        return
    assert len(octets) == 6


@given(st.binary(min_size=6, max_size=6))
def test_an_address_reads_back(octets: bytes) -> None:
    assert address.octets(address.text(octets)) == octets[::-1]


@given(st.binary(min_size=16, max_size=16))
def test_a_uuid_reads_back(octets: bytes) -> None:
    assert uuids.octets(uuids.text(octets).upper()) == octets
    assert uuids.from_air(octets[::-1]) == octets


@pytest.mark.parametrize("text", ["", "e2c56db5dffb48d2b060d0f5a71096e0", "g" * 36])
def test_what_is_no_uuid_is_refused(text: str) -> None:
    with pytest.raises(MalformedUuid):
        uuids.octets(text)
