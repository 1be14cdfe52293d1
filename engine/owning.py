"""A store in the hands of one engine: its lease, its turns, and what changes meanwhile."""

import asyncio
import logging
from collections import Counter
from datetime import datetime
from typing import Final

from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons import canary
from beacons.floor import PlanError
from config.clock import Clock
from db import gateways, surveys, visits
from db.connect import DATABASE_ERRORS, Database
from db.ids import new_id
from db.live import CHECKPOINT_MAX_BYTES, Live
from engine.decisions import Taken
from engine.dwell import keep_dwell
from engine.hearing import Hearing
from engine.identities import Identities
from engine.lease import Lease, StoreLostError
from engine.live_campaigns import LiveCampaigns
from engine.plan import EnginePlan, PlanVersion, engine_plan, plan_version, read_plan
from engine.store import StoreEngine

log = logging.getLogger(__name__)

RETRY_S: Final = 1.0
# How often SQL is asked what has changed.
LOOK_EVERY_S: Final = 3.0
# What an engine that is killed loses of presence: less than a shopper needs to leave an aisle.
CHECKPOINT_EVERY_S: Final = 3.0
# Campaigns that change between their reading and a decision are read again, so often; what may
# not be sent is then kept back by the UPDATE that spends their budgets alone.
REFRESHES_MAX: Final = 3


async def own_store(
    store_id: str,
    database: Database,
    live: Live,
    identities: Identities,
    campaigns: LiveCampaigns,
    clock: Clock,
) -> None:
    """Wait for the store's lease, work while we hold it, and begin again when it is lost."""
    me = new_id()
    try:
        while True:
            try:
                if await live.hold_lease(store_id, me):
                    log.info("store taken", extra={"store": store_id})
                    await _work(store_id, me, database, live, identities, campaigns, clock)
                    log.info("store lost to another engine", extra={"store": store_id})
            except* (RedisError, PlanError, *DATABASE_ERRORS) as group:
                for error in group.exceptions:
                    log.warning("store paused", extra={"store": store_id, "why": _why(error)})
            await clock.sleep(RETRY_S)
    finally:
        try:
            async with asyncio.timeout(1):
                await live.drop_lease(store_id, me)
        except (RedisError, TimeoutError) as error:
            log.info("lease left to expire", extra={"store": store_id, "why": _why(error)})


async def load_store_engine(
    database: Database,
    store_id: str,
    identities: Identities,
    campaigns: LiveCampaigns,
    clock: Clock,
) -> StoreEngine:
    """The store's engine as SQL knows it: its plan, its open visits, how far spools were read.

    Raises PlanError when the plan cannot be used.
    """
    plan = await _ready_plan(database, store_id)
    now = clock.now()
    async with database.begin() as tx:
        store = StoreEngine(plan, identities, campaigns, await gateways.progress(tx), now)
        open_visits = await visits.open_visits(tx, store_id)
        for stale in store.resume(open_visits, await visits.open_stays(tx, store_id), now):
            await visits.close_visit(tx, stale.visit_id, stale.last_heard_at)
    return store


async def write_news(
    store: StoreEngine, database: Database, live: Live, now: datetime, lease: Lease | None = None
) -> None:
    """Write what has happened and wake the push workers for what is to be sent.

    lease: confirmed before the commit; None: nobody else can have the store. Raises StoreLostError,
    RedisError or DATABASE_ERRORS, and then nothing was written, as far as is known.
    """
    if not store.has_news():
        return
    try:
        taken = await _written(store, database, live, now, lease)
    except (StoreLostError, RedisError, *DATABASE_ERRORS):
        await store.undo(live)
        raise
    store.wrote()
    if any(one.sent for one in taken):
        await live.wake_push()


