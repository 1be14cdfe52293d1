"""Campaigns in SQL: as their authors wrote them, and never over their budget."""

import asyncio
from dataclasses import replace
from datetime import time

import pytest
from sqlalchemy import update

from config.clock import VirtualClock
from db import asked, campaigns
from db.connect import Database
from db.tables import campaigns as campaigns_table
from offers.campaign import Campaign, Hours, Status, Tier
from offers.catalogue import Live
from tests.offers.situations import a_campaign

FULL = a_campaign(
    "full",
    store_ids=frozenset({"store-1"}),
    hours=(Hours(time(9), time(12, 30), frozenset({0, 5})),),
    tier=Tier.SERVICE,
    budget_sends=7,
    control_share=0.25,
)


async def _save(database: Database, clock: VirtualClock, *saved: Campaign) -> None:
    async with database.begin() as tx:
        for campaign in saved:
            await campaigns.save_campaign(tx, campaign, clock.now())


async def _spend(database: Database, campaign: Campaign) -> bool:
    async with database.begin() as tx:
        return await campaigns.spend(tx, campaign, "store-1")


async def _live(database: Database) -> list[Live]:
    async with database.read() as tx:
        return await campaigns.live_campaigns(tx)


async def test_a_campaign_comes_back_as_it_was_saved(
    database: Database, clock: VirtualClock
) -> None:
    await _save(database, clock, FULL, a_campaign())

    async with database.read() as tx:
        assert await campaigns.load_campaign(tx, "full") == FULL
        assert await campaigns.load_campaign(tx, "none") is None
        assert await campaigns.load_campaigns(tx) == [FULL, a_campaign()]


async def test_one_that_another_version_wrote_is_left_out_and_told(
    database: Database, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    await _save(database, clock, FULL, a_campaign("strange"), a_campaign())
    async with database.begin() as tx:
        strange = campaigns_table.c.id == "strange"
        await tx.execute(update(campaigns_table).where(strange).values(document={"goal": "fame"}))
    async with database.read() as tx:
        assert await campaigns.load_campaigns(tx) == [FULL, a_campaign()]
        assert await campaigns.load_campaigns(tx, ["full", "strange", "none"]) == [FULL]
        assert [one.campaign.campaign_id for one in await asked.asking(tx)] == ["full", "pasta"]
    assert "campaign cannot be read and is left out" in caplog.text


async def test_only_live_ones_are_candidates(database: Database, clock: VirtualClock) -> None:
    others = [a_campaign(status.value, status=status) for status in Status]
    await _save(database, clock, *others)

    assert _ids(await _live(database)) == ["live"]


async def test_saving_again_keeps_what_was_spent(database: Database, clock: VirtualClock) -> None:
    await _save(database, clock, FULL)
    assert await _spend(database, FULL)

    await _save(database, clock, replace(FULL, name="New"))

    assert await _live(database) == [Live(replace(FULL, name="New"), sends=1)]


async def test_twenty_concurrent_spenders_never_exceed_the_budget(
    database: Database, clock: VirtualClock
) -> None:
    await _save(database, clock, FULL)

    async with asyncio.TaskGroup() as tasks:
        spenders = [
            tasks.create_task(_spend(database, FULL), name=f"spender {n}") for n in range(20)
        ]

    assert sum(task.result() for task in spenders) == 7
    assert [one.sends for one in await _live(database)] == [7]


async def test_what_is_given_back_can_be_spent_again(
    database: Database, clock: VirtualClock
) -> None:
    one = replace(FULL, budget_sends=1)
    await _save(database, clock, one)
    assert await _spend(database, one)
    assert not await _spend(database, one)

    async with database.begin() as tx:
        await campaigns.give_back(tx, "full")

    assert await _spend(database, one)


async def test_nothing_can_be_given_back_that_was_not_spent(
    database: Database, clock: VirtualClock
) -> None:
    await _save(database, clock, FULL)

    async with database.begin() as tx:
        await campaigns.give_back(tx, "full")

    assert [one.sends for one in await _live(database)] == [0]


async def test_a_campaign_without_a_budget_goes_on(database: Database, clock: VirtualClock) -> None:
    await _save(database, clock, a_campaign())

    assert all([await _spend(database, a_campaign()) for _ in range(3)])


async def test_a_campaign_paused_meanwhile_spends_nothing(
    database: Database, clock: VirtualClock
) -> None:
    await _save(database, clock, replace(FULL, status=Status.PAUSED))

    assert not await _spend(database, FULL)


def _ids(candidates: list[Live]) -> list[str]:
    return [one.campaign.campaign_id for one in candidates]
