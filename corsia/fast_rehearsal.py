"""A rehearsal in virtual time: the same core, engine, SQL, API and handsets in one process.

Left out are what only passes time: processes, sockets of the air, spool and uplink, the stream.
The clock stands still while a request is under way, so the network costs no time; add to
`entry_to_push_s` about half a second that batching and the uplink cost.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

from config.clock import SystemClock, VirtualClock
from config.settings import Settings, data_key
from corsia.fast_store import (
    DRAIN_S,
    FLUSH_EVERY_STEPS,
    STEP_S,
    FastGateways,
    Outage,
    admit,
    cast,
)
from corsia.rehearsal import RehearsalPlan, Rehearsed, open_store
from corsia.rehearsed_survey import survey_fast, told
from corsia.run_report import RULES, failed_calls, gather
from corsia.scorecard import score
from corsia.stack import of_its_own
from db import migrate
from db.connect import Database, open_database
from db.live import Live, open_live
from db.redis_server import embedded_redis
from engine.fcm import FcmTransport
from engine.fcm_credential import service_account
from engine.identities import Identities
from engine.live_campaigns import LiveCampaigns
from engine.owning import load_store_engine, write_news
from engine.push import Sender, claim_due
from engine.run import OVERLAP, refresh_identities
from engine.store import StoreEngine
from firmware_sim.crowd import Crowd, Switchboard
from firmware_sim.fake_fcm import FakeFcm
from firmware_sim.floor import Floor
from firmware_sim.scene import Scene
from firmware_sim.survey_run import new_surveyor
from firmware_sim.truth import RunLog
from firmware_sim.world import World
from mobile_api.app import make_app
from mobile_api.http_server import ApiRunner

Tell = Callable[[str], None]


class InFlight:
    """How many requests of a session are under way: while there are any, time stands still."""

    def __init__(self) -> None:
        self._count = 0
        self.trace = aiohttp.TraceConfig()
        self.trace.on_request_start.append(self._began)
        self.trace.on_request_end.append(self._ended)
        self.trace.on_request_exception.append(self._ended)

    async def settle(self) -> None:
        """Return when nothing is under way."""
        clock = SystemClock()
        while self._count:
            await clock.sleep(0.0005)

    async def _began(self, *_: object) -> None:
        self._count += 1

    async def _ended(self, *_: object) -> None:
        self._count -= 1


@dataclass(frozen=True, slots=True)
class Parts:
    """What a fast rehearsal moves by hand, step by step."""

    clock: VirtualClock
    database: Database
    live: Live
    store: StoreEngine
    identities: Identities
    sender: Sender
    gateways: FastGateways
    key: bytes


async def rehearse_fast(
    plan: RehearsalPlan, settings: Settings, run_dir: Path, tell: Tell
) -> Rehearsed:
    """Play it as fast as this machine can."""
    floor = plan.floor()
    clock = VirtualClock(SystemClock().now())
    minutes = plan.minutes or 60.0
    async with AsyncExitStack() as stack:
        settings = of_its_own(settings, run_dir).model_copy(
            update={
                "redis_url": await stack.enter_async_context(
                    embedded_redis(run_dir / "redis", SystemClock())
                ),
                "database_url": f"sqlite+aiosqlite:///{run_dir / 'corsia.sqlite3'}",
            }
        )
        database = await stack.enter_async_context(open_database(settings.sql_url))
        await migrate.upgrade(database)
        await open_store(database, plan, floor, settings, clock, tell)
        live = await stack.enter_async_context(open_live(settings.redis_url or ""))
        api_url = await _serve_api(stack, settings, clock)
        switchboard = Switchboard()
        fcm = await stack.enter_async_context(
            FakeFcm(clock, seed=plan.seed, on_delivery=switchboard.deliver)
        )
        in_flight = InFlight()
        session = await stack.enter_async_context(
            aiohttp.ClientSession(trace_configs=[in_flight.trace])
        )
        transport = await stack.enter_async_context(
            FcmTransport(
                service_account(fcm.service_account_json()),
                clock,
                random.Random(plan.seed),
                base_url=fcm.base_url,
            )
        )
        run_log = stack.enter_context(RunLog(run_dir))
        crowd = Crowd(
            api_url=api_url,
            session=session,
            fcm=fcm,
            switchboard=switchboard,
            run_log=run_log,
            clock=clock,
            seed=plan.seed,
        )
        namespace, outage = bytes.fromhex(settings.namespace), Outage(plan.dead(floor))
        if plan.survey:
            surveyed = await survey_fast(
                new_surveyor(floor, api_url, session, clock, plan.seed),
                FastGateways(floor, namespace, outage),
                store_id=floor.store_id,
                settings=settings,
                database=database,
                live=live,
                clock=clock,
                settle=in_flight.settle,
            )
            tell(told(surveyed))
        identities = Identities(settings.tenant)
        parts = Parts(
            clock=clock,
            database=database,
            live=live,
            store=await load_store_engine(
                database, floor.store_id, identities, LiveCampaigns(clock), clock
            ),
            identities=identities,
            sender=Sender(database, live, transport, clock),
            gateways=FastGateways(floor, namespace, outage),
            key=data_key(settings),
        )
        if plan.dead(floor):
            tell(f"dead from the start: {', '.join(sorted(plan.dead(floor)))}")
        await _play(plan, minutes, floor, crowd, in_flight, parts, tell)
        run_log.flush()
        records = await gather(database, floor.store_id, run_dir, parts.gateways.sightings)
        return Rehearsed(score(records, RULES), failed_calls(run_dir))


async def _play(
    plan: RehearsalPlan,
    minutes: float,
    floor: Floor,
    crowd: Crowd,
    in_flight: InFlight,
    parts: Parts,
    tell: Tell,
) -> None:
    handsets = await crowd.register(cast(floor, plan.shoppers, plan.seed))
    start_s = parts.clock.now().timestamp()
    scene: Scene = World(floor, plan.seed, start_s)
    admitted = admit(scene, (one.shopper for one in handsets), minutes, plan.seed, start_s)
    visits = list(zip(handsets, admitted, strict=True))
    steps = round((minutes * 60 + DRAIN_S) / STEP_S)
    async with asyncio.TaskGroup() as tasks:
        people = [
            tasks.create_task(crowd.live(scene, visits, None), name="shoppers"),
            tasks.create_task(crowd.write_truth(), name="truth"),
        ]
        for step in range(steps):
            await in_flight.settle()
            await parts.clock.advance(STEP_S)
            await in_flight.settle()
            open_s = minutes * 60 - step * STEP_S
            await _step(scene if open_s > 0 else None, parts, step)
            if step % 600 == 599:
                tell(f"{(step + 1) * STEP_S / 60:.0f} of {minutes:.0f} minutes played")
        for task in people:
            task.cancel()


async def _step(scene: Scene | None, parts: Parts, step: int) -> None:
    """What happened in the last half second, all the way to the handsets."""
    now = parts.clock.now()
    now_s = now.timestamp()
    if scene is not None:
        parts.gateways.transmit(scene, now_s - STEP_S)
        parts.gateways.hear(scene.adverts(now_s - STEP_S, now_s), now_s)
    entries = []
    if step % FLUSH_EVERY_STEPS == 0:
        await refresh_identities(parts.database, parts.identities, parts.key, now - OVERLAP)
        for gateway in parts.gateways.alive(now_s):
            entries += gateway.entries(now_s)
    before = parts.store.picture().keys()
    parts.store.hear(entries, now)
    await write_news(parts.store, parts.database, parts.live, now)
    picture = parts.store.picture()
    await parts.live.picture(
        parts.store.plan.store.store_id, picture, sorted(before - picture.keys())
    )
    for claimed in await claim_due(parts.database, now):
        await parts.sender.send(claimed)


async def _serve_api(stack: AsyncExitStack, settings: Settings, clock: VirtualClock) -> str:
    """The API, served in this process with the virtual clock; its address."""
    runner = ApiRunner(make_app(settings, clock))
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, settings.api_host, settings.api_port).start()
    return f"http://{settings.api_host}:{settings.api_port}"