async def _written(
    store: StoreEngine, database: Database, live: Live, now: datetime, lease: Lease | None
) -> list[Taken]:
    """The news in SQL, decided by the campaigns as they are in the same transaction.

    While these cannot be read, what a decision would be taken on is passed over: visits go on, and
    stays have another mark soon.
    """
    decides = store.is_to_decide()
    for _ in range(REFRESHES_MAX):
        if decides:
            try:
                await store.campaigns.refresh(database)
            except DATABASE_ERRORS as error:
                told = {"store": store.store_id, "why": _why(error)}
                log.warning("campaigns not read: nothing is decided", extra=told)
                decides = False
        async with database.begin() as tx:
            if not decides or await store.campaigns.is_current(tx):
                return await _written_in(tx, store, live, now, lease, decides=decides)
    # By which policy and by which salt nobody could say.
    log.info("campaigns change faster than they are read", extra={"store": store.store_id})
    async with database.begin() as tx:
        return await _written_in(tx, store, live, now, lease, decides=False)


async def _written_in(
    tx: AsyncConnection,
    store: StoreEngine,
    live: Live,
    now: datetime,
    lease: Lease | None,
    *,
    decides: bool,
) -> list[Taken]:
    taken = await store.write(tx, live, now, decides=decides)
    if lease is not None:
        # It may have waited for other writers for longer than the lease lasts.
        await lease.confirm()
    return taken


async def _work(
    store_id: str,
    me: str,
    database: Database,
    live: Live,
    identities: Identities,
    campaigns: LiveCampaigns,
    clock: Clock,
) -> None:
    """Work until another engine has the store.

    Raises PlanError, RedisError or DATABASE_ERRORS, or a group of them.
    """
    async with asyncio.TaskGroup() as tasks:
        loading = tasks.create_task(
            load_store_engine(database, store_id, identities, campaigns, clock),
            name=f"load {store_id}",
        )
        holding = tasks.create_task(
            Lease(store_id, me, live, clock).keep(), name=f"lease {store_id}"
        )
        await asyncio.wait([loading, holding], return_when=asyncio.FIRST_COMPLETED)
        loading.cancel()
        holding.cancel()
    # A process that was stopped for longer than the lease lasts may have loaded what is another's.
    if loading.cancelled() or not await live.hold_lease(store_id, me):
        return
    store = loading.result()
    checkpoint = await live.checkpoint(store_id)
    if checkpoint is not None and store.restore(checkpoint, clock.now()):
        log.info("presence goes on", extra={"store": store_id})
    async with asyncio.TaskGroup() as tasks:
        learning = tasks.create_task(keep_dwell(store, database, clock), name=f"dwell {store_id}")
        await _Turns(store, me, database, live, clock, tasks).run()
        learning.cancel()


