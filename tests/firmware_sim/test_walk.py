"""Walks: through no shelf, at a walking pace, and with the habits of the published shoppers."""

import math
import random
from collections import Counter
from dataclasses import replace
from itertools import groupby, pairwise
from statistics import median

import pytest
import shapely

from firmware_sim.floor import Floor, ZoneKind, supermarket
from firmware_sim.walk import Walk, true_zone
from firmware_sim.walker import Walker, WalkError

VISITS = 60


@pytest.fixture(scope="module")
def market() -> Floor:
    return supermarket()


@pytest.fixture(scope="module")
def walks(market: Floor) -> list[Walk]:
    walker = Walker(market)
    return [walker.visit(random.Random(seed)) for seed in range(VISITS)]


def test_nobody_walks_through_a_wall_a_shelf_or_a_fixture(market: Floor, walks: list[Walk]) -> None:
    assert sum(len(walk.legs) for walk in walks) > VISITS * 20
    assert not _crosses_anything(market, walks)


def test_an_island_in_an_aisle_is_not_walked_through(market: Floor) -> None:
    island = ((22.1, 9.0), (22.9, 9.0), (22.9, 10.5), (22.1, 10.5))
    # The only aisle, so that every visit goes there and some would go through.
    zones = [z for z in market.zones if z.kind is not ZoneKind.AISLE or z.zone_id == "aisle-1"]
    blocked = replace(market, fixtures=(*market.fixtures, island), zones=tuple(zones))
    walker = Walker(blocked)

    walks = [walker.visit(random.Random(seed)) for seed in range(VISITS)]

    assert all(any(stop.zone_id == "aisle-1" for stop in walk.stops) for walk in walks)
    assert not _crosses_anything(blocked, walks)


def test_a_walk_is_unbroken_from_the_door_to_the_till(market: Floor, walks: list[Walk]) -> None:
    for walk in walks:
        for before, after in pairwise(walk.legs):
            assert before.end == after.start
            assert before.until_s == after.from_s
        assert true_zone(market, *walk.legs[0].start) == "entrance"
        assert true_zone(market, *walk.legs[-1].end) == "checkout"


def test_shoppers_move_at_a_walking_pace(walks: list[Walk]) -> None:
    speeds = [
        math.dist(leg.start, leg.end) / (leg.until_s - leg.from_s)
        for walk in walks
        for leg in walk.legs
        if leg.start != leg.end
    ]

    assert min(speeds) >= 0.3
    assert max(speeds) <= 1.4


def test_shoppers_hurry_as_the_tills_come_near(walks: list[Walk]) -> None:
    for walk in walks:
        last_shelf_until_s = walk.stops[-2].at_s + walk.stops[-2].duration_s
        last = [leg for leg in walk.legs if leg.start != leg.end][-1]
        first = walk.legs[0]

        assert last.from_s >= last_shelf_until_s
        assert math.dist(last.start, last.end) / (last.until_s - last.from_s) > math.dist(
            first.start, first.end
        ) / (first.until_s - first.from_s)


def test_the_way_round_is_counter_clockwise(market: Floor, walks: list[Walk]) -> None:
    centre_x_m, centre_y_m = market.size_m[0] / 2, market.size_m[1] / 2
    for walk in walks:
        bearings = [
            math.atan2(leg.end[1] - centre_y_m, leg.end[0] - centre_x_m) for leg in walk.legs
        ]
        turned = sum(math.remainder(two - one, math.tau) for one, two in pairwise(bearings))
        assert turned > math.pi / 2


def test_most_excursions_leave_an_aisle_where_they_entered_it(
    market: Floor, walks: list[Walk]
) -> None:
    middle_y_m = 10.5
    turns: Counter[bool] = Counter()
    for walk in walks:
        for zone_id, poses in _stays(market, walk):
            if zone_id is not None and zone_id.startswith("aisle"):
                turns[(poses[0][1] > middle_y_m) == (poses[-1][1] > middle_y_m)] += 1

    assert turns[False] > 0, "some go through"
    assert turns[True] > 4 * turns[False]


