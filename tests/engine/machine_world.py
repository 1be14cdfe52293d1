"""A chain of two shops for the tests of sequences: whoever acts in it, and what they do.

All parts are real, each process with ways of its own to the database and to Redis, which can be
made to fail (`machine_faults`). After each step the ledger is looked into.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from sqlalchemy import event, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import ConnectionPoolEntry

from beacons.zone_events import Dwelling
from db import campaigns as campaign_rows
from db import consents, handsets, pressure, receipts, stops, stores, visits
from db.connect import Database, open_database
from db.handsets import PushTarget
from db.live import Here, open_live
from db.outbox import Claimed
from db.receipts import Receipt
from db.tables import handsets as handsets_table
from db.tables import outbox
from db.tables import shoppers as shoppers_table
from db.tables import visits as visits_table
from db.worth_tables import control_salts
from engine.fcm import FcmTransport
from engine.fcm_credential import ServiceAccount, service_account
from engine.plan import EnginePlan, PlanSource, PlanVersion, engine_plan
from engine.resumed import RESUME_WITHIN
from firmware_sim.fake_fcm import FakeFcm, Judged
from firmware_sim.fcm_targets import mint_target
from offers.campaign import Campaign
from offers.pressure import Policy
from offers.stops import Scope as StopScope
from shoppers.consent import Grant, Purpose
from tests.conftest import START
from tests.engine.machine_cast import (
    HANDSETS,
    KEPT,
    OPEN_POLICY,
    ROME,
    SALT,
    SHOPPERS,
    SHOPS,
    shopper_of,
    the_campaigns,
)
from tests.engine.machine_faults import (
    KILLS,
    OF_REDIS,
    JumpyClock,
    ShakyDatabase,
    ShakyLive,
    Trouble,
)
from tests.engine.machine_ledger import Ledger
from tests.engine.machine_processes import EngineProcess, PushProcess
from tests.engine.machine_truth import Rules
from tests.engine.shop import a_shop

# The third lost its lease and has not noticed.
ENGINES: Final = (*SHOPS, SHOPS[0])
WORKERS: Final = 2
# Long enough ago that a first glance is over, and short enough that nobody is leaving yet.
STOOD_S: Final = 5.0
# Rounds of a minute: by then every offer has ended.
DRAIN_ROUNDS: Final = 6


@dataclass(frozen=True)
class Grounds:
    """What all worlds of a test stand on: servers, and ways to Redis, that outlive each of them."""

    clock: JumpyClock
    fcm: FakeFcm
    account: ServiceAccount
    plans: dict[str, EnginePlan]
    lives: list[ShakyLive]
    judged: list[Judged]


@asynccontextmanager
async def grounds(redis_url: str) -> AsyncIterator[Grounds]:
    """The fake FCM, Redis, and the shops' plans."""
    clock, judged = JumpyClock(START), list[Judged]()
    nowhere = PlanVersion(None, None, None)
    plans = {one: engine_plan(PlanSource(nowhere, a_shop(one))) for one in SHOPS}
    async with AsyncExitStack() as stack:
        lives = []
        for _ in range(len(ENGINES) + WORKERS):
            opened = await stack.enter_async_context(open_live(redis_url))
            lives.append(ShakyLive(opened.redis))
        fcm = await stack.enter_async_context(
            FakeFcm(clock, seed=11, on_delivery=lambda _delivery: None, on_send=judged.append)
        )
        account = service_account(fcm.service_account_json())
        yield Grounds(clock, fcm, account, plans, lives, judged)