class _Turns:
    """Hear, write, paint, again and again; between two turns, what has changed is taken up."""

    def __init__(
        self,
        store: StoreEngine,
        me: str,
        database: Database,
        live: Live,
        clock: Clock,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._store = store
        self._store_id = store.store_id
        self._me = me
        self._database = database
        self._live = live
        self._clock = clock
        self._tasks = tasks
        self._lease = Lease(self._store_id, me, live, clock)
        self._hearing = Hearing(store, me, live, clock, tasks)
        self._is_in_doubt = False
        self._told: Counter[str] = Counter()
        self._present: frozenset[str] = frozenset()
        self._look_at_s = self._checkpoint_at_s = clock.monotonic_s()
        self._making: asyncio.Task[EnginePlan | None] | None = None
        self._refused: PlanVersion | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Return when another engine has the store."""
        store, live = self._store, self._live
        store.hear(await self._hearing.begin(), self._clock.now())
        # Whoever left while nobody worked is still in the picture.
        self._present = frozenset(await live.everyone(self._store_id))
        try:
            while True:
                await self._turn()
        except StoreLostError:
            self._hearing.stop()

    async def _turn(self) -> None:
        """Raises StoreLostError before anything is told that another engine knows better."""
        store = self._store
        await self._lease.confirm()
        if self._hearing.has_room:
            entries = await self._hearing.more()
            # Taken before the process was stopped, perhaps: whoever has the store claims them.
            await self._lease.confirm()
            store.hear(entries, self._clock.now())
        try:
            await self._write()
        except DATABASE_ERRORS as error:
            log.warning("not written yet", extra={"store": self._store_id, "why": _why(error)})
            self._is_in_doubt = True
            await self._clock.sleep(RETRY_S)
            return
        await self._lease.confirm()
        await self._hearing.acknowledge()
        await self._look()
        await self._lease.confirm()
        await self._paint()
        self._take_up()
        self._keep()

    async def _write(self) -> None:
        if self._is_in_doubt:
            async with self._database.read() as tx:
                self._store.reread(await visits.open_visits(tx, self._store_id))
            self._is_in_doubt = False
        await write_news(self._store, self._database, self._live, self._clock.now(), self._lease)

    async def _look(self) -> None:
        """See who walks a survey, and whether the plan has changed: then make it anew.

        While the database is away, what was seen last holds.
        """
        if self._clock.monotonic_s() < self._look_at_s:
            return
        self._look_at_s = self._clock.monotonic_s() + LOOK_EVERY_S
        try:
            async with self._database.read() as tx:
                walking = await surveys.walking_in(tx, self._store_id, self._clock.now())
                version = await plan_version(tx, self._store_id)
        except DATABASE_ERRORS as error:
            log.warning("changes not seen", extra={"store": self._store_id, "why": _why(error)})
            return
        self._store.is_surveyed_with(walking)
        if version not in (self._store.plan.version, self._refused) and self._making is None:
            name = f"plan {self._store_id}"
            self._making = self._tasks.create_task(self._new_plan(version), name=name)

    async def _new_plan(self, version: PlanVersion) -> EnginePlan | None:
        """The plan as it is now; None when it cannot be used, or while the database is away.

        version: as it was seen to be; one that cannot be used is not read again.
        """
        try:
            return await _ready_plan(self._database, self._store_id)
        except DATABASE_ERRORS as error:
            log.warning("plan not read", extra={"store": self._store_id, "why": _why(error)})
        except PlanError as error:
            self._refused = version
            log.warning(
                "new plan cannot be used: the store goes on with the one before",
                extra={"store": self._store_id, "why": _why(error)},
            )
        return None

    def _take_up(self) -> None:
        if self._making is None or not self._making.done():
            return
        plan = self._making.result()
        self._making = None
        if plan is not None:
            self._store.take_up(plan, self._clock.now())
            log.info("plan taken up", extra={"store": self._store_id})

    def _keep(self) -> None:
        """Now and then, keep presence for the next engine; nobody waits for it."""
        is_kept = self._keeping is None or self._keeping.done()
        if is_kept and self._clock.monotonic_s() >= self._checkpoint_at_s:
            self._checkpoint_at_s = self._clock.monotonic_s() + CHECKPOINT_EVERY_S
            keeping = self._keep_checkpoint(self._store.checkpoint())
            self._keeping = self._tasks.create_task(keeping, name=f"checkpoint {self._store_id}")

    async def _keep_checkpoint(self, checkpoint: bytes) -> None:
        if len(checkpoint) > CHECKPOINT_MAX_BYTES:
            log.warning(
                "presence too large to be kept",
                extra={"store": self._store_id, "bytes": len(checkpoint)},
            )
            return
        # Another's store is left within seconds anyway.
        await self._live.keep_checkpoint(self._store_id, self._me, checkpoint)

    async def _paint(self) -> None:
        picture = self._store.picture()
        gone = sorted(self._present - picture.keys())
        await self._live.picture(self._store_id, picture, gone)
        self._present = frozenset(picture)
        if self._store.counts != self._told:
            await self._live.count(self._store_id, self._store.counts - self._told)
            self._told = self._store.counts.copy()


async def _ready_plan(database: Database, store_id: str) -> EnginePlan:
    """The store's plan as it is now. Raises PlanError when it cannot be used."""
    async with database.read() as tx:
        source = await read_plan(tx, store_id)
    # Seconds on a large store, in which other stores go on.
    plan = await asyncio.to_thread(engine_plan, source)
    for sentence in canary.clashes(plan.gateway_ids):
        log.warning("canaries not told apart", extra={"store": store_id, "why": sentence})
    return plan


def _why(error: Exception) -> str:
    """What is wrong with a plan; of any other error its kind: its text may quote parameters, which
    are personal."""
    return str(error) if isinstance(error, PlanError) else type(error).__name__
