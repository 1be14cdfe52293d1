"""A simulated survey goes everywhere in both directions, through nothing, and taps as people do."""

import math
import random
from dataclasses import replace
from itertools import pairwise

import pytest
import shapely

from firmware_sim.excursion import Ground
from firmware_sim.floor import Floor, Point, supermarket
from firmware_sim.survey_route import PACE_M_PER_S, TAPS_APART_M, SurveyRoute, survey_route
from firmware_sim.walker import WalkError


@pytest.fixture(scope="module")
def market() -> Floor:
    return supermarket()


@pytest.fixture(scope="module")
def route(market: Floor) -> SurveyRoute:
    return survey_route(market, random.Random(1))


def _times_through(route: SurveyRoute, start: Point, end: Point) -> int:
    """How often the walk goes from one end of an aisle straight to the other."""
    return sum(
        math.dist(leg.start, start) < 0.01 and math.dist(leg.end, end) < 0.01
        for leg in route.walk.legs
    )


def test_every_aisle_is_walked_in_both_directions(market: Floor, route: SurveyRoute) -> None:
    axes = Ground(market).axes.values()

    assert len(axes) == 6
    assert [_times_through(route, axis.start, axis.end) for axis in axes] == [1] * 6
    assert [_times_through(route, axis.end, axis.start) for axis in axes] == [1] * 6


def test_every_till_is_visited(market: Floor, route: SurveyRoute) -> None:
    been = {leg.end for leg in route.walk.legs}

    assert set(market.tills) <= been


def test_it_takes_minutes_and_goes_through_nothing(market: Floor, route: SurveyRoute) -> None:
    solid = shapely.union_all([shapely.Polygon(each) for each in market.obstacles])
    way = shapely.LineString([route.walk.legs[0].start, *(leg.end for leg in route.walk.legs)])

    assert 240.0 <= route.walk.ends_at_s <= 360.0
    assert way.length == pytest.approx(PACE_M_PER_S * route.walk.ends_at_s)
    assert not solid.intersects(way)


def test_taps_are_near_where_the_walk_is_and_never_within_two_steps(route: SurveyRoute) -> None:
    assert [tap.is_end for tap in route.taps] == [False] * (len(route.taps) - 1) + [True]
    for tap in route.taps[:-1]:
        pose = route.walk.position(tap.at_s)
        assert pose is not None
        assert math.dist((tap.x_m, tap.y_m), (pose.x_m, pose.y_m)) < 2.0
    for tap, following in pairwise(route.taps[:-1]):
        assert 0.0 < following.at_s - tap.at_s <= 60.0
        assert following.at_s - tap.at_s > TAPS_APART_M / PACE_M_PER_S - 2.0


def test_an_aisle_that_is_blocked_is_visited_from_both_ends(market: Floor) -> None:
    island = ((21.6, 9.0), (23.4, 9.0), (23.4, 10.5), (21.6, 10.5))
    blocked = replace(market, fixtures=(*market.fixtures, island))

    route = survey_route(blocked, random.Random(1))

    axis = Ground(blocked).axes["aisle-1"]
    assert _times_through(route, axis.start, axis.end) == 0
    assert {axis.start, axis.end} <= {leg.end for leg in route.walk.legs}


def test_a_floor_that_is_too_narrow_is_refused(market: Floor) -> None:
    racetrack = ((27.3, 0.6), (28.2, 3.2), (29.3, 17.9), *market.racetrack[3:])

    with pytest.raises(WalkError, match="cannot be walked"):
        survey_route(replace(market, racetrack=racetrack), random.Random(1))
