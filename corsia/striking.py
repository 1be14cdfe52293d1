"""Letting the blows of a fault run fall, each at its time."""

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, assert_never

from sqlalchemy import select

from corsia.blows import Blow, Planned
from corsia.failing_servers import FailingRedis, FailingSql
from corsia.rehearsal import Tell
from corsia.relay import Relay
from corsia.stack import Stack
from db.connect import DATABASE_ERRORS
from db.outbox import LEASE
from db.tables import outbox

ENGINES: Final = ("engine-1", "engine-2")
PUSHERS: Final = ("push-1", "push-2")
# As FCM answers on a good day.
FCM_DELAY_S: Final = 0.1
# A push is made every ten seconds or so.
AIM_WITHIN_S: Final = 30.0
AIM_POLL_S: Final = 0.01
FRESH: Final = timedelta(seconds=0.5)


@dataclass(frozen=True, slots=True)
class Struck:
    """A blow that fell. began_s, over_s: unix seconds, when something was taken away, and when it
    was there again or was being started again. killed: the processes of ours that it ended.
    has_landed: it hit what it was meant to hit."""

    blow: Blow
    began_s: float
    over_s: float
    killed: tuple[str, ...] = ()
    has_landed: bool = True


@dataclass(frozen=True, slots=True)
class World:
    """What can be struck."""

    stack: Stack
    relay: Relay
    redis: FailingRedis
    sql: FailingSql
    gateway_ids: tuple[str, ...]
    tell: Tell

    def now_s(self) -> float:
        return self.stack.clock.now().timestamp()

    def say(self, sentence: str) -> None:
        self.tell(f"{self.stack.clock.now():%H:%M:%S} {sentence}")


async def strike(world: World, blows: Sequence[Planned], opens_at_s: float) -> Sequence[Struck]:
    """Let all of them fall, each at its time; what came of it, in the order in which they ended."""
    struck: list[Struck] = []
    # Two at once would not be two, but one of them.
    of_sql = asyncio.Lock()

    async def fall(one: Planned) -> None:
        await world.stack.clock.sleep(opens_at_s + one.at_s - world.now_s())
        if one.blow in {Blow.SQL_LOCKED, Blow.SQL_GONE}:
            async with of_sql:
                struck.append(await _fall(world, one))
        else:
            struck.append(await _fall(world, one))

    async with asyncio.TaskGroup() as falling:
        for place, one in enumerate(blows):
            falling.create_task(fall(one), name=f"blow {place} {one.blow}")
    return struck


async def _fall(world: World, planned: Planned) -> Struck:
    """One blow, from its beginning to its end."""
    lasts_s = planned.lasts_s
    names: tuple[str, ...] = ()
    has_landed = True
    began_s = world.now_s()
    match planned.blow:
        case Blow.ENGINE:
            names = (_one_of(ENGINES, planned),)
        case Blow.PUSH:
            names = (_one_of(PUSHERS, planned),)
        case Blow.SENDING:
            has_landed = await _until_sending(world)
            names = PUSHERS
        case Blow.API:
            names = ("api",)
        case Blow.GATEWAY:
            names = (f"gateway-{_one_of(world.gateway_ids, planned)}",)
        case Blow.CUT:
            world.say(f"gateway-{world.gateway_ids[0]} is cut off for {lasts_s:.0f} s")
            before = world.relay.broken
            world.relay.cut()
            await world.stack.clock.sleep(lasts_s)
            world.relay.mend()
            has_landed = world.relay.broken > before
        case Blow.REDIS:
            world.say("Redis is killed with -9; it starts again, empty")
            await world.redis.kill_and_empty()
        case Blow.SQL_LOCKED:
            async with world.sql.locked():
                world.say(f"SQL is locked for {lasts_s:.0f} s: nobody can write")
                await world.stack.clock.sleep(lasts_s)
        case Blow.SQL_GONE:
            async with world.sql.gone():
                world.say(f"SQL is gone for {lasts_s:.0f} s: nobody can read or write")
                await world.stack.clock.sleep(lasts_s)
        case Blow.KEY:
            world.say(f"Apple refuses FCM's key for {lasts_s:.0f} s")
            await world.stack.clock.sleep(lasts_s)
        case _:
            assert_never(planned.blow)
    killed = tuple(name for name in names if _kill(world, name))
    has_landed = has_landed and (bool(killed) or not names)
    return Struck(planned.blow, began_s, world.now_s(), killed, has_landed)


def _one_of(names: Sequence[str], planned: Planned) -> str:
    return names[int(planned.draw * len(names))]


def _kill(world: World, name: str) -> bool:
    """Kill a process of ours; False when it does not run at this moment."""
    child = world.stack.children.by_name[name]
    if child.pid is None:
        world.say(f"{name} would be killed, and is down")
        return False
    world.say(f"{name} is killed with -9")
    child.send_signal(signal.SIGKILL)
    return True


async def _until_sending(world: World) -> bool:
    """True while a push is in somebody's hands, False after AIM_WITHIN_S without one: at random a
    kill would hardly ever fall between FCM's yes and the row that says so."""
    clock = world.stack.clock
    deadline_s = clock.monotonic_s() + AIM_WITHIN_S
    while clock.monotonic_s() < deadline_s:
        # Not one that somebody died with.
        fresh = outbox.c.leased_until > clock.now() + LEASE - FRESH
        held = select(outbox.c.decision_id).where(outbox.c.state == "leased", fresh).limit(1)
        try:
            async with world.stack.database.read() as tx:
                if await tx.scalar(held) is not None:
                    # Half of the way to FCM and back is over.
                    await clock.sleep(FCM_DELAY_S / 2)
                    return True
        except DATABASE_ERRORS:
            pass  # another blow has taken it away
        await clock.sleep(AIM_POLL_S)
    return False
