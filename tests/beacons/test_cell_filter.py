"""The filter's closed forms beside a plain table of offset by cell, and its rules one by one."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacons import filter_tables
from beacons.cell_filter import (
    OFFSET_DB2,
    OFFSET_LEAST_DB2,
    OFFSET_MEAN_DB,
    Belief,
    Looks,
    advance,
    looks_precision,
    spread,
)
from beacons.filter_tables import Tables, audience, build_tables, relative_db
from beacons.floor import FloorPlan, GatewayPlace, Polygon, Zone, ZoneKind
from beacons.grid import Grid, build_grid
from beacons.radio_map import FAST_DB2, RadioMap, map_from_positions
from beacons.store_plan import Connector, ConnectorEnd, ConnectorKind
from tests.beacons.exact_filter import ExactFilter, Look

PLACES = ((1.0, 1.0), (8.0, 1.0), (1.0, 5.0), (8.0, 5.0))


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def floor(places: Sequence[tuple[float, float]] = PLACES, *, floor_id: str = "f") -> FloorPlan:
    """A shop of 9 by 6 m; a wall from its upper edge leaves a passage of 1.5 m below."""
    return FloorPlan(
        floor_id=floor_id,
        outline=rectangle(0, 0, 9, 6),
        obstacles=(rectangle(3.75, 1.5, 5.25, 6),),
        zones=(Zone(f"{floor_id}-left", "Left", ZoneKind.AISLE, rectangle(0, 0, 4.5, 6)),),
        gateways=tuple(
            GatewayPlace(f"{floor_id}{i}", x, y, 3.0) for i, (x, y) in enumerate(places)
        ),
        level=0 if floor_id == "f" else 1,
    )


def tables_of(plan: FloorPlan) -> tuple[Grid, RadioMap, Tables]:
    grid = build_grid([plan])
    radio = map_from_positions([plan], grid)
    return grid, radio, build_tables(grid, radio)


GRID, RADIO, TABLES = tables_of(floor())
ALL = np.ones(4, dtype=np.bool_)
# With this instead of an audience, who hears says nothing.
DEAF = np.zeros_like(audience(TABLES, ALL))
STAIRS = build_grid(
    [floor(), floor(floor_id="u")],
    [Connector("stairs", ConnectorKind.STAIRS, (ConnectorEnd("f", 8, 5), ConnectorEnd("u", 1, 1)))],
)


def unknown(tables: Tables = TABLES, handsets: int = 1) -> Belief:
    """A new handset's belief."""
    p = np.repeat(tables.where[None], handsets, axis=0)
    offset_db2 = np.full(handsets, OFFSET_DB2, dtype=np.float32)
    return Belief(p, np.full_like(p, OFFSET_MEAN_DB), offset_db2)


def certain(tables: Tables, cell: int, offset_db: float = 0.0) -> Belief:
    p = np.zeros((1, tables.cells), dtype=np.float32)
    p[0, cell] = 1.0
    return Belief(p, np.full_like(p, offset_db), np.ones(1, dtype=np.float32))


def copied(belief: Belief) -> Belief:
    return Belief(belief.p.copy(), belief.offset_db.copy(), belief.offset_db2.copy())


def looks(heard: dict[int, float], tables: Tables = TABLES, precision: float = 0.02) -> Looks:
    """One handset, level by gateway."""
    level = np.zeros((1, len(tables.slow_db2)), dtype=np.float32)
    worth = np.zeros_like(level)
    for gateway, level_dbm in heard.items():
        level[0, gateway] = relative_db(np.array([level_dbm]))[0]
        worth[0, gateway] = precision
    return Looks(level, worth)


def nearest(grid: Grid, x: float, y: float, floor_index: int = 0) -> int:
    away = np.hypot(grid.xy[:, 0] - x, grid.xy[:, 1] - y)
    return int(np.argmin(np.where(grid.walkable & (grid.floor == floor_index), away, np.inf)))


