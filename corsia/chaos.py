"""The fault run: real processes, real kills, servers that go away, and an audit of what came of it.

Like a rehearsal (corsia.rehearsal), with two engines and two push processes, shoppers who come and
go and come again, and an FCM that fails in each documented way. What strikes when is settled by
the seed (corsia.blows); what the system does under it is not.
"""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import select

from config.clock import Clock
from config.settings import Settings
from corsia.audit import audit
from corsia.audit_records import answers, gather_evidence
from corsia.bad_days import HARD_POLICY, OWN_CAPS_SHARE
from corsia.blows import Blow, Planned, timetable
from corsia.chaos_report import ChaosReport, recoveries, unmeant_ends
from corsia.failing_servers import FailingRedis, FailingSql, SqliteFile, open_postgres
from corsia.rehearsal import (
    RehearsalPlan,
    Tell,
    air_source,
    drain,
    open_store,
    sightings_spooled,
    start_simulator,
)
from corsia.relay import open_relay
from corsia.run_report import failed_calls, gather
from corsia.stack import Stack, StackError, of_its_own, open_stack
from corsia.striking import ENGINES, FCM_DELAY_S, PUSHERS, Struck, World, strike
from db import campaigns, pressure
from db.connect import Database
from db.tables import decisions
from firmware_sim.run import OPEN_FILE

SqlKind = Literal["sqlite", "postgres"]

# Most pushes still arrive, and with some two hundred sends each failure is met more than once.
PUSH_TROUBLE: Final = 0.3
# Enough that cool-downs and the week's cap are tried by people who are there.
RETURNING: Final = 0.4
# A lease runs out, and what is claimed then finds nobody in the store.
SETTLED_WITHIN_S: Final = 180.0


async def rehearse_chaos(
    plan: RehearsalPlan, settings: Settings, run_dir: Path, clock: Clock, tell: Tell, sql: SqlKind
) -> ChaosReport:
    """Play it in real time. plan: with `minutes`, without a recording. Raises StackError."""
    floor = plan.floor()
    seconds = (plan.minutes or 30.0) * 60
    blows = timetable(plan.seed, seconds)
    run_dir.mkdir(parents=True, exist_ok=True)
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as parts:
        redis = await parts.enter_async_context(FailingRedis(clock))
        server: FailingSql
        if sql == "postgres":
            server = await parts.enter_async_context(open_postgres())
        else:
            (run_dir / "data").mkdir(exist_ok=True)
            server = SqliteFile(run_dir / "data" / "corsia.sqlite3")
        settings = of_its_own(settings, run_dir).model_copy(
            update={"redis_url": redis.url, "database_url": server.url}
        )
        stack = await parts.enter_async_context(open_stack(settings, run_dir, tasks, clock))
        await open_store(stack.database, plan, floor, stack.settings, clock, tell)
        await _hard_policy(stack.database, clock)
        stack = await start_simulator(stack, plan, keep=False, more=_options(blows))
        for child, name in _children().items():
            stack.serve(name, child)
        await stack.wait_for_api()
        relay = await parts.enter_async_context(
            open_relay(stack.settings.api_host, stack.settings.api_port)
        )
        gateway_ids = [one.gateway_id for one in floor.gateways]
        for gateway_id in gateway_ids:
            await stack.start_gateway(
                gateway_id,
                air_source(run_dir, gateway_id),
                relay.url if gateway_id == gateway_ids[0] else stack.api_url,
            )
        opens_at_s = await _opening(run_dir, stack)
        tell(f"{len(gateway_ids)} gateways, 6 processes of the backend: the store opens")
        world = World(stack, relay, redis, server, tuple(gateway_ids), tell)
        striking = tasks.create_task(strike(world, blows, opens_at_s), name="blows")
        if await stack.children.ended("simulator"):
            said = "\n  ".join(stack.children.last_words("simulator"))
            raise StackError(f"the simulator failed; it said last:\n  {said}")
        struck = await striking
        tell("the store has closed; waiting for spools, stream and outbox to empty")
        await drain(stack, floor.store_id, gateway_ids, tell, SETTLED_WITHIN_S)
        await stack.children.stop(lambda _name: True)
        spooled = sum(sightings_spooled(stack, gateway_id) for gateway_id in gateway_ids)
        records = await gather(stack.database, floor.store_id, run_dir, spooled)
        evidence = await gather_evidence(stack.database, records, floor.store_id, run_dir)
        answered = answers(run_dir)
        struck = _keys_met(struck, answered.key_refused_s)
        children = stack.children.by_name
        # The simulator ends when the store closes.
        ends = {name: child.ends for name, child in children.items() if child.command.keep}
        fell, kept_out = unmeant_ends(ends, struck)
        return ChaosReport(
            audit=audit(evidence),
            recoveries=recoveries(
                struck, await _decided_s(stack.database), sorted(answered.accepted_s)
            ),
            troubles=dict(answered.troubles),
            accepted=len(answered.accepted_s),
            shown=len(evidence.shown),
            starts={name: children[name].starts for name in _children()},
            fell=fell,
            kept_out=kept_out,
            failed_calls=failed_calls(run_dir),
            shoppers=len(evidence.entered_s),
            seconds=records.seconds,
            sightings_lost=records.sightings_spooled - records.sightings_consumed,
        )


async def _hard_policy(database: Database, clock: Clock) -> None:
    """The store's own policy, not the one that the code comes with."""
    async with database.begin() as tx:
        await pressure.save_policy(tx, HARD_POLICY, "fault run", clock.now())
        await campaigns.changed(tx)


def _keys_met(struck: Sequence[Struck], refused_s: Sequence[float]) -> list[Struck]:
    """The blows; a refused key has hit something only if a push was refused for it."""
    return [
        one
        if one.blow is not Blow.KEY
        else replace(one, has_landed=any(one.began_s <= at_s <= one.over_s for at_s in refused_s))
        for one in struck
    ]


def _children() -> dict[str, str]:
    """The processes of the backend by the names they have here."""
    return {
        "api": "api",
        "jobs": "jobs",
        **dict.fromkeys(ENGINES, "engine"),
        **dict.fromkeys(PUSHERS, "push"),
    }


def _options(blows: Sequence[Planned]) -> list[str]:
    """What the simulator has to know."""
    options = [
        "--newcomers",
        "--returning", str(RETURNING),
        "--fcm-delay-s", str(FCM_DELAY_S),
        "--push-trouble", str(PUSH_TROUBLE),
        "--own-caps", str(OWN_CAPS_SHARE),
    ]  # fmt: skip
    for one in blows:
        if one.blow is Blow.KEY:
            options += ["--refused-key", f"{one.at_s:.1f}", f"{one.at_s + one.lasts_s:.1f}"]
    return options


async def _opening(run_dir: Path, stack: Stack) -> float:
    """When the store opens. Raises StackError when the simulator does not say."""
    file = run_dir / OPEN_FILE
    await stack.wait_for_file(file, "simulator")
    return float(json.loads(file.read_text())["opens_at_s"])


async def _decided_s(database: Database) -> list[float]:
    """When decisions were taken, in order."""
    async with database.read() as tx:
        taken = await tx.scalars(select(decisions.c.at).order_by(decisions.c.at))
        return [at.timestamp() for at in taken]
