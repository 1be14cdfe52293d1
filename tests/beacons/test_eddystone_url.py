"""Compressed URLs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacons import eddystone_url
from beacons.frame import UnencodableFrame


@given(
    st.integers(0, 3),
    st.lists(st.one_of(st.integers(0, 13), st.integers(0x21, 0x7E)), min_size=1, max_size=17).map(
        bytes
    ),
)
def test_what_expands_compresses_to_no_more_and_means_the_same(scheme: int, octets: bytes) -> None:
    url = eddystone_url.expand(scheme, octets)
    assert url is not None
    compressed = eddystone_url.compress(url)
    assert len(compressed) <= 1 + len(octets)
    again = eddystone_url.expand(compressed[0], compressed[1:])
    assert again is not None
    assert again.lower() == url.lower()


@given(st.integers(0, 255), st.binary(max_size=40))
def test_any_octets_expand_to_printed_ascii_or_nothing(scheme: int, octets: bytes) -> None:
    url = eddystone_url.expand(scheme, octets)
    assert url is None or (url.isascii() and url.isprintable() and " " not in url)


@given(st.text(max_size=60))
def test_any_text_is_compressed_or_refused(text: str) -> None:
    for url in (text, f"https://{text}"):
        try:
            compressed = eddystone_url.compress(url)
        except UnencodableFrame:
            continue
        assert 2 <= len(compressed) <= 18


def test_host_in_lower_case_user_and_path_as_given() -> None:
    compressed = eddystone_url.compress("HTTP://Me@A.COM/B.com")
    assert compressed == b"\x02Me@a\x00B\x07"


def test_the_host_ends_where_a_query_or_fragment_begins() -> None:
    assert eddystone_url.compress("http://A?B=/C") == b"\x02a?B=/C"
    assert eddystone_url.compress("http://A#B") == b"\x02a#B"


def test_the_place_of_a_bad_character_is_told() -> None:
    with pytest.raises(UnencodableFrame, match="character 10 is outside printed ASCII"):
        eddystone_url.compress("https://a b")