def distance(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Total variation: the probability that lies elsewhere."""
    return float(0.5 * np.abs(np.asarray(one) - np.asarray(other)).sum())


def settled(tables: Tables, cell: int, ticks: int = 20, offset_db: float = -6.0) -> Belief:
    """Somebody who stood there, heard exactly as the map says."""
    heard = {
        gateway: float(level) - 75.0 + offset_db
        for gateway, level in enumerate(tables.reach.expected_db[:, cell])
    }
    belief = unknown(tables)
    listening = np.ones(len(heard), dtype=np.bool_)
    for _ in range(ticks):
        belief, _, _ = advance(tables, belief, looks(heard, tables), audience(tables, listening))
    return belief


# The reference.

LEVELS = st.floats(-105.0, -35.0)
TICK = st.dictionaries(st.integers(0, 3), LEVELS, max_size=4)
PRECISIONS = st.floats(0.003, 0.025)


@settings(max_examples=60, deadline=None)
@given(TICK, PRECISIONS)
def test_levels_alone_are_weighed_as_bayes_rule_has_it(
    heard: dict[int, float], precision: float
) -> None:
    exact = ExactFilter(GRID, RADIO)
    exact.advance([Look(g, level, precision) for g, level in heard.items()], None)
    belief, _, lost = advance(TABLES, unknown(), looks(heard, precision=precision), DEAF)
    assert len(lost) == 0
    assert distance(belief.p[0], exact.p) < 1e-3
    assert float(belief.p[0] @ belief.offset_db[0]) == pytest.approx(exact.offset_db, abs=0.05)
    assert float(belief.offset_db2[0]) ** 0.5 == pytest.approx(exact.offset_sd_db, abs=0.05)


@settings(max_examples=30, deadline=None)
@given(TICK, PRECISIONS)
def test_a_map_that_is_surer_here_than_there_is_weighed_so(
    heard: dict[int, float], precision: float
) -> None:
    """As a survey of one half makes it; where is exact, how loud is shared between the cells."""
    uneven = RadioMap(
        RADIO.expected_dbm,
        np.where(GRID.xy[:, 0] < 4.5, 4.0, 30.0)[None, :] + np.zeros_like(RADIO.slow_db2),
        RADIO.gateway_db2,
    )
    tables = build_tables(GRID, uneven)
    exact = ExactFilter(GRID, uneven)
    exact.advance([Look(g, level, precision) for g, level in heard.items()], None)
    belief, _, _ = advance(tables, unknown(tables), looks(heard, tables, precision), DEAF)
    assert distance(belief.p[0], exact.p) < 1e-3


@pytest.mark.parametrize("hears", [False, True], ids=["levels", "levels and hearing"])
def test_shoppers_are_followed_as_the_exact_filter_follows_them(hears: bool) -> None:
    """Fifteen seconds at random places, at random loudness.

    Levels alone: only that the spread of offsets within a cell is dropped is not exact. Who hears
    is linear about the offset of the cell in one and exact in the other.
    """
    apart, offset_apart_db = [], []
    for seed in range(20):
        chance = np.random.default_rng(seed)
        place = chance.choice(np.flatnonzero(GRID.walkable))
        offset_db = chance.normal(-6, 8)
        exact, belief = ExactFilter(GRID, RADIO), unknown()
        for _ in range(30):
            heard = {
                g: float(RADIO.expected_dbm[g, place] + offset_db + chance.normal(0, 5))
                for g in np.flatnonzero(chance.random(4) < 0.5).tolist()
            }
            exact.advance([Look(g, dbm, 0.02) for g, dbm in heard.items()], ALL if hears else None)
            by = audience(TABLES, ALL) if hears else DEAF
            belief, _, _ = advance(TABLES, belief, looks(heard), by)
            apart.append(distance(belief.p[0], exact.p))
            mean_db = float(belief.p[0] @ belief.offset_db[0])
            offset_apart_db.append(abs(mean_db - exact.offset_db))
    assert np.mean(apart) < (0.01 if hears else 0.003)
    assert np.max(apart) < (0.12 if hears else 0.02)
    assert np.mean(offset_apart_db) < (0.3 if hears else 0.05)
    assert np.max(offset_apart_db) < (2.0 if hears else 0.3)


@settings(max_examples=30, deadline=None)
@given(st.lists(TICK, min_size=1, max_size=12))
def test_whatever_is_heard_levels_lead_where_the_exact_filter_goes(
    ticks: list[dict[int, float]],
) -> None:
    """Levels that no place explains, too: in 600 random scripts 0.13 and 0.7 dB at most."""
    exact, belief = ExactFilter(GRID, RADIO), unknown()
    for heard in ticks:
        exact.advance([Look(g, level, 0.02) for g, level in heard.items()], None)
        belief, _, _ = advance(TABLES, belief, looks(heard), DEAF)
    assert distance(belief.p[0], exact.p) < 0.2
    assert float(belief.p[0] @ belief.offset_db[0]) == pytest.approx(exact.offset_db, abs=1.5)


# Motion.


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_nobody_is_lost_or_made_in_walking(seed: int, ticks: int) -> None:
    """Walls, stairs and two floors; each tick adds what may be anywhere, and no more."""
    tables = build_tables(STAIRS, map_from_positions([floor(), floor(floor_id="u")], STAIRS))
    chance = np.random.default_rng(seed)
    p = chance.random((3, tables.cells)).astype(np.float32) ** 8 * (tables.where > 0)
    p /= p.sum(axis=1, keepdims=True)
    belief = Belief(p, np.zeros_like(p), np.ones(3, dtype=np.float32))
    for _ in range(ticks):
        belief = spread(tables, belief)
    expected = 1.0 + ticks * filter_tables.TELEPORT
    assert belief.p.sum(axis=1) == pytest.approx(np.full(3, expected), abs=1e-4)
    assert (belief.p >= 0).all()
    assert belief.p[:, tables.where == 0].max() < 1e-15


def test_in_one_tick_one_reaches_only_the_open_neighbours() -> None:
    for cell in np.flatnonzero(GRID.walkable).tolist():
        p = spread(TABLES, certain(TABLES, cell)).p[0] - TABLES.landing
        reached = set(np.flatnonzero(p > 1e-5).tolist())
        # One to the side and from there one up or down.
        across = {cell}
        across |= {cell + 1} if GRID.right[cell] else set()
        across |= {cell - 1} if cell and GRID.right[cell - 1] else set()
        open_ = set(across)
        for one in across:
            open_ |= {one + GRID.columns} if GRID.down[one] else set()
            above = one - GRID.columns
            open_ |= {above} if above >= 0 and GRID.down[above] else set()
        assert reached == open_


def test_the_ends_of_a_row_are_no_neighbours() -> None:
    right_edge = nearest(GRID, 8.9, 3.0)
    p = spread(TABLES, certain(TABLES, right_edge)).p[0]
    assert p[right_edge + 1] < 1e-5


def test_a_walk_spreads_as_far_as_shoppers_walk() -> None:
    """Five seconds in the open: each axis by half of half the time at 0.9 m/s, for 2 s at once."""
    hall = FloorPlan("hall", rectangle(0, 0, 20, 20), (), (), (GatewayPlace("g", 10, 10, 3.0),))
    grid, _, tables = tables_of(hall)
    middle = nearest(grid, 10, 10)
    belief = certain(tables, middle)
    for _ in range(10):
        belief = spread(tables, belief)
    p = np.where(np.hypot(*(grid.xy - grid.xy[middle]).T) < 6, belief.p[0], 0)
    p /= p.sum()
    variance_m2 = p @ (grid.xy[:, 0] - p @ grid.xy[:, 0]) ** 2
    assert variance_m2 == pytest.approx(0.5 * 0.9**2 * 5, rel=0.05)


def test_offsets_travel_with_those_who_have_them() -> None:
    quiet, loud = nearest(GRID, 2, 5), nearest(GRID, 7, 5)
    p = np.zeros((1, TABLES.cells), dtype=np.float32)
    p[0, [quiet, loud]] = 0.25, 0.75
    offset_db = np.zeros_like(p)
    offset_db[0, [quiet, loud]] = -15.0, 5.0
    belief = Belief(p, offset_db, np.ones(1, dtype=np.float32))
    for _ in range(4):
        belief = spread(TABLES, belief)
    near_quiet, near_loud = nearest(GRID, 2, 4.2), nearest(GRID, 7, 4.2)
    assert belief.p[0, near_quiet] > 0.005
    assert belief.offset_db[0, near_quiet] == pytest.approx(-15.0, abs=0.2)
    assert belief.offset_db[0, near_loud] == pytest.approx(5.0, abs=0.2)
    p = belief.p / belief.p.sum()
    assert float(p[0] @ belief.offset_db[0]) == pytest.approx(0.0, abs=0.01)


def test_stairs_carry_probability_and_its_offset_both_ways() -> None:
    plans = [floor(), floor(floor_id="u")]
    tables = build_tables(STAIRS, map_from_positions(plans, STAIRS))
    ((below, above),) = STAIRS.joined.tolist()
    assert (STAIRS.floor[below], STAIRS.floor[above]) == (0, 1)
    for start, end in ((below, above), (above, below)):
        after = spread(tables, certain(tables, start, offset_db=9.0))
        assert after.p[0, end] > 0.02
        assert after.offset_db[0, end] == pytest.approx(9.0, abs=0.2)


# Forgetting.


def test_who_is_not_heard_may_soon_be_anywhere() -> None:
    belief = settled(TABLES, nearest(GRID, 1, 5))
    apart = [distance(belief.p[0], TABLES.where)]
    for _ in range(6):
        for _ in range(20):
            belief, _, _ = advance(TABLES, belief, looks({}), audience(TABLES, ALL))
        apart.append(distance(belief.p[0], TABLES.where))
    assert apart[0] > 0.5
    assert apart == sorted(apart, reverse=True)
    assert apart[2] < 0.15
    assert apart[6] < 0.01


def test_how_loud_a_handset_is_stays_known_for_longer_than_where_it_is() -> None:
    belief = settled(TABLES, nearest(GRID, 1, 5), offset_db=8.0)
    known_db = float(belief.p[0] @ belief.offset_db[0])
    assert known_db > 4.0

    def waited(belief: Belief, seconds: int) -> tuple[Belief, float]:
        for _ in range(2 * seconds):
            belief, _, _ = advance(TABLES, belief, looks({}), audience(TABLES, ALL))
        return belief, float(belief.p[0] @ belief.offset_db[0])

    belief, after_20_s = waited(belief, 20)
    _, after_an_hour = waited(belief, 3_600)
    assert after_20_s > 0.5 * known_db
    assert after_an_hour == pytest.approx(float(OFFSET_MEAN_DB), abs=1.0)


# Silence.


def test_silence_of_a_gateway_at_work_moves_belief_away_from_it() -> None:
    """Heard by those on the left only: the ones on the right say something by hearing nothing."""
    heard = {0: -80.0, 2: -80.0}
    left_only = np.array([True, False, True, False])
    with_right, without = unknown(), unknown()
    for _ in range(3):
        with_right, _, _ = advance(TABLES, with_right, looks(heard), audience(TABLES, ALL))
        without, _, _ = advance(TABLES, without, looks(heard), audience(TABLES, left_only))
    right = GRID.xy[:, 0] > 5
    assert with_right.p[0, right].sum() < 0.85 * without.p[0, right].sum()


def test_a_gateway_that_is_not_listening_might_as_well_not_be_there() -> None:
    _, _, fewer = tables_of(floor(PLACES[:3]))
    listening = np.array([True, True, True, False])
    with_dead, without = unknown(), unknown(fewer)
    chance = np.random.default_rng(4)
    for _ in range(20):
        heard = {g: -70.0 + chance.normal(0, 6) for g in range(3) if chance.random() < 0.5}
        with_dead, _, _ = advance(TABLES, with_dead, looks(heard), audience(TABLES, listening))
        by = audience(fewer, listening[:3])
        without, _, _ = advance(fewer, without, looks(heard, fewer), by)
    assert with_dead.p == pytest.approx(without.p, abs=1e-5)
    assert with_dead.offset_db == pytest.approx(without.offset_db, abs=1e-3)


def test_a_tick_in_which_nobody_heard_anything_says_nothing_of_gateways() -> None:
    nobody = np.zeros(4, dtype=np.bool_)
    start = settled(TABLES, nearest(GRID, 1, 5))
    one, _, _ = advance(TABLES, copied(start), looks({}), audience(TABLES, ALL))
    other, _, _ = advance(TABLES, copied(start), looks({}), audience(TABLES, nobody))
    assert one.p.tolist() == other.p.tolist()


# One absurd reading.


def _pulled_db(start: Belief, away_db: float) -> float:
    """How far one reading that is louder by so much moves the handset's offset."""
    expected_dbm = -75.0 + float(start.p[0] @ TABLES.reach.expected_db[1])
    mean_db = float(start.p[0] @ start.offset_db[0])
    heard = looks({1: expected_dbm + mean_db + away_db})
    after, _, _ = advance(TABLES, copied(start), heard, DEAF)
    unheard, _, _ = advance(TABLES, copied(start), looks({}), DEAF)
    return float(after.p[0] @ after.offset_db[0] - unheard.p[0] @ unheard.offset_db[0])


def test_the_pull_of_one_reading_does_not_grow_with_its_absurdity() -> None:
    start = settled(TABLES, nearest(GRID, 1, 5))
    modest, far, absurd = (_pulled_db(start, away_db) for away_db in (5.0, 40.0, 60.0))
    assert 0.0 < modest < far
    # Least squares would pull 8 and 12 times as much as 5 dB do.
    assert far < 5.0 * modest
    assert absurd < 1.25 * far


def test_one_absurd_reading_does_not_move_a_shopper_to_the_other_side() -> None:
    start = settled(TABLES, nearest(GRID, 1, 5))
    left = GRID.xy[:, 0] < 4.5
    assert start.p[0, left].sum() > 0.9
    after, _, _ = advance(TABLES, copied(start), looks({3: -30.0}), audience(TABLES, ALL))
    assert after.p[0, left].sum() > 0.6


# Correlated sightings.


def precision(slow_db2: float, kept: float, fresh: float) -> float:
    one = (np.array([value], dtype=np.float32) for value in (slow_db2, kept, fresh))
    return float(looks_precision(*one)[0])


def test_the_first_sighting_is_worth_its_whole_variance() -> None:
    assert precision(18.0, 0.0, 1.0) == pytest.approx(1 / (18 + FAST_DB2), rel=1e-5)


@given(st.floats(0.5, 60), st.floats(0, 500), st.floats(0, 10_000))
def test_no_number_of_sightings_is_worth_more_than_the_map(
    slow_db2: float, kept: float, fresh: float
) -> None:
    added = precision(slow_db2, kept, fresh)
    assert 0.0 <= added <= 1 / slow_db2 + 1e-6


def test_standing_still_adds_up_to_one_look_at_the_place() -> None:
    """What a minute of sightings adds, forgetting included, is what one look of that many gives."""
    kept, total = 0.0, 0.0
    for _ in range(120):
        total = total * float(filter_tables.KEPT) + precision(18.0, kept, 2.0)
        kept = kept * float(filter_tables.KEPT) + 2.0
    assert total == pytest.approx(kept / (kept * 18.0 + FAST_DB2), rel=1e-3)
    assert total < 1 / 18.0


# Whatever comes.


def many_gateways(count: int) -> Tables:
    chance = np.random.default_rng(count)
    places = chance.uniform((0, 0), (9, 6), (count, 2)).tolist()
    return tables_of(floor([(x, y) for x, y in places]))[2]


STORES = {1: many_gateways(1), 150: many_gateways(150)}
EXTREMES = st.sampled_from([-110.0, -10.0, -75.0]) | st.floats(-110.0, -10.0)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([1, 150]),
    st.lists(
        st.tuples(
            st.dictionaries(st.integers(0, 149), EXTREMES, max_size=40),
            st.sampled_from([1e-6, 0.003, 0.03, 1.0, 2.0]),
            st.integers(1, 60),
        ),
        max_size=6,
    ),
)
def test_no_level_in_range_makes_a_number_that_is_none(
    gateways: int, script: list[tuple[dict[int, float], float, int]]
) -> None:
    """Each tick many times over, alternating with silence of everybody."""
    tables = STORES[gateways]
    by = audience(tables, np.ones(gateways, dtype=np.bool_))
    belief = unknown(tables)
    for heard, worth, times in script:
        own = {gateway % gateways: level for gateway, level in heard.items()}
        for _ in range(times):
            belief, _, lost = advance(tables, belief, looks(own, tables, worth), by)
            assert len(lost) == 0
        belief, _, _ = advance(tables, belief, looks({}, tables), by)
    assert np.isfinite(belief.p).all()
    assert belief.p.sum() == pytest.approx(1.0, abs=1e-3)
    assert np.isfinite(belief.offset_db).all()
    assert (np.abs(belief.offset_db) < 200).all()
    assert (belief.offset_db2 >= OFFSET_LEAST_DB2).all()
    assert (belief.offset_db2 < 200).all()


