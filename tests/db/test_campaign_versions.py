"""The lives of campaigns in SQL: what was written stays, and what is sent changes all at once."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import delete, select, update

from config.clock import VirtualClock
from db import campaign_versions, campaigns
from db.campaign_tables import campaign_events
from db.campaign_tables import campaign_versions as versions_table
from db.connect import Database
from db.tables import campaigns as campaigns_table
from offers.campaign import Campaign, Offer, Status
from offers.versions import SYSTEM, Act, Deed, Life, VersionRefused, VersionState, step
from tests.offers.situations import a_campaign

BY = {Deed.REVIEW: "bruno"}
TO_LIVE = (Deed.WRITE, Deed.SUBMIT, Deed.REVIEW, Deed.PUBLISH)


async def do(
    database: Database, clock: VirtualClock, *deeds: Deed, campaign: Campaign | None = None
) -> Life:
    """What came of these deeds, all in one transaction."""
    async with database.begin() as tx:
        found = await campaign_versions.lives(tx, ["pasta"], to_change=True)
        life = found.get("pasta", Life("pasta"))
        steps = []
        for deed in deeds:
            wrote = (campaign or a_campaign()) if deed is Deed.WRITE else None
            by = BY.get(deed, "anna")
            steps.append(step(life, Act(deed, by, clock.now(), "why", wrote)))
            life = steps[-1].life
        await campaign_versions.save_steps(tx, steps)
    return life


async def version_of_catalogue(database: Database) -> int:
    async with database.read() as tx:
        return await campaigns.version(tx)


async def stored(database: Database) -> Life:
    async with database.read() as tx:
        return (await campaign_versions.lives(tx, ["pasta"]))["pasta"]


async def test_a_life_comes_back_as_it_was_left(database: Database, clock: VirtualClock) -> None:
    life = await do(database, clock, *TO_LIVE)
    assert await stored(database) == life

    life = await do(database, clock, Deed.WRITE, Deed.SUBMIT, campaign=a_campaign(name="New"))

    assert await stored(database) == life
    async with database.read() as tx:
        versions = await campaign_versions.load_versions(tx, "pasta")
        events = await campaign_versions.load_events(tx, "pasta")
        sent = await campaigns.load_campaign(tx, "pasta")
    assert [(one.number, one.state) for one in versions] == [
        (1, VersionState.PUBLISHED),
        (2, VersionState.SUBMITTED),
    ]
    assert sent == a_campaign()
    assert [(one.number, one.deed, one.by, one.note) for one in events] == [
        *[(1, deed, BY.get(deed, "anna"), "why") for deed in TO_LIVE],
        (2, Deed.WRITE, "anna", "why"),
        (2, Deed.SUBMIT, "anna", "why"),
    ]


async def test_publishing_keeps_what_was_sent_and_engines_hear_of_it(
    database: Database, clock: VirtualClock
) -> None:
    await do(database, clock, *TO_LIVE)
    async with database.begin() as tx:
        assert await campaigns.spend(tx, a_campaign(), "store-1")
    before = await version_of_catalogue(database)
    await do(database, clock, Deed.WRITE, campaign=a_campaign(name="New"))
    assert await version_of_catalogue(database) == before  # a draft is nobody's concern

    await do(database, clock, Deed.SUBMIT, Deed.REVIEW, Deed.PUBLISH)

    assert await version_of_catalogue(database) == before + 1
    async with database.read() as tx:
        (live,) = await campaigns.live_campaigns(tx)
    assert (live.campaign.name, live.campaign.version, live.sends) == ("New", 2, 1)


@pytest.mark.parametrize(
    ("deeds", "status"),
    [
        ((Deed.PAUSE,), Status.PAUSED),
        ((Deed.PAUSE, Deed.RESUME), Status.LIVE),
        ((Deed.END,), Status.ENDED),
    ],
)
async def test_a_deed_reaches_the_row_that_engines_read(
    database: Database, clock: VirtualClock, deeds: tuple[Deed, ...], status: Status
) -> None:
    await do(database, clock, *TO_LIVE)
    before = await version_of_catalogue(database)

    for deed in deeds:
        await do(database, clock, deed)

    assert await version_of_catalogue(database) == before + len(deeds)
    async with database.read() as tx:
        assert await campaigns.state(tx, "pasta") == (status, 0)
        found = await campaigns.load_campaign(tx, "pasta")
    assert found is not None
    assert found.status is status


async def test_what_was_stored_without_a_version_is_told_as_one(
    database: Database, clock: VirtualClock
) -> None:
    async with database.begin() as tx:
        await campaigns.save_campaign(tx, a_campaign(), clock.now())
    life = await stored(database)
    assert life.published is not None
    assert (life.published.author, life.published.number) == (SYSTEM, 1)

    # Kept as it was when people begin to work on it, and told again when it is stored again.
    await do(database, clock, Deed.WRITE, campaign=a_campaign(name="New"))
    async with database.begin() as tx:
        await campaigns.save_campaign(tx, a_campaign(name="Demo"), clock.now())
    life = await do(database, clock, Deed.PAUSE)

    async with database.read() as tx:
        versions = await campaign_versions.load_versions(tx, "pasta")
    assert [(one.campaign.name, one.state) for one in versions] == [
        ("Pasta week", VersionState.REPLACED),
        ("New", VersionState.DRAFT),
        ("Demo", VersionState.PUBLISHED),
    ]
    assert await stored(database) == life


async def test_two_people_act_one_after_the_other(database: Database, clock: VirtualClock) -> None:
    await do(database, clock, *TO_LIVE)

    async def pause() -> bool:
        try:
            async with database.begin() as tx:
                act = Act(Deed.PAUSE, "carla", clock.now())
                return await campaign_versions.act_on(tx, "pasta", act) is not None
        except VersionRefused:
            return False

    async with asyncio.TaskGroup() as tasks:
        all_ = [tasks.create_task(pause(), name=f"pause {n}") for n in range(8)]

    assert sum(task.result() for task in all_) == 1
    async with database.begin() as tx:
        assert await campaign_versions.act_on(tx, "rice", Act(Deed.PAUSE, "c", clock.now())) is None


async def test_versions_and_history_go_with_their_campaign(
    database: Database, clock: VirtualClock
) -> None:
    await do(database, clock, *TO_LIVE)

    async with database.begin() as tx:
        await tx.execute(delete(campaigns_table))
        assert (await tx.execute(select(versions_table))).all() == []
        assert (await tx.execute(select(campaign_events))).all() == []


async def test_what_cannot_be_read_is_said(database: Database, clock: VirtualClock) -> None:
    await do(database, clock, *TO_LIVE)
    async with database.begin() as tx:
        await tx.execute(update(campaigns_table).values(document={"campaign_id": 7}))

    with pytest.raises(campaign_versions.UnreadableCampaign, match="campaign pasta cannot be read"):
        await stored(database)


# Money

DEAR = a_campaign(offer=Offer("a", "b", margin_cents=500, cost_cents=100), budget_cents=350)


async def test_twenty_spenders_never_exceed_the_budget_in_money(
    database: Database, clock: VirtualClock
) -> None:
    async with database.begin() as tx:
        await campaigns.save_campaign(tx, DEAR, clock.now())

    async def spend() -> bool:
        async with database.begin() as tx:
            return await campaigns.spend(tx, DEAR, "store-1")

    async with asyncio.TaskGroup() as tasks:
        spenders = [tasks.create_task(spend(), name=f"spender {n}") for n in range(20)]

    assert sum(task.result() for task in spenders) == 3


async def test_money_given_back_is_the_least_that_any_version_cost(
    database: Database, clock: VirtualClock
) -> None:
    cheap = replace(DEAR, offer=replace(DEAR.offer, cost_cents=20))
    async with database.begin() as tx:
        await campaigns.save_campaign(tx, cheap, clock.now())
        assert await campaigns.spend(tx, cheap, "store-1")
        await campaigns.save_campaign(tx, DEAR, clock.now())
        for _ in range(3):
            assert await campaigns.spend(tx, DEAR, "store-1")
        assert not await campaigns.spend(tx, DEAR, "store-1")

        # It may have been the cheap one: 300 of 350 stay taken.
        await campaigns.give_back(tx, "pasta")
        assert not await campaigns.spend(tx, DEAR, "store-1")
        for _ in range(3):
            await campaigns.give_back(tx, "pasta")
        spent = await tx.scalar(select(campaigns_table.c.spent_cents))
    assert spent == 320 - 4 * 20
