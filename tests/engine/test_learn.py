"""The nightly job and what a decision is then given of a shopper."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.floor import FloorPlan, Zone, ZoneKind
from beacons.store_plan import StorePlan
from config.clock import VirtualClock
from db import learnt, profiles
from db.browsing import forget_browsing
from db.connect import Database
from db.consents import add_grants
from db.learnt_tables import categories
from db.learnt_tables import profiles as profiles_table
from db.products import Shelved, put_products, put_shelves
from db.stores import save_store
from db.tables import shoppers
from db.visits import close_visit, enter_zone, open_visit
from db.worth_tables import purchases
from engine.known import Remembering
from engine.learn import (
    ANEW_AFTER,
    AT_LEAST_EVERY,
    IN_FORCE_AFTER,
    learn,
    learn_if_due,
)
from offers.goods import Product
from offers.interests import baskets_now, category_gain
from offers.known import NOTHING_KNOWN, Known, Opinion
from shoppers.consent import Grant, Purpose
from tests.db.rows import STORE, Person, a_person

DAY = timedelta(days=1)


def _store() -> StorePlan:
    square = ((0, 0), (5, 0), (5, 5), (0, 5))
    zones = (
        Zone("aisle-7", "Pasta", ZoneKind.AISLE, square, tags=frozenset({"pasta", "rice"})),
        Zone("till", "Tills", ZoneKind.CHECKOUT, square, tags=frozenset({"gum"})),
    )
    floor = FloorPlan("ground", ((0, 0), (9, 0), (9, 9), (0, 9)), (), zones, ())
    return StorePlan(STORE, "Corner shop", "Europe/Rome", "IT", (floor,))


@pytest.fixture
async def database(database: Database, clock: VirtualClock) -> Database:
    async with database.begin() as tx:
        await save_store(tx, _store(), clock.now())
    return database


async def _person(database: Database, clock: VirtualClock) -> Person:
    async with database.begin() as tx:
        return await a_person(tx, clock.now(), target=None)


async def _buys(
    tx: AsyncConnection,
    person: Person,
    held: Sequence[str],
    at: datetime,
    *,
    stored_at: datetime | None = None,
) -> None:
    rows = [
        {
            "id": f"{person.shopper_id}-{at.timestamp()}-{line}",
            "store_id": STORE,
            "receipt_id": f"{person.shopper_id}-{at.timestamp()}",
            "line": line,
            "shopper_id": person.shopper_id,
            "is_member": True,
            "may_profile": True,
            "product_id": f"some-{category}",
            "category": category,
            "quantity": 1,
            "price_cents": 100,
            "margin_cents": 20,
            "discount_cents": 0,
            "at": at,
            "stored_at": stored_at or at,
            "erase_after": at + timedelta(days=365),
        }
        for line, category in enumerate(held)
    ]
    await tx.execute(purchases.insert(), rows)


async def _stays(
    tx: AsyncConnection, person: Person, zone_id: str, at: datetime, seconds: float
) -> None:
    visit = await open_visit(tx, person.shopper_id, STORE, person.handset_id, at)
    await enter_zone(tx, visit.visit_id, zone_id, at, 0.9)
    await close_visit(tx, visit.visit_id, at + timedelta(seconds=seconds))


async def _end_first_visits(tx: AsyncConnection, *persons: Person) -> None:
    for person in persons:
        await close_visit(tx, person.visit_id, (await _created(tx, person)))


async def _created(tx: AsyncConnection, person: Person) -> datetime:
    at: datetime | None = await tx.scalar(
        select(shoppers.c.created_at).where(shoppers.c.id == person.shopper_id)
    )
    assert at is not None
    return at


def _gain(known: Known, at: datetime) -> float:
    return category_gain(known, "pasta", (), baskets_now(known.profile, at), at)


async def test_what_a_shopper_bought_and_where_they_stood_reaches_the_decision(
    database: Database, clock: VirtualClock
) -> None:
    person, other = [await _person(database, clock) for _ in range(2)]
    now = clock.now()
    async with database.begin() as tx:
        await _end_first_visits(tx, person, other)
        for week in range(1, 11):
            await _buys(tx, person, ["pasta", "milk"], now - week * 7 * DAY)
            await _buys(tx, other, ["milk"], now - week * 7 * DAY)
        await _stays(tx, person, "aisle-7", now - DAY, 80.0)
        await _stays(tx, person, "till", now - DAY / 2, 80.0)
        await tx.execute(categories.insert().values(id="pasta", name="Pasta e riso"))

    lessons = await learn(database, clock)
    assert (lessons.baskets, lessons.profiles) == (20, 2)

    remembering = Remembering()
    async with database.read() as tx:
        at = lessons.since
        known = await remembering.known_of(tx, person.shopper_id, at, may_profile=True)
        before = await remembering.known_of(tx, person.shopper_id, now, may_profile=True)
        of_other = await remembering.known_of(tx, other.shopper_id, at, may_profile=True)
    assert before == NOTHING_KNOWN
    assert known.profile.habits["pasta"].times == 10
    assert known.profile.habits["pasta"].bought.at == now - 7 * DAY
    # A minute at the shelf beyond walking by, shared by the two kinds that lie there.
    assert {name: tally.amount for name, tally in known.profile.dwelt.items()} == {
        "pasta": pytest.approx(30.0),
        "rice": pytest.approx(30.0),
    }
    assert known.learnt.shares == {
        "pasta": pytest.approx(10.5 / 21),
        "milk": pytest.approx(20.5 / 21),
    }
    assert known.learnt.names == {"pasta": "Pasta e riso"}
    assert _gain(known, at) > 0.5
    assert _gain(of_other, at) < -0.5


async def test_shelves_that_the_retailer_told_of_beat_tags(
    database: Database, clock: VirtualClock
) -> None:
    person, now = await _person(database, clock), clock.now()
    async with database.begin() as tx:
        await _end_first_visits(tx, person)
        await put_products(tx, [Product("p-1", "Lentils", "pulses", 99, 20)], now)
        await put_shelves(tx, [Shelved(STORE, "p-1", "aisle-7", in_stock=True)], now)
        await _stays(tx, person, "aisle-7", now - DAY, 80.0)

    await learn(database, clock)

    async with database.read() as tx:
        found = await profiles.current(tx, 10)
    assert set(found[person.shopper_id].dwelt) == {"pulses"}


async def test_without_consent_to_profiling_only_what_was_said_is_known(
    database: Database, clock: VirtualClock
) -> None:
    person, now = await _person(database, clock), clock.now()
    async with database.begin() as tx:
        await _buys(tx, person, ["pasta"], now - DAY)
        await profiles.state(tx, person.shopper_id, {"rice": Opinion.UNWANTED}, now)
    lessons = await learn(database, clock)
    async with database.begin() as tx:
        answer = Grant(Purpose.PROFILING, False, "v1", "it-IT", now)
        await add_grants(tx, person.shopper_id, [answer])
        asked = Remembering()
        allowed = await asked.known_of(tx, person.shopper_id, lessons.since, may_profile=True)
        known = await asked.known_of(tx, person.shopper_id, lessons.since, may_profile=False)
        await forget_browsing(tx, person.shopper_id)
        left = (await tx.execute(select(profiles_table))).all()
    assert set(allowed.profile.habits) == {"pasta"}
    assert known.profile.habits == {}
    assert allowed.profile.stated == known.profile.stated == {"rice": Opinion.UNWANTED}
    assert left == []

    await clock.advance(ANEW_AFTER.total_seconds())
    assert (await learn(database, clock)).profiles == 0


async def test_only_who_gave_news_is_done_again_within_a_week(
    database: Database, clock: VirtualClock
) -> None:
    quiet, busy = [await _person(database, clock) for _ in range(2)]
    start = clock.now()
    async with database.begin() as tx:
        await _end_first_visits(tx, quiet, busy)
        for one in (quiet, busy):
            await _buys(tx, one, ["pasta"], start - DAY)
    await clock.advance(600)
    assert (await learn(database, clock)).profiles == 2

    await clock.advance(DAY.total_seconds())
    # The till was offline: what was bought before the last night was told after it.
    async with database.begin() as tx:
        await _buys(tx, busy, ["milk"], start - 2 * DAY, stored_at=clock.now())
    assert (await learn(database, clock)).profiles == 1
    async with database.read() as tx:
        assert set((await profiles.current(tx, 10))[busy.shopper_id].habits) == {"pasta", "milk"}

    await clock.advance(ANEW_AFTER.total_seconds())
    assert (await learn(database, clock)).profiles == 2


async def test_what_is_erased_soon_is_in_no_new_profile(
    database: Database, clock: VirtualClock
) -> None:
    person, now = await _person(database, clock), clock.now()
    async with database.begin() as tx:
        await _buys(tx, person, ["pasta"], now - timedelta(days=360))
        await _buys(tx, person, ["milk"], now - timedelta(days=300))
    await learn(database, clock)

    async with database.read() as tx:
        row = (await tx.execute(select(profiles_table))).one()
    assert set(row.document["habits"]) == {"milk"}
    assert row.erase_after == now + timedelta(days=65)


async def test_it_learns_at_once_then_at_night_and_a_missed_night_at_any_hour(
    database: Database, clock: VirtualClock
) -> None:
    assert await learn_if_due(database, clock) is not None
    assert await learn_if_due(database, clock) is None

    hours = [0.0]
    for _ in range(30):
        await clock.advance(3_600)
        hours.append(hours[-1] + 1)
        if await learn_if_due(database, clock) is not None:
            break
    # It began at 11:00 in Rome; 3:00 of the next night is too soon.
    local = (11 + hours[-1]) % 24
    assert hours[-1] >= 20 or local == 3

    await clock.advance(AT_LEAST_EVERY.total_seconds() + IN_FORCE_AFTER.total_seconds())
    assert await learn_if_due(database, clock) is not None


class GoingAway(Database):
    """A database that can be written so many times more."""

    def __init__(self, database: Database, writes: int) -> None:
        super().__init__(database.engine)
        self._writes = writes

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        if self._writes == 0:
            raise ConnectionResetError
        self._writes -= 1
        async with super().begin() as tx:
            yield tx


async def test_a_run_that_died_is_taken_up_where_it_was(
    database: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    persons = [await _person(database, clock) for _ in range(5)]
    async with database.begin() as tx:
        await _end_first_visits(tx, *persons)
        for one in persons:
            await _buys(tx, one, ["pasta"], clock.now() - DAY)
    await clock.advance(600)
    monkeypatch.setattr("engine.learn.BATCH", 2)

    with pytest.raises(ConnectionResetError):
        await learn(GoingAway(database, 2), clock)
    async with database.read() as tx:
        assert await learnt.newest(tx) is None
        assert len(await profiles.current(tx, 10)) == 4
    await clock.advance(600)
    lessons = await learn_if_due(database, clock)

    assert lessons is not None
    assert lessons.profiles == 1
    async with database.read() as tx:
        assert len(await profiles.current(tx, 10)) == 5


async def test_a_replay_is_told_what_was_known_then(
    database: Database, clock: VirtualClock
) -> None:
    person = await _person(database, clock)
    told = []
    for _ in range(4):
        async with database.begin() as tx:
            await _buys(tx, person, ["pasta"], clock.now())
        lessons = await learn(database, clock)
        live = Remembering()
        async with database.read() as tx:
            known = await live.known_of(tx, person.shopper_id, lessons.since, may_profile=True)
        told.append((lessons.since, known))
        await clock.advance(DAY.total_seconds())

    replayed = Remembering()
    async with database.read() as tx:
        for at, known in told:
            again = await replayed.known_of(tx, person.shopper_id, at + DAY / 2, may_profile=True)
            assert again == known
    assert [known.profile.habits["pasta"].times for _, known in told] == [1, 2, 3, 4]
