"""Visits and stays in zones, as they are begun, prolonged and closed."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from config.clock import VirtualClock
from db import visits
from db.connect import Database
from db.handsets import erase_shopper, register
from db.tables import visits as visits_table
from db.tables import zone_visits
from db.visits import Visit, VisitsBefore, Whereabouts
from tests.db.rows import STORE, a_store


@pytest.fixture
async def visit(database: Database, clock: VirtualClock) -> Visit:
    """An open visit, entered now."""
    await a_store(database, clock.now())
    async with database.begin() as tx:
        handset = await register(
            tx, platform="web", app_version="1", country="IT", locale="it-IT", now=clock.now()
        )
        return await visits.open_visit(
            tx, handset.shopper_id, STORE, handset.handset_id, clock.now()
        )


async def test_an_open_visit_is_found_until_it_is_closed(
    database: Database, clock: VirtualClock, visit: Visit
) -> None:
    async with database.begin() as tx:
        assert await visits.open_visits(tx, STORE) == [visit]
        assert await visits.open_visits(tx, "another") == []

        await visits.close_visit(tx, visit.visit_id, clock.now())

        assert await visits.open_visits(tx, STORE) == []


async def test_the_last_sign_of_life_never_goes_back(
    database: Database, clock: VirtualClock, visit: Visit
) -> None:
    later = clock.now() + timedelta(minutes=2)
    async with database.begin() as tx:
        await visits.heard_until(tx, visit.visit_id, later)
        await visits.heard_until(tx, visit.visit_id, clock.now() + timedelta(minutes=1))

        (found,) = await visits.open_visits(tx, STORE)
    assert found.last_heard_at == later


async def test_closing_a_visit_ends_the_stay_and_no_earlier_one(
    database: Database, clock: VirtualClock, visit: Visit
) -> None:
    minute = timedelta(minutes=1)
    start = clock.now()
    async with database.begin() as tx:
        await visits.enter_zone(tx, visit.visit_id, "aisle-7", start, 0.8)
        await visits.leave_zones(tx, visit.visit_id, start + minute)
        await visits.enter_zone(tx, visit.visit_id, "aisle-8", start + 2 * minute, 0.9)
        await visits.close_visit(tx, visit.visit_id, start + 3 * minute)

        stays = (await tx.execute(select(zone_visits).order_by(zone_visits.c.id))).all()
        (row,) = (await tx.execute(select(visits_table))).all()
    assert [(stay.zone_id, stay.entered_at, stay.left_at, stay.confidence) for stay in stays] == [
        ("aisle-7", start, start + minute, 0.8),
        ("aisle-8", start + 2 * minute, start + 3 * minute, 0.9),
    ]
    assert row.left_at == start + 3 * minute
    assert row.erase_after == start + visits.KEPT


async def test_who_was_erased_can_have_no_visit(database: Database, visit: Visit) -> None:
    async with database.begin() as tx:
        assert await visits.can_visit(tx, visit.shopper_id)
        await erase_shopper(tx, visit.shopper_id)

        assert not await visits.can_visit(tx, visit.shopper_id)
        assert await visits.open_visits(tx, STORE) == []


async def test_one_trip_is_one_visit_and_a_day_counts_once(
    database: Database, clock: VirtualClock, visit: Visit
) -> None:
    noon = visit.entered_at.replace(hour=12)
    async with database.begin() as tx:
        await tx.execute(
            update(visits_table).where(visits_table.c.id == visit.visit_id).values(left_at=noon)
        )
        for at in (noon - timedelta(days=9), noon - timedelta(days=3), noon - timedelta(days=3.1)):
            one = await visits.open_visit(tx, visit.shopper_id, STORE, visit.handset_id, at)
            await visits.close_visit(tx, one.visit_id, at + timedelta(minutes=5))
        # Lost from sight for two minutes: the same trip.
        again = noon + timedelta(minutes=2)
        assert await visits.visits_before(tx, visit.shopper_id, again) == VisitsBefore(
            2, noon - timedelta(days=3)
        )
        assert await visits.visits_before(tx, "nobody", again) == VisitsBefore(0, None)


async def test_where_a_shopper_was_is_told_of_a_moment(
    database: Database, clock: VirtualClock, visit: Visit
) -> None:
    minute = timedelta(minutes=1)
    start = visit.entered_at
    async with database.begin() as tx:
        await visits.enter_zone(tx, visit.visit_id, "aisle-7", start + minute, 0.9)
        await visits.leave_zones(tx, visit.visit_id, start + 2 * minute)
        await visits.heard_until(tx, visit.visit_id, start + 3 * minute)

        async def at(minutes: float) -> Whereabouts | None:
            return await visits.whereabouts(tx, visit.shopper_id, start + minutes * minute)

        assert await at(-1) is None
        assert await at(0.5) == Whereabouts(STORE, None)
        assert await at(1.5) == Whereabouts(STORE, "aisle-7")
        assert await at(2.5) == Whereabouts(STORE, None)
        assert await at(60) is None  # nobody closed it, and nobody was heard
