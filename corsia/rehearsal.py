"""A rehearsal: the real processes, a simulated store, and what came of it."""

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from config.clock import Clock
from config.settings import Settings
from corsia import demo
from corsia.bad_days import Fault, dead_gateways, hard_terms
from corsia.children import Command
from corsia.fast_store import Outage
from corsia.night_before import calibrate_overnight
from corsia.night_before import told as night_told
from corsia.rehearsed_survey import survey_for_real, told
from corsia.relay import Relay, open_relay
from corsia.run_report import RULES, failed_calls, gather
from corsia.scorecard import Scorecard, score
from corsia.stack import Stack, StackError, of_its_own, open_stack, simulator_ready
from db import campaigns, outbox, stores
from db.connect import Database
from firmware_sim.floor import Floor, load_floor, supermarket
from firmware_sim.recording import load_recording
from firmware_sim.replay import Replay
from gateway.settings import GatewayConfig
from gateway.spool_file import SpoolFile
from gateway.status import read_status
from offers.campaign import Campaign

log = logging.getLogger(__name__)

# After the store has closed: the spools empty, the stream is read, the outbox settles.
DRAIN_WITHIN_S: Final = 30.0
POLL_S: Final = 0.25
# The bad day that `--fault cut` plays (DESIGN 1: lost networks, power cuts).
CUT_AFTER_SHARE: Final = 0.3
CUT_S: Final = 20.0
KILL_INTO_CUT_S: Final = 8.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RehearsalPlan:
    """What to rehearse. minutes None: until the recorded walks are over; survey: walked before;
    calibrated: by the night before, which no recording has."""

    minutes: float | None
    shoppers: int
    seed: int
    store: Path | None = None
    recording: Path | None = None
    dataset: str = "tetam"
    fault: Fault | None = None
    survey: bool = False
    calibrated: bool = True

    def floor(self) -> Floor:
        """The place. Raises FloorError or RecordingError."""
        if self.recording is not None:
            return Replay(load_recording(self.recording, self.dataset), self.seed).floor
        return supermarket() if self.store is None else load_floor(self.store)

    def dead(self, floor: Floor) -> frozenset[str]:
        """The gateways that never say anything."""
        return dead_gateways(floor, self.seed) if self.fault is Fault.DEAD else frozenset()

    def campaigns(self, floor: Floor, now: datetime) -> list[Campaign]:
        """What is to be said in it. In a fault run on terms that try every limit."""
        made = demo.campaigns(floor, now)
        if self.fault is not Fault.CHAOS:
            return made
        quiet = frozenset(one.zone_id for one in floor.zones if one.kind not in demo.SELLING)
        return hard_terms(made, quiet)

    @property
    def has_night(self) -> bool:
        """Whether gateways calibrate each other before the store opens."""
        return self.calibrated and self.recording is None


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """How it went. failed_calls: what handsets asked of the API and did not get; each is a bug."""

    card: Scorecard
    failed_calls: tuple[str, ...]


async def rehearse(
    plan: RehearsalPlan, settings: Settings, run_dir: Path, clock: Clock, tell: Tell
) -> Rehearsed:
    """Play it in real time with the real processes. Raises StackError."""
    floor = plan.floor()
    settings = of_its_own(settings, run_dir)
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as parts:
        stack = await parts.enter_async_context(open_stack(settings, run_dir, tasks, clock))
        await open_store(stack.database, plan, floor, stack.settings, clock, tell)
        stack = await start_simulator(stack, plan, keep=False)
        for name in ("api", "push", "jobs"):
            stack.serve(name)
        if not plan.survey:
            stack.serve("engine")
        await stack.wait_for_api()
        relay = await parts.enter_async_context(
            open_relay(stack.settings.api_host, stack.settings.api_port)
        )
        victim = floor.gateways[0].gateway_id
        dead = plan.dead(floor)
        alive = [one.gateway_id for one in floor.gateways if one.gateway_id not in dead]
        for gateway_id in alive:
            cut_off = plan.fault is Fault.CUT and gateway_id == victim
            await stack.start_gateway(
                gateway_id, air_source(run_dir, gateway_id), relay.url if cut_off else stack.api_url
            )
        if plan.survey:
            tell(told(await survey_for_real(stack, floor.store_id, tell)))
            # Shoppers are to be judged with the survey from the first one on.
            stack.serve("engine")
        tell(f"{len(alive)} gateways and the backend are up; the store opens")
        if dead:
            tell(f"dead from the start: {', '.join(sorted(dead))}")
        if plan.fault is Fault.CUT:
            bad_day = _bad_day(stack, relay, f"gateway-{victim}", plan.minutes, tell)
            tasks.create_task(bad_day, name="bad day")
        if await stack.children.ended("simulator"):
            raise StackError(
                "the simulator failed; it said last:\n  "
                + "\n  ".join(stack.children.last_words("simulator"))
            )
        tell("the store has closed; waiting for spools, stream and outbox to empty")
        await drain(stack, floor.store_id, alive, tell)
        await stack.children.stop(lambda name: name.startswith("gateway-"))
        spooled = sum(sightings_spooled(stack, gateway_id) for gateway_id in alive)
        await drain(stack, floor.store_id, alive, tell)
        await stack.children.stop(lambda _name: True)
        records = await gather(stack.database, floor.store_id, run_dir, spooled)
        return Rehearsed(score(records, RULES), failed_calls(run_dir))


