"""Plans: which zone a point lies in, and what is said about a plan that cannot be used."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from beacons.floor import (
    FloorPlan,
    GatewayPlace,
    PlanError,
    Polygon,
    Zone,
    ZoneKind,
    check_plan,
    zone_of,
)
from beacons.grid import MAX_CELLS, Floats, Grid, build_grid


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def aisle(zone_id: str, polygon: Polygon, priority: int = 0) -> Zone:
    return Zone(zone_id, zone_id.title(), ZoneKind.AISLE, polygon, priority)


GOOD = FloorPlan(
    floor_id="ground",
    outline=rectangle(0, 0, 12, 8),
    obstacles=(rectangle(5.5, 1.5, 6.5, 6.5),),
    zones=(aisle("left", rectangle(0, 0, 6, 8)), aisle("right", rectangle(6, 0, 12, 8))),
    gateways=(GatewayPlace("g1", 1, 1, 3), GatewayPlace("g2", 11, 7, 3)),
)
BOW_TIE: Polygon = ((0, 0), (4, 4), (4, 0), (0, 4))


def test_a_good_plan_has_no_faults() -> None:
    assert check_plan(GOOD) == []


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (replace(GOOD, outline=BOW_TIE), "The outline is not a simple polygon"),
        (replace(GOOD, outline=((0, 0), (1, 1))), "The outline needs at least three corners"),
        (replace(GOOD, outline=((0, 0), (1, 1), (float("nan"), 0))), "not a number"),
        (replace(GOOD, obstacles=(BOW_TIE,)), "Obstacle 1 is not a simple polygon"),
        (replace(GOOD, obstacles=(GOOD.outline,)), "nobody can stand anywhere"),
        (replace(GOOD, zones=(aisle("a", BOW_TIE),)), "Zone a is not a simple polygon"),
        (replace(GOOD, zones=(aisle("a", rectangle(6, 0, 18, 8)),)), "Zone a lies 50% outside"),
        (replace(GOOD, zones=(GOOD.zones[0], GOOD.zones[0])), "Zone id left is used 2 times"),
        (replace(GOOD, zones=(*GOOD.zones, aisle("a", rectangle(0, 0, 3, 3)))), "same priority"),
        (replace(GOOD, gateways=()), "The floor has no gateway"),
        (replace(GOOD, gateways=(GOOD.gateways[0],) * 2), "Gateway id g1 is used 2 times"),
        (replace(GOOD, gateways=(GatewayPlace("g", 112, 1, 3),)), "hangs 100 m outside"),
        (replace(GOOD, gateways=(GatewayPlace("g", 1, 1, 300),)), "300 m high"),
        (replace(GOOD, gateways=(GatewayPlace("g", float("inf"), 1, 3),)), "not a number"),
    ],
)
def test_each_fault_of_a_plan_has_its_sentence(plan: FloorPlan, words: str) -> None:
    assert any(words in fault for fault in check_plan(plan)), check_plan(plan)
    with pytest.raises(PlanError, match="ground"):
        build_grid([plan])


def test_a_point_is_in_the_zone_of_highest_priority_or_in_none() -> None:
    island = aisle("island", rectangle(1, 1, 3, 3), priority=1)
    plan = replace(GOOD, zones=(island, *GOOD.zones))
    points = [(2, 2), (4, 4), (8, 4), (6, 4), (-1, 4), (float("nan"), 4)]
    assert zone_of(plan, points).tolist() == [0, 1, 2, 1, -1, -1]
    assert zone_of(replace(GOOD, zones=()), points).tolist() == [-1] * 6
    assert zone_of(GOOD, np.empty((0, 2))).tolist() == []


def middles(grid: Grid) -> Floats:
    """Of every place in the rectangle; no number where nobody walks."""
    xy = np.full((grid.rows * grid.columns, 2), np.nan)
    xy[grid.place] = grid.xy
    return xy


def test_only_places_where_one_can_stand_are_cells() -> None:
    """The shelf of 1 by 5 m takes 20 cells of 0.5 m, and they are counted out row by row."""
    grid = build_grid([GOOD], cell_m=0.5)
    assert (grid.rows, grid.columns) == (16, 24)
    assert len(grid.xy) == 16 * 24 - 20
    row, column = np.divmod(grid.place, grid.columns)
    assert grid.xy == pytest.approx(np.stack([0.5 * column + 0.25, 0.5 * row + 0.25], axis=1))
    in_shelf = (np.abs(grid.xy[:, 0] - 6) < 0.5) & (np.abs(grid.xy[:, 1] - 4) < 2.5)
    assert not in_shelf.any()


def test_no_two_cells_are_neighbours_through_a_shelf() -> None:
    grid = build_grid([GOOD], cell_m=0.5)
    xy = middles(grid)
    for link, shift in ((grid.right, 1), (grid.down, grid.columns)):
        for place in np.flatnonzero(link):
            (x0, y0), (x1, y1) = xy[place], xy[place + shift]
            beside_shelf = 1.5 < y0 < 6.5 and 1.5 < y1 < 6.5
            assert not (beside_shelf and (x0 - 6) * (x1 - 6) < 0)
    # One can still walk around both ends.
    across = [(x0 - 6) * (x1 - 6) < 0 for (x0, _), (x1, _) in pairwise(xy)]
    assert (grid.right[:-1] & across).sum() >= 4


def test_a_thin_wall_separates_cells() -> None:
    wall = rectangle(5.99, 0, 6.01, 8)
    grid = build_grid([replace(GOOD, obstacles=(wall,))])
    left = middles(grid)[:, 0] < 6
    assert len(left) == len(grid.xy)
    crossing = left[:-1] & ~left[1:] & (np.arange(1, len(left)) % grid.columns != 0)
    assert crossing.any()
    assert not grid.right[:-1][crossing].any()


def test_cells_carry_their_share_of_each_zone() -> None:
    grid = build_grid([replace(GOOD, zones=GOOD.zones[:1])], cell_m=0.5)
    assert np.allclose(grid.zone_share.sum(axis=1), 1.0)
    x = grid.xy[:, 0]
    assert (grid.zone_share[x < 5, 0] == 1.0).all()
    assert (grid.zone_share[x > 7, 1] == 1.0).all()


def test_a_large_floor_gets_larger_cells() -> None:
    grid = build_grid([replace(GOOD, outline=rectangle(0, 0, 120, 80))])
    assert grid.rows * grid.columns <= MAX_CELLS
    assert grid.cell_m > 2.0
