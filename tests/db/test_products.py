"""Products and shelves: told as they were at each moment, whatever was taken in since."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from config.clock import VirtualClock
from db import products
from db.connect import Database
from db.learnt_tables import products as products_table
from db.learnt_tables import shelves
from db.products import IN_FORCE_AFTER, Shelved, Version, in_force_from
from db.profiles import REPLAYED
from offers.goods import Product
from tests.db.rows import STORE, a_store

PENNE = Product("penne", "Penne", "pasta", 120, 40)
SAUCE = Product("sauce", "Tomato sauce", "sauce", 200, 60)
DEARER = Product("penne", "Penne", "pasta", 150, 60)
SECOND = timedelta(seconds=1)


@pytest.fixture
async def database(database: Database, clock: VirtualClock) -> Database:
    await a_store(database, clock.now())
    return database


async def put(database: Database, clock: VirtualClock, *given: Product) -> tuple[int, datetime]:
    """How many changed, and from when on."""
    async with database.begin() as tx:
        changed = await products.put_products(tx, given, clock.now())
    return changed, in_force_from(clock.now())


async def put_on(database: Database, clock: VirtualClock, *given: Shelved) -> int:
    async with database.begin() as tx:
        return await products.put_shelves(tx, given, clock.now())


async def sold(database: Database, at: datetime) -> Sequence[Product]:
    async with database.read() as tx:
        found = products.read_products(await products.products_at(tx, at))
    return sorted(found.values(), key=lambda one: one.product_id)


def test_it_comes_into_force_after_a_minute_at_the_next_ten_seconds(clock: VirtualClock) -> None:
    minute = IN_FORCE_AFTER

    assert in_force_from(clock.now()) == clock.now() + minute
    assert in_force_from(clock.now() + SECOND) == clock.now() + minute + 10 * SECOND
    assert in_force_from(clock.now() + 10 * SECOND) == clock.now() + minute + 10 * SECOND


async def test_each_moment_has_the_products_of_then(
    database: Database, clock: VirtualClock
) -> None:
    changed, first = await put(database, clock, PENNE, SAUCE)
    assert changed == 2
    await clock.advance(3_600)
    changed, second = await put(database, clock, DEARER, SAUCE)
    assert changed == 1

    assert await sold(database, first - SECOND) == []
    assert await sold(database, first) == [PENNE, SAUCE]
    assert await sold(database, second - SECOND) == [PENNE, SAUCE]
    assert await sold(database, second) == [DEARER, SAUCE]
    async with database.read() as tx:
        assert await products.products_version(tx, first - SECOND) == Version(None, first)
        assert await products.products_version(tx, first) == Version(first, second)
        assert await products.products_version(tx, second) == Version(second, None)


async def test_the_same_again_changes_nothing(database: Database, clock: VirtualClock) -> None:
    await put(database, clock, PENNE, SAUCE)

    changed, _ = await put(database, clock, SAUCE, PENNE)

    assert changed == 0


@pytest.mark.parametrize("later_s", [0.0, 5.0, 25.0, 59.0, 61.0])
async def test_what_is_taken_in_anew_before_it_holds_leaves_no_gap(
    database: Database, clock: VirtualClock, later_s: float
) -> None:
    _, first = await put(database, clock, PENNE)
    await clock.advance(3_600)
    await put(database, clock, DEARER)
    await clock.advance(later_s)
    cheaper = Product("penne", "Penne", "pasta", 100, 20)
    _, last = await put(database, clock, cheaper)

    at = first
    while at < last + 2 * SECOND:
        assert len(await sold(database, at)) == 1
        at += 5 * SECOND if at > last - 3 * IN_FORCE_AFTER else 60 * SECOND
    assert await sold(database, last) == [cheaper]


async def test_shelves_are_told_of_each_store_as_they_were(
    database: Database, clock: VirtualClock
) -> None:
    here, there = (Shelved(STORE, "penne", zone, True) for zone in ("aisle-7", "aisle-8"))
    assert await put_on(database, clock, here, there) == 2
    first = in_force_from(clock.now())
    await clock.advance(3_600)
    gone = Shelved(STORE, "penne", "aisle-8", False)
    assert await put_on(database, clock, here, gone) == 1
    second = in_force_from(clock.now())

    async with database.read() as tx:
        for store_id, at, wanted in (
            (STORE, first - SECOND, []),
            (STORE, first, [here, there]),
            (STORE, second, [here, gone]),
            ("another", second, []),
        ):
            rows = await products.shelves_at(tx, store_id, at)
            assert sorted(rows) == [(one.product_id, one.zone_id, one.in_stock) for one in wanted]
        assert await products.shelves_version(tx, STORE, first) == Version(first, second)
        assert await products.shelves_version(tx, "another", second) == Version(None, None)
        assert await products.changes(tx, first, second - SECOND) == [first]
        assert await products.changes(tx, first, second) == [first, second]


async def test_a_list_says_where_a_product_is_in_stock(
    database: Database, clock: VirtualClock
) -> None:
    await put(database, clock, PENNE, SAUCE)
    await put_on(
        database,
        clock,
        Shelved(STORE, "penne", "aisle-7", True),
        Shelved(STORE, "penne", "aisle-8", False),
    )

    async with database.read() as tx:
        penne, sauce = await products.listed(tx, None, 10)
        (only,) = await products.listed(tx, "sauce", 10)
        assert (await products.listed(tx, None, 1)) == [penne]
        assert await products.how_many(tx, None) == 2
        assert await products.how_many(tx, "pasta") == 1
        assert await products.known_ids(tx, ["penne", "unheard-of"]) == {"penne"}

    assert (penne.product, penne.stock) == (PENNE, {STORE: (1, 2)})
    assert (sauce.product, sauce.stock) == (SAUCE, {})
    assert only == sauce


async def test_what_no_replay_asks_for_goes(database: Database, clock: VirtualClock) -> None:
    await put(database, clock, PENNE)
    await clock.advance(60)
    _, second = await put(database, clock, DEARER)

    await clock.advance((REPLAYED + IN_FORCE_AFTER).total_seconds())
    async with database.begin() as tx:
        await products.prune(tx, second + REPLAYED)
        assert await tx.scalar(select(func.count()).select_from(products_table)) == 2
        await products.prune(tx, second + REPLAYED + SECOND)
        assert await tx.scalar(select(func.count()).select_from(products_table)) == 1


async def test_a_thing_cannot_hold_twice(database: Database, clock: VirtualClock) -> None:
    await put(database, clock, PENNE)
    row = {"id": "penne", "name": "x", "category": "y", "price_cents": 1, "margin_cents": 0}

    with pytest.raises(IntegrityError):
        async with database.begin() as tx:
            await tx.execute(products_table.insert().values(since=clock.now(), **row))


async def test_a_thousand_shelves_at_once_are_within_what_a_database_takes(
    database: Database, clock: VirtualClock
) -> None:
    many = [Shelved(STORE, f"product-{n}", "aisle-7", n % 2 == 0) for n in range(1_000)]

    assert await put_on(database, clock, *many) == 1_000
    assert await put_on(database, clock, *many) == 0
    async with database.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(shelves)) == 1_000
    assert sqlite3.sqlite_version_info > (3, 32)  # 32,766 parameters
