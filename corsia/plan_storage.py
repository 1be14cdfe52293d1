"""Plans and the database: what clashes with what is stored, saving, loading."""

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime

from beacons.store_plan import StorePlan
from config.settings import Settings
from corsia.plan_clashes import clashes
from corsia.plan_files import Plan
from corsia.ready_database import answering_database, ready_database, schema_version
from corsia.yaml_lines import Fault
from db import campaigns, migrate, stores


async def clashes_with_stored(settings: Settings, plans: list[Plan]) -> list[Fault]:
    """What is wrong between the plans and what is stored; an empty database stays empty."""
    return clashes(plans, await stored_stores(settings, but=_store_ids(plans)))


async def stored_stores(settings: Settings, but: Collection[str] = ()) -> list[StorePlan]:
    """The stores of the database except these; none when it is not made yet, nor is it made here.

    Raises StoredPlanError, DatabaseUnusableError, DatabaseUrlError.
    """
    if await schema_version(settings.sql_url) is None:
        return []
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        return await stores.load_stores(tx, but)


async def readable_stores(settings: Settings) -> list[StorePlan]:
    """As `stored_stores`, without those that cannot be read: a new plan may be what mends them."""
    if await schema_version(settings.sql_url) is None:
        return []
    found = []
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        for store_id in await stores.store_ids(tx):
            with suppress(stores.StoredPlanError):
                found.append(await stores.load_store(tx, store_id))
    return [store for store in found if store is not None]


async def save_plans(settings: Settings, plans: list[Plan], now: datetime) -> list[Fault]:
    """Store the plans, unless another import has meanwhile made them clash: those faults.

    Raises StoredPlanError when a store that stays cannot be read.
    """
    async with answering_database(settings.sql_url) as database:
        await migrate.upgrade(database)
        async with database.begin() as tx:
            if faults := clashes(plans, await stores.load_stores(tx, _store_ids(plans))):
                return faults
            for plan in plans:
                for store in plan.stores:
                    await stores.save_store(tx, store, now)
            ours = [campaign for plan in plans for campaign in plan.campaigns]
            await campaigns.save_campaigns(tx, ours, now)
    return []


async def load_plan(settings: Settings) -> Plan:
    """All that is stored. Raises StoredPlanError, DatabaseUnusableError, DatabaseUrlError."""
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        return Plan(tuple(await stores.load_stores(tx)), tuple(await campaigns.load_campaigns(tx)))


def _store_ids(plans: list[Plan]) -> frozenset[str]:
    """The stores that the plans replace."""
    return frozenset(store.store_id for plan in plans for store in plan.stores)
