"""The reliability curve and its error, on claims that can be counted by hand."""

from xml.etree import ElementTree as ET

import pytest

from benchmarks.reliability import BINS, Bin, bars, bins, expected_error, svg
from benchmarks.store_score import Claim

CLAIMS = [
    *[Claim(0.25, is_right=right) for right in (True, False, False, False)],
    *[Claim(0.95, is_right=right) for right in (True, False)],
    Claim(1.0, is_right=True),
    Claim(0.0, is_right=False),
]


def test_claims_are_sorted_by_what_they_say() -> None:
    curve = bins(CLAIMS)

    assert len(curve) == BINS
    assert curve[0] == Bin(1, 0.0, 0.0)
    assert curve[2] == Bin(4, 0.25, 0.25)
    last = curve[9]  # 1.0 has no bin of its own
    assert last is not None
    assert last.n == 3
    assert last.right == pytest.approx(2 / 3)
    assert [number for number, one in enumerate(curve) if one] == [0, 2, 9]


def test_the_error_is_the_mean_distance_over_all_claims() -> None:
    said = (0.95 + 0.95 + 1.0) / 3

    assert expected_error(CLAIMS) == pytest.approx(3 / 8 * abs(said - 2 / 3))
    assert expected_error([]) is None


def test_the_bars_show_right_and_said() -> None:
    lines = bars(CLAIMS).splitlines()

    assert lines[3].split() == ["0.2", "to", "0.3", "0.25", "0.25", "4", "##########|"]
    assert lines[2].split() == ["0.1", "to", "0.2", "-", "-", "0"]
    assert lines[10].endswith(" |")  # said more than was right
    assert bars([]).endswith("error -")


def test_the_picture_has_a_dot_for_each_bin() -> None:
    picture = ET.fromstring(svg("a store", CLAIMS))

    dots = [element for element in picture.iter() if element.tag.endswith("circle")]
    assert len(dots) == 3
    assert "a store: 8 claims" in "".join(picture.itertext())
