"""An engine's turns: what is on the stream is heard before silence is, and a store that is lost is
left as the one who has it now wants it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from config.clock import VirtualClock
from db.live import LEASE_S, Live
from db.tables import visits, zone_visits
from engine.lease import RENEW_EVERY_S, Lease, StoreLostError
from engine.live_campaigns import LiveCampaigns
from engine.owning import own_store, write_news
from tests.engine.shop import GATEWAYS, IN_A, STORE, Phone, Shop, eventually

# One of the marks of a stay that a decision is taken at (beacons.zone_judge).
MARK_S = 20.0
OWNER = f"{{store:{STORE}}}:owner"
STREAM = f"{{store:{STORE}}}:sightings"


@asynccontextmanager
async def owned(shop: Shop) -> AsyncIterator[None]:
    """An engine works the store for the length of the block."""
    work = own_store(
        STORE, shop.database, shop.live, shop.identities, LiveCampaigns(shop.clock), shop.clock
    )
    task = asyncio.create_task(work, name="engine")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.cancelled()


async def stand(shop: Shop, phone: Phone, seconds: int) -> None:
    """The phone stands in aisle A, and each second is worked off."""

    async def is_worked_off() -> bool:
        return await shop.live.backlog(STORE) == 0

    for _ in range(seconds):
        await shop.transmit({phone: IN_A})
        await shop.clock.advance(1)
        await eventually(is_worked_off)


@asynccontextmanager
async def writers_wait(shop: Shop) -> AsyncIterator[asyncio.Event]:
    """Nobody can write for the length of the block; told as soon as somebody wants to."""
    waits = asyncio.Event()

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement == "BEGIN IMMEDIATE":
            waits.set()

    async with shop.database.begin():
        event.listen(shop.database.engine.sync_engine, "before_cursor_execute", note)
        try:
            yield waits
        finally:
            event.remove(shop.database.engine.sync_engine, "before_cursor_execute", note)


async def test_what_came_while_a_write_took_long_is_heard_before_silence_is(shop: Shop) -> None:
    phone = await shop.phone()
    async with owned(shop):
        await stand(shop, phone, 14)
        (stay,) = await shop.rows(zone_visits)
        until_mark = stay.entered_at + timedelta(seconds=MARK_S) - shop.clock.now()
        await stand(shop, phone, int(until_mark.total_seconds()))
        before = (await shop.live.counts(STORE))["resolved_sightings"]
        async with writers_wait(shop) as waits:
            # A mark of the stay comes with nothing on the stream: the question for more is open.
            for _ in range(4):
                await shop.clock.advance(0.5)
                try:
                    async with asyncio.timeout(0.6):
                        await waits.wait()
                    break
                except TimeoutError:
                    continue
            assert waits.is_set()
            for _ in range(9):
                await shop.transmit({phone: IN_A})
                await shop.clock.advance(1)
        await stand(shop, phone, 2)

        async def is_counted() -> bool:
            heard = (await shop.live.counts(STORE))["resolved_sightings"] - before
            return heard == 11 * len(GATEWAYS)

        await eventually(is_counted)
        counts = await shop.live.counts(STORE)

    assert {name: count for name, count in counts.items() if name.startswith("sightings_")} == {}
    (stay,) = await shop.rows(zone_visits)
    assert stay.left_at is None


async def test_an_engine_that_was_stopped_ends_nothing_of_who_has_the_store_now(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "engine.owning")
    phone = await shop.phone()
    async with owned(shop):
        await stand(shop, phone, 14)
        picture = await shop.live.everyone(STORE)
        # Stopped, as by SIGSTOP; meanwhile another one has taken the store over.
        await shop.live.redis.set(OWNER, "somebody else")
        await shop.clock.advance(100)

        async def is_left() -> bool:
            return "store lost to another engine" in caplog.text

        await eventually(is_left)

    assert [one.left_at for one in await shop.rows(visits)] == [None]
    assert [one.left_at for one in await shop.rows(zone_visits)] == [None]
    assert await shop.live.everyone(STORE) == picture


async def test_a_store_that_is_lost_while_it_is_written_is_not_written(shop: Shop) -> None:
    phone = await shop.phone()
    lease = Lease(STORE, "me", shop.live, shop.clock)
    await lease.confirm()
    for _ in range(3):
        await shop.transmit({phone: IN_A})
        await shop.clock.advance(1)
        shop.engine.hear(await shop.take(), shop.clock.now())
    await shop.live.redis.set(OWNER, "somebody else")

    with pytest.raises(StoreLostError):
        await write_news(shop.engine, shop.database, shop.live, shop.clock.now(), lease)

    assert await shop.rows(visits) == []


async def test_what_the_engine_before_was_handed_last_is_claimed(shop: Shop) -> None:
    phone = await shop.phone()
    async with owned(shop):
        await stand(shop, phone, 3)
        # It asked before it was stopped; while ours asks too it is handed one now and then.
        await shop.live.redis.set(OWNER, "me")
        await shop.transmit({phone: IN_A})
        await shop.live.redis.xreadgroup("engine", "before", {STREAM: ">"}, count=100)
        await shop.live.redis.delete(OWNER)

        async def is_claimed() -> bool:
            await shop.clock.advance(1)
            return await shop.live.backlog(STORE) == 0

        await eventually(is_claimed)


async def claims(shop: Shop) -> int:
    """How often Redis was asked for what others had been given."""
    told: Any = await shop.live.redis.info("commandstats")
    return int(told.get("cmdstat_xautoclaim", {"calls": 0})["calls"])


async def test_what_nobody_is_given_any_more_holds_up_presence_once(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.transmit({phone: IN_A})
    for entry in await shop.live.take(STORE, "before", 100, 1):
        await shop.live.redis.xack(STREAM, "engine", entry.entry_id)
    before = await claims(shop)
    async with owned(shop):
        for _ in range(8):
            await shop.transmit({phone: IN_A})
            await shop.clock.advance(1)

            async def is_worked_off() -> bool:
                return await shop.live.backlog(STORE) == len(GATEWAYS)

            await eventually(is_worked_off)

    # When it began, and when the stream held more than it was given.
    assert await claims(shop) - before == 2


async def owner(live: Live) -> Any:
    return await live.redis.get(OWNER)


async def test_a_lease_is_asked_for_now_and_then(live: Live, clock: VirtualClock) -> None:
    lease = Lease(STORE, "me", live, clock)
    await lease.confirm()
    assert await owner(live) == b"me"
    await live.redis.set(OWNER, "somebody else")
    await clock.advance(RENEW_EVERY_S - 0.1)
    await lease.confirm()

    await clock.advance(0.1)
    with pytest.raises(StoreLostError, match="store shop is another engine's"):
        await lease.confirm()
    with pytest.raises(StoreLostError):
        await lease.confirm()


async def test_an_answer_that_was_seen_too_late_confirms_nothing(
    live: Live, clock: VirtualClock
) -> None:
    class Stopped(Live):
        """The process is stopped between the answer and its seeing it."""

        async def hold_lease(self, store_id: str, owner: str) -> bool:
            is_ours = await super().hold_lease(store_id, owner)
            if is_ours:
                await clock.advance(LEASE_S)
                await self.redis.set(OWNER, "somebody else")
            return is_ours

    with pytest.raises(StoreLostError):
        await Lease(STORE, "me", Stopped(live.redis), clock).confirm()
