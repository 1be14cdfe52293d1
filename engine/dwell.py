"""How long shoppers stay in the zones of a store at work: learned from its past stays."""

import logging
from dataclasses import replace
from typing import Final

from beacons.dwell import dwell_curves
from config.clock import Clock
from db.connect import DATABASE_ERRORS, Database
from db.stays import LEARNED_FROM, stay_counts
from engine.store import StoreEngine

log = logging.getLogger(__name__)

# What weeks have taught changes little in an hour.
LEARN_EVERY_S: Final = 3_600.0
# A database that is away is back within minutes, or somebody has been called.
RETRY_S: Final = 60.0


async def keep_dwell(store: StoreEngine, database: Database, clock: Clock) -> None:
    """The store's dwell curves follow its past stays: from now on, anew each hour, until cancelled.

    Until the first reading is there they are as its plan has them. The database works meanwhile,
    not this process: 20 ms for the fullest store.
    """
    while True:
        try:
            stays = await learn_dwell(store, database, clock)
            log.info("dwell learned", extra={"store": store.plan.store.store_id, "stays": stays})
        except DATABASE_ERRORS as error:
            log.warning(
                "dwell not learned",
                extra={"store": store.plan.store.store_id, "why": type(error).__name__},
            )
            await clock.sleep(RETRY_S)
            continue
        await clock.sleep(LEARN_EVERY_S)


async def learn_dwell(store: StoreEngine, database: Database, clock: Clock) -> int:
    """Read the store's past stays once; how many its curves now rest on."""
    since = clock.now() - LEARNED_FROM
    async with database.read() as tx:
        stays = await stay_counts(tx, store.plan.store.store_id, since)
    curves = dwell_curves(list(store.plan.zones.values()), stays)
    store.plan = replace(store.plan, dwell=curves)
    return sum(curve.stays for curve in curves.values())
