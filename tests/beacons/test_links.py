"""Sums of links add up to the same whatever the order and the cuts."""

import math
import random
import statistics

from hypothesis import given
from hypothesis import strategies as st

from beacons.links import LinkHour, LinkSums, links_of

NOON_S = 1_790_000_000 // 3_600 * 3_600

windows = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from("abc"),
        st.floats(NOON_S, NOON_S + 3 * 3_600 - 1),
        st.integers(1, 10),
        st.floats(-100, -30),
    ),
    min_size=1,
    max_size=40,
)


@given(windows, st.randoms())
def test_the_order_of_windows_makes_no_difference(
    heard: list[tuple[str, str, float, int, float]], chance: random.Random
) -> None:
    one, other = LinkSums(), LinkSums()
    for window in heard:
        one.add(*window)
    chance.shuffle(heard)
    for window in heard:
        other.add(*window)
    for a, b in zip(links_of(one.hours()), links_of(other.hours()), strict=True):
        assert (a.hearer_id, a.heard_id, a.windows, a.hours) == (
            b.hearer_id, b.heard_id, b.windows, b.hours,
        )  # fmt: skip
        assert math.isclose(a.mean_rssi_dbm, b.mean_rssi_dbm, abs_tol=1e-9)
        assert math.isclose(a.sd_db, b.sd_db, abs_tol=1e-4)


def test_a_link_has_the_mean_and_spread_of_its_windows() -> None:
    said = [-70.0, -71.5, -75.25, -69.0]
    sums = LinkSums()
    for number, dbm in enumerate(said):
        sums.add("a", "b", NOON_S + 1_200 * number, 3, dbm)
    (link,) = links_of(sums.hours())
    assert (link.hearer_id, link.heard_id, link.windows, link.hours) == ("a", "b", 4, 2)
    assert link.mean_rssi_dbm == statistics.fmean(said)
    assert math.isclose(link.sd_db, statistics.pstdev(said), rel_tol=1e-9)


def test_equal_windows_spread_by_nothing() -> None:
    hour = LinkHour("a", "b", NOON_S, 3, 9, 3 * -70.1, 3 * 70.1**2)
    assert links_of([hour])[0].sd_db < 1e-4


def test_fullness_compares_with_the_hearers_best_link_whatever_the_hours() -> None:
    hours = [
        LinkHour("a", "near", NOON_S, 360, 1_368, -360 * 60.0, 360 * 3_600.0),
        # It was switched on half an hour ago, and it comes in whole.
        LinkHour("a", "new", NOON_S, 180, 684, -180 * 70.0, 180 * 4_900.0),
        LinkHour("a", "far", NOON_S, 360, 456, -360 * 95.0, 360 * 9_025.0),
    ]
    assert {link.heard_id: round(link.fullness, 2) for link in links_of(hours)} == {
        "near": 1.0,
        "new": 1.0,
        "far": 0.33,
    }


def test_what_is_written_is_forgotten() -> None:
    sums = LinkSums()
    sums.add("a", "b", NOON_S, 3, -70.0)
    assert len(sums) == 1
    sums.clear()
    assert sums.hours() == []
