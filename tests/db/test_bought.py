"""What a shopper has bought: by category and product, as far as it was known at a moment."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from config.clock import VirtualClock
from db import purchases
from db.bought import purchased
from db.connect import Database
from db.worth_tables import purchases as purchases_table
from offers.audience_fields import PURCHASES_BACK, Bought
from tests.db.rows import STORE, Person, a_person, a_store

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
async def person(database: Database, clock: VirtualClock) -> Person:
    await a_store(database, clock.now())
    async with database.begin() as tx:
        return await a_person(tx, clock.now())


def a_row(person: Person, receipt: int, line: int, at: datetime, **changes: Any) -> dict[str, Any]:
    row = {
        "id": f"{receipt}-{line}", "store_id": STORE, "receipt_id": f"r{receipt}", "line": line,
        "shopper_id": person.shopper_id, "is_member": True, "product_id": "penne",
        "category": "pasta", "quantity": 1, "price_cents": 100, "discount_cents": 0,
        "at": at, "stored_at": at, "erase_after": at + purchases.KEPT, "may_profile": True,
    }  # fmt: skip
    return {**row, **changes}


async def store(database: Database, *rows: dict[str, Any]) -> None:
    async with database.begin() as tx:
        for row in rows:
            await tx.execute(insert(purchases_table).values(**row))


async def test_a_receipt_counts_once_for_its_category_and_each_of_its_products(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    now = clock.now()
    before = now - 10 * DAY
    await store(
        database,
        a_row(person, 1, 1, before, quantity=2, price_cents=300, discount_cents=50),
        a_row(person, 1, 2, before),
        a_row(person, 1, 3, before, product_id="fusilli", price_cents=180),
        a_row(person, 2, 1, now - DAY),
        a_row(person, 2, 2, now - DAY, product_id="milk-1", category="milk", price_cents=90),
    )

    async with database.read() as tx:
        found = await purchased(tx, person.shopper_id, now)
        nobodys = await purchased(tx, "somebody-else", now)

    assert found.bought == {
        "pasta": Bought(now - DAY, 2, 250 + 100 + 180 + 100),
        "penne": Bought(now - DAY, 2, 250 + 100 + 100),
        "fusilli": Bought(before, 1, 180),
        "milk": Bought(now - DAY, 1, 90),
        "milk-1": Bought(now - DAY, 1, 90),
    }
    # Four pieces of penne for 500, bought twice.
    assert {name: sorted(paid) for name, paid in found.paid_cents.items()} == {
        "pasta": [125, 125, 180],
        "milk": [90],
    }
    assert (nobodys.bought, nobodys.paid_cents) == ({}, {})


async def test_it_is_told_as_it_was_known_then(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    at = clock.now()
    told = at + timedelta(hours=3)  # the till was offline
    await store(database, a_row(person, 1, 1, at, stored_at=told))

    async with database.read() as tx:
        assert (await purchased(tx, person.shopper_id, told - SECOND)).bought == {}
        assert "penne" in (await purchased(tx, person.shopper_id, told)).bought
        last = at + PURCHASES_BACK
        assert "penne" in (await purchased(tx, person.shopper_id, last)).bought
        assert (await purchased(tx, person.shopper_id, last + SECOND)).bought == {}


async def test_a_name_that_is_a_category_and_a_product_is_told_as_the_category(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    now = clock.now()
    await store(
        database,
        a_row(person, 1, 1, now, product_id="pasta"),
        a_row(person, 2, 1, now, product_id="penne"),
        a_row(person, 3, 1, now - DAY, product_id="penne", category="pasta-fresh"),
    )

    async with database.read() as tx:
        found = (await purchased(tx, person.shopper_id, now)).bought

    assert found["pasta"].count == 2
    assert found["penne"] == Bought(now, 2, 200)  # under both categories