def test_who_is_lost_starts_anew_and_nobody_else_notices() -> None:
    start = unknown(handsets=3)
    start.p[1] = np.nan
    heard = looks({0: -60.0, 1: -80.0})
    three = Looks(np.repeat(heard.level_db, 3, axis=0), np.repeat(heard.precision, 3, axis=0))
    after, _, lost = advance(TABLES, start, three, audience(TABLES, ALL))
    alone, _, _ = advance(TABLES, unknown(), heard, audience(TABLES, ALL))
    assert lost.tolist() == [1]
    assert after.p[1].tolist() == TABLES.where.tolist()
    assert after.offset_db2[1] == OFFSET_DB2
    for row in (0, 2):
        assert after.p[row] == pytest.approx(alone.p[0], abs=1e-6)


def test_the_company_of_other_gateways_hearers_changes_nothing() -> None:
    """Only the gateways that somebody heard in this tick are worked with."""
    one, other = looks({0: -60.0, 1: -80.0}), looks({2: -65.0})
    both = Looks(
        np.concatenate([one.level_db, other.level_db]),
        np.concatenate([one.precision, other.precision]),
    )
    by = audience(TABLES, ALL)
    together, _, _ = advance(TABLES, unknown(handsets=2), both, by)
    for row, own in enumerate((one, other)):
        alone, _, _ = advance(TABLES, unknown(), own, by)
        assert together.p[row] == pytest.approx(alone.p[0], abs=1e-6)
        assert together.offset_db[row] == pytest.approx(alone.offset_db[0], abs=1e-4)
