"""One decision in its transaction, while another engine takes the same one."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from beacons.zone_events import Dwelling
from db import visits
from db.tables import campaigns, decisions, outbox, sends
from engine.decisions import Reserved, Taken, decide_here
from engine.live_campaigns import LiveCampaigns
from offers.campaign import Tier
from tests.db.waiting import until_somebody_waits
from tests.engine.shop import Phone, Shop, for_aisle_a


async def _decided(
    shop: Shop, phone: Phone, reserved: list[Reserved], written: asyncio.Event, go: asyncio.Event
) -> Taken | None:
    """Decide for the phone in aisle A and commit when told to. written: all is, but the commit."""
    shelf = LiveCampaigns(shop.clock)
    await shelf.refresh(shop.database)
    now = shop.clock.now()
    at_s = now.timestamp()
    dwelling = Dwelling(phone.handset_id, "aisle-a", at_s, at_s - 20, 0.9, 20.0)
    async with shop.database.begin() as tx:
        (visit,) = await visits.open_visits(tx, shop.store_id)
        early = replace(visit, entered_at=now - timedelta(minutes=1))
        taken = await decide_here(
            tx, shop.live, shop.engine.plan, early, dwelling, now, shelf.shelf,
            shelf.remembering, reserved,
        )  # fmt: skip
        written.set()
        await go.wait()
    return taken


async def test_of_two_engines_that_decide_at_once_one_sends_and_the_other_says_why(
    shop_on_each: Shop,
) -> None:
    shop = shop_on_each
    # No cap in Redis stands between them: the visit's own rule in SQL must.
    await shop.open(for_aisle_a(tier=Tier.SERVICE))
    phone = await shop.phone()
    async with shop.database.begin() as tx:
        await visits.open_visit(
            tx, phone.shopper_id, shop.store_id, phone.handset_id, shop.clock.now()
        )
    first, second = asyncio.Event(), asyncio.Event()
    go, at_once = asyncio.Event(), asyncio.Event()
    at_once.set()
    kept: tuple[list[Reserved], list[Reserved]] = ([], [])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_decided(shop, phone, kept[0], first, go), name="first")
        await first.wait()
        # On PostgreSQL it has read before the first commits, and waits for the campaign's row; on
        # SQLite it waits for the one writer.
        tasks.create_task(_decided(shop, phone, kept[1], second, at_once), name="second")
        await until_somebody_waits(shop.database)
        go.set()

    held, sent = sorted(await shop.rows(decisions), key=lambda one: one.outcome)
    assert (sent.outcome, held.outcome) == ("send", "hold")
    assert held.reasons == ["campaign_seen"]
    assert [one.sends for one in await shop.rows(campaigns)] == [1]
    assert len(await shop.rows(sends)) == len(await shop.rows(outbox)) == 1
    assert (len(kept[0]), len(kept[1])) == (1, 0)
