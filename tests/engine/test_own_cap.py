"""Policies and shoppers' own caps at work: the next decision obeys what was said last."""

from dataclasses import replace

import pytest

from db import campaigns as campaign_rows
from db import pressure
from db.tables import decisions, sends
from offers.campaign import Tier
from offers.pressure import Cap, Policy, Scope
from tests.engine.shop import IN_A, IN_B, Phone, Shop, for_aisle_a
from tests.offers.situations import NOBODY_HELD_OUT

# Long enough in an aisle for a decision after the first seconds of a visit.
A_WHILE_S = 14


async def allow(shop: Shop, phone: Phone, per_week: int | None) -> None:
    async with shop.database.begin() as tx:
        await pressure.set_own_cap(tx, phone.shopper_id, per_week, shop.clock.now())


async def set_policy(shop: Shop, policy: Policy) -> None:
    async with shop.database.begin() as tx:
        await pressure.save_policy(tx, policy, "the manager", shop.clock.now())
        await campaign_rows.changed(tx)


@pytest.mark.parametrize("tier", Tier)
async def test_a_pause_holds_messages_of_every_kind_and_says_so(shop: Shop, tier: Tier) -> None:
    await shop.open(for_aisle_a(tier=tier))
    phone = await shop.phone()
    await allow(shop, phone, 0)

    await shop.spend(A_WHILE_S, {phone: IN_A})

    *_, last = await shop.rows(decisions)
    assert (last.outcome, last.reasons) == ("hold", ["own_cap"])
    (cap,) = last.seen["caps"]
    assert (cap["reason"], cap["most"], cap["sent"]) == ("own_cap", 0, 0)
    assert await shop.rows(sends) == []


async def test_a_pause_that_ends_in_the_visit_ends_with_the_next_decision(shop: Shop) -> None:
    phone = await shop.phone()
    await allow(shop, phone, 0)
    await shop.spend(A_WHILE_S, {phone: IN_A})
    assert await shop.rows(sends) == []

    await allow(shop, phone, None)
    await shop.spend(10, {phone: IN_B})
    await shop.spend(A_WHILE_S, {phone: IN_A})

    assert len(await shop.rows(sends)) == 1


async def test_whoever_allows_more_gets_no_more_than_the_retailer_sends(shop: Shop) -> None:
    phone = await shop.phone()
    await allow(shop, phone, 20)

    await shop.spend(A_WHILE_S, {phone: IN_A})
    await shop.spend(A_WHILE_S, {phone: IN_B})
    await shop.spend(A_WHILE_S, {phone: IN_A})

    assert len(await shop.rows(sends)) == 1
    *_, last = await shop.rows(decisions)
    assert "visit_cap" in last.reasons
    assert "own_cap" not in last.reasons


async def test_a_policy_that_is_saved_holds_from_the_next_decision_on(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(5, {phone: IN_A})

    await set_policy(shop, replace(NOBODY_HELD_OUT, caps=(Cap(Scope.STORE, 0, days=1),)))
    await shop.spend(A_WHILE_S, {phone: IN_A})

    *_, last = await shop.rows(decisions)
    assert (last.outcome, last.reasons) == ("hold", ["store_cap"])
    async with shop.database.read() as tx:
        number, _ = await pressure.policy(tx)
    assert last.seen["policy"] == number
