"""The push process at work on a full outbox: every push once, whatever is away meanwhile."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import select, text, update

from config.clock import VirtualClock
from db import handsets, outbox
from db.connect import Database
from db.handsets import PushTarget
from db.live import Here, Live
from db.outbox import LEASE, Again, Claimed, End
from db.tables import outbox as outbox_table
from db.tables import push_targets, sends
from engine.fcm import FcmTransport
from engine.fcm_credential import service_account
from engine.push import CLAIM_AT_ONCE, Sender, claim_due
from engine.push_in_hand import STOPPED
from engine.push_lanes import LANE_STOPS_FOR_S
from engine.push_limit import START
from engine.push_recheck import LEASE_NEEDED, STALE_AFTER, hindrances
from engine.push_settle import Settler, settle
from firmware_sim.fake_fcm import FakeFcm
from firmware_sim.fcm_delivery import Delivery
from firmware_sim.fcm_faults import Fault, Trouble
from firmware_sim.fcm_targets import mint_target
from tests.db.rows import STORE, a_person, a_send, a_store
from tests.engine.shop import eventually

SECOND = timedelta(seconds=1)


class SetClock(VirtualClock):
    """A clock whose time of day somebody sets."""

    set_by = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.set_by


@dataclass
class Bench:
    """An outbox to fill, and a push process to empty it into the fake FCM."""

    database: Database
    live: Live
    clock: SetClock
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

    async def rows(self) -> Sequence[Any]:
        async with self.database.read() as tx:
            return (await tx.execute(select(outbox_table))).all()

    async def whys(self) -> Counter[str]:
        async with self.database.read() as tx:
            return Counter((await tx.scalars(select(outbox_table.c.why))).all())

    async def shown(self) -> Counter[str]:
        """How often each decision reached a handset, in time."""
        await self.clock.advance(5)
        return Counter(one.data["decision_id"] for one in self.delivered)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(datetime(2026, 11, 21, 10, tzinfo=UTC))


@pytest.fixture
async def bench(sqlite_database: Database, live: Live, clock: SetClock) -> AsyncIterator[Bench]:
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


@pytest.mark.parametrize("minutes", [10, -10])
async def test_a_clock_that_is_set_opens_no_lane_and_keeps_none_closed(
    bench: Bench, minutes: int
) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.THIRD_PARTY_AUTH))
    await bench.fill("ios")
    async with bench.running():
        await bench.comes_to(refused=1)
        bench.clock.set_by = timedelta(minutes=minutes)
        await bench.fill("ios")
        await bench.comes_to(refused=1, expired=1)
        await bench.clock.advance(LANE_STOPS_FOR_S)
        await bench.fill("ios")
        await bench.comes_to(refused=1, expired=1, delivered=1)


async def test_a_worker_that_is_stopped_hands_back_what_it_has_in_hand(bench: Bench) -> None:
    decisions = await bench.fill(*["android"] * (START + 10))
    bench.fcm.faults.for_next(Fault(Trouble.SLOW, delay_s=9), times=START)
    async with bench.running():

        async def are_under_way() -> bool:
            return bench.fcm.counts["send_requests"] == START

        await eventually(are_under_way)

    rows = await bench.rows()
    assert Counter((row.state, row.why, row.maybe_sent, row.attempts) for row in rows) == {
        ("due", STOPPED, True, 1): START,  # FCM may have taken these
        ("due", STOPPED, False, 0): 10,
    }
    assert all(row.due_at <= bench.clock.now() for row in rows)
    # The next worker needs no lease to run out.
    account = service_account(bench.fcm.service_account_json())
    async with FcmTransport(
        account, bench.clock, Random(6), base_url=bench.fcm.base_url
    ) as transport:
        bench.sender = Sender(bench.database, bench.live, transport, bench.clock)
        async with bench.running():
            await bench.comes_to(delivered=len(decisions))


async def test_a_check_that_the_database_could_not_answer_uses_up_no_attempt(bench: Bench) -> None:
    await bench.fill("android", "android")
    async with bench.database.engine.connect() as other:
        # The look into the consents fails, the outbox is there.
        await other.execute(text("alter table consents rename to away"))
        await other.commit()
        async with bench.running():

            async def is_handed_back() -> bool:
                return set(await bench.whys()) == {"the database could not be asked"}

            await eventually(is_handed_back)
            await other.execute(text("alter table away rename to consents"))
            await other.commit()
            await bench.clock.advance(2)
            await bench.comes_to(delivered=2)

    assert [(row.attempts, row.maybe_sent) for row in await bench.rows()] == [(1, False)] * 2


async def test_what_is_logged_of_a_failure_leads_to_nobody(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench.fcm.faults.for_next(Fault(Trouble.BAD_REQUEST))
    bench.fcm.faults.for_next(Fault(Trouble.INVALID_TARGET))
    bench.fcm.faults.for_next(Fault(Trouble.UNREGISTERED))
    await bench.fill(*["android"] * 3)
    async with bench.running():
        await bench.comes_to(refused=2, target_gone=1)

    told = [one.__dict__ for one in caplog.records if one.msg == "push not delivered"]
    assert len(told) == 3
    async with bench.database.read() as tx:
        secrets = [
            value
            for table, names in ((push_targets, ("handset_id", "value")), (sends, ("shopper_id",)))
            for row in await tx.execute(select(table))
            for value in (getattr(row, name) for name in names)
        ]
    assert len(secrets) == 9
    assert not [one for one in secrets if one in str(told)]


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
