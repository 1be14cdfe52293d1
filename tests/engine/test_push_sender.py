"""The push process at work on a full outbox: every push once, whatever is away meanwhile."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import select, text, update

from config.clock import VirtualClock
from db import handsets, outbox
from db.connect import Database
from db.handsets import PushTarget
from db.live import Here, Live
from db.outbox import LEASE, Again, Claimed, End
from db.tables import outbox as outbox_table
from db.tables import push_targets
from engine.fcm import FcmTransport
from engine.fcm_credential import service_account
from engine.push import CLAIM_AT_ONCE, Sender, claim_due
from engine.push_recheck import LEASE_NEEDED, STALE_AFTER, hindrances
from engine.push_settle import Settler, settle
from firmware_sim.fake_fcm import FakeFcm
from firmware_sim.fcm_delivery import Delivery
from firmware_sim.fcm_faults import Fault, Trouble
from firmware_sim.fcm_targets import mint_target
from tests.db.rows import STORE, a_person, a_send, a_store
from tests.engine.shop import eventually

SECOND = timedelta(seconds=1)


@dataclass
class Bench:
    """An outbox to fill, and a push process to empty it into the fake FCM."""

    database: Database
    live: Live
    clock: VirtualClock
    fcm: FakeFcm
    sender: Sender
    delivered: list[Delivery]
    people: int = 0

    async def fill(self, *platforms: str) -> list[str]:
        """A push for a new shopper in the aisle for each; the decisions."""
        now = self.clock.now()
        here: dict[str, Here] = {}
        decisions = []
        async with self.database.begin() as tx:
            for platform in platforms:
                self.people += 1
                fid = mint_target("fid", Random(self.people))
                self.fcm.register("fid", fid)
                person = await a_person(tx, now, target=None)
                target = PushTarget(person.handset_id, "fid", fid, platform)
                await handsets.set_push_target(tx, target, now)
                decisions.append(await a_send(tx, person, now))
                here[person.handset_id] = Here("aisle-7", 0.9, 1.0, 1.0, now.timestamp())
        await self.live.picture(STORE, here)
        return decisions

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The process at work; it must not end by itself."""
        process = asyncio.create_task(self.sender.run(), name="push")
        try:
            yield
            assert not process.done()
        finally:
            process.cancel()
            with suppress(asyncio.CancelledError):
                await process

    async def outcomes(self) -> dict[str, int]:
        async with self.database.read() as tx:
            return await outbox.outcomes(tx)

    async def comes_to(self, **wanted: int) -> None:
        async def is_so() -> bool:
            return await self.outcomes() == wanted

        await eventually(is_so)

    async def whys(self) -> Counter[str]:
        async with self.database.read() as tx:
            return Counter((await tx.scalars(select(outbox_table.c.why))).all())

    async def shown(self) -> Counter[str]:
        """How often each decision reached a handset, in time."""
        await self.clock.advance(5)
        return Counter(one.data["decision_id"] for one in self.delivered)


@pytest.fixture
async def bench(sqlite_database: Database, live: Live, clock: VirtualClock) -> AsyncIterator[Bench]:
    delivered: list[Delivery] = []
    await a_store(sqlite_database, clock.now())
    async with FakeFcm(clock, seed=7, on_delivery=delivered.append) as fcm:
        account = service_account(fcm.service_account_json())
        async with FcmTransport(account, clock, Random(5), base_url=fcm.base_url) as transport:
            sender = Sender(sqlite_database, live, transport, clock, concurrency=20)
            yield Bench(sqlite_database, live, clock, fcm, sender, delivered)


async def test_a_full_outbox_is_sent_and_each_push_once(bench: Bench) -> None:
    pushes = CLAIM_AT_ONCE + 60
    decisions = await bench.fill(*["android", "ios", "web"] * (pushes // 3))

    async with bench.running():
        await bench.comes_to(delivered=len(decisions))

    assert bench.fcm.counts["send_requests"] == len(decisions)
    assert await bench.shown() == dict.fromkeys(decisions, 1)
    counted = await bench.live.counts(STORE)
    assert counted == {"push_delivered": len(decisions)}
    assert all(lane.limit.in_flight == lane.waiting == 0 for lane in bench.sender.lanes)


async def test_two_processes_share_an_outbox_and_send_each_push_once(bench: Bench) -> None:
    decisions = await bench.fill(*["android"] * 80)
    account = service_account(bench.fcm.service_account_json())
    async with FcmTransport(
        account, bench.clock, Random(6), base_url=bench.fcm.base_url
    ) as transport:
        other = Sender(bench.database, bench.live, transport, bench.clock, concurrency=20)
        second = asyncio.create_task(other.run(), name="second push")
        async with bench.running():
            await bench.comes_to(delivered=len(decisions))
        second.cancel()
        with suppress(asyncio.CancelledError):
            await second

    assert bench.fcm.counts["send_requests"] == len(decisions)
    assert await bench.shown() == dict.fromkeys(decisions, 1)


async def test_a_bad_apns_key_holds_up_nobody_else(bench: Bench) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.THIRD_PARTY_AUTH))
    (first,) = await bench.fill("ios")
    async with bench.running():
        await bench.comes_to(refused=1)
        await bench.fill(*["ios"] * 10, *["android"] * 10)
        await bench.comes_to(refused=1, expired=10, delivered=10)

    assert (await bench.whys())["the platform's lane is stopped"] == 10
    assert first not in await bench.shown()


