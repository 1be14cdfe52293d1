"""The push process: claim from the outbox, check once more, push, settle.

At-least-once delivery made invisible: a resend carries the same tags and decision id, and the row
is settled by whoever holds its lease.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final, assert_never

from redis.exceptions import RedisError

from config.clock import Clock
from config.log import short
from config.settings import Settings, SettingsError
from db import campaigns, consents, decisions, outbox
from db.connect import DATABASE_ERRORS, Database, open_database
from db.handsets import PushTarget, push_target, retire_push_target
from db.live import Live, open_live
from db.outbox import Claimed
from engine.fcm import FcmTransport
from engine.fcm_answers import (
    Delivered,
    Expired,
    Outcome,
    Refused,
    RetryAt,
    Stops,
    TargetGone,
)
from engine.fcm_credential import load_service_account
from engine.push_note import note_of
from offers.campaign import Status
from shoppers.consent import NEEDED_IN_AISLE

log = logging.getLogger(__name__)

# Woken by the engine; the poll is for retries, lost wake-ups and a Redis that was emptied.
POLL_S: Final = 0.5
RETRY_S: Final = 1.0
CLAIM_AT_ONCE: Final = 50
# Presence older than this is no evidence that the shopper is still there. The engine writes the
# picture at least four times a second; a handset is heard about once in two.
PRESENCE_FRESH_S: Final = 10.0
PLATFORMS: Final = ("android", "ios", "web")
LANE_STOPS_FOR: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class End:
    """A push is done with. outcome: delivered, expired, target_gone or refused."""

    outcome: str
    why: str
    maybe_sent: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """A push is to be tried again then."""

    at: datetime
    why: str
    maybe_sent: bool


class Lanes:
    """Which platforms are stopped: their key at the vendor is bad, and every push would fail."""

    def __init__(self) -> None:
        self._stopped_until: dict[str, datetime] = {}

    def is_stopped(self, platform: str, now: datetime) -> bool:
        """Whether pushes to this platform wait for somebody to look."""
        return now < self._stopped_until.get(platform, now)

    def note(self, platform: str, outcome: Outcome, now: datetime) -> None:
        """Stop what an outcome says must stop; after LANE_STOPS_FOR one push tries again."""
        if not isinstance(outcome, Refused) or outcome.stops is Stops.NOTHING:
            return
        stopped = PLATFORMS if outcome.stops is Stops.EVERYTHING else (platform,)
        for one in stopped:
            self._stopped_until[one] = now + LANE_STOPS_FOR
        log.error("push lane stopped", extra={"platforms": stopped, "why": outcome.why.value})


async def run_push(settings: Settings, clock: Clock) -> None:
    """Send what the outbox holds, until cancelled."""
    async with (
        open_database(settings.sql_url) as database,
        open_live(settings.redis_url or "") as live,
        FcmTransport(
            load_service_account(_key_file(settings)),
            clock,
            Random(),
            base_url=settings.fcm_url,
            connection_limit=settings.push_concurrency,
        ) as transport,
        asyncio.TaskGroup() as tasks,
    ):
        room = asyncio.Semaphore(settings.push_concurrency)
        sender = Sender(database, live, transport, clock)
        while True:
            try:
                claimed = await claim_due(database, clock.now())
            except DATABASE_ERRORS as error:
                log.warning("outbox not read", extra={"why": type(error).__name__})
                await clock.sleep(RETRY_S)
                continue
            for one in claimed:
                await room.acquire()
                task = tasks.create_task(
                    sender.send(one),
                    name=f"push {short(one.decision_id)}",
                )
                task.add_done_callback(lambda _task: room.release())
            if not claimed:
                await _wait(live, clock)


async def claim_due(database: Database, now: datetime) -> list[Claimed]:
    """The pushes to send now, leased to the caller. Looking costs no writer's turn."""
    async with database.read() as tx:
        due = await outbox.next_due(tx)
    if due is None or due > now:
        return []
    async with database.begin() as tx:
        return await outbox.claim(tx, now, CLAIM_AT_ONCE)


