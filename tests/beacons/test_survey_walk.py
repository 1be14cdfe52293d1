"""A walk with taps becomes places: where, for how long, how loud; and what cannot have been."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacons.floor import FloorPlan, GatewayPlace, PlanError
from beacons.heard import Heard
from beacons.store_plan import StorePlan
from beacons.survey import SurveyPoint
from beacons.survey_walk import (
    FASTEST_M_PER_S,
    SurveyedWalk,
    Tap,
    TapChecker,
    TapKind,
    Unused,
    survey_of_walk,
)

# A shelf from the left wall to two metres before the right one.
SHELF = ((0.0, 4.5), (8.0, 4.5), (8.0, 5.5), (0.0, 5.5))
GATEWAYS = (GatewayPlace("left", 1.0, 5.0, 3.0), GatewayPlace("right", 9.0, 5.0, 3.0))
FLOOR = FloorPlan(
    floor_id="ground",
    outline=((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)),
    obstacles=(SHELF,),
    zones=(),
    gateways=GATEWAYS,
)
UPSTAIRS = replace(FLOOR, floor_id="first", obstacles=())
SHOP = StorePlan("shop", "Shop", "Europe/Rome", "IT", (FLOOR, UPSTAIRS))
START_S = 1_790_000_000.0


def tap(after_s: float, x_m: float, y_m: float, kind: TapKind = TapKind.HERE) -> Tap:
    return Tap(START_S + after_s, "ground", x_m, y_m, kind)


def heard(
    after_s: float, rssi_dbm: float = -60.0, gateway_id: str = "left", count: int = 1
) -> Heard:
    """Heard in the window whose middle is so long after the start."""
    return Heard("staff", gateway_id, START_S + after_s - 0.25, count, rssi_dbm, rssi_dbm)


def each_half_second(until_s: float) -> list[Heard]:
    return [heard(0.25 + 0.5 * number) for number in range(round(2 * until_s))]


def surveyed(taps: list[Tap], all_heard: list[Heard], **given: float) -> SurveyedWalk:
    return survey_of_walk("one", SHOP, taps, all_heard, **given)


def test_a_straight_way_becomes_a_place_each_metre() -> None:
    walk = surveyed([tap(0, 1.0, 2.0), tap(6, 7.0, 2.0)], each_half_second(6))

    assert [point.x_m for point in walk.survey.points] == [
        pytest.approx(1.5 + metre) for metre in range(6)
    ]
    assert {point.y_m for point in walk.survey.points} == {2.0}
    assert {(point.gateway_id, point.count, point.floor_id) for point in walk.survey.points} == {
        ("left", 2, "ground")
    }
    assert [point.seconds for point in walk.survey.points] == [pytest.approx(1.0)] * 6
    assert (walk.places, walk.left_out, walk.unused) == (6, (), {})
    assert walk.walked_m == pytest.approx(6.0)
    assert walk.seconds == pytest.approx(6.0)


def test_a_place_keeps_mean_and_spread_weighed_by_adverts() -> None:
    loud = [heard(0.25, -60.0, count=3), heard(0.75, -70.0, count=1), heard(0.75, -80.0, "right")]

    walk = surveyed([tap(0, 1.0, 2.0), tap(1, 2.0, 2.0)], loud)

    left = SurveyPoint("ground", 1.5, 2.0, "left", -62.5, math.sqrt(18.75), 4, 1.0)
    right = SurveyPoint("ground", 1.5, 2.0, "right", -80.0, 0.0, 1, 1.0)
    assert walk.survey.points == (left, right)


def test_who_stands_still_measures_one_place_for_longer() -> None:
    walk = surveyed([tap(0, 3.0, 2.0), tap(30, 3.0, 2.0)], each_half_second(30))

    (point,) = walk.survey.points
    assert (point.x_m, point.y_m, point.seconds, point.count) == (3.0, 2.0, 30.0, 60)


def test_there_and_back_is_the_same_places_twice_as_long() -> None:
    there = [tap(0, 1.0, 2.0), tap(4, 5.0, 2.0)]
    back = [tap(8, 1.0, 2.2)]

    walk = surveyed(there + back, each_half_second(8))

    assert walk.places == 4
    assert [point.seconds for point in walk.survey.points] == [pytest.approx(2.0)] * 4
    assert all(2.0 < point.y_m < 2.2 for point in walk.survey.points)


def test_places_on_two_sides_of_a_thin_wall_stay_two() -> None:
    wall = ((0.0, 2.0), (10.0, 2.0), (10.0, 2.1), (0.0, 2.1))
    shop = replace(SHOP, floors=(replace(FLOOR, obstacles=(wall,)),))
    taps = [
        tap(0, 1.0, 1.85), tap(1, 2.0, 1.85, TapKind.PAUSE), tap(9, 1.0, 2.25), tap(10, 2.0, 2.25)
    ]  # fmt: skip

    walk = survey_of_walk("one", shop, taps, each_half_second(10))

    assert [point.y_m for point in walk.survey.points] == [
        pytest.approx(1.85), pytest.approx(2.25)
    ]  # fmt: skip


def test_the_way_round_a_shelf_is_walked_and_not_through_it() -> None:
    taps = [tap(0, 2.0, 2.0), tap(15, 2.0, 8.0)]

    walk = surveyed(taps, each_half_second(15))

    # To the corner of the shelf, past its end, and back; a hand's breadth off the corners.
    assert walk.walked_m == pytest.approx(2 * math.hypot(6.1, 2.4) + 1.2, abs=0.01)
    assert max(point.x_m for point in walk.survey.points) > 7.9
    assert not [p for p in walk.survey.points if p.x_m < 8.0 and 4.5 < p.y_m < 5.5]
    assert walk.left_out == ()


def test_a_way_that_nobody_can_have_walked_is_left_out_with_a_sentence() -> None:
    taps = [tap(0, 1.0, 2.0), tap(2, 9.0, 2.0), tap(6, 5.0, 2.0)]

    walk = surveyed(taps, each_half_second(6))

    assert walk.left_out == (
        (
            "The way between taps 1 and 2: 8.0 m in 2.0 s is faster than anybody walks;"
            " one of them has a wrong place or time."
        ),
    )
    assert walk.places == 4
    assert walk.unused == {Unused.OFF_THE_WALK: 4}


def test_a_shelf_in_the_way_makes_a_way_too_long_for_its_time() -> None:
    # Six metres in five seconds would be a stroll, were there no shelf between.
    walk = surveyed([tap(0, 2.0, 2.0), tap(5, 2.0, 8.0)], each_half_second(5))

    (sentence,) = walk.left_out
    assert "faster than anybody walks" in sentence
    assert walk.survey.points == ()


def test_a_way_of_more_than_a_minute_is_left_out() -> None:
    walk = surveyed([tap(0, 1.0, 2.0), tap(61, 9.0, 2.0)], each_half_second(61))

    assert walk.left_out == (
        (
            "The way between taps 1 and 2: 61 s are too long to know the way;"
            " tap at least once a minute."
        ),
    )
    assert surveyed([tap(0, 1.0, 2.0), tap(60, 9.0, 2.0)], each_half_second(60)).places == 8


def test_nothing_counts_between_a_pause_and_the_next_tap() -> None:
    taps = [tap(0, 1.0, 2.0), tap(3, 4.0, 2.0, TapKind.PAUSE), tap(40, 4.0, 8.0), tap(43, 7.0, 8.0)]

    walk = surveyed(taps, each_half_second(43))

    assert walk.left_out == ()
    assert walk.places == 6
    assert walk.seconds == pytest.approx(6.0)


def test_nothing_counts_after_the_end() -> None:
    taps = [tap(0, 1.0, 2.0), tap(3, 4.0, 2.0, TapKind.END), tap(40, 4.0, 8.0), tap(43, 7.0, 8.0)]

    walk = surveyed([tap(math.nan, 4.0, 8.0), *taps[::-1]], each_half_second(43))

    assert walk.left_out == (
        "Tap 5, and the ways to and from it: its time or place is not a number.",
        "2 taps after tap 2, which said that it was the end.",
    )
    assert walk.places == 3
    assert walk.seconds == pytest.approx(3.0)


def test_a_way_on_which_nobody_was_heard_measured_nothing() -> None:
    taps = [tap(0, 1.0, 2.0), tap(8, 9.0, 2.0), tap(12, 5.0, 2.0), tap(16, 1.0, 2.0)]

    walk = surveyed(taps, [heard(12.5), heard(15.5)])

    # The second way took four seconds: nobody need have been heard in so short a time.
    assert walk.left_out == (
        (
            "The way between taps 1 and 2: no gateway heard the handset in these 8 s;"
            " is its Bluetooth on?"
        ),
    )
    assert walk.seconds == pytest.approx(8.0)


def test_only_what_was_recorded_counts() -> None:
    taps = [tap(0, 1.0, 2.0), tap(4, 5.0, 2.0), tap(8, 9.0, 2.0), tap(12, 5.0, 2.0)]

    walk = surveyed(taps, each_half_second(12), since_s=START_S + 2, until_s=START_S + 11)

    assert walk.left_out == (
        "The way between taps 1 and 2: not all of it was recorded.",
        "The way between taps 3 and 4: not all of it was recorded.",
    )
    assert [point.x_m for point in walk.survey.points] == [
        pytest.approx(x) for x in (5.5, 6.5, 7.5, 8.5)
    ]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (Tap(START_S + 4, "ground", 12.0, 2.0), "(12.0, 2.0) lies 2.0 m outside the floor"),
        (Tap(START_S + 4, "cellar", 5.0, 2.0), "there is no floor cellar, only ground, first"),
        (Tap(START_S + 4, "ground", math.nan, 2.0), "its time or place is not a number"),
        (Tap(START_S + 4, "ground", math.inf, 2.0), "its time or place is not a number"),
        (Tap(START_S + 4, "ground", 2.0, 1e200), "(2.0e+00, 1.0e+200) is no place in metres"),
    ],
)
def test_a_wrong_tap_takes_the_ways_beside_it_along(wrong: Tap, why: str) -> None:
    taps = [tap(0, 1.0, 2.0), wrong, tap(8, 9.0, 2.0), tap(12, 5.0, 2.0)]

    walk = surveyed(taps, each_half_second(12))

    assert walk.left_out == (f"Tap 2, and the ways to and from it: {why}.",)
    assert walk.places == 4


def test_a_tap_without_a_time_says_nothing_about_the_others() -> None:
    taps = [tap(0, 1.0, 2.0), Tap(math.nan, "ground", 5.0, 2.0), tap(4, 5.0, 2.0)]

    walk = surveyed(taps, each_half_second(4))

    assert walk.left_out == (
        "Tap 3, and the ways to and from it: its time or place is not a number.",
    )
    assert walk.places == 4


def test_only_floors_with_taps_are_looked_into() -> None:
    no_floor = replace(FLOOR, floor_id="roof", outline=((0.0, 0.0), (1.0, 1.0)))
    checker = TapChecker(replace(SHOP, floors=(FLOOR, no_floor)))

    assert checker.fault(tap(0, 1.0, 2.0)) is None
    with pytest.raises(ValueError, match="linearring requires at least 4 coordinates"):
        checker.ways("roof")


def test_a_tap_deep_in_a_shelf_is_refused_and_one_at_its_edge_moved_out() -> None:
    thick = replace(FLOOR, obstacles=(((0.0, 3.0), (8.0, 3.0), (8.0, 8.0), (0.0, 8.0)),))
    checker = TapChecker(replace(SHOP, floors=(thick,)))

    assert checker.fault(tap(0, 4.0, 5.0)) == "(4.0, 5.0) lies deep inside a shelf or a wall"
    assert checker.fault(tap(0, 4.0, 3.4)) is None

    walk = surveyed([tap(0, 1.0, 4.6), tap(4, 5.0, 4.6)], each_half_second(4))
    assert walk.places == 4
    assert all(point.y_m < 4.5 for point in walk.survey.points)


def test_taps_on_two_floors_have_no_way_between_them() -> None:
    upstairs = Tap(START_S + 4, "first", 5.0, 2.0)
    taps = [tap(0, 1.0, 2.0), upstairs, replace(upstairs, at_s=START_S + 8, x_m=9.0)]

    walk = surveyed(taps, each_half_second(8))

    assert walk.left_out == (
        "The way between taps 1 and 2: they are on the floors ground and first.",
    )
    assert {point.floor_id for point in walk.survey.points} == {"first"}


def test_places_that_no_way_joins() -> None:
    closed = replace(FLOOR, obstacles=(((0.0, 4.5), (10.0, 4.5), (10.0, 5.5), (0.0, 5.5)),))
    shop = replace(SHOP, floors=(closed,))

    walk = survey_of_walk("one", shop, [tap(0, 5, 2), tap(20, 5, 8)], each_half_second(20))

    assert walk.left_out == (
        "The way between taps 1 and 2: nobody can walk from one to the other.",
    )


def test_what_makes_no_sense_is_counted_and_not_used() -> None:
    bad = [
        heard(1, gateway_id="elsewhere"), heard(1, rssi_dbm=math.nan), heard(1, rssi_dbm=20.0),
        heard(1, count=0), heard(math.inf), heard(-1), heard(99),
    ]  # fmt: skip

    walk = surveyed([tap(0, 1.0, 2.0), tap(4, 5.0, 2.0)], [*bad, heard(2.1)])

    assert walk.unused == {
        Unused.UNKNOWN_GATEWAY: 1, Unused.NO_READING: 3, Unused.OFF_THE_WALK: 3,
    }  # fmt: skip
    assert len(walk.survey.points) == 1


def test_a_plan_with_faults_is_refused() -> None:
    crossed = replace(FLOOR, outline=((0, 0), (10, 10), (10, 0), (0, 10)))
    with pytest.raises(PlanError, match="not a simple polygon"):
        survey_of_walk("one", replace(SHOP, floors=(crossed,)), [], [])


def test_nothing_at_all_is_an_empty_survey() -> None:
    assert surveyed([], []) == SurveyedWalk(surveyed([], []).survey, 0, 0, 0, (), {})
    assert surveyed([tap(0, 1, 2)], [heard(0)]).survey.points == ()


_xy = st.floats(-3.0, 13.0) | st.floats()
_after = st.floats(0.0, 300.0) | st.floats()
_taps = st.builds(
    Tap,
    at_s=_after.map(lambda after_s: START_S + after_s),
    floor_id=st.sampled_from(["ground", "first", "cellar"]),
    x_m=_xy,
    y_m=_xy,
    kind=st.sampled_from(TapKind),
)
_heard = st.builds(
    Heard,
    device=st.just("staff"),
    gateway_id=st.sampled_from(["left", "right", "elsewhere"]),
    at_s=_after.map(lambda after_s: START_S + after_s),
    count=st.integers(-1, 5),
    mean_rssi_dbm=st.floats(-120.0, 30.0) | st.floats(),
    max_rssi_dbm=st.just(0.0),
)


@settings(max_examples=150, deadline=None)
@given(taps=st.lists(_taps, max_size=12), sightings=st.lists(_heard, max_size=30))
def test_whatever_comes_in_what_goes_out_is_sound(taps: list[Tap], sightings: list[Heard]) -> None:
    walk = surveyed(taps, sightings)

    used = sum(1 for one in sightings) - sum(walk.unused.values())
    assert sum(1 for _ in walk.survey.points) <= used
    for point in walk.survey.points:
        assert 0.0 <= point.x_m <= 10.0
        assert 0.0 <= point.y_m <= 10.0
        assert -110.0 <= point.mean_rssi_dbm <= -10.0
        assert 0.0 <= point.sd_rssi_db <= 50.0
        assert point.count >= 1
        assert point.seconds > 0.0
    assert walk.walked_m <= FASTEST_M_PER_S * walk.seconds + 1e-6
    of_place = {(p.floor_id, p.x_m, p.y_m): p.seconds for p in walk.survey.points}
    assert sum(of_place.values()) <= walk.seconds + 1e-6


_walks = st.lists(
    st.tuples(st.floats(0.5, 9.5), st.floats(0.5, 4.0), st.floats(8.0, 50.0)),
    min_size=2,
    max_size=6,
)


@settings(max_examples=50, deadline=None)
@given(corners=_walks)
def test_a_sound_walk_loses_no_second_and_no_sighting(
    corners: list[tuple[float, float, float]],
) -> None:
    taps, after_s = [], 0.0
    for x_m, y_m, took_s in corners:
        taps.append(tap(after_s, x_m, y_m))
        after_s += took_s
    lasts_s = taps[-1].at_s - START_S
    all_heard = [heard(0.25 + 0.5 * number) for number in range(int(2 * lasts_s))]

    walk = surveyed(taps, all_heard)

    assert walk.left_out == ()
    assert sum(walk.unused.values()) == 0
    assert sum(point.count for point in walk.survey.points) == len(all_heard)
    assert walk.seconds == pytest.approx(lasts_s, abs=1e-3)