async def open_store(
    database: Database,
    plan: RehearsalPlan,
    floor: Floor,
    settings: Settings,
    clock: Clock,
    tell: Tell,
) -> None:
    """The floor's plan and its demonstration campaigns are in the database, and so is what its
    gateways have learned of each other in the night before."""
    store = demo.store_plan(floor)
    async with database.begin() as tx:
        await stores.save_store(tx, store, clock.now())
        for campaign in plan.campaigns(floor, clock.now()):
            await campaigns.save_campaign(tx, campaign, clock.now())
    if plan.has_night:
        tell("the night before: an hour of the gateways' canaries, in a few seconds")
        found = await calibrate_overnight(
            database,
            store,
            floor,
            plan.seed,
            bytes.fromhex(settings.namespace),
            clock.now(),
            Outage(plan.dead(floor)),
        )
        for sentence in night_told(found):
            tell(sentence)


async def start_simulator(
    stack: Stack, plan: RehearsalPlan, *, keep: bool, more: Sequence[str] = ()
) -> Stack:
    """Start the simulator; the stack with its fake FCM as the place where pushes go.

    more: options of `corsia sim run` beyond those of the plan.
    """
    ready = stack.run_dir / "ready.json"
    ready.unlink(missing_ok=True)
    options: dict[str, object] = {
        "run-dir": stack.run_dir,
        "api-url": stack.api_url,
        "shoppers": plan.shoppers,
        "seed": plan.seed,
        "minutes": plan.minutes,
        "store": plan.store,
        "recording": plan.recording,
        "dataset": plan.dataset,
    }
    arguments = ["sim", "run"]
    for name, value in options.items():
        if value is not None:
            arguments += [f"--{name}", str(value)]
    if plan.survey:
        arguments.append("--survey")
    arguments += more
    stack.children.start(Command("simulator", tuple(arguments), {}, keep=keep))
    await stack.wait_for_file(ready, "simulator")
    fcm_url, _gateways = simulator_ready(ready)
    settings = stack.settings.model_copy(
        update={"fcm_url": fcm_url, "fcm_key_file": stack.run_dir / "fcm-key.json"}
    )
    return Stack(settings, stack.run_dir, stack.database, stack.live, stack.children, stack.clock)


def air_source(run_dir: Path, gateway_id: str) -> str:
    """Where a gateway hears the simulated air."""
    return f"unix:{run_dir / 'air' / f'{gateway_id}.sock'}"


async def _bad_day(
    stack: Stack, relay: Relay, victim: str, minutes: float | None, tell: Tell
) -> None:
    """Cut a gateway off, kill it meanwhile, and give the network back."""
    clock = stack.clock
    await clock.sleep(CUT_AFTER_SHARE * (minutes or 1.0) * 60)
    tell(f"{victim} is cut from the network for {CUT_S:.0f} s")
    relay.cut()
    await clock.sleep(KILL_INTO_CUT_S)
    tell(f"{victim} is killed with SIGKILL; it starts again by itself")
    stack.children.by_name[victim].send_signal(signal.SIGKILL)
    await clock.sleep(CUT_S - KILL_INTO_CUT_S)
    relay.mend()
    tell(f"{victim} has the network back")


async def drain(
    stack: Stack,
    store_id: str,
    gateway_ids: Sequence[str],
    tell: Tell,
    within_s: float = DRAIN_WITHIN_S,
) -> None:
    """Return when nothing is under way any more, or after that long."""
    deadline_s = stack.clock.monotonic_s() + within_s
    while stack.clock.monotonic_s() < deadline_s:
        waiting = sum(_waiting(stack, gateway_id) for gateway_id in gateway_ids)
        backlog = await stack.live.backlog(store_id)
        async with stack.database.read() as tx:
            pending = (await outbox.outcomes(tx)).get("pending", 0)
        if not (waiting or backlog or pending):
            return
        await stack.clock.sleep(POLL_S)
    tell(f"still under way: {waiting} sightings spooled, {backlog} batches, {pending} pushes")


def sightings_spooled(stack: Stack, gateway_id: str) -> int:
    """All sightings that a gateway, stopped by now, ever put into its spool."""
    config = GatewayConfig(stack.api_url, stack.gateway_dir(gateway_id))
    spool = SpoolFile.open(config.spool_path, config.spool_max_bytes)
    try:
        return spool.counts().spooled
    finally:
        spool.close()


def _waiting(stack: Stack, gateway_id: str) -> int:
    """Sightings that a running gateway has not sent yet, as it said a moment ago."""
    config = GatewayConfig(stack.api_url, stack.gateway_dir(gateway_id))
    said = read_status(config.status_path)
    return said.spool.waiting if said is not None else 0
