"""Decisions and sends in SQL, receipts and redemptions: each once."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from config.clock import VirtualClock
from db import decisions, pressure, receipts
from db.campaigns import save_campaign
from db.connect import Database
from db.ids import new_id
from db.receipts import Receipt, Redemption
from tests.db.rows import Person, a_decision, a_message, a_person, a_send, a_store
from tests.offers.situations import a_campaign

SECOND = timedelta(seconds=1)


@pytest.fixture
async def person(database: Database, clock: VirtualClock) -> Person:
    await a_store(database, clock.now())
    async with database.begin() as tx:
        await save_campaign(tx, a_campaign("rice"), clock.now())
        return await a_person(tx, clock.now())


async def test_a_decision_comes_back_with_all_its_reasons(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    async with database.begin() as tx:
        sent = await a_decision(tx, person, clock.now())
        held = replace(
            sent,
            decision_id=new_id(),
            outcome="hold",
            ghost=True,
            reasons=["control_group"],
            at=clock.now() + timedelta(seconds=1),
        )
        await decisions.store_decision(tx, held)

    async with database.read() as tx:
        assert await decisions.load_decision(tx, sent.decision_id) == sent
        assert await decisions.load_decision(tx, "none") is None
        long_ago = clock.now() - timedelta(days=7)
        assert await decisions.decisions_of(tx, person.shopper_id, long_ago, 10) == [held, sent]
        assert await decisions.decisions_of(tx, person.shopper_id, long_ago, 1) == [held]
        assert await decisions.decisions_of(tx, person.shopper_id, held.at, 10) == [held]
        assert await decisions.decisions_of(tx, "somebody else", long_ago, 10) == []


async def test_a_campaign_is_sent_once_a_visit(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    async with database.begin() as tx:
        await a_send(tx, person, clock.now())
        again = await a_decision(tx, person, clock.now())
        sent = a_message(again.decision_id, person, clock.now())

        assert not await decisions.store_send(tx, sent, person.shopper_id)
        assert await decisions.store_send(tx, replace(sent, campaign_id="rice"), person.shopper_id)
        assert await pressure.campaigns_of_visit(tx, person.visit_id) == {"pasta", "rice"}
        assert await pressure.campaigns_of_visit(tx, "another") == frozenset()


async def test_of_racing_sends_one_is_stored(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    async def send() -> bool:
        async with database.begin() as tx:
            decision = await a_decision(tx, person, clock.now())
            sent = a_message(decision.decision_id, person, clock.now())
            return await decisions.store_send(tx, sent, person.shopper_id)

    async with asyncio.TaskGroup() as tasks:
        racers = [tasks.create_task(send(), name=f"racer {n}") for n in range(6)]

    assert sorted(task.result() for task in racers) == [False] * 5 + [True]


async def test_sends_count_unless_they_were_released(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    start = clock.now()
    async with database.begin() as tx:
        first = await a_send(tx, person, start)
        released = await a_send(tx, person, start + timedelta(days=1), campaign_id="rice")
        known = a_message(first, person, start)

        gone = await decisions.release_send(tx, released, start + timedelta(days=1))
        assert gone == a_message(released, person, start + timedelta(days=1), campaign_id="rice")
        assert await decisions.release_send(tx, released, start) is None

        assert await pressure.messages(tx, person.shopper_id, start - SECOND) == [known]
        assert await pressure.messages(tx, person.shopper_id, start) == []
        # Released or not, the same campaign does not come again in the visit.
        assert await pressure.campaigns_of_visit(tx, person.visit_id) == {"pasta", "rice"}


async def test_a_receipt_reported_twice_is_one(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    async with database.begin() as tx:
        decision_id = await a_send(tx, person, clock.now())
        shown = Receipt("r-1", decision_id, "displayed", clock.now())
        opened = Receipt("r-2", decision_id, "opened", clock.now())

        assert await receipts.add_receipts(tx, person.handset_id, [shown, opened, shown]) == 2
        assert await receipts.add_receipts(tx, person.handset_id, [opened]) == 0


async def test_one_handset_has_one_receipt_of_a_kind_for_a_decision(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    async with database.begin() as tx:
        decision_id = await a_send(tx, person, clock.now())
        shown = [Receipt(f"r-{n}", decision_id, "displayed", clock.now()) for n in range(3)]
        opened = Receipt("r-9", decision_id, "opened", clock.now())

        assert await receipts.add_receipts(tx, person.handset_id, shown) == 1
        assert await receipts.add_receipts(tx, person.handset_id, [shown[2], opened]) == 1
        assert await receipts.add_receipts(tx, "their other handset", [shown[1]]) == 1


async def test_an_offer_belongs_to_its_shopper(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    async with database.begin() as tx:
        decision_id = await a_send(tx, person, clock.now())

        offer = await receipts.sent_offer(tx, decision_id, person.shopper_id)
        assert offer is not None
        assert (offer.campaign_id, offer.visit_id) == ("pasta", person.visit_id)
        assert not offer.came_to_nothing
        assert await receipts.sent_offer(tx, decision_id, "somebody else") is None


async def test_a_released_send_is_known_as_one_that_came_to_nothing(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    now = clock.now()
    async with database.begin() as tx:
        kept = await a_send(tx, person, now, campaign_id="rice")
        released = await a_send(tx, person, now)
        await decisions.release_send(tx, released, now)

        offer = await receipts.sent_offer(tx, released, person.shopper_id)
        assert offer is not None
        assert offer.came_to_nothing
        assert await receipts.released_sends(tx, person.shopper_id, now) == {released}
        assert kept not in await receipts.released_sends(tx, person.shopper_id, now)
        later = now + timedelta(microseconds=1)
        assert await receipts.released_sends(tx, person.shopper_id, later) == frozenset()
        assert await receipts.released_sends(tx, "somebody else", now) == frozenset()


async def test_an_offer_is_redeemed_once_however_many_try(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    async with database.begin() as tx:
        decision_id = await a_send(tx, person, clock.now())
        offer = await receipts.sent_offer(tx, decision_id, person.shopper_id)
        assert await receipts.redemption_of(tx, decision_id) is None
    assert offer is not None

    async def redeem(number: int) -> Redemption:
        async with database.begin() as tx:
            return await receipts.redeem(tx, offer, f"key-{number}", f"C{number}", clock.now())

    async with asyncio.TaskGroup() as tasks:
        tills = [tasks.create_task(redeem(n), name=f"till {n}") for n in range(6)]

    found = {task.result() for task in tills}
    assert len(found) == 1
    async with database.read() as tx:
        assert await receipts.redemption_of(tx, decision_id) == found.pop()