class World:
    """Two shops, four shoppers, four campaigns; two engines, a twin of the first, two workers."""

    def __init__(self, on: Grounds, database: Database, rules: Rules) -> None:
        self.clock = on.clock
        self.fcm = on.fcm
        self.rules = rules
        self.database = database
        self.engines: list[EngineProcess] = []
        self.workers: list[PushProcess] = []
        self.ledger = Ledger(rules, on.judged)
        self.in_hand: list[Claimed] = []
        self.is_calm = True  # nothing was lost that Redis had been asked
        self._visits = 0
        self._targets = 0
        self._at: dict[str, tuple[str, str]] = {}  # handset -> shop, aisle

    # --- shoppers -----------------------------------------------------------------------------
    async def register(self, tx: AsyncConnection, shopper_id: str) -> None:
        """A shopper who allows everything."""
        now = self.clock.now()
        await tx.execute(
            shoppers_table.insert().values(
                id=shopper_id,
                country="IT",
                locale="it-IT",
                created_at=now,
                erase_after=now + KEPT,
            )
        )
        for handset_id in HANDSETS[shopper_id]:
            await tx.execute(
                handsets_table.insert().values(
                    id=handset_id,
                    shopper_id=shopper_id,
                    platform="android",
                    app_version="1",
                    created_at=now,
                    changed_at=now,
                )
            )
            await self._set_target(tx, handset_id)
        grants = [Grant(one, True, "v1", "it-IT", now) for one in Purpose]
        await consents.add_grants(tx, shopper_id, grants)

    async def takes_target(self, handset_id: str) -> None:
        """The handset's app reports where it is reached, by another name than before."""
        async with self.database.begin() as tx:
            await self._set_target(tx, handset_id)

    async def _set_target(self, tx: AsyncConnection, handset_id: str) -> None:
        self._targets += 1
        value = mint_target("fid", Random(self._targets))
        self.fcm.register("fid", value)
        self.ledger.handset_of[value] = handset_id
        target = PushTarget(handset_id, "fid", value, "android")
        await handsets.set_push_target(tx, target, self.clock.now())

    async def answers(self, shopper_id: str, purpose: Purpose, *, granted: bool) -> None:
        """The shopper allows something, or withdraws it."""
        async with self.database.begin() as tx:
            grant = Grant(purpose, granted, "v1", "it-IT", self.clock.now())
            assert await consents.add_grants(tx, shopper_id, [grant])
        allowed = self.rules.consents[shopper_id]
        (allowed.add if granted else allowed.discard)(purpose)

    async def allows(self, shopper_id: str, per_week: int | None) -> None:
        """The shopper sets how many messages they want."""
        async with self.database.begin() as tx:
            await pressure.set_own_cap(tx, shopper_id, per_week, self.clock.now())
        self.rules.own.pop(shopper_id, None)
        if per_week is not None:
            self.rules.own[shopper_id] = per_week

    async def all_read(self) -> None:
        """Everybody opens all that came."""
        async with self.database.begin() as tx:
            for one in self.ledger.accepted:
                opened = Receipt(one.decision_id, one.decision_id, "opened", self.clock.now())
                await receipts.add_receipts(tx, HANDSETS[one.shopper_id][0], [opened])

    # --- the retailer -------------------------------------------------------------------------
    async def saves_policy(self, policy: Policy) -> None:
        async with self.database.begin() as tx:
            await pressure.save_policy(tx, policy, "the manager", self.clock.now())
            await campaign_rows.changed(tx)
        self.rules.policy = policy

    async def saves(self, campaign: Campaign) -> None:
        """The campaign is as given from now on."""
        async with self.database.begin() as tx:
            await campaign_rows.save_campaign(tx, campaign, self.clock.now())
        self.rules.campaigns[campaign.campaign_id] = campaign

    async def halts(self, scope: StopScope, target: str) -> None:
        async with self.database.begin() as tx:
            await stops.throw(tx, scope, target, "drill", self.clock.now())
        self.rules.stopped.add((scope, target))

    async def lifts(self, scope: StopScope, target: str) -> None:
        async with self.database.begin() as tx:
            await stops.lift(tx, scope, target)
        self.rules.stopped.discard((scope, target))

    # --- the shops ----------------------------------------------------------------------------
    async def stand(
        self,
        where: Sequence[tuple[EngineProcess, str, str]],
        troubles: Sequence[Trouble | None] = (),
        *,
        look: bool = True,
    ) -> None:
        """Handsets stand in aisles, and their engines decide at the same time.

        where: engine, handset, aisle; each engine once. look: whether to look at what came of it.
        """
        for engine, handset_id, zone_id in where:
            await self.hear(engine, handset_id, zone_id)
        meets = [*troubles, *[None] * len(where)]
        self.is_calm &= not (OF_REDIS | KILLS).intersection(troubles)
        async with asyncio.TaskGroup() as tasks:
            writing = [
                tasks.create_task(engine.writes(trouble), name=engine.store_id)
                for (engine, _, _), trouble in zip(where, meets, strict=False)
            ]
        self.ledger.decisions += sum(one.result() for one in writing)
        if look:
            await self.look()

    async def hear(self, engine: EngineProcess, handset_id: str, zone_id: str) -> None:
        """A handset stands in an aisle; its engine has yet to decide."""
        await self._is_heard(engine.store_id, handset_id)
        now_s = self.clock.now().timestamp()
        await engine.hears(Dwelling(handset_id, zone_id, now_s, now_s - STOOD_S, 0.9, STOOD_S))
        self._at[handset_id] = engine.store_id, zone_id

    async def _is_heard(self, store_id: str, handset_id: str) -> None:
        """The handset's visit goes on, or the next one begins."""
        now = self.clock.now()
        shopper_id = shopper_of(handset_id)
        async with self.database.begin() as tx:
            for visit in await visits.open_visits(tx, store_id):
                if visit.handset_id != handset_id:
                    continue
                if now - visit.last_heard_at <= RESUME_WITHIN:
                    await visits.heard_until(tx, visit.visit_id, now)
                    return
                await visits.close_visit(tx, visit.visit_id, visit.last_heard_at)
            self._visits += 1
            # An id of ours: what is drawn for a visit is then the same whenever this is run.
            await tx.execute(
                visits_table.insert().values(
                    id=f"visit-{self._visits}",
                    shopper_id=shopper_id,
                    store_id=store_id,
                    handset_id=handset_id,
                    entered_at=now - timedelta(seconds=STOOD_S),
                    last_heard_at=now,
                    erase_after=now + KEPT,
                )
            )

    async def leaves(self, shopper_id: str) -> None:
        """The shopper goes home."""
        now = self.clock.now()
        async with self.database.begin() as tx:
            for store_id in SHOPS:
                for visit in await visits.open_visits(tx, store_id):
                    if visit.shopper_id == shopper_id:
                        await visits.close_visit(tx, visit.visit_id, now)
        for handset_id in HANDSETS[shopper_id]:
            self._at.pop(handset_id, None)

    # --- push ---------------------------------------------------------------------------------
    async def paint(self) -> None:
        """The engines say where everybody is."""
        now_s = self.clock.now().timestamp()
        live = self.workers[0].live
        for store_id in SHOPS:
            here = {
                handset_id: Here(zone_id, 0.9, 1.0, 1.0, now_s)
                for handset_id, (at, zone_id) in self._at.items()
                if at == store_id
            }
            gone = [one for one in self.ledger.handset_of.values() if one not in here]
            await live.picture(store_id, here, gone)

    async def push(
        self,
        workers: int = 1,
        *,
        claiming: Trouble | None = None,
        sending: Trouble | None = None,
    ) -> None:
        """So many workers at once claim what is due and send it; the first meets the troubles."""
        self.is_calm &= sending in {None, Trouble.COMMIT_FAILS}

        async with asyncio.TaskGroup() as tasks:
            for number in range(workers):
                meets = (None, None) if number else (claiming, sending)
                tasks.create_task(self.work(number, *meets), name=f"worker {number}")
        await self.look()

    async def work(
        self, number: int, claiming: Trouble | None = None, sending: Trouble | None = None
    ) -> None:
        """One worker claims what is due and sends it."""
        worker = self.workers[number]
        await worker.send(await worker.claim(claiming), sending)

    async def take_in_hand(self) -> None:
        """A worker claims what is due and then stands still."""
        self.in_hand += await self.workers[0].claim()
        await self.look()

    async def go_on(self) -> None:
        """The worker that stood still sends what it once claimed."""
        claimed, self.in_hand = self.in_hand, []
        await self.workers[0].send(claimed)
        await self.look()

    async def empty_redis(self) -> None:
        """Redis comes back with nothing."""
        await self.workers[0].live.redis.flushall()

    # --- what must be true --------------------------------------------------------------------
    async def look(self) -> None:
        """Hold what was stored and accepted since the last look against the truth."""
        await self.ledger.look(self.database)

    async def come_to_rest(self) -> None:
        """Let time pass until nothing is under way; then every decision must be accounted for."""
        self.fcm.faults.clear()
        # What was written before the clock was set back is due when it was.
        await self.clock.advance(self.clock.is_back_s)
        for _ in range(DRAIN_ROUNDS):
            await self.clock.advance(60)
            await self.push()
            async with self.database.read() as tx:
                pushes = (await tx.execute(select(outbox))).all()
            if all(row.state == "settled" for row in pushes):
                break
        self.ledger.look_at_ends(pushes)
        if self.is_calm:
            redis = self.workers[0].live.redis
            for shopper_id in SHOPPERS:
                members: Any = await redis.zrange(f"{{shopper:{shopper_id}}}:messages", 0, -1)
                self.ledger.look_at_reserved(members)


