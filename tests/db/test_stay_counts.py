"""Past stays as expected dwell is learned from them: which count, for how long, and how."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.dwell import LONGEST_STAY_S, SHORTEST_STAY_S, StayCount
from config.clock import VirtualClock
from db import visits
from db.connect import Database
from db.handsets import register
from db.stays import stay_counts
from db.stores import save_store
from tests.db.rows import STORE, a_plan, a_store


def _s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


@pytest.fixture
async def start(database: Database, clock: VirtualClock) -> datetime:
    """When the store of these tests opens."""
    await a_store(database, clock.now())
    return clock.now()


async def _visit(tx: AsyncConnection, at: datetime, store_id: str = STORE) -> str:
    """A visit that begins then; its id."""
    handset = await register(
        tx, platform="web", app_version="1", country="IT", locale="it-IT", now=at
    )
    opened = await visits.open_visit(tx, handset.shopper_id, store_id, handset.handset_id, at)
    return opened.visit_id


async def _stay(
    tx: AsyncConnection, visit_id: str, zone_id: str, at: datetime, lasts_s: float
) -> None:
    """A stay whose end presence saw."""
    await visits.enter_zone(tx, visit_id, zone_id, at, 0.8)
    await visits.leave_zones(tx, visit_id, at + _s(lasts_s))


async def test_stays_are_counted_by_zone_and_half_second(
    database: Database, start: datetime
) -> None:
    async with database.begin() as tx:
        for number in range(3):
            visit_id = await _visit(tx, start + _s(number))
            await _stay(tx, visit_id, "aisle-7", start + _s(10), 12.5)
            await _stay(tx, visit_id, "aisle-8", start + _s(30), 7.3)
            await visits.close_visit(tx, visit_id, start + _s(300))

        assert await stay_counts(tx, STORE, start) == [
            StayCount("aisle-7", 12.5, is_over=True, count=3),
            StayCount("aisle-8", 7.5, is_over=True, count=3),
        ]


async def test_a_stay_that_ends_with_its_visit_has_no_seen_end(
    database: Database, start: datetime
) -> None:
    """Left later than last heard: the handset fell silent in there."""
    async with database.begin() as tx:
        silent = await _visit(tx, start)
        await _stay(tx, silent, "aisle-7", start, 26.0)
        await visits.close_visit(tx, silent, start + _s(20))
        cut_off = await _visit(tx, start)
        await visits.enter_zone(tx, cut_off, "aisle-7", start + _s(10), 0.8)
        await visits.close_visit(tx, cut_off, start + _s(40))

        assert await stay_counts(tx, STORE, start) == [
            StayCount("aisle-7", 20.0, is_over=False, count=1),
            StayCount("aisle-7", 30.0, is_over=False, count=1),
        ]


async def test_what_is_too_short_or_not_over_or_elsewhere_does_not_count(
    database: Database, start: datetime
) -> None:
    async with database.begin() as tx:
        await save_store(tx, a_plan("store-2", ("gw-9",)), start)
        before = await _visit(tx, start - _s(1))
        await _stay(tx, before, "aisle-7", start, 30.0)
        await visits.close_visit(tx, before, start + _s(300))
        elsewhere = await _visit(tx, start, "store-2")
        await _stay(tx, elsewhere, "aisle-7", start, 30.0)
        await visits.close_visit(tx, elsewhere, start + _s(300))
        under_way = await _visit(tx, start)
        await _stay(tx, under_way, "aisle-7", start, 30.0)
        flap = await _visit(tx, start)
        await _stay(tx, flap, "aisle-7", start, SHORTEST_STAY_S)
        await visits.close_visit(tx, flap, start + _s(300))

        assert await stay_counts(tx, STORE, start) == []


async def test_stays_of_any_great_length_are_one_row(database: Database, start: datetime) -> None:
    async with database.begin() as tx:
        for lasts_s in (LONGEST_STAY_S + 5.0, LONGEST_STAY_S + 5_000.0):
            visit_id = await _visit(tx, start)
            await _stay(tx, visit_id, "aisle-7", start, lasts_s)
            await visits.close_visit(tx, visit_id, start + _s(40_000))

        (counted,) = await stay_counts(tx, STORE, start)
    assert counted.count == 2
    assert counted.duration_s > LONGEST_STAY_S


async def test_the_newest_visits_are_read_when_there_are_too_many(
    database: Database, start: datetime
) -> None:
    async with database.begin() as tx:
        for number in range(4):
            visit_id = await _visit(tx, start + _s(number))
            await _stay(tx, visit_id, "aisle-7", start + _s(10), 10.0 + number)
            await visits.close_visit(tx, visit_id, start + _s(300))

        read = await stay_counts(tx, STORE, start, visits_max=2)
    assert [stay.duration_s for stay in read] == [12.0, 13.0]
