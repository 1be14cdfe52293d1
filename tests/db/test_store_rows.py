"""Stores in SQL: a plan comes back as it was drawn, and the control groups stay."""

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import select, update

from config.clock import VirtualClock
from db import stores, tables
from db.connect import Database
from tests.db.rows import STORE, a_plan

NEWER: Final = {"connectors", "anchor"}


async def test_a_plan_comes_back_as_it_was_saved(database: Database, clock: VirtualClock) -> None:
    async with database.begin() as tx:
        await stores.save_store(tx, a_plan("b"), clock.now())
        await stores.save_store(tx, a_plan("a", gateways=("gw-a",)), clock.now())

    async with database.read() as tx:
        assert await stores.load_store(tx, "b") == a_plan("b")
        assert await stores.load_store(tx, "nowhere") is None
        assert await stores.store_ids(tx) == ["a", "b"]
        assert await stores.changed_at(tx, "b") == clock.now()
        assert await stores.changed_at(tx, "nowhere") is None


async def test_a_plan_stored_before_there_were_levels_and_connectors_is_read(
    database: Database, clock: VirtualClock
) -> None:
    async with database.begin() as tx:
        await stores.save_store(tx, a_plan(), clock.now())
        document: Any = await tx.scalar(select(tables.stores.c.plan))
        older = {key: value for key, value in document.items() if key not in NEWER}
        older["floors"] = [
            {key: value for key, value in floor.items() if key != "level"}
            for floor in document["floors"]
        ]
        assert older != document
        await tx.execute(update(tables.stores).values(plan=older))

        assert await stores.load_store(tx, STORE) == a_plan()


async def test_a_plan_is_changed_in_place(database: Database, clock: VirtualClock) -> None:
    async with database.begin() as tx:
        await stores.save_store(tx, a_plan(), clock.now())
    await clock.advance(60)

    async with database.begin() as tx:
        await stores.save_store(tx, replace(a_plan(), name="New name"), clock.now())

    async with database.read() as tx:
        assert await stores.changed_at(tx, STORE) == clock.now()
        changed = await stores.load_store(tx, STORE)
    assert changed is not None
    assert changed.name == "New name"


async def test_a_gateway_is_placed_as_long_as_its_stores_plan_has_it(
    database: Database, clock: VirtualClock
) -> None:
    async with database.begin() as tx:
        await stores.save_store(tx, a_plan(gateways=("gw-1", "gw-2")), clock.now())
        await stores.save_store(tx, a_plan(gateways=("gw-2",)), clock.now())

    async with database.read() as tx:
        assert [await stores.is_placed(tx, STORE, one) for one in ("gw-1", "gw-2")] == [False, True]
        assert not await stores.is_placed(tx, "nowhere", "gw-2")
