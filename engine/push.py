"""The push process: claim from the outbox, check once more, push, settle.

At-least-once delivery made invisible: a resend carries the same tags and decision id, and the row
is settled by whoever holds its lease. Claims, checks and settlements are made for many pushes at
a time, so that neither the database nor the loop is what limits them.
"""

import asyncio
import gc
import logging
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Final, assert_never

import msgspec
from redis.exceptions import RedisError

from config.clock import Clock
from config.log import short
from config.settings import Settings, SettingsError
from db import outbox
from db.connect import DATABASE_ERRORS, Database, open_database
from db.live import Live, open_live
from db.outbox import Again, Claimed, End
from engine.fcm import FcmTransport
from engine.fcm_answers import Delivered, Expired, Outcome, Refused, RetryAt, TargetGone, Why
from engine.fcm_credential import load_service_account
from engine.push_in_hand import InHand
from engine.push_lanes import PLATFORMS, Lane, Lanes
from engine.push_note import note_of
from engine.push_recheck import hindrances
from engine.push_settle import RETRY_S, Settler, settle

log = logging.getLogger(__name__)

# Woken by the engine; the poll is for retries, lost wake-ups and a Redis that was emptied.
POLL_S: Final = 0.5
# A claim of this many holds SQLite's one writer for a few milliseconds.
CLAIM_AT_ONCE: Final = 200
# Checked together and then sent at once: few enough that what was checked still holds, and that
# the loop has a turn for others in between.
CHECK_AT_ONCE: Final = 64
# Of each lane, so that one waits for SQL and Redis while another sends.
CHECKERS: Final = 3
# At 50 ms an answer 250 under way are 5,000 pushes a second: a little more than one process can
# make. Were all of them answered at once, the loop would be held up for 20 ms; with more, for
# longer than anybody should wait for a turn.
CONCURRENCY: Final = 250
TELL_EVERY_S: Final = 60.0
# Nothing was sent, so that the next try need not wait for longer.
NOT_TRIED: Final = frozenset({Why.NO_CREDENTIAL, Why.OFFER_ENDED, Why.UNSENDABLE})


async def run_push(settings: Settings, clock: Clock) -> None:
    """Send what the outbox holds, until cancelled."""
    account = load_service_account(_key_file(settings))
    # What was imported never becomes garbage. Looking through it all the same stops the loop for
    # tens of milliseconds each time.
    gc.collect()
    gc.freeze()
    async with (
        open_database(settings.sql_url) as database,
        open_live(settings.redis_url or "") as live,
        FcmTransport(
            account,
            clock,
            Random(),
            base_url=settings.fcm_url,
            # A platform that hangs must not take the others' connections.
            connection_limit=settings.push_concurrency * len(PLATFORMS),
        ) as transport,
    ):
        await Sender(database, live, transport, clock, settings.push_concurrency).run()


async def claim_due(
    database: Database, now: datetime, *, without: Collection[str] = ()
) -> list[Claimed]:
    """The pushes to send now, leased to the caller. Looking costs no writer's turn.

    without: platforms to leave out.
    """
    async with database.read() as tx:
        due = await outbox.next_due(tx)
    if due is None or due > now:
        return []
    async with database.begin() as tx:
        return await outbox.claim(tx, now, CLAIM_AT_ONCE, without)


