"""Two engines that want the same two campaigns in opposite orders: none is lost, one waits."""

import asyncio
import logging
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.util import await_only

from config.clock import VirtualClock
from db.connect import Database
from db.live import Live
from db.tables import campaigns, decisions, outbox, sends
from engine.live_campaigns import LiveCampaigns
from engine.owning import own_store
from tests.engine.shop import IN_A, IN_B, Phone, Shop, eventually, for_aisle_a

SECONDS = 16


class CrossRoads:
    """Holds the first two transactions that spend until both have spent something."""

    def __init__(self) -> None:
        self.waited: set[int] = set()
        self._both = asyncio.Barrier(2)

    def note(self, connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        asks = id(connection.connection.driver_connection)
        if statement.startswith("UPDATE campaigns") and asks not in self.waited:
            self.waited.add(asks)
            if len(self.waited) <= 2:
                await_only(self._both.wait())


async def two_phones(shop: Shop) -> list[Phone]:
    phones = [await shop.phone(), await shop.phone()]
    return sorted(phones, key=lambda one: one.handset_id)


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_a_deadlock_costs_one_of_them_a_second_and_no_send(
    database: Database, live: Live, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    first, second = Shop(database, live, clock, "one"), Shop(database, live, clock, "two")
    second._phones = 100  # other secrets than in the first
    for shop in (first, second):
        await shop.open(
            for_aisle_a("a", control_share=0.0),
            for_aisle_a("b", control_share=0.0, zone_ids=frozenset({"aisle-b"})),
        )
    # Of handsets that came in the same half second presence tells in the order of their ids.
    ways = [
        (first, dict(zip(await two_phones(first), (IN_A, IN_B), strict=True))),
        (second, dict(zip(await two_phones(second), (IN_B, IN_A), strict=True))),
    ]
    await first.learn()
    crossing = CrossRoads()
    event.listen(database.engine.sync_engine, "after_cursor_execute", crossing.note)
    async with AsyncExitStack() as stack:
        stack.callback(
            event.remove, database.engine.sync_engine, "after_cursor_execute", crossing.note
        )
        owners = [
            asyncio.create_task(
                own_store(
                    shop.store_id, database, live, shop.identities, LiveCampaigns(clock), clock
                ),
                name=shop.store_id,
            )
            for shop, _ in ways
        ]
        for _ in range(SECONDS):
            for shop, where in ways:
                await shop.transmit(where)
            await clock.advance(1)

            async def is_worked_off() -> bool:
                await clock.advance(0.05)  # for the one that waits before its next try
                return sum([await live.backlog(shop.store_id) for shop, _ in ways]) == 0

            await eventually(is_worked_off)
        for owner in owners:
            owner.cancel()
        await asyncio.wait(owners)

    assert [one.msg for one in caplog.records if one.name == "engine.owning"] == ["not written yet"]
    rows = await first.rows(sends)
    assert Counter(row.campaign_id for row in rows) == {"a": 2, "b": 2}
    assert len(await first.rows(outbox)) == 4
    assert {row.id: row.sends for row in await first.rows(campaigns)} == {"a": 2, "b": 2}
    sent = [row.shopper_id for row in await first.rows(decisions) if row.outcome == "send"]
    assert len(set(sent)) == len(sent) == 4
    # What the one that was rolled back had reserved was given back before it reserved again.
    for shopper_id in sent:
        assert await live.redis.zcard(f"{{shopper:{shopper_id}}}:messages") == 1
