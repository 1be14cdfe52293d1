"""A full outbox for `benchmarks.push`, and the time that a push process takes to empty it."""

import asyncio
import gc
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from beacons.floor import FloorPlan, GatewayPlace, Zone, ZoneKind
from beacons.store_plan import StorePlan
from benchmarks.push_fake import RunningFake
from benchmarks.push_figures import CONCURRENCY, Figures
from benchmarks.push_stall import watched_loop
from config.clock import SystemClock
from db import outbox
from db.campaigns import save_campaign
from db.connect import Database, open_database
from db.live import Here, open_live
from db.migrate import upgrade
from db.stores import save_store
from db.tables import (
    consents,
    decisions,
    handsets,
    push_targets,
    sends,
    shoppers,
    visits,
)
from db.tables import outbox as outbox_table
from engine.fcm import FcmTransport
from engine.fcm_credential import service_account
from engine.push import Sender
from engine.push_lanes import PLATFORMS
from offers.campaign import Campaign, Offer, Status
from shoppers.consent import Purpose

STORE: Final = "store-1"
ZONE: Final = "aisle-7"
CAMPAIGNS: Final = 50
ROWS_AT_ONCE: Final = 2_000
# The pushes of a backlog, with a life that outlasts the run: what is measured is the sender.
LIFE: Final = timedelta(minutes=5)
LOOK_EVERY_S: Final = 0.25


async def outbox_figures(
    name: str, database_url: str, redis_url: str, fake: RunningFake, pushes: int
) -> Figures:
    """Fill an empty database's outbox, send it all, and say how fast that went."""
    clock = SystemClock()
    async with (
        open_database(database_url) as database,
        open_live(redis_url) as live,
        FcmTransport(
            service_account(fake.key),
            clock,
            Random(1),
            base_url=fake.url,
            connection_limit=CONCURRENCY * len(PLATFORMS),
        ) as transport,
    ):
        await upgrade(database)
        await live.redis.flushall()
        now = clock.now()
        await _fill(database, fake, pushes, now)
        # Heard as long as the backlog lives: no engine runs here that would say so anew.
        here = Here(ZONE, 0.9, 1.0, 1.0, (now + LIFE).timestamp())
        for first in range(0, pushes, ROWS_AT_ONCE):
            ids = range(first, min(first + ROWS_AT_ONCE, pushes))
            await live.picture(STORE, {f"handset-{i}": here for i in ids})
        sender = Sender(database, live, transport, clock, CONCURRENCY)
        gc.collect()
        gc.freeze()
        async with watched_loop() as stall:
            seen: list[tuple[float, int]] = []
            cpu_s = time.process_time()
            running = asyncio.create_task(sender.run(), name="push")
            try:
                while not seen or seen[-1][1] < pushes:
                    await clock.sleep(LOOK_EVERY_S)
                    async with database.read() as tx:
                        counted = await outbox.outcomes(tx)
                    settled = sum(counted.values()) - counted.get("pending", 0)
                    seen.append((time.perf_counter(), settled))
                    assert not running.done(), "the push process has ended"
            finally:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running
            cpu_s = time.process_time() - cpu_s
        assert counted == {"delivered": pushes}, f"not all were delivered: {counted}"
        gc.unfreeze()
        return Figures(name, pushes, _per_s(seen), 1e6 * cpu_s / pushes, stall)


def _per_s(seen: Sequence[tuple[float, int]]) -> float:
    """Of the middle of the run: past the ramp, and before the last ones trickle in."""
    most = seen[-1][1]
    begun = next(one for one in seen if one[1] >= 0.3 * most)
    ended = max((one for one in seen if one[1] <= 0.95 * most), default=begun)
    if ended[0] <= begun[0]:
        return float("nan")  # too few pushes to tell
    return (ended[1] - begun[1]) / (ended[0] - begun[0])