class Sender:
    """Sends what is in the outbox: `run` all of it, `send` one claimed row.

    concurrency: the most pushes of one platform under way at a time.
    """

    def __init__(
        self,
        database: Database,
        live: Live,
        transport: FcmTransport,
        clock: Clock,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self.lanes: Final = Lanes(concurrency)
        self._database = database
        self._live = live
        self._transport = transport
        self._clock = clock
        self._settler = Settler(database, live, clock)
        self._in_hand = InHand()

    async def send(self, claimed: Claimed) -> None:
        """Push one claimed row and write what came of it.

        When a server fails meanwhile the lease runs out and the row is claimed again.
        """
        lane = self.lanes.of(claimed.platform)
        try:
            (end,) = await hindrances([claimed], self._database, self._live, self._clock)
            end = end or self._stopped(lane)
            if end is None:
                lane.limit.begin(self._clock.monotonic_s())
                end = await self._pushed(lane, claimed)
            await settle([(claimed, end)], self._database, self._live, self._clock.now())
        except DATABASE_ERRORS as error:
            log.warning(
                "push not settled",
                extra={"decision": short(claimed.decision_id), "why": type(error).__name__},
            )

    async def run(self) -> None:
        """Send what the outbox holds, until cancelled; what is in hand then is handed back."""
        async with asyncio.TaskGroup() as settling:
            settling.create_task(self._settler.run(), name="push settling")
            try:
                await self._send_all()
            finally:  # everybody has stopped but the settler
                self._settler.put_last(self._in_hand.left())

    async def _send_all(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._transport.keep_credential(), name="push credential")
            tasks.create_task(self._tell(), name="push figures")
            for lane in self.lanes:
                for _ in range(CHECKERS):
                    tasks.create_task(self._work(lane, tasks), name=f"push lane {lane.platform}")
            await self._feed()

    async def _feed(self) -> None:
        """Claim what is due and put it into the lanes."""
        while True:
            fed = await self.lanes.fed()
            try:
                claimed = await claim_due(self._database, self._clock.now(), without=fed)
            except DATABASE_ERRORS as error:
                log.warning("outbox not read", extra={"why": type(error).__name__})
                await self._clock.sleep(RETRY_S)
                continue
            self._in_hand.claimed(claimed, self._clock.now())
            for one in claimed:
                self.lanes.of(one.platform).put(one)
            if not claimed and not fed:
                await _wait(self._live, self._clock)

    async def _work(self, lane: Lane, tasks: asyncio.TaskGroup) -> None:
        """Check and send what waits in a lane, as fast as its limit lets it."""
        while True:
            claimed = await lane.take(CHECK_AT_ONCE, self._clock)
            try:
                ends = await hindrances(claimed, self._database, self._live, self._clock)
            except DATABASE_ERRORS as error:
                log.warning("pushes not checked", extra={"why": type(error).__name__})
                # Nothing was sent; without this the leases would run out and cast doubt on that.
                again = Again(self._clock.now(), "the database could not be asked", False)
                for one in claimed:
                    lane.dropped(self._clock)
                    await self._settle(one, again)
                await self._clock.sleep(RETRY_S)
                continue
            for one, hindrance in zip(claimed, ends, strict=True):
                end = hindrance or self._stopped(lane)
                if end is not None:
                    lane.dropped(self._clock)
                    await self._settle(one, end)
                    continue
                tasks.create_task(self._sent(lane, one), name=f"push {short(one.decision_id)}")

    async def _sent(self, lane: Lane, claimed: Claimed) -> None:
        self._in_hand.begun(claimed, self._clock.now())
        await self._settle(claimed, await self._pushed(lane, claimed))

    async def _settle(self, claimed: Claimed, end: End | Again) -> None:
        self._in_hand.known(claimed, end)
        await self._settler.put(claimed, end)
        self._in_hand.settled(claimed)

    async def _pushed(self, lane: Lane, claimed: Claimed) -> End | Again:
        """Send a push that has begun in its lane."""
        began_s = self._clock.monotonic_s()
        try:
            note = note_of(claimed)
        except msgspec.ValidationError:
            outcome: Outcome = Refused(Why.UNSENDABLE, detail="the campaign cannot be read")
        else:
            now = self._clock.now()
            outcome = await self._transport.push(note, now, claimed.attempts)
        lane.ended(outcome, began_s, self._clock)
        self.lanes.note(lane, outcome, self._clock.monotonic_s())
        return _end(claimed, outcome)

    def _stopped(self, lane: Lane) -> End | None:
        if lane.breaker.admits(self._clock.monotonic_s()):
            return None
        return End("expired", "the platform's lane is stopped")

    async def _tell(self) -> None:
        """Tell of the lanes now and then, when they have changed."""
        told: dict[str, object] = {}
        while True:
            await self._clock.sleep(TELL_EVERY_S)
            lanes = self.lanes.told()
            if lanes != told:
                log.info("push lanes", extra=lanes)
                told = lanes


def _end(claimed: Claimed, outcome: Outcome) -> End | Again:
    """What the transport's outcome means for the row."""
    if isinstance(outcome, Delivered):
        return End("delivered", "", was_tried=True)
    why, was_tried = outcome.why.value, outcome.why not in NOT_TRIED
    match outcome:
        case RetryAt():
            if outcome.at < claimed.expires_at:
                return Again(outcome.at, why, outcome.maybe_sent, was_tried)
            return End("expired", why, outcome.maybe_sent, was_tried)
        case Expired():
            return End("expired", why, outcome.maybe_sent, was_tried)
        case TargetGone():
            return End("target_gone", why, was_tried=was_tried)
        case Refused():
            return End("refused", f"{why} {outcome.detail}".strip(), was_tried=was_tried)
        case _:
            assert_never(outcome)


async def _wait(live: Live, clock: Clock) -> None:
    try:
        await live.wait_for_push(POLL_S)
    except RedisError as error:
        log.warning("no wake-ups", extra={"why": type(error).__name__})
        await clock.sleep(RETRY_S)


def _key_file(settings: Settings) -> Path:
    if settings.fcm_key_file is None:
        raise SettingsError(
            "CORSIA_FCM_KEY_FILE: pushes need a Firebase service account's key (JSON)"
        )
    return settings.fcm_key_file