class Sender:
    """Sends claimed rows; several at a time share its lanes."""

    def __init__(
        self, database: Database, live: Live, transport: FcmTransport, clock: Clock
    ) -> None:
        self._database = database
        self._live = live
        self._transport = transport
        self._clock = clock
        self._lanes = Lanes()

    async def send(self, claimed: Claimed) -> None:
        """Push one claimed row and write what came of it.

        When a server fails meanwhile the lease runs out and the row is claimed again.
        """
        try:
            end = await self._attempt(claimed)
            await settle(claimed, end, self._database, self._live, self._clock.now())
        except (RedisError, *DATABASE_ERRORS) as error:
            log.warning(
                "push not settled",
                extra={"decision": short(claimed.decision_id), "why": type(error).__name__},
            )

    async def _attempt(self, claimed: Claimed) -> End | Again:
        try:
            why_not = await _why_not(claimed, self._database, self._live, self._clock.now())
        except RedisError:
            # Nothing was sent; without this the lease would run out and cast doubt on that.
            again_at = self._clock.now() + timedelta(seconds=RETRY_S)
            return Again(again_at, "presence could not be asked", maybe_sent=False)
        if why_not is not None:
            return why_not
        now = self._clock.now()
        platform = claimed.platform or ""
        if self._lanes.is_stopped(platform, now):
            return End("expired", "the platform's lane is stopped")
        outcome = await self._transport.push(note_of(claimed), now, claimed.attempts - 1)
        self._lanes.note(platform, outcome, self._clock.now())
        return _end(claimed, outcome)


async def settle(
    claimed: Claimed, end: End | Again, database: Database, live: Live, now: datetime
) -> None:
    """Write what came of a push; a send that reached no handset gives back its caps and budget."""
    released = None
    async with database.begin() as tx:
        match end:
            case Again(at, why, maybe_sent):
                held = await outbox.retry(tx, claimed, at, why, maybe_sent=maybe_sent)
            case End(outcome, why, maybe_sent):
                held = await outbox.settle(tx, claimed, outcome, why, now, maybe_sent=maybe_sent)
            case _:
                assert_never(end)
        if isinstance(end, End) and end.outcome == "target_gone" and claimed.target_value:
            await retire_push_target(tx, _target(claimed), end.why, now)
        if held and await outbox.came_to_nothing(tx, claimed.decision_id):
            released = await decisions.release_send(tx, claimed.decision_id, now)
            if released is not None:
                await campaigns.give_back(tx, claimed.campaign_id)
    if released is not None:
        await live.release(claimed.shopper_id, released)
    log.info(
        "push settled",
        extra={
            "decision": short(claimed.decision_id),
            "end": "again" if isinstance(end, Again) else end.outcome,
            "why": end.why,
            "attempt": claimed.attempts,
        },
    )


def _end(claimed: Claimed, outcome: Outcome) -> End | Again:
    """What the transport's outcome means for the row."""
    match outcome:
        case Delivered():
            return End("delivered", "")
        case RetryAt():
            if outcome.at < claimed.expires_at:
                return Again(outcome.at, outcome.why.value, outcome.maybe_sent)
            return End("expired", outcome.why.value, outcome.maybe_sent)
        case Expired():
            return End("expired", outcome.why.value, outcome.maybe_sent)
        case TargetGone():
            return End("target_gone", outcome.why.value)
        case Refused():
            return End("refused", f"{outcome.why.value} {outcome.detail}".strip())
        case _:
            assert_never(outcome)


async def _why_not(
    claimed: Claimed, database: Database, live: Live, now: datetime
) -> End | Again | None:
    """Why this push must not go out any more, or not yet; None when it may.

    Fails closed: no knowledge of where the shopper is, or of what they allow, is a no.
    """
    if now >= claimed.expires_at:
        return End("expired", "too late to be of use")
    if claimed.campaign.get("status") != Status.LIVE.value:
        return End("expired", "the campaign is no longer live")
    async with database.read() as tx:
        allowed = await consents.standing_consents(tx, claimed.shopper_id)
        # Read anew: it goes when its shopper is erased, whose ledger still says what they allowed.
        target = await push_target(tx, claimed.handset_id)
    if target is None:
        return End("target_gone", "the handset has no target")
    if not allowed >= NEEDED_IN_AISLE:
        return End("expired", "consent was withdrawn")
    if target != _target(claimed):
        return Again(now, "the target has changed", maybe_sent=False)
    here = await live.where(claimed.store_id, claimed.handset_id)
    if here is None or now.timestamp() - here.heard_s > PRESENCE_FRESH_S:
        return End("expired", "nobody knows where the shopper is")
    if here.zone_id != claimed.zone_id:
        return End("expired", "the shopper has left the zone")
    return None


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


def _target(claimed: Claimed) -> PushTarget:
    return PushTarget(
        claimed.handset_id,
        claimed.target_kind or "",
        claimed.target_value or "",
        claimed.platform or "",
    )
