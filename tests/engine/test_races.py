"""Two processes want the same at the same instant: what may happen once happens once.

Each race is run many times, on connections of their own, on both databases. On PostgreSQL the two
transactions overlap; on SQLite one waits for the other's.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import select

from db.connect import Database
from db.outbox import LEASE, End
from db.tables import decisions, outbox, sends
from db.worth_tables import control_salts
from engine.push_settle import settle
from firmware_sim.fcm_faults import Fault
from firmware_sim.fcm_faults import Trouble as FcmTrouble
from offers.campaign import Status
from offers.pressure import Cap, Scope
from shoppers.consent import Purpose
from tests.engine.machine_cast import OPEN_POLICY
from tests.engine.machine_faults import Trouble
from tests.engine.machine_world import World, grounds, world

ROUNDS: Final = 12
A_WHILE_S: Final = 21 * 60


@pytest.fixture
async def chain(database: Database, redis_url: str) -> AsyncIterator[World]:
    """Two shops and two engines, nothing but pasta to send, and as much of it as they like."""
    url = database.engine.url.render_as_string(hide_password=False)
    async with grounds(redis_url) as on, world(on, url) as made:
        for campaign in list(made.rules.campaigns.values()):
            is_pasta = campaign.campaign_id == "pasta"
            status = Status.LIVE if is_pasta else Status.PAUSED
            await made.saves(replace(campaign, status=status, budget_sends=None, control_share=0.0))
        yield made


async def at_once(*doing: Coroutine[Any, Any, Any]) -> None:
    """All of them, begun together."""
    async with asyncio.TaskGroup() as tasks:
        for number, one in enumerate(doing):
            tasks.create_task(one, name=f"racer {number}")


async def next_round(chain: World) -> None:
    """Everybody goes home and comes again some time later."""
    for shopper_id in chain.rules.consents:
        await chain.leaves(shopper_id)
    await chain.clock.advance(A_WHILE_S)


async def allow(chain: World, *caps: Cap) -> None:
    await chain.saves_policy(replace(OPEN_POLICY, caps=caps))


async def test_two_shops_that_race_for_a_cap_send_one(chain: World) -> None:
    await allow(chain, Cap(Scope.SHOPPER, 1, within=timedelta(minutes=20)))
    north, south, _ = chain.engines
    for number in range(1, ROUNDS + 1):
        await chain.stand([(north, "phone-4", "aisle-a"), (south, "tablet-4", "aisle-b")])
        assert len(chain.ledger.sent) == number
        await next_round(chain)


async def test_two_shops_that_race_for_the_shoppers_own_cap_send_one(chain: World) -> None:
    north, south, _ = chain.engines
    for number in range(1, ROUNDS + 1):
        await chain.allows("shopper-4", number)
        await chain.stand([(north, "phone-4", "aisle-a"), (south, "tablet-4", "aisle-b")])
        assert len(chain.ledger.sent) == number
        await next_round(chain)


@pytest.mark.parametrize("emptied", [False, True], ids=["kept", "emptied"])
async def test_a_cap_with_one_place_left_is_raced_for_after_a_loss(
    chain: World, emptied: bool
) -> None:
    """What was sent before stands in SQL alone: its commit was unheard, or Redis was emptied."""
    await allow(chain, Cap(Scope.SHOPPER, 2, within=timedelta(minutes=20)))
    north, south, _ = chain.engines
    for number in range(1, ROUNDS + 1):
        lost = None if emptied else Trouble.COMMIT_UNHEARD
        await chain.stand([(north, "phone-4", "aisle-a")], [lost])
        await chain.leaves("shopper-4")
        if emptied:
            await chain.empty_redis()
        await chain.stand([(north, "phone-4", "aisle-a"), (south, "tablet-4", "aisle-b")])
        assert len(chain.ledger.sent) == 2 * number
        await next_round(chain)


@pytest.mark.parametrize("of_money", [False, True], ids=["sends", "cents"])
async def test_two_shops_that_race_for_the_last_of_a_budget_send_one(
    chain: World, of_money: bool
) -> None:
    north, south, _ = chain.engines
    pasta = chain.rules.campaigns["pasta"]
    for number in range(1, ROUNDS + 1):
        if of_money:
            cents = number * pasta.offer.cost_cents
            await chain.saves(replace(pasta, budget_cents=cents))
        else:
            await chain.saves(replace(pasta, budget_sends=number))
        await chain.stand([(north, "phone-1", "aisle-a"), (south, "phone-2", "aisle-a")])
        assert len(chain.ledger.sent) == number
        await next_round(chain)


async def test_two_engines_of_one_shop_send_one_of_a_campaign_in_a_visit(chain: World) -> None:
    north, _, twin = chain.engines
    for number in range(1, ROUNDS + 1):
        await chain.stand([(north, "phone-1", "aisle-a"), (twin, "phone-1", "aisle-b")])
        # The one that lost may have to try again.
        await chain.stand([(north, "phone-1", "aisle-a"), (twin, "phone-1", "aisle-b")])
        assert len(chain.ledger.sent) == number
        await next_round(chain)


async def test_two_engines_that_draw_the_first_salt_hold_out_the_same_shoppers(
    chain: World,
) -> None:
    await chain.saves_policy(replace(OPEN_POLICY, hold_out_share=0.5))
    north, south, _ = chain.engines
    for _ in range(ROUNDS):
        async with chain.database.begin() as tx:
            await tx.execute(control_salts.delete())
        where = [(north, "phone-1", "aisle-a"), (south, "phone-2", "aisle-a")]
        for engine, _, _ in where:
            engine.begin_anew()
        await chain.stand(where, look=False)
        async with chain.database.read() as tx:
            salt = (await tx.scalars(select(control_salts.c.salt))).one()
        chain.rules.salt = salt
        await chain.look()
        await next_round(chain)
    async with chain.database.read() as tx:
        held = (await tx.scalars(select(decisions.c.ghost))).all()
    assert 0 < sum(held) < len(held), "all of them, or none: the rounds said nothing"


async def test_consent_withdrawn_while_it_is_decided_stops_the_push(chain: World) -> None:
    north, *_ = chain.engines
    for number in range(ROUNDS):
        await chain.hear(north, "phone-1", "aisle-a")
        withdrawal = chain.answers("shopper-1", Purpose.PUSH_MARKETING, granted=False)
        if number % 2:
            await at_once(north.writes(None), withdrawal)
        else:  # on SQLite the withdrawal wins each race
            await north.writes(None)
            await withdrawal
        await chain.paint()
        await at_once(chain.work(0), chain.work(1))
        assert chain.fcm.counts["accepted"] == 0
        await chain.answers("shopper-1", Purpose.PUSH_MARKETING, granted=True)
        await next_round(chain)
    async with chain.database.read() as tx:
        whys = (await tx.scalars(select(outbox.c.why))).all()
    assert len(whys) >= ROUNDS / 2
    assert set(whys) == {"consent was withdrawn"}


async def test_consent_withdrawn_while_it_is_pushed_holds_for_the_next_try(chain: World) -> None:
    """Of one that was on its way nobody can say; the second try comes after the word."""
    north, *_ = chain.engines
    for _ in range(ROUNDS):
        await chain.stand([(north, "phone-1", "aisle-a")])
        await chain.paint()
        chain.fcm.faults.for_next(Fault(FcmTrouble.CUT_BEFORE_ACCEPTING))
        await at_once(
            chain.work(0), chain.answers("shopper-1", Purpose.PUSH_MARKETING, granted=False)
        )
        accepted = chain.fcm.counts["accepted"]
        await chain.clock.advance(5)
        await chain.paint()
        await chain.push(2)
        assert chain.fcm.counts["accepted"] == accepted
        chain.fcm.faults.clear()
        await chain.answers("shopper-1", Purpose.PUSH_MARKETING, granted=True)
        await next_round(chain)


async def test_two_workers_that_claim_at_once_push_each_offer_once(chain: World) -> None:
    north, south, _ = chain.engines
    for _ in range(ROUNDS):
        await chain.stand([(north, "phone-1", "aisle-a"), (south, "phone-2", "aisle-a")])
        await chain.stand([(north, "phone-3", "aisle-b")])
        await chain.paint()
        await chain.push(2)
        await next_round(chain)
    assert chain.fcm.counts["accepted"] == len(chain.ledger.sent) == 3 * ROUNDS


async def test_two_workers_that_fail_with_one_offer_give_it_back_once(chain: World) -> None:
    """It goes to two handsets, and each worker ends one of the pushes."""
    north, *_ = chain.engines
    first, second = chain.workers
    for number in range(1, ROUNDS + 1):
        await chain.stand([(north, "phone-4", "aisle-a")])
        await chain.paint()
        chain.fcm.faults.for_next(Fault(FcmTrouble.BAD_REQUEST), times=2)
        one, other = await first.claim()
        await at_once(first.send([one]), second.send([other]))
        await chain.look()
        async with chain.database.read() as tx:
            released = (await tx.scalars(select(sends.c.released_at))).all()
        assert len(released) == number
        assert None not in released
        chain.fcm.faults.clear()
        await next_round(chain)


@pytest.mark.parametrize("trouble", Trouble)
async def test_what_a_worker_in_trouble_may_have_shown_is_not_given_back(
    chain: World, trouble: Trouble
) -> None:
    await chain.stand([(chain.engines[0], "phone-1", "aisle-a")])
    await chain.paint()
    await chain.push(sending=trouble)

    await chain.come_to_rest()

    (sent,) = chain.ledger.sent.values()
    is_shown = sent in chain.ledger.accepted
    assert is_shown == (sent.decision_id not in chain.ledger.given_back)


async def test_a_worker_that_wakes_up_late_changes_nothing(chain: World) -> None:
    await chain.stand([(chain.engines[0], "phone-1", "aisle-a")])
    await chain.take_in_hand()
    (claimed,) = chain.in_hand
    await chain.clock.advance(LEASE.total_seconds())
    await chain.push()
    async with chain.database.read() as tx:
        before = (await tx.execute(select(outbox))).all()

    await settle(
        [(claimed, End("delivered", ""))], chain.database, chain.workers[0].live, claimed.decided_at
    )

    async with chain.database.read() as tx:
        assert (await tx.execute(select(outbox))).all() == before
