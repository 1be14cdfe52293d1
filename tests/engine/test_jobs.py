"""What jobs do in nobody's way."""

import asyncio
from datetime import timedelta

from sqlalchemy import func, select

from config.clock import VirtualClock
from db import browsing
from db.browsing import BrowsingEvent
from db.connect import Database
from db.personal import ERASED_AT_ONCE
from db.tables import browsing as browsing_table
from engine.jobs import erase_all
from tests.db.rows import a_person, a_store
from tests.engine.shop import eventually


async def test_retention_lets_others_in_between_and_erases_all_that_is_due(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    database, now = sqlite_database, clock.now()
    await a_store(database, now)
    many = 2 * ERASED_AT_ONCE + 1
    async with database.begin() as tx:
        person = await a_person(tx, now)
        seen = [BrowsingEvent(f"event-{n}", "viewed", "pasta", None, now) for n in range(many)]
        await browsing.add_browsing(tx, person.shopper_id, seen, now)
    await clock.advance(timedelta(days=730).total_seconds())

    async def left() -> int:
        async with database.read() as tx:
            return (await tx.execute(select(func.count()).select_from(browsing_table))).scalar_one()

    async with asyncio.TaskGroup() as tasks:
        erasing = tasks.create_task(erase_all(database, clock), name="erase")

        async def is_half_done() -> bool:
            return await left() == many - ERASED_AT_ONCE

        async def is_done() -> bool:
            await clock.advance(1)
            return erasing.done()

        await eventually(is_half_done)
        await eventually(is_done)
    assert erasing.result() == 1
    assert await left() == 0
