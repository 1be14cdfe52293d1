"""The preview: the live engine's own decisions taken again, row by row, and new campaigns tried."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import msgspec

from db import browsing, campaigns, decisions, pressure, products, profiles, receipts, stops
from db.browsing import BrowsingEvent
from db.receipts import Receipt
from db.tables import sends
from engine.preview import Replayed, SetAside, replayed
from offers.campaign import Campaign, CampaignLimits, Offer, Status, Tier
from offers.goods import Product
from offers.known import Opinion
from offers.pressure import Cap, Policy, Scope
from offers.preview import Preview, Tally
from offers.situation import Decision, Reason, Send
from offers.stops import Scope as StopScope
from shoppers.consent import Purpose
from tests.engine.shop import AT_CHECKOUT, IN_A, IN_B, STORE, Phone, Shop, for_aisle_a
from tests.offers.situations import a_campaign

ARBORIO = Product("arborio", "Arborio", "rice", 300, 90)
RICH = Offer("t", "b", margin_cents=900, cost_cents=100)
LIVE = (
    for_aisle_a(control_share=0.3),
    for_aisle_a("pesto", offer=RICH, audience='visits >= 2 or browsed "rice" within 2d'),
    for_aisle_a("loyal", tier=Tier.PERSONAL, audience="visits >= 2", budget_sends=2),
    a_campaign(
        "rice",
        offer=replace(RICH, product_ids=frozenset({"arborio"})),
        zone_ids=frozenset({"aisle-b"}),
        categories=frozenset({"rice"}),
    ),
    a_campaign(
        "tray",
        zone_ids=frozenset({"aisle-b"}),
        tier=Tier.SERVICE,
        limits=CampaignLimits(per_shopper=1, per_days=7),
        budget_cents=300,
    ),
)
MORNINGS = 3
# Caps that are reached in two hours of a test, a hold-out, no cool-down.
POLICY = Policy(
    (
        Cap(Scope.VISIT, 1),
        Cap(Scope.SHOPPER, 3, within=timedelta(days=7)),
        Cap(Scope.CATEGORY, 1, within=timedelta(minutes=10)),
        Cap(Scope.SHOPPER, 2, days=1),
    ),
    first_after_s=10.0,
    hold_out_share=0.2,
)

STRICTER = replace(POLICY, first_after_s=12.0, hold_out_share=0.25)


async def a_busy_morning(shop: Shop, seed: int) -> None:
    """Eight shoppers come and go, look things up, open pushes or not, and change their minds; the
    manager changes the policy, and some pushes reach nobody."""
    chance = Random(seed)
    async with shop.database.begin() as tx:
        for campaign in LIVE:
            lasting = replace(campaign, valid_until=campaign.valid_until + timedelta(days=30))
            await campaigns.save_campaign(tx, lasting, shop.clock.now())
        await stops.lift(tx, StopScope.CAMPAIGN, "rice")
        await pressure.save_policy(tx, POLICY, "the manager", shop.clock.now())
        await campaigns.changed(tx)
    private = (Purpose.LOCATION_BLE, Purpose.PUSH_MARKETING)
    phones = [await shop.phone(*(private if n == 3 else ()), target=f"fid-{n}") for n in range(8)]
    for visit in range(3):
        for n, phone in enumerate(phones):
            if chance.random() < 0.4:
                await look(shop, phone, chance.choice(["pasta", "rice"]), f"{n}-{visit}")
        if visit == 1:
            async with shop.database.begin() as tx:
                for phone in chance.sample(phones, 3):
                    await pressure.set_own_cap(tx, phone.shopper_id, 1, shop.clock.now())
                    said = {chance.choice(["pasta", "rice"]): chance.choice(list(Opinion))}
                    await profiles.state(tx, phone.shopper_id, said, shop.clock.now())
                await stops.throw(tx, StopScope.CAMPAIGN, "rice", "a try", shop.clock.now())
                await pressure.save_policy(tx, STRICTER, "the manager", shop.clock.now())
                await campaigns.changed(tx)
        await stock(shop, rice=chance.random() < 0.5)
        for place in (IN_A, AT_CHECKOUT, IN_B):
            here = chance.sample(phones, 6)
            await shop.spend(8, dict.fromkeys(here, place), every_s=1)
            await look(shop, here[0], "rice", f"{place}-{visit}")
            await shop.spend(17, dict.fromkeys(here, place), every_s=1)
        await open_some(shop, phones, chance)
        await release_some(shop, chance)
        await shop.spend(120, every_s=10)  # everybody leaves
        await shop.clock.advance(11 * 3_600)
        await shop.restart()


async def stock(shop: Shop, *, rice: bool) -> None:
    """The rice is there or is not, a minute from now."""
    async with shop.database.begin() as tx:
        await products.put_products(tx, [ARBORIO], shop.clock.now())
        shelved = products.Shelved(STORE, "arborio", "aisle-b", rice)
        await products.put_shelves(tx, [shelved], shop.clock.now())


async def look(shop: Shop, phone: Phone, category: str, event_id: str) -> None:
    now = shop.clock.now()
    # After what was decided at that very instant.
    at = now + timedelta(milliseconds=1)
    looked = BrowsingEvent(event_id, "viewed", category, None, at)
    async with shop.database.begin() as tx:
        await browsing.add_browsing(tx, phone.shopper_id, [looked], now)


async def open_some(shop: Shop, phones: Collection[Phone], chance: Random) -> None:
    now = shop.clock.now()
    since = now - timedelta(days=1)
    async with shop.database.begin() as tx:
        for phone in phones:
            for taken in await decisions.decisions_between(tx, phone.shopper_id, since, now):
                if taken.outcome == "send" and chance.random() < 0.5:
                    opened = Receipt(taken.decision_id[:8], taken.decision_id, "opened", now)
                    await receipts.add_receipts(tx, phone.handset_id, [opened])


async def release_some(shop: Shop, chance: Random) -> None:
    async with shop.database.begin() as tx:
        for sent in await shop.rows(sends):
            if sent.released_at is None and chance.random() < 0.3:
                await decisions.release_send(tx, sent.decision_id, shop.clock.now())
                await campaigns.give_back(tx, sent.campaign_id)


async def replays(
    shop: Shop, *tried: Campaign, back: timedelta = timedelta(days=7)
) -> list[Replayed]:
    since, until = shop.clock.now() - back, shop.clock.now()
    found = [one async for one in replayed(shop.database, tried, since, until)]
    assert not any(isinstance(one, SetAside) for one in found)
    return [one for one in found if isinstance(one, Replayed)]


def row(decision: Decision) -> dict[str, Any]:
    """A decision as the engine stores it."""
    send = isinstance(decision, Send)
    return {
        "outcome": "send" if send else "hold",
        "campaign_id": decision.weighed[0].campaign_id if decision.weighed else None,
        "ghost": False if isinstance(decision, Send) else decision.ghost is not None,
        "reasons": [] if isinstance(decision, Send) else [one.value for one in decision.why],
        "weighed": msgspec.json.decode(msgspec.json.encode(decision.weighed)),
    }


async def test_replayed_with_the_live_set_every_row_is_as_the_engine_decided_it(
    shop: Shop,
) -> None:
    # All kinds of things must happen, or it would be no proof.
    sent: set[str | None] = set()
    why: set[Reason] = set()
    for seed in range(MORNINGS):
        await a_busy_morning(shop, seed)

    found = await replays(shop)
    # From the middle on: what was sent and released before counts, in caps as in budgets.
    late = [
        one for hours in (20, 31, 55) for one in await replays(shop, back=timedelta(hours=hours))
    ]

    assert len(found) > 500
    assert len(late) > 300
    for one in (*found, *late):
        stored = one.stored.decision
        assert row(one.as_is) == {name: getattr(stored, name) for name in row(one.as_is)}
        assert one.as_tried == one.as_is
        if isinstance(one.as_is, Send):
            sent.add(stored.campaign_id)
        why |= {each for weighed in one.as_is.weighed for each in weighed.against}
    released = sum(row.released_at is not None for row in await shop.rows(sends))
    assert sent >= {"pasta", "loyal", "tray", "rice"}
    assert released > 3
    assert why >= {
        Reason.VISIT_TOO_YOUNG, Reason.VISIT_CAP, Reason.CAMPAIGN_SEEN, Reason.HELD_OUT,
        Reason.OWN_CAP, Reason.CATEGORY_CAP, Reason.OUTSIDE_AUDIENCE, Reason.CAMPAIGN_STOPPED,
        Reason.BUDGET_SPENT, Reason.OUT_OF_STOCK,
    }  # fmt: skip


async def counted(shop: Shop, *tried: Campaign) -> Preview:
    tally = Tally(tried)
    for one in await replays(shop, *tried):
        stored = one.stored.decision
        tally.add(stored.shopper_id, stored.visit_id, one.as_is, one.as_tried, one.there)
    return tally.preview()


async def test_a_draft_shows_whom_it_would_have_reached_and_whom_it_would_have_beaten(
    shop: Shop,
) -> None:
    phones = [await shop.phone(target=f"fid-{n}") for n in range(4)]
    await shop.spend(25, dict.fromkeys(phones, IN_A))
    later = shop.clock.now() + timedelta(days=9)
    draft = for_aisle_a(
        "deal",
        offer=RICH,
        tier=Tier.PERSONAL,
        status=Status.DRAFT,
        valid_from=later,
        valid_until=later + timedelta(days=1),
    )

    found = await counted(shop, draft)

    (deal,) = found.campaigns
    assert (deal.visits, deal.reach, deal.sends, deal.ghosts) == (4, 4, 4, 0)
    assert deal.took == {"pasta": 4}
    assert deal.lost == {}
    assert deal.cost_cents == 400
    assert found.sends == {"deal": (0, 4), "pasta": (4, 0)}
    assert found.shoppers_by_sends == ({1: 4}, {1: 4})
    assert found.visits == 4


async def test_a_draft_that_loses_is_told_to_whom_and_one_that_is_held_why(shop: Shop) -> None:
    async with shop.database.begin() as tx:
        first = for_aisle_a(tier=Tier.PERSONAL)
        await campaigns.save_campaign(tx, first, shop.clock.now())
    phones = [await shop.phone(target=f"fid-{n}") for n in range(2)]
    await shop.spend(25, dict.fromkeys(phones, IN_A))
    poor = for_aisle_a("poor")
    dear = for_aisle_a("worthless", offer=replace(RICH, margin_cents=0))
    other = a_campaign("elsewhere", zone_ids=frozenset({"aisle-b"}))

    found = {one.campaign_id: one for one in (await counted(shop, poor, dear, other)).campaigns}

    assert found["poor"].lost == {"pasta": 2}
    assert found["poor"].sends == 0
    assert found["worthless"].held == {Reason.BELOW_RELEVANCE: 2}
    assert found["elsewhere"].visits == 0


async def test_an_edited_version_takes_the_place_of_the_live_one(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(25, {phone: IN_A})

    found = await counted(shop, for_aisle_a(control_share=1.0))

    (edited,) = found.campaigns
    assert (edited.sends, edited.ghosts) == (0, 1)
    assert found.sends == {"pasta": (1, 0)}


async def test_without_a_single_decision_there_is_nothing_to_replay(shop: Shop) -> None:
    assert (await counted(shop, for_aisle_a("deal"))).moments == 0
