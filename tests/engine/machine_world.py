"""A chain of two shops for the tests of sequences: engines, push workers, FCM, and what they did.

All parts are real, each process with ways of its own to the database and to Redis, which can be
made to fail (`machine_faults`). After each step `look` holds what SQL and FCM have against
`machine_truth`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

from redis.exceptions import RedisError
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.zone_events import Dwelling
from db import campaigns as campaign_rows
from db import consents, handsets, pressure, receipts, stops, stores, visits
from db.connect import DATABASE_ERRORS, Database, open_database
from db.handsets import PushTarget
from db.live import Here, open_live
from db.outbox import Claimed
from db.receipts import Receipt
from db.tables import campaigns as campaigns_table
from db.tables import decisions, outbox, sends
from db.tables import handsets as handsets_table
from db.tables import shoppers as shoppers_table
from db.tables import visits as visits_table
from db.worth_tables import control_salts
from engine.fcm import FcmTransport
from engine.fcm_credential import ServiceAccount, service_account
from engine.identities import Identities
from engine.live_campaigns import LiveCampaigns
from engine.owning import write_news
from engine.plan import EnginePlan, PlanSource, PlanVersion, engine_plan
from engine.push import Sender, claim_due
from engine.resumed import RESUME_WITHIN
from engine.store import DECIDE_WITHIN, StoreEngine
from firmware_sim.fake_fcm import FakeFcm, Judged
from firmware_sim.fcm_targets import mint_target
from offers.campaign import Campaign, CampaignLimits, Offer, Tier
from offers.pressure import Cap, Policy, Scope
from offers.stops import Scope as StopScope
from shoppers.consent import Grant, Purpose
from tests.conftest import START
from tests.engine.machine_faults import (
    KILLS,
    OF_REDIS,
    JumpyClock,
    Killed,
    ShakyDatabase,
    ShakyLive,
    Trouble,
)
from tests.engine.machine_truth import Rules, Sent, faults_of_any_order, over_caps
from tests.engine.shop import a_shop, for_aisle_a

SHOPS: Final = ("north", "south")
# The third lost its lease and has not noticed.
ENGINES: Final = (*SHOPS, SHOPS[0])
WORKERS: Final = 2
AISLES: Final = ("aisle-a", "aisle-b")
ROME: Final = ZoneInfo("Europe/Rome")
# Under this salt shopper-2 is held out of half and of no less, shopper-3 is in the control group of
# pasta and shopper-1 in that of rice. shopper-4 carries two handsets.
SALT: Final = "salt"
SHOPPERS: Final = ("shopper-1", "shopper-2", "shopper-3", "shopper-4")
HANDSETS: Final = {
    "shopper-1": ("phone-1",),
    "shopper-2": ("phone-2",),
    "shopper-3": ("phone-3",),
    "shopper-4": ("phone-4", "tablet-4"),
}
OPEN_POLICY: Final = Policy(caps=(Cap(Scope.SHOPPER, 50),), first_after_s=0.0, hold_out_share=0.0)
# Longer than any sequence takes.
KEPT: Final = timedelta(days=3_000)
# Long enough ago that a first glance is over, and short enough that nobody is leaving yet.
STOOD_S: Final = 5.0
# Rounds of a minute: by then every offer has ended.
DRAIN_ROUNDS: Final = 6


def the_campaigns() -> dict[str, Campaign]:
    """Four that compete for two aisles: by money, by number, by a limit of its own, by no cap.

    Each is worth so much that no weariness of the shopper's outweighs it.
    """
    all_along = {"valid_until": START + KEPT, "zone_ids": frozenset(AISLES)}
    offer = Offer("Pasta, 2 for 1", "Aisle A", margin_cents=50_000, cost_cents=100)
    found = [
        for_aisle_a("pasta", offer=offer, budget_sends=4, control_share=0.1, **all_along),
        for_aisle_a(
            "rice",
            offer=offer,
            budget_cents=350,
            control_share=0.1,
            categories=frozenset({"pasta", "rice"}),
            **all_along,
        ),
        for_aisle_a(
            "wine",
            offer=replace(offer, cost_cents=70),
            categories=frozenset({"wine"}),
            limits=CampaignLimits(per_shopper=1, per_days=2),
            **all_along,
        ),
        for_aisle_a("care", offer=offer, tier=Tier.SERVICE, budget_sends=3, **all_along),
    ]
    return {one.campaign_id: one for one in found}


@dataclass
class EngineProcess:
    """One engine process and its store; after a kill or a lost Redis it begins anew."""

    store_id: str
    plan: EnginePlan
    database: ShakyDatabase
    live: ShakyLive
    clock: JumpyClock
    campaigns: LiveCampaigns = field(init=False)
    store: StoreEngine | None = None
    is_in_doubt: bool = False

    def __post_init__(self) -> None:
        self.campaigns = LiveCampaigns(self.clock)

    async def hears(self, dwelling: Dwelling) -> None:
        """Presence tells the engine that a handset stands somewhere."""
        async with self.database.read() as tx:
            opened = await visits.open_visits(tx, self.store_id)
        if self.store is None:
            self.store = StoreEngine(
                self.plan, Identities("demo"), self.campaigns, [], self.clock.now()
            )
        self.store.resume(opened, {}, self.clock.now())
        self.store._unwritten.append(dwelling)

    async def writes(self, trouble: Trouble | None) -> int:
        """Decide on what was heard, as `engine.owning` goes about it; how many decisions stand."""
        store, now = self.store, self.clock.now()
        assert store is not None
        if self.is_in_doubt:
            async with self.database.read() as tx:
                store.reread(await visits.open_visits(tx, self.store_id))
            self.is_in_doubt = False
        fresh = sum(
            now.timestamp() - event.at_s <= DECIDE_WITHIN.total_seconds()
            for event in store._unwritten
            if isinstance(event, Dwelling)
        )
        self._meet(trouble)
        try:
            await write_news(store, self.database, self.live, now)
        except RedisError:
            self.store = None  # and so begins anew
            # Only what is told after the commit can fail when all is written.
            return fresh if not store.has_news() else 0
        except DATABASE_ERRORS:
            self.is_in_doubt = True
            return fresh if trouble is Trouble.COMMIT_UNHEARD else 0
        except Killed:
            self.begin_anew()
            return fresh if trouble is Trouble.KILLED_AFTER else 0
        finally:
            self._meet(None)
        return fresh

    def begin_anew(self) -> None:
        """The process ends and another begins: what it had not written is gone."""
        self.store, self.campaigns, self.is_in_doubt = None, LiveCampaigns(self.clock), False

    def _meet(self, trouble: Trouble | None) -> None:
        self.live.trouble = trouble if trouble in OF_REDIS else None
        self.database.trouble = None if trouble in OF_REDIS else trouble


@dataclass
class PushProcess:
    """One push worker, claim by claim."""

    database: ShakyDatabase
    live: ShakyLive
    transport: FcmTransport
    clock: JumpyClock
    sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        self._begin()

    async def claim(self, trouble: Trouble | None = None) -> list[Claimed]:
        """What is due, leased to this worker; nothing when that goes wrong."""
        self.database.trouble = None if trouble in OF_REDIS else trouble
        try:
            return await claim_due(self.database, self.clock.now())
        except DATABASE_ERRORS:
            return []
        except Killed:
            self._begin()
            return []
        finally:
            self.database.trouble = None

    async def send(self, claimed: Sequence[Claimed], trouble: Trouble | None = None) -> None:
        """Send what was claimed; a kill leaves the rest to whoever comes when the lease is out."""
        self.live.trouble = trouble if trouble in OF_REDIS else None
        self.database.trouble = None if trouble in OF_REDIS else trouble
        try:
            for one in claimed:
                await self.sender.send(one)
        except Killed:
            self._begin()
        finally:
            self.live.trouble = self.database.trouble = None

    def _begin(self) -> None:
        self.sender = Sender(self.database, self.live, self.transport, self.clock)


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
        self.sent: dict[str, Sent] = {}
        self.accepted: list[Sent] = []
        self.in_hand: list[Claimed] = []
        self.is_calm = True  # nothing was lost that Redis had been asked
        self._judged = on.judged
        self._given_back: frozenset[str] = frozenset()
        self._settled: set[tuple[str, str]] = set()
        self._decisions = 0
        self._visits = 0
        self._targets = 0
        self._handset_of: dict[str, str] = {}  # target -> handset
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
        self._handset_of[value] = handset_id
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
            for one in self.accepted:
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
        self._decisions += sum(one.result() for one in writing)
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
            gone = [one for one in self._handset_of.values() if one not in here]
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
        async with self.database.read() as tx:
            rows = (
                await tx.execute(
                    select(sends, decisions.c.nth)
                    .join(decisions, decisions.c.id == sends.c.decision_id)
                    .order_by(sends.c.store_id, decisions.c.nth)
                )
            ).all()
            pushes = (await tx.execute(select(outbox))).all()
            budgets = (await tx.execute(select(campaigns_table))).all()
            stored = await tx.scalar(select(func.count()).select_from(decisions))
            sending = await tx.scalar(
                select(func.count()).select_from(decisions).where(decisions.c.outcome == "send")
            )
        assert stored == self._decisions, f"{stored} decisions for {self._decisions} moments"
        assert sending == len(rows), f"{sending} decisions to send, {len(rows)} sends"
        self._look_at_sends(rows)
        given_back = frozenset(row.decision_id for row in rows if row.released_at is not None)
        assert given_back >= self._given_back, "what was given back counts again"
        self._given_back = given_back
        self._look_at_budgets(budgets)
        self._look_at_pushes(pushes)

    def _look_at_sends(self, rows: Sequence[Any]) -> None:
        new = [self._sent(row) for row in rows if row.decision_id not in self.sent]
        for one in new:
            wrong = self.rules.may_push(one.shopper_id, one.campaign_id, one.store_id)
            assert not wrong, f"decided {wrong}: {one}"
        before = list(self.sent.values())
        wrong = faults_of_any_order(new, before, self._given_back, self.rules)
        assert not wrong, "; ".join(wrong)
        self.sent |= {one.decision_id: one for one in new}

    def _sent(self, row: Any) -> Sent:
        return Sent(
            decision_id=row.decision_id,
            shopper_id=row.shopper_id,
            campaign_id=row.campaign_id,
            visit_id=row.visit_id,
            zone_id=row.zone_id,
            store_id=row.store_id,
            at=row.at,
            campaign=self.rules.campaigns[row.campaign_id],
            caps=self.rules.policy.caps,
            own=self.rules.own.get(row.shopper_id),
            hold_out_share=self.rules.policy.hold_out_share,
        )

    def _look_at_budgets(self, budgets: Sequence[Any]) -> None:
        for row in budgets:
            theirs = [
                one
                for one in self.sent.values()
                if one.campaign_id == row.id and one.decision_id not in self._given_back
            ]
            assert row.sends == len(theirs), f"{row.id}: {row.sends} counted, {len(theirs)} sent"
            cents = sum(one.campaign.offer.cost_cents for one in theirs)
            assert row.spent_cents >= cents, f"{row.id}: {row.spent_cents} of {cents} cents known"

    def _look_at_pushes(self, pushes: Sequence[Any]) -> None:
        judged = [one for one in self._judged if one.is_accepted]
        self._judged.clear()
        for push in judged:
            assert push.decision_id is not None
            sent = self.sent.get(push.decision_id)
            assert sent is not None, "a push that nobody decided"
            handset_id = self._handset_of[push.target]
            assert shopper_of(handset_id) == sent.shopper_id, "a push to somebody else"
            wrong = self.rules.may_push(sent.shopper_id, sent.campaign_id, sent.store_id)
            assert not wrong, f"pushed {wrong}: {sent}"
            assert (push.decision_id, handset_id) not in self._settled, (
                "sent again when all was done"
            )
            if sent not in self.accepted:
                self.accepted.append(sent)
        for sent in self.accepted:
            assert sent.decision_id not in self._given_back, f"shown, and given back: {sent}"
        keys = [(one.shopper_id, one.campaign_id, one.visit_id) for one in self.accepted]
        assert len(set(keys)) == len(keys), "twice for one shopper, campaign and visit"
        self._settled = {
            (row.decision_id, row.handset_id) for row in pushes if row.state == "settled"
        }

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
        ends: dict[str, list[Any]] = {one: [] for one in self.sent}
        for row in pushes:
            assert row.state == "settled", f"still {row.state}"
            assert row.outcome in {"delivered", "expired", "target_gone", "refused"}
            ends[row.decision_id].append(row)
        for decision_id, rows in ends.items():
            assert rows, "a send without a push"
            counts = any(row.outcome == "delivered" or row.maybe_sent for row in rows)
            assert counts != (decision_id in self._given_back), (
                "released, or not, against the facts"
            )
        # As the handsets saw it: of those that were shown alone no cap is broken either.
        for place, sent in enumerate(self.accepted):
            assert not over_caps(sent, self.accepted[:place], self.rules.tz)
        if self.is_calm:
            await self._look_into_redis()

    async def _look_into_redis(self) -> None:
        """What was reserved and came to nothing has been given back."""
        redis = self.workers[0].live.redis
        for shopper_id in SHOPPERS:
            members: Any = await redis.zrange(f"{{shopper:{shopper_id}}}:messages", 0, -1)
            for member in members:
                standing = [one for one in self.sent if one.encode() in member]
                assert standing, f"reserved and never sent: {member!r}"
                assert standing[0] not in self._given_back, f"given back in SQL alone: {member!r}"


def shopper_of(handset_id: str) -> str:
    """Who carries it."""
    return f"shopper-{handset_id[-1]}"


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
