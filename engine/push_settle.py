"""What came of pushes, written many at a time: outcomes, dead targets, what is given back."""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncConnection

from config.clock import Clock
from config.log import short
from db import campaigns, decisions, outbox
from db.connect import DATABASE_ERRORS, Database
from db.handsets import retire_push_target
from db.live import Live
from db.outbox import Again, Claimed, End
from engine.push_recheck import NO_TARGET, target_of
from offers.pressure import Message

log = logging.getLogger(__name__)

Ended = tuple[Claimed, End | Again]

# One transaction: SQLite's one writer has its turn again after a few milliseconds.
SETTLE_AT_ONCE: Final = 200
# When it is full, whoever brings another outcome waits: the lanes then send no more.
UNSETTLED_LIMIT: Final = 2_000
RETRY_S: Final = 1.0
# At 3,000 pushes a second some ninety gather; a lease is a thousand times as long.
GATHER_S: Final = 0.03
LAST_TRY_S: Final = 2.0  # a process that is to end has a few seconds before it is killed


class Settler:
    """Takes outcomes from all lanes and writes them as fast as the database lets it."""

    def __init__(self, database: Database, live: Live, clock: Clock) -> None:
        self._database = database
        self._live = live
        self._clock = clock
        self.failures = 0  # of the database to take what came of pushes
        self._ended: asyncio.Queue[Ended] = asyncio.Queue(UNSETTLED_LIMIT)
        self._last: list[Ended] = []

    async def put(self, claimed: Claimed, end: End | Again) -> None:
        """Have an outcome written soon."""
        await self._ended.put((claimed, end))

    def put_last(self, ended: Sequence[Ended]) -> None:
        """Have these written when `run` is cancelled, after what waits by then."""
        self._last += ended

    async def run(self) -> None:
        """Write outcomes until cancelled; what is known by then is written first."""
        ended: list[Ended] = []
        try:
            while True:
                ended = [await self._ended.get()]
                await self._gather(ended)
                while ended and not await self._written(ended):
                    # However late: whoever claims a row meanwhile has another lease, and what is
                    # written under the old one changes nothing.
                    await self._clock.sleep(RETRY_S)
                ended = []
        except asyncio.CancelledError:
            # Unwritten, each would be sent a second time when its lease has run out.
            await self._write_last(ended)
            raise

    async def _gather(self, ended: list[Ended]) -> None:
        """Add what comes within a moment: to write one costs as much as to write many."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHER_S):
                while len(ended) < SETTLE_AT_ONCE:
                    ended.append(await self._ended.get())

    async def _write_last(self, ended: list[Ended]) -> None:
        while not self._ended.empty():
            ended.append(self._ended.get_nowait())
        ended += self._last
        try:
            async with asyncio.timeout(LAST_TRY_S):
                while ended:
                    await self._written(ended[:SETTLE_AT_ONCE])
                    del ended[:SETTLE_AT_ONCE]
        except TimeoutError:
            log.warning("pushes not settled", extra={"pushes": len(ended), "why": "the end"})

    async def _written(self, ended: Sequence[Ended]) -> bool:
        try:
            await settle(ended, self._database, self._live, self._clock.now())
        except DATABASE_ERRORS as error:
            self.failures += 1
            why = type(error).__name__
            log.warning("pushes not settled", extra={"pushes": len(ended), "why": why})
            return False
        return True


async def settle(ended: Sequence[Ended], database: Database, live: Live, now: datetime) -> None:
    """Write what came of pushes; a send that reached no handset gives back its caps and budget.

    Raises what the database raises, and then nothing is written.
    """
    released: list[tuple[str, Message]] = []
    async with database.begin() as tx:
        failed = [
            claimed for claimed, end in ended if isinstance(end, End) and end.outcome != "delivered"
        ]
        held = await outbox.held(tx, failed) if failed else []
        await outbox.settle(tx, ended, now)
        shoppers = {claimed.decision_id: claimed.shopper_id for claimed in held}
        # In one order, so that two workers never wait for each other.
        for decision_id in await outbox.came_to_nothing(tx, shoppers) if held else []:
            sent = await decisions.release_send(tx, decision_id, now)
            if sent is not None:
                released.append((shoppers[decision_id], sent))
        for campaign_id in sorted(sent.campaign_id for _, sent in released):
            await campaigns.give_back(tx, campaign_id)
        await _retire(tx, ended, now)
    try:
        await live.release_all(released)
        await live.count_all(_counted(ended))
    except RedisError as error:
        # What was not given back counts against a shopper's caps for a while: the safe side.
        log.warning("redis not told of pushes", extra={"why": type(error).__name__})
    _log_failures(ended)


async def _retire(tx: AsyncConnection, ended: Sequence[Ended], now: datetime) -> None:
    gone = [
        (target_of(claimed), end.why)
        for claimed, end in ended
        if isinstance(end, End)
        and end.outcome == "target_gone"
        and end.why != NO_TARGET  # our own look, and no word of FCM's on this target
        and claimed.target_value
    ]
    for target, why in sorted(gone, key=lambda one: one[0].handset_id):
        await retire_push_target(tx, target, why, now)


def _counted(ended: Sequence[Ended]) -> dict[str, Counter[str]]:
    """What came of pushes in each store, under names that its engine's counts do not have."""
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for claimed, end in ended:
        outcome = "again" if isinstance(end, Again) else end.outcome
        counted[claimed.store_id][f"push_{outcome}"] += 1
    return counted


def _log_failures(ended: Sequence[Ended]) -> None:
    """A line for each push that did not get through; the others are only counted."""
    for claimed, end in ended:
        outcome = "again" if isinstance(end, Again) else end.outcome
        if outcome != "delivered":
            log.info(
                "push not delivered",
                extra={
                    "decision": short(claimed.decision_id),
                    "end": outcome,
                    "why": end.why,
                    "tries": claimed.attempts + end.was_tried,
                },
            )
