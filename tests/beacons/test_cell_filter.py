"""The filter's closed forms beside a plain table of offset by cell, and its rules one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacons import filter_tables
from beacons.cell_filter import (
    OFFSET_DB2,
    OFFSET_LEAST_DB2,
    Belief,
    Looks,
    advance,
    looks_precision,
)
from beacons.filter_tables import AUDIENCE_DB, HEARD_ANYWAY, Tables, audience, build_tables
from beacons.radio_map import FAST_DB2, RadioMap
from tests.beacons.exact_filter import ExactFilter, Look
from tests.beacons.walled_shop import (
    DEAF,
    EVERYBODY,
    GRID,
    PLACES,
    RADIO,
    TABLES,
    copied,
    distance,
    floor,
    looks,
    mean_offset_db,
    nearest,
    settled,
    tables_of,
    unknown,
)  # fmt: skip

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
    assert mean_offset_db(belief) == pytest.approx(exact.offset_db, abs=0.05)
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
        place = chance.integers(TABLES.cells)
        offset_db = chance.normal(-6, 8)
        exact, belief = ExactFilter(GRID, RADIO), unknown()
        for _ in range(30):
            heard = {
                g: float(RADIO.expected_dbm[g, place] + offset_db + chance.normal(0, 5))
                for g in np.flatnonzero(chance.random(4) < 0.5).tolist()
            }
            listening = np.ones(len(PLACES), dtype=np.bool_) if hears else None
            exact.advance([Look(g, dbm, 0.02) for g, dbm in heard.items()], listening)
            by = EVERYBODY if hears else DEAF
            belief, _, _ = advance(TABLES, belief, looks(heard), by)
            apart.append(distance(belief.p[0], exact.p))
            offset_apart_db.append(abs(mean_offset_db(belief) - exact.offset_db))
    assert np.mean(apart) < (0.013 if hears else 0.005)
    assert np.max(apart) < (0.12 if hears else 0.02)
    assert np.mean(offset_apart_db) < (0.3 if hears else 0.08)
    assert np.max(offset_apart_db) < (2.0 if hears else 0.3)


@settings(max_examples=30, deadline=None)
@given(st.lists(TICK, min_size=1, max_size=12))
def test_whatever_is_heard_levels_lead_where_the_exact_filter_goes(
    ticks: list[dict[int, float]],
) -> None:
    """Levels that no place explains, too: in 600 random scripts 0.09 and 0.6 dB at most."""
    exact, belief = ExactFilter(GRID, RADIO), unknown()
    for heard in ticks:
        exact.advance([Look(g, level, 0.02) for g, level in heard.items()], None)
        belief, _, _ = advance(TABLES, belief, looks(heard), DEAF)
    assert distance(belief.p[0], exact.p) < 0.2
    assert mean_offset_db(belief) == pytest.approx(exact.offset_db, abs=1.5)


# Who heard.


def test_when_all_listen_the_audience_is_known_already() -> None:
    assert audience(TABLES.heard[np.ones(len(PLACES), dtype=np.bool_)]).tolist() == (
        TABLES.everybody.tolist()
    )


@pytest.mark.parametrize("offset_db", [-70.0, -46.0, -44.0, -20.5, 0.0, 7.0, 29.0, 31.0, 60.0])
def test_who_hears_is_interpolated_and_held_at_both_ends(offset_db: float) -> None:
    """Bayes' rule for a Gaussian and what is linear in it, about the offset of each cell.

    The chances are made up: the true ones are as good as the same at both ends.
    """
    chances = np.random.default_rng(0).uniform(0.1, 1.0, TABLES.heard.shape).astype(np.float32)
    start = unknown()
    start.offset_db[:], start.offset_db2[:] = offset_db, 4.0
    heard = looks({0: -70.0 + offset_db, 3: -75.0 + offset_db})
    deaf, surprise, _ = advance(TABLES, copied(start), heard, DEAF)
    after, _, _ = advance(TABLES, start, heard, audience(chances))
    assert surprise is not None
    count, own_db, own_db2 = surprise.weight.sum(), deaf.offset_db[0], deaf.offset_db2[0]

    cell = np.arange(TABLES.cells)
    log_heard = np.log(chances.sum(axis=0) + HEARD_ANYWAY)
    level = np.array([np.interp(own_db[c], AUDIENCE_DB, log_heard[:, c]) for c in cell])
    row = np.clip(np.searchsorted(AUDIENCE_DB, own_db, side="right") - 1, 0, len(AUDIENCE_DB) - 1)
    upper = np.minimum(row + 1, len(AUDIENCE_DB) - 1)
    slope = count * (log_heard[upper, cell] - log_heard[row, cell]) / 3.0
    expected = 0.5 * own_db2 * slope**2 - count * level
    found = np.log(after.p[0] / deaf.p[0])
    assert found - found.mean() == pytest.approx(expected - expected.mean(), abs=1e-3)
    assert after.offset_db[0] == pytest.approx(own_db - own_db2 * slope, abs=1e-3)


def test_silence_of_a_gateway_at_work_moves_belief_away_from_it() -> None:
    """Heard by those on the left only: the ones on the right say something by hearing nothing."""
    heard = {0: -80.0, 2: -80.0}
    left_only = np.array([True, False, True, False])
    with_right, without = unknown(), unknown()
    for _ in range(3):
        with_right, _, _ = advance(TABLES, with_right, looks(heard), EVERYBODY)
        without, _, _ = advance(TABLES, without, looks(heard), audience(TABLES.heard[left_only]))
    right = GRID.xy[:, 0] > 5
    assert with_right.p[0, right].sum() < 0.85 * without.p[0, right].sum()


def test_a_gateway_that_is_not_listening_might_as_well_not_be_there() -> None:
    _, _, fewer = tables_of(floor(PLACES[:3]))
    listening = np.array([True, True, True, False])
    with_dead, without = unknown(), unknown(fewer)
    chance = np.random.default_rng(4)
    for _ in range(20):
        heard = {g: -70.0 + chance.normal(0, 6) for g in range(3) if chance.random() < 0.5}
        by = audience(TABLES.heard[listening])
        with_dead, _, _ = advance(TABLES, with_dead, looks(heard), by)
        without, _, _ = advance(fewer, without, looks(heard, fewer), fewer.everybody)
    assert with_dead.p == pytest.approx(without.p, abs=1e-5)
    assert with_dead.offset_db == pytest.approx(without.offset_db, abs=1e-3)


def test_a_tick_in_which_nobody_heard_anything_says_nothing_of_gateways() -> None:
    nobody = audience(TABLES.heard[:0])
    start = settled(TABLES, nearest(GRID, 1, 5))
    one, _, _ = advance(TABLES, copied(start), looks({}), EVERYBODY)
    other, _, _ = advance(TABLES, copied(start), looks({}), nobody)
    assert one.p.tolist() == other.p.tolist()


# One absurd reading.


def _pulled_db(start: Belief, away_db: float) -> float:
    """How far one reading that is louder by so much moves the handset's offset."""
    expected_dbm = -75.0 + float(start.p[0] @ TABLES.reach.expected_db[1])
    mean_db = mean_offset_db(start)
    heard = looks({1: expected_dbm + mean_db + away_db})
    after, _, _ = advance(TABLES, copied(start), heard, DEAF)
    unheard, _, _ = advance(TABLES, copied(start), looks({}), DEAF)
    return mean_offset_db(after) - mean_offset_db(unheard)


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
    after, _, _ = advance(TABLES, copied(start), looks({3: -30.0}), EVERYBODY)
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
        total = total * float(filter_tables.LOOKS_KEPT) + precision(18.0, kept, 2.0)
        kept = kept * float(filter_tables.LOOKS_KEPT) + 2.0
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
    belief = unknown(tables)
    for heard, worth, times in script:
        own = {gateway % gateways: level for gateway, level in heard.items()}
        for _ in range(times):
            belief, _, lost = advance(tables, belief, looks(own, tables, worth), tables.everybody)
            assert len(lost) == 0
        belief, _, _ = advance(tables, belief, looks({}, tables), tables.everybody)
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
    after, _, lost = advance(TABLES, start, three, EVERYBODY)
    alone, _, _ = advance(TABLES, unknown(), heard, EVERYBODY)
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
    together, _, _ = advance(TABLES, unknown(handsets=2), both, EVERYBODY)
    for row, own in enumerate((one, other)):
        alone, _, _ = advance(TABLES, unknown(), own, EVERYBODY)
        assert together.p[row] == pytest.approx(alone.p[0], abs=1e-6)
        assert together.offset_db[row] == pytest.approx(alone.offset_db[0], abs=1e-4)
