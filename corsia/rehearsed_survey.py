"""The survey of a rehearsal: a simulated staff member walks, and the real code makes a survey."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Final

from config.clock import VirtualClock
from config.settings import Settings, data_key
from corsia.fast_store import FLUSH_EVERY_STEPS, STEP_S, FastGateways
from corsia.stack import Stack, StackError
from corsia.store_survey import LATE_S, Recorded, SurveySession, open_session
from db import handsets
from db.connect import Database
from db.live import Live
from firmware_sim.surveyor import Surveyor

# The simulated staff member needs six minutes for the supermarket; a larger store takes longer.
MOST_S: Final = 1_800.0
FORGOTTEN_WITHIN_S: Final = 30.0
LOOK_EVERY_STEPS: Final = 4
# What the simulator writes when its staff member is ready to walk.
READY_FILE: Final = "survey.json"


async def survey_for_real(stack: Stack, store_id: str, tell: Callable[[str], None]) -> Recorded:
    """Record the walk of the simulator process, in real time. Raises StackError."""
    path = stack.run_dir / READY_FILE
    await stack.wait_for_file(path, "simulator")
    handset_id: str = json.loads(path.read_text())["handset_id"]
    tell("a staff member surveys the store: about six minutes")
    session = await open_session(
        stack.database,
        stack.live,
        stack.clock,
        store_id=store_id,
        handset_id=handset_id,
        tenant=stack.settings.tenant,
        key=data_key(stack.settings),
    )
    await session.run(MOST_S, lambda _: None)
    await session.hear_the_rest()
    done = await session.finish()
    if not done.is_kept:
        said = "\n  ".join(stack.children.last_words("simulator")) or "nothing"
        raise StackError(f"the survey came to nothing; the simulator said last:\n  {said}")
    await _is_forgotten(stack, handset_id)
    return done


async def survey_fast(
    surveyor: Surveyor,
    gateways: FastGateways,
    *,
    store_id: str,
    settings: Settings,
    database: Database,
    live: Live,
    clock: VirtualClock,
    settle: Callable[[], Awaitable[None]],
) -> Recorded:
    """The same in virtual time, without the stream.

    gateways: for the survey alone. settle: returns when no request is under way.
    """
    handset_id = await surveyor.register()
    session = await open_session(
        database,
        live,
        clock,
        store_id=store_id,
        handset_id=handset_id,
        tenant=settings.tenant,
        key=data_key(settings),
    )
    async with asyncio.TaskGroup() as tasks:
        walking = tasks.create_task(surveyor.walk(), name="survey")
        await _play(session, surveyor, gateways, clock, settle)
        done = await session.finish()
        while not walking.done():
            await settle()
            await clock.advance(STEP_S)
    return done


async def _play(
    session: SurveySession,
    surveyor: Surveyor,
    gateways: FastGateways,
    clock: VirtualClock,
    settle: Callable[[], Awaitable[None]],
) -> None:
    """Until the walk is over and all that was heard of it is here."""
    late_steps = 0
    for step in range(round(MOST_S / STEP_S)):
        await settle()
        await clock.advance(STEP_S)
        await settle()
        now_s = clock.now().timestamp()
        gateways.hear(surveyor.adverts(now_s - STEP_S, now_s), now_s)
        if step % FLUSH_EVERY_STEPS == 0:
            for gateway in gateways.alive(now_s):
                session.recorder.take(gateway.entries(now_s), now_s)
        if step % LOOK_EVERY_STEPS == 0:
            await session.look()
        late_steps += session.has_ended
        if late_steps * STEP_S > LATE_S:
            return


async def _is_forgotten(stack: Stack, handset_id: str) -> None:
    """Return once the staff handset can no longer be recognised: the engine is to see shoppers."""
    deadline_s = stack.clock.monotonic_s() + FORGOTTEN_WITHIN_S
    while stack.clock.monotonic_s() < deadline_s:
        async with stack.database.read() as tx:
            handset = await handsets.load_handset(tx, handset_id)
        if handset is None or handset.sealed_secret is None:
            return
        await stack.clock.sleep(STEP_S)
    raise StackError("the staff handset did not withdraw its consent after the survey")


def told(done: Recorded) -> str:
    """What came of it, in a sentence."""
    walk = done.walk
    points = walk.survey.points
    return (
        f"surveyed {walk.places} places in {walk.seconds:.0f} s,"
        f" {len(points) / max(walk.places, 1):.1f} gateways at a place;"
        f" {len(walk.left_out)} ways left out"
    )
