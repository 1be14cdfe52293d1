"""AD structures, both ways, and the summary of an advert."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacons import advert, uuids
from beacons.advert import Structure
from beacons.frame import UnencodableFrame

_STRUCTURES = st.lists(
    st.builds(Structure, st.integers(0, 255), st.binary(min_size=1, max_size=254)), max_size=8
)


@given(_STRUCTURES)
def test_structures_come_back_as_they_were_built(parts: list[Structure]) -> None:
    assert advert.structures(advert.build(parts, limit_octets=8 * 256)) == parts


@given(_STRUCTURES, st.integers(0, 40))
def test_padding_changes_nothing(parts: list[Structure], padding: int) -> None:
    data = advert.build(parts, limit_octets=8 * 256)
    assert advert.structures(bytes(padding) + data + bytes(padding)) == parts


@given(_STRUCTURES, st.integers(1, 255))
def test_a_cut_loses_the_last_structure_only(parts: list[Structure], cut: int) -> None:
    parts = [*parts, Structure(0xFF, b"abcdef")]
    data = advert.build(parts, limit_octets=9 * 256)
    assert advert.structures(data[: -1 - cut % 6]) == parts[:-1]


@given(st.binary(max_size=300))
def test_any_octets_can_be_walked_and_summarised(data: bytes) -> None:
    for structure in advert.structures(data):
        assert structure.data
    assert all(len(uuid) == 36 for uuid in advert.gap(data).service_uuids)


def test_two_structures_of_one_company_are_both_kept() -> None:
    data = advert.build(
        [advert.manufacturer(0x4C, b"\x10\x05"), advert.manufacturer(0x4C, b"\x01")]
    )
    assert advert.gap(data).manufacturer_data == ((0x4C, b"\x10\x05"), (0x4C, b"\x01"))


def test_the_summary_reads_back_what_was_built() -> None:
    uuid = uuids.octets("00112233-4455-6677-8899-aabbccddeeff")
    data = advert.build(
        [
            advert.flags(0x1A),
            advert.name("caffè"),
            advert.tx_power(-12),
            advert.service_uuid16s([0x180F, 0xFEAA]),
            advert.service_uuid128s([uuid]),
            advert.service_data(0xFEAA, b""),
            advert.manufacturer(0x0118, b""),
        ],
        limit_octets=62,
    )
    summary = advert.gap(data)
    assert summary.flags == 0x1A
    assert summary.local_name == "caffè"
    assert summary.tx_power_dbm == -12
    assert summary.service_uuids == (
        "0000180f-0000-1000-8000-00805f9b34fb",
        "0000feaa-0000-1000-8000-00805f9b34fb",
        "00112233-4455-6677-8899-aabbccddeeff",
    )
    assert summary.service_data == {"0000feaa-0000-1000-8000-00805f9b34fb": b""}
    assert summary.manufacturer_data == ((0x0118, b""),)


def test_a_complete_name_wins_and_the_first_shortened_one_stays() -> None:
    shortened = [advert.name("Cor", is_complete=False), advert.name("Co", is_complete=False)]
    assert advert.gap(advert.build(shortened)).local_name == "Cor"
    assert advert.gap(advert.build([*shortened, advert.name("Corsia")])).local_name == "Corsia"
    assert advert.gap(advert.build([advert.name("Corsia"), *shortened])).local_name == "Corsia"


def test_a_name_that_is_no_utf_8_is_still_a_name() -> None:
    assert advert.gap(b"\x03\x09a\xff").local_name == "a\N{REPLACEMENT CHARACTER}"


def test_a_tx_power_of_two_octets_is_none() -> None:
    assert advert.gap(b"\x03\x0a\x00\x80").tx_power_dbm is None


def test_what_does_not_fit_a_legacy_advert_is_refused() -> None:
    full = [advert.manufacturer(0x4C, bytes(27))]
    assert len(advert.build(full)) == 31
    with pytest.raises(UnencodableFrame, match="34 octets, and 31 is the limit"):
        advert.build([*full, advert.flags(6)])


@pytest.mark.parametrize(
    "structure", [Structure(256, b"a"), Structure(1, b""), Structure(1, bytes(255))]
)
def test_a_structure_that_no_length_octet_can_tell_is_refused(structure: Structure) -> None:
    with pytest.raises(UnencodableFrame):
        advert.build([structure], limit_octets=1650)


def test_values_outside_their_field_are_refused() -> None:
    with pytest.raises(UnencodableFrame, match=r"outside 0\.\.255"):
        advert.flags(256)
    with pytest.raises(UnencodableFrame, match=r"outside -127\.\.127"):
        advert.tx_power(128)
    with pytest.raises(UnencodableFrame, match=r"outside 0\.\.65535"):
        advert.service_uuid16s([0x10000])
    with pytest.raises(UnencodableFrame, match="15 octets, not 16"):
        advert.service_uuid128s([bytes(15)])
    with pytest.raises(UnencodableFrame, match=r"outside 0\.\.65535"):
        advert.service_data(-1, b"")
    with pytest.raises(UnencodableFrame, match=r"outside 0\.\.65535"):
        advert.manufacturer(0x10000, b"")
