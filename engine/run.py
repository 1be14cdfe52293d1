"""The engine process: one task a store that it owns, and one that keeps identities fresh."""

import asyncio
import logging
from collections import Counter
from datetime import datetime, timedelta
from typing import Final

import msgspec
from redis.exceptions import RedisError

from beacons import canary
from beacons.floor import PlanError
from config.clock import Clock
from config.log import short
from config.settings import Settings, data_key
from db import gateways, handsets, stores, visits
from db.connect import DATABASE_ERRORS, Database, open_database
from db.ids import new_id
from db.live import Live, open_live
from db.sealing import SealError, unseal
from db.visits import Visit
from engine.dwell import keep_dwell
from engine.identities import Identities, Owner
from engine.plan import engine_plan
from engine.store import StoreEngine

log = logging.getLogger(__name__)

# A new consent works, and a withdrawn one stops, within this time; the push checks once more.
IDENTITIES_EVERY_S: Final = 1.0
# Changes are read again from a little before the last reading: a transaction that began earlier
# may have become visible later.
OVERLAP: Final = timedelta(seconds=30)
WHOLE_EVERY_S: Final = 60.0
STORES_EVERY_S: Final = 2.0
# Presence works in half seconds; twice as often keeps what waits under a quarter of one.
BLOCK_MS: Final = 200
ENTRIES_AT_ONCE: Final = 500
RETRY_S: Final = 1.0
LEASE_EVERY_S: Final = 3.0
# What may wait for a database that does not answer: minutes of a store, a few megabytes.
UNACKNOWLEDGED_MAX: Final = 5_000


async def run_engine(settings: Settings, clock: Clock) -> None:
    """Work for every store that no other engine owns, until cancelled."""
    async with (
        open_database(settings.sql_url) as database,
        open_live(settings.redis_url or "") as live,
        asyncio.TaskGroup() as tasks,
    ):
        identities = Identities(settings.tenant)
        key = data_key(settings)
        await refresh_identities(database, identities, key, None)
        tasks.create_task(_keep_identities(database, identities, key, clock), name="identities")
        known: set[str] = set()
        while True:
            for store_id in await _stores(database):
                if store_id not in known:
                    known.add(store_id)
                    work = own_store(store_id, database, live, identities, clock)
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


async def own_store(
    store_id: str, database: Database, live: Live, identities: Identities, clock: Clock
) -> None:
    """Wait for the store's lease, work while we hold it, and begin again when it is lost."""
    me = new_id()
    try:
        while True:
            try:
                if await live.hold_lease(store_id, me):
                    log.info("store taken", extra={"store": store_id})
                    why = await _work(store_id, me, database, live, identities, clock)
                    log.info("store to be taken anew", extra={"store": store_id, "why": why})
            except* (RedisError, PlanError, *DATABASE_ERRORS) as group:
                for error in group.exceptions:
                    log.warning("store paused", extra={"store": store_id, "why": _kind(error)})
            await clock.sleep(RETRY_S)
    finally:
        try:
            async with asyncio.timeout(1):
                await live.drop_lease(store_id, me)
        except (RedisError, TimeoutError) as error:
            log.info("lease left to expire", extra={"store": store_id, "why": _kind(error)})


async def load_store_engine(
    database: Database, store_id: str, identities: Identities, now: datetime
) -> StoreEngine:
    """The store's engine as SQL knows it: its plan, its open visits, how far spools were read.

    Raises PlanError when the plan cannot be used.
    """
    async with database.begin() as tx:
        try:
            plan = await stores.load_store(tx, store_id)
        except msgspec.ValidationError as error:
            raise PlanError(store_id, ["another version wrote it in another form"]) from error
        assert plan is not None, "stores are never deleted"
        ready = engine_plan(plan, await stores.control_salt(tx, store_id))
        for sentence in canary.clashes(ready.gateway_ids):
            log.warning("canaries not told apart", extra={"store": store_id, "why": sentence})
        store = StoreEngine(ready, identities, await gateways.progress(tx), now)
        for stale in store.resume(await visits.open_visits(tx, store_id), now):
            await visits.close_visit(tx, stale.visit_id, stale.last_heard_at)
    return store


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


async def write_news(store: StoreEngine, database: Database, live: Live, now: datetime) -> None:
    """Write what has happened and wake the push workers for what is to be sent."""
    if not store.has_news():
        return
    try:
        async with database.begin() as tx:
            taken = await store.write(tx, live, now)
    except (RedisError, *DATABASE_ERRORS):
        await store.undo(live)
        raise
    store.wrote()
    if any(one.send for one in taken):
        await live.wake_push()


async def _work(
    store_id: str,
    me: str,
    database: Database,
    live: Live,
    identities: Identities,
    clock: Clock,
) -> str:
    """Work until the store must be taken anew; why.

    Raises PlanError, RedisError or DATABASE_ERRORS, or a group of them.
    """
    store = await load_store_engine(database, store_id, identities, clock.now())
    async with asyncio.TaskGroup() as tasks:
        learning = tasks.create_task(keep_dwell(store, database, clock), name=f"dwell {store_id}")
        why = await _turns(store, store_id, me, database, live, clock)
        learning.cancel()
    return why


async def _turns(
    store: StoreEngine, store_id: str, me: str, database: Database, live: Live, clock: Clock
) -> str:
    """Hear, write, paint, again and again until the store must be taken anew; why."""
    plan_of = await _plan_changed_at(database, store_id)
    await live.open_stream(store_id)
    unacknowledged = await live.unacknowledged(store_id, me, ENTRIES_AT_ONCE)
    store.hear(unacknowledged, clock.now())
    renew_at_s = look_at_s = clock.monotonic_s() + LEASE_EVERY_S
    is_in_doubt = False
    told: Counter[str] = Counter()
    # Whoever left while nobody worked is still in the picture.
    present = frozenset(await live.everyone(store_id))
    while True:
        if clock.monotonic_s() >= renew_at_s:
            renew_at_s = clock.monotonic_s() + LEASE_EVERY_S
            if not await live.hold_lease(store_id, me):
                return "another engine has it"
        if len(unacknowledged) < UNACKNOWLEDGED_MAX:
            entries = await live.take(store_id, me, ENTRIES_AT_ONCE, BLOCK_MS)
            unacknowledged += entries
            store.hear(entries, clock.now())
        try:
            if is_in_doubt:
                store.reread(await _open_visits(database, store_id))
                is_in_doubt = False
            await write_news(store, database, live, clock.now())
            if clock.monotonic_s() >= look_at_s:
                look_at_s = clock.monotonic_s() + LEASE_EVERY_S
                if await _plan_changed_at(database, store_id) != plan_of:
                    return "its plan has changed"
        except DATABASE_ERRORS as error:
            log.warning("not written yet", extra={"store": store_id, "why": _kind(error)})
            is_in_doubt = True
            await clock.sleep(RETRY_S)
            continue
        await live.acknowledge(store_id, unacknowledged)
        unacknowledged = []
        picture = store.picture()
        await live.picture(store_id, picture, sorted(present - picture.keys()))
        present = frozenset(picture)
        if store.counts != told:
            await live.count(store_id, store.counts - told)
            told = store.counts.copy()


async def _plan_changed_at(database: Database, store_id: str) -> datetime | None:
    async with database.read() as tx:
        return await stores.changed_at(tx, store_id)


async def _open_visits(database: Database, store_id: str) -> list[Visit]:
    async with database.read() as tx:
        return await visits.open_visits(tx, store_id)


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
