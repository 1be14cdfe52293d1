"""A store in the hands of one engine: its lease, its turns, and what changes meanwhile."""

import asyncio
import logging
from collections import Counter
from datetime import datetime
from typing import Final

from redis.exceptions import RedisError

from beacons import canary
from beacons.floor import PlanError
from config.clock import Clock
from db import gateways, surveys, visits
from db.connect import DATABASE_ERRORS, Database
from db.ids import new_id
from db.live import CHECKPOINT_MAX_BYTES, Live, StreamEntry
from engine.decisions import Taken
from engine.dwell import keep_dwell
from engine.identities import Identities
from engine.live_campaigns import LiveCampaigns
from engine.plan import EnginePlan, PlanVersion, engine_plan, plan_version, read_plan
from engine.store import StoreEngine

log = logging.getLogger(__name__)

# How long one question for batches waits. Presence does not wait for it (measured: Redis ends a
# wait up to a tenth of a second late, and the decisions of a half second came 0.11 s later).
BLOCK_MS: Final = 500
# A clock that stands still must not make a turn follow a turn without a pause.
TURN_LEAST_S: Final = 0.005
ENTRIES_AT_ONCE: Final = 500
RETRY_S: Final = 1.0
# How often the lease is renewed, and SQL is asked what has changed.
LOOK_EVERY_S: Final = 3.0
# What an engine that is killed loses of presence: less than a shopper needs to leave an aisle.
CHECKPOINT_EVERY_S: Final = 3.0
# What may wait for a database that does not answer: minutes of a store, a few megabytes.
UNACKNOWLEDGED_MAX: Final = 5_000
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


async def write_news(store: StoreEngine, database: Database, live: Live, now: datetime) -> None:
    """Write what has happened and wake the push workers for what is to be sent."""
    if not store.has_news():
        return
    try:
        taken = await _written(store, database, live, now)
    except (RedisError, *DATABASE_ERRORS):
        await store.undo(live)
        raise
    store.wrote()
    if any(one.sent for one in taken):
        await live.wake_push()


async def _written(
    store: StoreEngine, database: Database, live: Live, now: datetime
) -> list[Taken]:
    """The news in SQL, decided by the campaigns as they are in the same transaction."""
    for _ in range(REFRESHES_MAX):
        if store.is_to_decide():
            await store.campaigns.refresh(database)
        async with database.begin() as tx:
            if not store.is_to_decide() or await store.campaigns.is_current(tx):
                return await store.write(tx, live, now)
    log.info("campaigns change faster than they are read", extra={"store": store.store_id})
    async with database.begin() as tx:
        return await store.write(tx, live, now)


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
        holding = tasks.create_task(_hold(store_id, me, live, clock), name=f"lease {store_id}")
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
        self._unacknowledged: list[StreamEntry] = []
        self._is_in_doubt = False
        self._told: Counter[str] = Counter()
        self._present: frozenset[str] = frozenset()
        self._look_at_s = self._checkpoint_at_s = clock.monotonic_s()
        self._making: asyncio.Task[EnginePlan | None] | None = None
        self._refused: PlanVersion | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._taking: asyncio.Task[list[StreamEntry] | RedisError] | None = None

    async def run(self) -> None:
        """Return when another engine has the store."""
        store, live = self._store, self._live
        await live.open_stream(self._store_id)
        self._unacknowledged = await live.unacknowledged(self._store_id, self._me, ENTRIES_AT_ONCE)
        store.hear(self._unacknowledged, self._clock.now())
        # Whoever left while nobody worked is still in the picture.
        self._present = frozenset(await live.everyone(self._store_id))
        is_ours, renew_at_s = True, self._clock.monotonic_s()
        while is_ours or self._taking is not None:
            if is_ours and self._clock.monotonic_s() >= renew_at_s:
                renew_at_s = self._clock.monotonic_s() + LOOK_EVERY_S
                is_ours = await live.hold_lease(self._store_id, self._me)
            if len(self._unacknowledged) < UNACKNOWLEDGED_MAX:
                if is_ours and self._taking is None:
                    self._taking = self._tasks.create_task(self._take(), name="take")
                entries = await self._taken()
                self._unacknowledged += entries
                store.hear(entries, self._clock.now())
            try:
                await self._write()
            except DATABASE_ERRORS as error:
                log.warning("not written yet", extra={"store": self._store_id, "why": _why(error)})
                self._is_in_doubt = True
                await self._clock.sleep(RETRY_S)
                continue
            await live.acknowledge(self._store_id, self._unacknowledged)
            self._unacknowledged = []
            await self._look()
            await self._paint()
            self._take_up()
            self._keep()

    async def _take(self) -> list[StreamEntry] | RedisError:
        try:
            return await self._live.take(self._store_id, self._me, ENTRIES_AT_ONCE, BLOCK_MS)
        except RedisError as error:
            return error  # for its turn; raised here it would break off another's writing

    async def _taken(self) -> list[StreamEntry]:
        """What has been taken, as soon as there is something; nothing, when presence can go on.

        What the question for batches brings later is kept for the next turn.
        """
        if self._taking is None:
            return []
        due_s = self._store.goes_on_in_s(self._clock.now())
        done, _ = await asyncio.wait([self._taking], timeout=max(due_s, TURN_LEAST_S))
        if not done:
            return []
        taken, self._taking = self._taking.result(), None
        if isinstance(taken, RedisError):
            raise taken
        return taken

    async def _write(self) -> None:
        if self._is_in_doubt:
            async with self._database.read() as tx:
                self._store.reread(await visits.open_visits(tx, self._store_id))
            self._is_in_doubt = False
        await write_news(self._store, self._database, self._live, self._clock.now())

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


async def _hold(store_id: str, me: str, live: Live, clock: Clock) -> None:
    """Keep the lease of a store whose plan is being made ready; return when it is another's."""
    while True:
        await clock.sleep(LOOK_EVERY_S)
        if not await live.hold_lease(store_id, me):
            return


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
