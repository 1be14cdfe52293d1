"""The campaigns in memory: as SQL has them at the next decision, whoever changed them."""

from dataclasses import replace

from sqlalchemy import select

from db import campaigns, stops
from db.tables import decisions
from engine.live_campaigns import SENDS_EVERY_S, LiveCampaigns
from offers.campaign import Status
from offers.stops import Scope
from tests.engine.shop import IN_A, Shop, for_aisle_a
from tests.offers.situations import a_campaign


async def found(shelf: LiveCampaigns, shop: Shop) -> list[tuple[str, int]]:
    await shelf.refresh(shop.database)
    here = shelf.catalogue.find(shop.store_id, "aisle-7", frozenset(), ())
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
    before = shelf.catalogue
    await found(shelf, shop)
    assert shelf.catalogue is before


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
    here = for_aisle_a("here", audience="country IT and platform android and visits <= 1")
    away = for_aisle_a("away", audience="locale de or visits > 1")
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