def test_a_stop_stands_still_in_its_zone_before_its_shelf(market: Floor, walks: list[Walk]) -> None:
    categories = {zone.zone_id: zone.category for zone in market.zones}
    solid = shapely.union_all([shapely.Polygon(each) for each in market.obstacles])
    for walk in walks:
        for stop in walk.stops[:-1]:
            begin = walk.position(stop.at_s + 0.01)
            end = walk.position(stop.at_s + stop.duration_s - 0.01)
            assert begin is not None
            assert begin == end
            assert true_zone(market, begin.x_m, begin.y_m) == stop.zone_id
            assert stop.category == categories[stop.zone_id]
            ahead = shapely.Point(
                begin.x_m + math.cos(begin.heading_rad), begin.y_m + math.sin(begin.heading_rad)
            )
            here = shapely.Point(begin.x_m, begin.y_m)
            assert solid.distance(ahead) < solid.distance(here)


def test_half_of_the_visits_last_about_as_long_as_asked(market: Floor) -> None:
    walker = Walker(market)
    for median_s in (240.0, 420.0):
        lengths_s = [
            walker.visit(random.Random(seed), median_s=median_s).ends_at_s for seed in range(80)
        ]
        assert median(lengths_s) == pytest.approx(median_s, rel=0.2)


def test_even_a_quick_visit_stays_in_an_aisle_for_8_seconds(market: Floor) -> None:
    walker = Walker(market)
    long_enough = 0
    for seed in range(40):
        walk = walker.visit(random.Random(seed), median_s=120.0)
        long_enough += any(
            zone_id is not None and zone_id.startswith("aisle") and len(poses) >= 16
            for zone_id, poses in _stays(market, walk)
        )

    assert long_enough >= 36


def test_the_same_chance_draws_the_same_walk(market: Floor) -> None:
    one = Walker(market).visit(random.Random(3))
    two = Walker(market).visit(random.Random(3))
    other = Walker(market).visit(random.Random(4))

    assert one == two
    assert one != other


def test_outside_the_visit_there_is_no_position(market: Floor) -> None:
    walk = Walker(market).visit(random.Random(1), starts_at_s=1_790_000_000.0)

    assert walk.starts_at_s == 1_790_000_000.0
    assert walk.position(walk.starts_at_s - 0.001) is None
    assert walk.position(walk.starts_at_s) is not None
    assert walk.position(walk.ends_at_s - 0.001) is not None
    assert walk.position(walk.ends_at_s) is None


def test_a_place_belongs_to_the_zone_around_it_and_to_no_other(market: Floor) -> None:
    for zone in market.zones:
        middle = shapely.Polygon(zone.polygon).representative_point()
        assert true_zone(market, middle.x, middle.y) == zone.zone_id
    assert true_zone(market, -1.0, 5.0) is None
    assert true_zone(market, 1.0, 1.0) is None  # in the corner before the tills


def test_a_racetrack_along_a_shelf_is_refused(market: Floor) -> None:
    door = market.racetrack[0]
    tight = replace(market, racetrack=(door, (28.2, 3.2), (24.6, 4.6), (24.6, 17.9)))

    with pytest.raises(WalkError, match=r"nearer than 0\.25 m to an obstacle"):
        Walker(tight)


def test_a_zone_with_nothing_to_look_at_is_named(market: Floor) -> None:
    bare = replace(
        market,
        walls=(),
        shelves=(),
        fixtures=market.fixtures[:1],
        zones=tuple(zone for zone in market.zones if zone.kind is not ZoneKind.PROMO),
    )

    with pytest.raises(WalkError, match="nobody can stand"):
        Walker(bare).visit(random.Random(1))


def _crosses_anything(floor: Floor, walks: list[Walk]) -> bool:
    solid = shapely.union_all([shapely.Polygon(each) for each in floor.obstacles])
    shapely.prepare(solid)
    ways = [shapely.LineString((leg.start, leg.end)) for walk in walks for leg in walk.legs]
    return bool(shapely.intersects(solid, ways).any())


def _stays(floor: Floor, walk: Walk) -> list[tuple[str | None, list[tuple[float, float]]]]:
    """Unbroken stays in a zone, as places each half second."""
    poses = []
    t_s = walk.starts_at_s
    while (pose := walk.position(t_s)) is not None:
        poses.append((pose.x_m, pose.y_m))
        t_s += 0.5
    grouped = groupby(poses, key=lambda place: true_zone(floor, *place))
    return [(zone_id, list(places)) for zone_id, places in grouped]
