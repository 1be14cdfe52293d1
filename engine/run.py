"""The engine process: one task a store that it owns, and one that keeps identities fresh."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Final

from config.clock import Clock
from config.log import short
from config.settings import Settings, data_key
from db import handsets, stores
from db.connect import DATABASE_ERRORS, Database, open_database
from db.live import open_live
from db.sealing import SealError, unseal
from engine.identities import Identities, Owner
from engine.live_campaigns import LiveCampaigns
from engine.owning import own_store

log = logging.getLogger(__name__)

# A new consent works, and a withdrawn one stops, within this time; the push checks once more.
IDENTITIES_EVERY_S: Final = 1.0
# Changes are read again from a little before the last reading: a transaction that began earlier
# may have become visible later.
OVERLAP: Final = timedelta(seconds=30)
WHOLE_EVERY_S: Final = 60.0
STORES_EVERY_S: Final = 2.0


async def run_engine(settings: Settings, clock: Clock) -> None:
    """Work for every store that no other engine owns, until cancelled."""
    async with (
        open_database(settings.sql_url) as database,
        open_live(settings.redis_url or "") as live,
        asyncio.TaskGroup() as tasks,
    ):
        identities = Identities(settings.tenant)
        campaigns = LiveCampaigns(clock)
        key = data_key(settings)
        await refresh_identities(database, identities, key, None)
        tasks.create_task(_keep_identities(database, identities, key, clock), name="identities")
        known: set[str] = set()
        while True:
            for store_id in await _stores(database):
                if store_id not in known:
                    known.add(store_id)
                    work = own_store(store_id, database, live, identities, campaigns, clock)
                    tasks.create_task(work, name=f"store {store_id}")
            await clock.sleep(STORES_EVERY_S)


async def _stores(database: Database) -> list[str]:
    """Every store; none while the database is away."""
    try:
        async with database.read() as tx:
            return await stores.store_ids(tx)
    except DATABASE_ERRORS as error:
        log.warning("stores not read", extra={"why": _kind(error)})
        return []


async def refresh_identities(
    database: Database, identities: Identities, key: bytes, since: datetime | None
) -> None:
    """Learn of every handset that changed since then; without it, of every consenting one."""
    async with database.read() as tx:
        changed = await handsets.changed_since(tx, since)
    for handset in changed:
        secret = None
        if handset.sealed_secret is not None:
            try:
                secret = unseal(key, handset.handset_id, handset.sealed_secret)
            except SealError as error:
                log.warning(str(error), extra={"handset": short(handset.handset_id)})
        identities.learn(Owner(handset.handset_id, handset.shopper_id), secret)


async def _keep_identities(
    database: Database, identities: Identities, key: bytes, clock: Clock
) -> None:
    since = clock.now() - OVERLAP
    whole_due_s = clock.monotonic_s() + WHOLE_EVERY_S
    while True:
        await clock.sleep(IDENTITIES_EVERY_S)
        asked = clock.now()
        try:
            await refresh_identities(database, identities, key, since)
            if clock.monotonic_s() >= whole_due_s:
                # Whatever the readings of changes have missed, erasure above all.
                async with database.read() as tx:
                    identities.keep_only(await handsets.recognisable(tx))
                await refresh_identities(database, identities, key, None)
                whole_due_s = clock.monotonic_s() + WHOLE_EVERY_S
        except DATABASE_ERRORS as error:
            log.warning("identities not refreshed", extra={"why": _kind(error)})
        else:
            since = asked - OVERLAP


def _kind(error: Exception) -> str:
    """What kind of error it is: its text may quote parameters, which are personal."""
    return type(error).__name__