@asynccontextmanager
async def world(on: Grounds, database_url: str) -> AsyncIterator[World]:
    """A world at its beginning: on an empty database of the newest version, and an empty Redis."""
    on.clock.set_to(START)
    on.fcm.faults.clear()
    on.judged.clear()
    rules = Rules(
        salt=SALT,
        tz=ROME,
        policy=OPEN_POLICY,
        campaigns=the_campaigns(),
        consents={one: set(Purpose) for one in SHOPPERS},
    )
    async with (
        open_database(database_url) as database,
        FcmTransport(on.account, on.clock, Random(5), base_url=on.fcm.base_url) as transport,
    ):
        if database.engine.dialect.name == "postgresql":
            event.listen(database.engine.sync_engine, "connect", _wait_for_no_disk)
        built = World(on, database, rules)
        for live in on.lives:
            live.trouble = None
            way = ShakyDatabase(database.engine)
            if len(built.engines) < len(ENGINES):
                store_id = ENGINES[len(built.engines)]
                plan = on.plans[store_id]
                built.engines.append(EngineProcess(store_id, plan, way, live, on.clock))
            else:
                built.workers.append(PushProcess(way, live, transport, on.clock))
        await built.empty_redis()
        async with database.begin() as tx:
            for store_id in SHOPS:
                await stores.save_store(tx, a_shop(store_id), on.clock.now())
            first = {"since": datetime.fromtimestamp(0, ROME), "salt": SALT, "why": "the test's"}
            await tx.execute(control_salts.insert().values(**first))
            for shopper_id in SHOPPERS:
                await built.register(tx, shopper_id)
            await pressure.save_policy(tx, OPEN_POLICY, "the manager", on.clock.now())
            await campaign_rows.save_campaigns(tx, list(rules.campaigns.values()), on.clock.now())
        yield built


def _wait_for_no_disk(dbapi: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Kills of our own processes lose nothing that PostgreSQL has; a disk is slow."""
    cursor = dbapi.cursor()
    cursor.execute("SET synchronous_commit = off")
    cursor.close()
    dbapi.commit()
