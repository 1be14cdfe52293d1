"""One stored store as a command asks for it by its id."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.store_plan import StorePlan
from config.settings import Settings
from corsia.ready_database import ready_database, schema_version
from db import stores

# A mistyped id is found among so many; a chain's whole list would hide the sentence.
NAMED: Final = 20


class NoSuchStoreError(Exception):
    """A store that was never imported; the message lists those that were.

    known: the ids of all stores.
    """

    def __init__(self, store_id: str, known: Sequence[str]) -> None:
        there_are = "known: " + ", ".join(known[:NAMED])
        if len(known) > NAMED:
            there_are += f" and {len(known) - NAMED} more"
        if not known:
            there_are = "none is stored yet, `corsia import` takes one in"
        super().__init__(f"there is no store {store_id}; {there_are}")


async def plan_of(tx: AsyncConnection, store_id: str) -> StorePlan:
    """The store's plan. Raises NoSuchStoreError, StoredPlanError."""
    plan = await stores.load_store(tx, store_id)
    if plan is None:
        raise NoSuchStoreError(store_id, await stores.store_ids(tx))
    return plan


async def stored_plan(settings: Settings, store_id: str) -> StorePlan:
    """The store's plan, from the database of these settings, which is not made here.

    Raises NoSuchStoreError, StoredPlanError, DatabaseUnusableError, DatabaseUrlError.
    """
    if await schema_version(settings.sql_url) is None:
        raise NoSuchStoreError(store_id, ())
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        return await plan_of(tx, store_id)
