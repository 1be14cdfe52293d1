"""Plans and the database: what clashes with what is stored, saving, loading."""

from contextlib import suppress
from datetime import datetime

from beacons.store_plan import StorePlan
from config.settings import Settings
from corsia.plan_clashes import clashes
from corsia.plan_files import Plan
from corsia.plan_lives import Hands, Taken, taken_in
from corsia.ready_database import answering_database, ready_database, schema_version
from corsia.yaml_lines import Fault
from db import campaign_versions, campaigns, migrate, stores
from offers.versions import Life


async def examined_with_stored(
    settings: Settings, plans: list[Plan], hands: Hands, now: datetime
) -> tuple[list[Taken], list[Fault]]:
    """What would become of the plans' campaigns, and what is wrong between the plans and what is
    stored; an empty database stays empty.

    Raises StoredPlanError, DatabaseUnusableError, DatabaseUrlError.
    """
    if await schema_version(settings.sql_url) is None:
        kept: list[StorePlan] = []
        lives: dict[str, Life] = {}
    else:
        async with ready_database(settings.sql_url) as database, database.read() as tx:
            kept = await stores.load_stores(tx, _store_ids(plans))
            lives = await campaign_versions.lives(tx, _campaign_ids(plans))
    taken, refused = taken_in(plans, lives, hands, now)
    return taken, [*clashes(plans, kept), *refused]


async def readable_stores(settings: Settings) -> list[StorePlan]:
    """The stores of the database without those that cannot be read: a new plan may be what mends
    them. None when it is not made yet, nor is it made here.

    Raises DatabaseUnusableError, DatabaseUrlError.
    """
    if await schema_version(settings.sql_url) is None:
        return []
    found = []
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        for store_id in await stores.store_ids(tx):
            with suppress(stores.StoredPlanError):
                found.append(await stores.load_store(tx, store_id))
    return [store for store in found if store is not None]


async def save_plans(
    settings: Settings, plans: list[Plan], hands: Hands, now: datetime
) -> tuple[list[Taken], list[Fault]]:
    """Store the plans, unless another import has meanwhile made them clash: those faults.

    Raises StoredPlanError when a store that stays cannot be read.
    """
    async with answering_database(settings.sql_url) as database:
        await migrate.upgrade(database)
        async with database.begin() as tx:
            kept = await stores.load_stores(tx, _store_ids(plans))
            lives = await campaign_versions.lives(tx, _campaign_ids(plans), to_change=True)
            taken, refused = taken_in(plans, lives, hands, now)
            if faults := [*clashes(plans, kept), *refused]:
                return [], faults
            for plan in plans:
                for store in plan.stores:
                    await stores.save_store(tx, store, now)
            await campaign_versions.save_steps(tx, [done for one in taken for done in one.steps])
    return taken, []


async def load_plan(settings: Settings) -> Plan:
    """All that is stored. Raises StoredPlanError, DatabaseUnusableError, DatabaseUrlError."""
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        return Plan(tuple(await stores.load_stores(tx)), tuple(await campaigns.load_campaigns(tx)))


def _store_ids(plans: list[Plan]) -> frozenset[str]:
    """The stores that the plans replace."""
    return frozenset(store.store_id for plan in plans for store in plan.stores)


def _campaign_ids(plans: list[Plan]) -> frozenset[str]:
    return frozenset(campaign.campaign_id for plan in plans for campaign in plan.campaigns)
