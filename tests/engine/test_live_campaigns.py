"""The campaigns in memory: as SQL has them at the next decision, whoever changed them."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from config.clock import SystemClock
from db import browsing, campaigns, stops
from db.browsing import BrowsingEvent
from db.tables import decisions, visits, zone_visits
from engine.live_campaigns import REFRESH_WITHIN_S, SENDS_EVERY_S, LiveCampaigns
from offers.campaign import Status, Tier
from offers.stops import Scope
from shoppers.consent import Purpose
from tests.engine.shop import IN_A, Shop, eventually, for_aisle_a
from tests.offers.situations import a_campaign


async def found(shelf: LiveCampaigns, shop: Shop) -> list[tuple[str, int]]:
    await shelf.refresh(shop.database)
    here = shelf.shelf.catalogue.find(shop.store_id, "aisle-7", frozenset(), ())
    return [(one.campaign.campaign_id, one.sends) for one in here]


async def save(shop: Shop, *given: object, **changes: object) -> None:
    async with shop.database.begin() as tx:
        await campaigns.save_campaign(tx, a_campaign(*given, **changes), shop.clock.now())  # type: ignore[arg-type]


async def test_a_change_is_there_at_the_next_look(shop: Shop) -> None:
    shelf = LiveCampaigns(shop.clock)
    assert await found(shelf, shop) == []
    await save(shop, "rice")
    assert await found(shelf, shop) == [("rice", 0)]
    await save(shop, "pasta")
    assert await found(shelf, shop) == [("pasta", 0), ("rice", 0)]
    await save(shop, "rice", status=Status.PAUSED)
    assert await found(shelf, shop) == [("pasta", 0)]


async def test_without_a_change_nothing_is_read_again(shop: Shop) -> None:
    await save(shop)
    shelf = LiveCampaigns(shop.clock)
    await found(shelf, shop)
    before = shelf.shelf.catalogue
    await found(shelf, shop)
    assert shelf.shelf.catalogue is before


async def test_many_stores_that_look_at_once_share_a_reading(shop: Shop) -> None:
    await save(shop)
    shelf = LiveCampaigns(shop.clock)
    asked = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append("catalogue_version" in statement)

    event.listen(shop.database.engine.sync_engine, "before_cursor_execute", note)
    async with asyncio.TaskGroup() as stores:
        for number in range(40):
            stores.create_task(shelf.refresh(shop.database), name=f"store {number}")
    event.remove(shop.database.engine.sync_engine, "before_cursor_execute", note)

    # One that has begun may have missed what the others ask for; the next serves them all.
    assert sum(asked) == 2


async def test_a_reading_that_began_before_a_change_serves_nobody_who_asks_after_it(
    shop: Shop,
) -> None:
    await save(shop)
    shelf = LiveCampaigns(shop.clock)
    may_go_on, has_read = threading.Event(), asyncio.Event()

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM campaigns" in statement:
            has_read.set()

    event.listen(shop.database.engine.sync_engine, "after_cursor_execute", note)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(40):  # no thread is left to make a catalogue in
            tasks.create_task(asyncio.to_thread(may_go_on.wait, 10), name="busy")
        early = tasks.create_task(shelf.refresh(shop.database), name="early")
        await has_read.wait()
        await save(shop, "rice")
        late = tasks.create_task(found(shelf, shop), name="late")
        await SystemClock().sleep(0)
        assert not early.done()
        may_go_on.set()

    assert late.result() == [("pasta", 0), ("rice", 0)]


@asynccontextmanager
async def no_threads() -> AsyncIterator[None]:
    """No thread is left to make a catalogue in, for the length of the block."""
    may_go_on = threading.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(40):
            tasks.create_task(asyncio.to_thread(may_go_on.wait, 20), name="busy")
        try:
            yield
        finally:
            may_go_on.set()


async def test_a_catalogue_that_takes_long_is_made_once_and_comes_in_the_end(shop: Shop) -> None:
    await save(shop)
    shelf = LiveCampaigns(shop.clock)
    readings = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        readings.append("FROM campaigns" in statement)

    event.listen(shop.database.engine.sync_engine, "after_cursor_execute", note)
    async with no_threads():
        with pytest.raises(TimeoutError):
            await shelf.refresh(shop.database)
        await shop.clock.advance(REFRESH_WITHIN_S)
        with pytest.raises(TimeoutError, match="still being made ready"):
            await shelf.refresh(shop.database)

    async def is_there() -> bool:
        with suppress(TimeoutError):
            await shelf.refresh(shop.database)
        return bool(shelf.shelf.catalogue.find(shop.store_id, "aisle-7", frozenset(), ()))

    await eventually(is_there)
    event.remove(shop.database.engine.sync_engine, "after_cursor_execute", note)

    assert await found(shelf, shop) == [("pasta", 0)]
    assert sum(readings) == 1


async def test_while_campaigns_cannot_be_read_visits_go_on(shop: Shop) -> None:
    phone = await shop.phone()
    for _ in range(6):
        await shop.transmit({phone: IN_A})
        await shop.clock.advance(1)
        shop.engine.hear(await shop.take(), shop.clock.now())
    assert shop.engine.is_to_decide()

    async with no_threads():
        await shop.turn()

    assert len(await shop.rows(visits)) == len(await shop.rows(zone_visits)) == 1
    assert await shop.rows(decisions) == []
    assert shop.engine.counts["dwells_undecided"] > 0
    await shop.spend(10, {phone: IN_A})
    assert [row.outcome for row in await shop.rows(decisions)].count("send") == 1


async def test_what_is_undone_is_taken_back_where_it_was_counted(shop: Shop) -> None:
    phone = await shop.phone()
    for _ in range(12):
        await shop.transmit({phone: IN_A})
        await shop.clock.advance(1)
        shop.engine.hear(await shop.take(), shop.clock.now())
    campaigns_here = shop.engine.campaigns
    await campaigns_here.refresh(shop.database)
    async with shop.database.begin() as tx:
        taken = await shop.engine.write(tx, shop.live, shop.clock.now())
        await tx.rollback()
    assert [one.sent for one in taken].count("pasta") == 1
    # Another store's refresh comes first. Of the new catalogue one was sent by somebody else.
    async with shop.database.begin() as tx:
        assert await campaigns.spend(tx, for_aisle_a(), "another-store")
        await campaigns.changed(tx)
    await campaigns_here.refresh(shop.database)

    await shop.engine.undo(shop.live)

    (here,) = campaigns_here.shelf.catalogue.find(shop.store_id, "aisle-a", frozenset(), ())
    assert here.sends == 1


async def test_what_others_have_sent_is_known_after_a_while(shop: Shop) -> None:
    await save(shop, budget_sends=5)
    shelf = LiveCampaigns(shop.clock)
    await found(shelf, shop)
    async with shop.database.begin() as tx:
        assert await campaigns.spend(tx, a_campaign(budget_sends=5), shop.store_id)
    assert await found(shelf, shop) == [("pasta", 0)]
    await shop.clock.advance(SENDS_EVERY_S)
    assert await found(shelf, shop) == [("pasta", 1)]


async def test_one_campaign_that_cannot_be_read_does_not_hide_the_others(shop: Shop) -> None:
    await save(shop, "good")
    await save(shop, "bad", audience="lifecycle custommer")
    assert await found(LiveCampaigns(shop.clock), shop) == [("good", 0)]


async def test_a_kill_switch_silences_the_next_decision_and_says_so(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(8, {phone: IN_A})
    async with shop.database.begin() as tx:
        await stops.throw(tx, Scope.STORE, shop.store_id, "wrong prices", shop.clock.now())
    await shop.spend(12, {phone: IN_A})
    reasons = [row.reasons for row in await shop.rows(decisions)]
    assert "stopped" not in reasons[0]
    assert "stopped" in reasons[-1]


async def test_an_audience_is_asked_of_what_the_handset_told(shop: Shop) -> None:
    audience = "country IT and platform android and visits <= 1"
    here = for_aisle_a("here", audience=audience, tier=Tier.PERSONAL)
    away = for_aisle_a("away", audience="locale de or visits > 1", tier=Tier.PERSONAL)
    await shop.open(here, away)
    await shop.spend(30, {await shop.phone(): IN_A})
    async with shop.database.read() as tx:
        sent = await tx.scalars(
            select(decisions.c.campaign_id).where(decisions.c.outcome == "send")
        )
        weighed = await tx.scalars(select(decisions.c.weighed))
        assert sent.all() == ["here"]
        against = {w["campaign_id"]: w["against"] for row in weighed.all() for w in row}
        assert "outside_audience" in against["away"]


async def test_a_paused_campaign_is_not_sent_by_a_late_engine(shop: Shop) -> None:
    """Paused between the look and the decision: SQL has the last word."""
    shelf = LiveCampaigns(shop.clock)
    await shelf.refresh(shop.database)
    async with shop.database.begin() as tx:
        paused = replace(for_aisle_a(), status=Status.PAUSED)
        await campaigns.save_campaign(tx, paused, shop.clock.now())
        assert not await campaigns.spend(tx, for_aisle_a(), shop.store_id)


async def test_a_budget_that_others_spent_makes_room_for_the_next_best(shop: Shop) -> None:
    best = for_aisle_a("best", budget_sends=1, tier=Tier.SERVICE)
    await shop.open(best, for_aisle_a("next", tier=Tier.PERSONAL))
    phone = await shop.phone()
    await shop.engine.campaigns.refresh(shop.database)
    async with shop.database.begin() as tx:
        assert await campaigns.spend(tx, best, "another-store")
    await shop.spend(20, {phone: IN_A})

    (sent,) = [row for row in await shop.rows(decisions) if row.outcome == "send"]
    assert sent.campaign_id == "next"
    assert "best" in {w["campaign_id"] for w in sent.weighed if "budget_spent" in w["against"]}


async def test_what_was_carted_is_known_behind_a_hundred_other_looks(shop: Shop) -> None:
    await shop.open(for_aisle_a("tea", audience="not carted coffee within 7d"))
    phone = await shop.phone()
    now = shop.clock.now()
    looks = [BrowsingEvent("cart", "carted", "coffee", None, now - timedelta(hours=2))]
    looks += [BrowsingEvent(f"e-{n}", "viewed", "pasta", None, now) for n in range(120)]
    async with shop.database.begin() as tx:
        await browsing.add_browsing(tx, phone.shopper_id, looks, now)
    await shop.spend(20, {phone: IN_A})

    sent = [row.campaign_id for row in await shop.rows(decisions) if row.outcome == "send"]
    assert "tea" not in sent


async def test_without_consent_to_profiling_visits_are_nobodys_business(shop: Shop) -> None:
    await shop.open(for_aisle_a("regulars", audience="visits >= 1"))
    unprofiled = await shop.phone(Purpose.LOCATION_BLE, Purpose.PUSH_MARKETING)
    await shop.spend(20, {unprofiled: IN_A})

    rows = [row for row in await shop.rows(decisions) if row.shopper_id == unprofiled.shopper_id]
    assert rows
    assert not any("visits" in row.seen["facts"] for row in rows)
    assert "regulars" not in {row.campaign_id for row in rows if row.outcome == "send"}
