"""How the filter moves people about the cells, and what it forgets of those who are not heard."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacons import filter_tables
from beacons.cell_filter import CONNECTOR_SHARE, OFFSET_WANDERS_DB2, Belief, advance, spread
from beacons.filter_tables import Floats32, Ints, Tables, build_tables
from beacons.floor import FloorPlan, GatewayPlace
from beacons.grid import CELL_M, Grid, build_grid
from beacons.radio_map import RadioMap, map_from_positions
from beacons.store_plan import Connector, ConnectorEnd, ConnectorKind
from tests.beacons.exact_filter import OFFSETS_DB, ExactFilter
from tests.beacons.walled_shop import (
    EVERYBODY,
    GRID,
    TABLES,
    certain,
    copied,
    distance,
    floor,
    looks,
    mean_offset_db,
    nearest,
    rectangle,
    settled,
    tables_of,
)  # fmt: skip

TWO_FLOORS = [floor(), floor(floor_id="u")]
STAIRS = build_grid(
    TWO_FLOORS,
    [Connector("stairs", ConnectorKind.STAIRS, (ConnectorEnd("f", 8, 5), ConnectorEnd("u", 1, 1)))],
)
STAIRS_RADIO = map_from_positions(TWO_FLOORS, STAIRS)
STAIRS_TABLES = build_tables(STAIRS, STAIRS_RADIO)
CLOSED_TABLES = build_tables(build_grid(TWO_FLOORS), STAIRS_RADIO)

# Motion.


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_nobody_is_lost_or_made_in_walking(seed: int, ticks: int) -> None:
    """Walls, stairs and two floors; each tick adds what may be anywhere, and no more."""
    p, _ = somewhere(STAIRS_TABLES, seed)
    belief = Belief(p, np.zeros_like(p), np.ones(1, dtype=np.float32))
    for _ in range(ticks):
        belief, _ = spread(STAIRS_TABLES, belief)
    assert float(belief.p.sum()) == pytest.approx(1.0 + ticks * filter_tables.TELEPORT, abs=1e-4)
    assert (belief.p > 0).all()


def somewhere(tables: Tables, seed: int) -> tuple[Floats32, Ints]:
    """One handset at few places, and for each how loud it would be: an index of OFFSETS_DB."""
    chance = np.random.default_rng(seed)
    p = chance.random((1, tables.cells)).astype(np.float32) ** 8
    p /= p.sum()
    return p, chance.integers(60, 160, tables.cells)


def assert_moved_as_the_exact_filter_moves(grid: Grid, radio: RadioMap, seed: int) -> None:
    tables = build_tables(grid, radio)
    p, offset = somewhere(tables, seed)
    exact = ExactFilter(grid, radio)
    exact.joint = np.zeros_like(exact.joint)
    exact.joint[offset, np.arange(tables.cells)] = p[0]
    exact.walk()
    offset_db = OFFSETS_DB[offset].astype(np.float32)
    belief, mean_db = spread(tables, Belief(p, offset_db[None], np.ones(1, dtype=np.float32)))
    assert belief.p[0] / belief.p.sum() == pytest.approx(exact.p, abs=1e-6)
    assert belief.offset_db[0] == pytest.approx(OFFSETS_DB @ exact.joint / exact.p, abs=0.01)
    assert float(mean_db[0]) == pytest.approx(float(p[0] @ offset_db), abs=1e-3)


SHELF = st.tuples(st.integers(0, 7), st.integers(0, 4), st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=40, deadline=None)
@given(st.lists(SHELF, max_size=4), st.integers(0, 2**32))
def test_between_any_shelves_people_move_as_the_exact_filter_has_it(
    shelves: list[tuple[int, int, int, int]], seed: int
) -> None:
    """A cell's neighbours above and below are so many cells away as the shelves leave."""
    obstacles = tuple(rectangle(x, y, x + wide, y + deep) for x, y, wide, deep in shelves)
    grid, radio, _ = tables_of(replace(floor(), obstacles=obstacles))
    assert_moved_as_the_exact_filter_moves(grid, radio, seed)


@pytest.mark.parametrize("seed", range(5))
def test_over_stairs_people_move_as_the_exact_filter_has_it(seed: int) -> None:
    assert_moved_as_the_exact_filter_moves(STAIRS, STAIRS_RADIO, seed)


def test_in_one_tick_one_reaches_only_the_open_neighbours() -> None:
    assert len(GRID.place) < GRID.rows * GRID.columns
    for cell, place in enumerate(GRID.place.tolist()):
        p = spread(TABLES, certain(TABLES, cell))[0].p[0] - TABLES.landing
        reached = set(GRID.place[p > 1e-5].tolist())
        # One to the side and from there one up or down.
        across = {place}
        across |= {place + 1} if GRID.right[place] else set()
        across |= {place - 1} if place and GRID.right[place - 1] else set()
        open_ = set(across)
        for one in across:
            open_ |= {one + GRID.columns} if GRID.down[one] else set()
            above = one - GRID.columns
            open_ |= {above} if above >= 0 and GRID.down[above] else set()
        assert reached == open_


def test_the_ends_of_a_row_are_no_neighbours() -> None:
    right_edge = nearest(GRID, 8.9, 3.0)
    assert GRID.xy[right_edge + 1, 0] < 1.0
    belief, _ = spread(TABLES, certain(TABLES, right_edge))
    assert belief.p[0, right_edge + 1] < 1e-5