async def _fill(database: Database, fake: RunningFake, pushes: int, now: datetime) -> None:
    async with database.begin() as tx:
        await save_store(tx, _a_store(), now)
        for number in range(CAMPAIGNS):
            await save_campaign(tx, _a_campaign(number, now), now)
    for first in range(0, pushes, ROWS_AT_ONCE):
        ids = range(first, min(first + ROWS_AT_ONCE, pushes))
        async with database.begin() as tx:
            for table, rows in (
                (shoppers, [_shopper(i, now) for i in ids]),
                (handsets, [_handset(i, now) for i in ids]),
                (push_targets, [_target(i, fake.fids, now) for i in ids]),
                (consents, [_consent(i, purpose, now) for i in ids for purpose in Purpose]),
                (visits, [_visit(i, now) for i in ids]),
                (decisions, [_decision(i, now) for i in ids]),
                (sends, [_send(i, now) for i in ids]),
                (outbox_table, [_push(i, now) for i in ids]),
            ):
                await tx.execute(table.insert(), rows)


def _a_store() -> StorePlan:
    floor = FloorPlan(
        floor_id="ground",
        outline=((0, 0), (10, 0), (10, 6), (0, 6)),
        obstacles=(),
        zones=(Zone(ZONE, "Pasta", ZoneKind.AISLE, ((0, 0), (10, 0), (10, 3), (0, 3))),),
        gateways=(GatewayPlace("gw-1", 1.0, 3.0, 3.0),),
    )
    return StorePlan(STORE, "Corner shop", "Europe/Rome", "IT", (floor,))


def _a_campaign(number: int, now: datetime) -> Campaign:
    return Campaign(
        campaign_id=f"campaign-{number}",
        name=f"Pasta week {number}",
        offer=Offer("Pasta, 2 for 1", "Aisle 7, until half past six", margin_cents=500),
        zone_ids=frozenset({ZONE}),
        valid_from=now - timedelta(days=1),
        valid_until=now + timedelta(days=1),
        status=Status.LIVE,
    )


def _shopper(i: int, now: datetime) -> dict[str, Any]:
    return {
        "id": f"shopper-{i}", "country": "IT", "locale": "it-IT", "created_at": now,
        "erase_after": now + timedelta(days=1),
    }  # fmt: skip


def _handset(i: int, now: datetime) -> dict[str, Any]:
    return {
        "id": f"handset-{i}", "shopper_id": f"shopper-{i}", "platform": "android",
        "app_version": "1", "created_at": now, "changed_at": now,
    }  # fmt: skip


def _target(i: int, fids: Sequence[str], now: datetime) -> dict[str, Any]:
    return {
        "handset_id": f"handset-{i}", "kind": "fid", "value": fids[i % len(fids)],
        "platform": "android", "refreshed_at": now,
    }  # fmt: skip


def _consent(i: int, purpose: Purpose, now: datetime) -> dict[str, Any]:
    return {
        "shopper_id": f"shopper-{i}", "purpose": purpose.value, "granted": True,
        "text_version": "v1", "locale": "it-IT", "at": now,
    }  # fmt: skip


def _visit(i: int, now: datetime) -> dict[str, Any]:
    return {
        "id": f"visit-{i}", "shopper_id": f"shopper-{i}", "store_id": STORE,
        "handset_id": f"handset-{i}", "entered_at": now, "last_heard_at": now,
        "erase_after": now + timedelta(days=1),
    }  # fmt: skip


def _decision(i: int, now: datetime) -> dict[str, Any]:
    return {
        "id": f"decision-{i}", "visit_id": f"visit-{i}", "shopper_id": f"shopper-{i}",
        "zone_id": ZONE, "outcome": "send", "campaign_id": f"campaign-{i % CAMPAIGNS}",
        "ghost": False, "reasons": [], "weighed": [], "seen": {}, "nth": 0, "heard_at": now,
        "at": now, "erase_after": now + timedelta(days=1),
    }  # fmt: skip


def _send(i: int, now: datetime) -> dict[str, Any]:
    return {
        "decision_id": f"decision-{i}", "shopper_id": f"shopper-{i}", "visit_id": f"visit-{i}",
        "campaign_id": f"campaign-{i % CAMPAIGNS}", "zone_id": ZONE, "store_id": STORE,
        "channel": "push", "categories": [], "is_promotion": True, "at": now,
    }  # fmt: skip


def _push(i: int, now: datetime) -> dict[str, Any]:
    return {
        "decision_id": f"decision-{i}", "handset_id": f"handset-{i}", "state": "due",
        "due_at": now, "expires_at": now + LIFE, "attempts": 0, "maybe_sent": False,
    }  # fmt: skip