async def test_what_fcm_cannot_take_now_is_sent_when_it_can(bench: Bench) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.QUOTA_EXCEEDED, retry_after_s=5), times=10)
    decisions = await bench.fill(*["android"] * 30)
    async with bench.running():
        await bench.comes_to(delivered=20, pending=10)
        (lane, *_) = bench.sender.lanes
        assert lane.limit.cuts >= 1
        await bench.clock.advance(5)
        await bench.comes_to(delivered=30)

    assert await bench.shown() == dict.fromkeys(decisions, 1)


async def test_a_target_silent_for_sixty_days_is_skipped_and_kept(bench: Bench) -> None:
    old, fresh = await bench.fill("android", "android")
    async with bench.database.begin() as tx:
        handset = select(outbox_table.c.handset_id).where(outbox_table.c.decision_id == old)
        await tx.execute(
            update(push_targets)
            .where(push_targets.c.handset_id.in_(handset))
            .values(refreshed_at=bench.clock.now() - STALE_AFTER - SECOND)
        )
    async with bench.running():
        await bench.comes_to(delivered=1, expired=1)

    assert (await bench.whys())["the target is stale"] == 1
    assert await bench.shown() == {fresh: 1}
    async with bench.database.read() as tx:
        # The app may be opened again: then it is refreshed, and not new.
        assert (await tx.execute(select(push_targets.c.retired_at))).scalars().all() == [None] * 2


async def test_a_push_that_waited_too_long_is_left_to_another_lease(bench: Bench) -> None:
    await bench.fill("android")
    async with bench.database.begin() as tx:
        await tx.execute(outbox_table.update().values(expires_at=bench.clock.now() + 3 * LEASE))
    claimed = await claim_due(bench.database, bench.clock.now())

    async def at(now_s: float) -> list[End | Again | None]:
        then = VirtualClock(bench.clock.now() + timedelta(seconds=now_s))
        return await hindrances(claimed, bench.database, bench.live, then)

    ends_s = (LEASE - LEASE_NEEDED).total_seconds()
    late = bench.clock.now() + timedelta(seconds=ends_s + 0.1)
    assert not isinstance((await at(ends_s))[0], Again)
    assert await at(ends_s + 0.1) == [Again(late, "it waited too long for its turn", False)]


async def test_outcomes_wait_for_a_database_that_is_away_and_nothing_is_sent_twice(
    bench: Bench,
) -> None:
    decisions = await bench.fill(*["android"] * 5)
    claimed = await claim_due(bench.database, bench.clock.now())
    settler = Settler(bench.database, bench.live, bench.clock)
    writing = asyncio.create_task(settler.run(), name="settling")
    async with bench.database.engine.connect() as other:
        # Somebody else's tables: every write of ours fails at once.
        await other.execute(text("alter table outbox rename to away"))
        await other.commit()
        for one in claimed:
            await settler.put(one, End("delivered", ""))

        async def has_failed() -> bool:
            return settler.failures > 0

        await eventually(has_failed)
        await bench.clock.advance(5)
        await other.execute(text("alter table away rename to outbox"))
        await other.commit()
    await bench.clock.advance(5)
    await bench.comes_to(delivered=len(decisions))
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing


async def test_what_is_known_at_the_end_is_written_before_it(bench: Bench) -> None:
    await bench.fill("android", "android")
    first, second = await claim_due(bench.database, bench.clock.now())
    settler = Settler(bench.database, bench.live, bench.clock)
    writing = asyncio.create_task(settler.run(), name="settling")
    await settler.put(first, End("delivered", ""))
    await bench.clock.sleep(0)
    await settler.put(second, End("delivered", ""))

    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing

    assert await bench.outcomes() == {"delivered": 2}


async def test_a_push_process_that_is_stopped_while_the_database_is_away_ends(
    bench: Bench,
) -> None:
    await bench.fill("android")
    (claimed,) = await claim_due(bench.database, bench.clock.now())
    settler = Settler(bench.database, bench.live, bench.clock)
    async with bench.database.begin() as tx:
        await tx.execute(text("alter table outbox rename to away"))
    writing = asyncio.create_task(settler.run(), name="settling")
    await settler.put(claimed, End("delivered", ""))

    async def has_failed() -> bool:
        return settler.failures > 0

    await eventually(has_failed)
    writing.cancel()
    await asyncio.wait([writing], timeout=10)

    assert writing.cancelled()


@pytest.mark.parametrize("trouble", [Trouble.UNREGISTERED, Trouble.BAD_REQUEST])
async def test_many_failures_at_once_give_back_each_its_own(bench: Bench, trouble: Trouble) -> None:
    decisions = await bench.fill(*["android"] * 12)
    claimed = await claim_due(bench.database, bench.clock.now())
    outcome = "target_gone" if trouble is Trouble.UNREGISTERED else "refused"
    ends: Sequence[tuple[Claimed, End | Again]] = [
        (one, End(outcome if place % 2 else "delivered", "")) for place, one in enumerate(claimed)
    ]

    await settle(ends, bench.database, bench.live, bench.clock.now())

    async with bench.database.read() as tx:
        released = await tx.scalars(
            text("select decision_id from sends where released_at is not null")
        )
        gone = await tx.scalar(
            text("select count(*) from push_targets where retired_at is not null")
        )
        assert set(released) == {one.decision_id for one in claimed[1::2]} < set(decisions)
        assert gone == (6 if outcome == "target_gone" else 0)
    assert await bench.live.counts(STORE) == {"push_delivered": 6, f"push_{outcome}": 6}