@pytest.mark.parametrize("cell_m", [CELL_M, 1.0, 1.5])
def test_a_walk_spreads_as_far_as_shoppers_walk(cell_m: float) -> None:
    """Five seconds in the open: each axis by half of half the time at 1.1 m/s, for 2 s at once.

    Across the narrowest cells nearly so: in a tick a quarter crosses each border, and no more.
    """
    hall = FloorPlan("hall", rectangle(0, 0, 20, 20), (), (), (GatewayPlace("g", 10, 10, 3.0),))
    grid = build_grid([hall], cell_m=cell_m)
    tables = build_tables(grid, map_from_positions([hall], grid))
    middle = nearest(grid, 10, 10)
    belief = certain(tables, middle)
    for _ in range(10):
        belief, _ = spread(tables, belief)
    p = np.where(np.hypot(*(grid.xy - grid.xy[middle]).T) < 8, belief.p[0], 0)
    p /= p.sum()
    variance_m2 = p @ (grid.xy[:, 0] - p @ grid.xy[:, 0]) ** 2
    assert variance_m2 == pytest.approx(0.5 * 1.1**2 * 5, rel=0.08 if cell_m == CELL_M else 0.05)


def test_offsets_travel_with_those_who_have_them() -> None:
    quiet, loud = nearest(GRID, 2, 5), nearest(GRID, 7, 5)
    p = np.zeros((1, TABLES.cells), dtype=np.float32)
    p[0, [quiet, loud]] = 0.25, 0.75
    offset_db = np.zeros_like(p)
    offset_db[0, [quiet, loud]] = -15.0, 5.0
    belief = Belief(p, offset_db, np.ones(1, dtype=np.float32))
    for _ in range(4):
        belief, _ = spread(TABLES, belief)
    near_quiet, near_loud = nearest(GRID, 2, 4.2), nearest(GRID, 7, 4.2)
    assert belief.p[0, near_quiet] > 0.005
    assert belief.offset_db[0, near_quiet] == pytest.approx(-15.0, abs=0.2)
    assert belief.offset_db[0, near_loud] == pytest.approx(5.0, abs=0.2)
    p = belief.p / belief.p.sum()
    assert float(p[0] @ belief.offset_db[0]) == pytest.approx(0.0, abs=0.01)


def test_who_lands_where_nobody_was_is_as_loud_as_on_average() -> None:
    """Upstairs, without the stairs: all that is there came by the chance that the plan is wrong."""
    belief = certain(CLOSED_TABLES, nearest(STAIRS, 2, 5), offset_db=-15.0)
    other = nearest(STAIRS, 7, 5)
    belief.p[0, other], belief.offset_db[0, other] = 3.0, 5.0
    belief.p[:] /= 4.0
    after, mean_db = spread(CLOSED_TABLES, belief)
    upstairs = STAIRS.floor == 1
    assert mean_db.tolist() == [0.0]
    assert after.p[0, upstairs] == pytest.approx(CLOSED_TABLES.landing[upstairs])
    assert after.offset_db[0, upstairs] == pytest.approx(0.0, abs=1e-5)


def test_stairs_carry_probability_and_its_offset_both_ways() -> None:
    """Of those who are still at one end after walking."""
    ((below, above),) = STAIRS.joined.tolist()
    assert (STAIRS.floor[below], STAIRS.floor[above]) == (0, 1)
    for start, end in ((below, above), (above, below)):
        after, _ = spread(STAIRS_TABLES, certain(STAIRS_TABLES, start, offset_db=9.0))
        carried = float(after.p[0, end] / (after.p[0, start] + after.p[0, end]))
        assert carried == pytest.approx(float(CONNECTOR_SHARE), rel=1e-3)
        assert after.offset_db[0, end] == pytest.approx(9.0, abs=0.2)


# Forgetting.


def test_who_is_not_heard_may_soon_be_anywhere() -> None:
    belief = settled(TABLES, nearest(GRID, 1, 5))
    apart = [distance(belief.p[0], TABLES.where)]
    for _ in range(6):
        for _ in range(20):
            belief, _, _ = advance(TABLES, belief, looks({}), EVERYBODY)
        apart.append(distance(belief.p[0], TABLES.where))
    assert apart[0] > 0.5
    assert apart == sorted(apart, reverse=True)
    assert apart[2] < 0.15
    assert apart[6] < 0.01


@pytest.mark.parametrize("seed", range(5))
def test_a_tick_forgets_a_part_of_the_place_and_nothing_of_the_loudness(seed: int) -> None:
    p, offset = somewhere(TABLES, seed)
    offset_db = OFFSETS_DB[offset].astype(np.float32)[None]
    start = Belief(p, offset_db, np.ones(1, dtype=np.float32))
    walked, _ = spread(TABLES, copied(start))
    after, _, _ = advance(TABLES, start, looks({}), EVERYBODY)
    faded = walked.p**filter_tables.KEPT
    assert after.p == pytest.approx(faded / faded.sum(), rel=1e-4)
    assert after.offset_db.tolist() == walked.offset_db.tolist()
    assert after.offset_db2.tolist() == walked.offset_db2.tolist()


def test_how_loud_a_handset_is_stays_known_while_it_is_not_heard() -> None:
    """A minute later nobody knows where it is; how it is held may have changed."""
    belief = settled(TABLES, nearest(GRID, 1, 5), offset_db=8.0)
    known_db, known_db2 = mean_offset_db(belief), float(belief.offset_db2[0])
    assert known_db > 4.0
    for _ in range(120):
        belief, _, _ = advance(TABLES, belief, looks({}), EVERYBODY)
    assert distance(belief.p[0], TABLES.where) < 0.01
    assert mean_offset_db(belief) == pytest.approx(known_db, abs=0.5)
    wandered_db2 = 120 * float(OFFSET_WANDERS_DB2)
    assert float(belief.offset_db2[0]) == pytest.approx(known_db2 + wandered_db2, rel=1e-3)
