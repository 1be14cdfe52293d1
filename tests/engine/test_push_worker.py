"""The push worker against the fake FCM over HTTP: what still may go out, and what comes of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from config.clock import VirtualClock
from config.settings import SettingsError, load_settings
from db import campaigns, consents, handsets, stops
from db.connect import Database
from db.handsets import PushTarget
from db.live import Here, Live
from db.outbox import LEASE, Claimed
from db.tables import campaigns as campaigns_table
from db.tables import outbox, push_targets, sends
from engine.fcm import FcmTransport
from engine.fcm_credential import service_account
from engine.push import Sender, claim_due, run_push
from engine.push_lanes import LANE_STOPS_FOR_S
from engine.push_recheck import PRESENCE_FRESH_S
from firmware_sim.fake_fcm import FakeFcm
from firmware_sim.fcm_delivery import Delivery
from firmware_sim.fcm_faults import Fault, Trouble
from firmware_sim.fcm_targets import mint_target
from offers.campaign import Hours, OnHolidays, Status
from offers.pressure import DEFAULT_POLICY
from offers.stops import Scope
from shoppers.consent import Grant, Purpose
from tests.db.rows import LIVES, STORE, Person, a_message, a_person, a_send, a_store
from tests.engine.shop import eventually
from tests.offers.situations import a_campaign

FID, OTHER_FID = mint_target("fid", Random(1)), mint_target("fid", Random(2))


@dataclass
class Bench:
    """One push that is due to a shopper who stands in the aisle, and a worker."""

    database: Database
    live: Live
    clock: VirtualClock
    fcm: FakeFcm
    sender: Sender
    delivered: list[Delivery]
    person: Person
    decision_id: str

    async def claim(self) -> list[Claimed]:
        return await claim_due(self.database, self.clock.now())

    async def work(self) -> Any:
        """Send all that is due now; the row of the outbox."""
        for claimed in await self.claim():
            await self.sender.send(claimed)
        return await self.row()

    async def row(self) -> Any:
        async with self.database.read() as tx:
            return (await tx.execute(select(outbox))).one()

    async def pass_time(self, seconds: float) -> None:
        """Time goes by; the shopper is still heard."""
        await self.clock.advance(seconds)
        await self.stand("aisle-7")

    async def stand(self, zone_id: str | None, *, heard_ago_s: float = 1.0) -> None:
        heard_s = self.clock.now().timestamp() - heard_ago_s
        here = Here(zone_id, 0.9, 1.0, 1.0, heard_s)
        await self.live.picture(STORE, {self.person.handset_id: here})

    async def counts(self) -> bool:
        """Whether the send counts: against budget and caps, in SQL and in Redis alike."""
        async with self.database.read() as tx:
            spent = (await tx.execute(select(campaigns_table.c.sends))).scalar_one()
            released_at = (await tx.execute(select(sends.c.released_at))).scalar_one()
        reserved = await self.live.redis.zcard(f"{{shopper:{self.person.shopper_id}}}:messages")
        assert (spent == 1) == (released_at is None) == (reserved == 1), "they disagree"
        return released_at is None

    async def target_is_retired(self) -> bool:
        async with self.database.read() as tx:
            return await handsets.push_target(tx, self.person.handset_id) is None

    async def shown(self) -> list[Delivery]:
        """What reaches the handset, in time."""
        await self.clock.advance(10)
        return self.delivered


@pytest.fixture
async def bench(sqlite_database: Database, live: Live, clock: VirtualClock) -> AsyncIterator[Bench]:
    delivered: list[Delivery] = []
    now = clock.now()
    await a_store(sqlite_database, now)
    async with sqlite_database.begin() as tx:
        person = await a_person(tx, now, target=FID)
        assert await campaigns.spend(tx, a_campaign(), STORE)
        decision_id = await a_send(tx, person, now)
    sent = a_message(decision_id, person, now)
    assert await live.reserve(person.shopper_id, sent, [], DEFAULT_POLICY.caps, now)
    async with FakeFcm(clock, seed=7, on_delivery=delivered.append) as fcm:
        fcm.register("fid", FID)
        account = service_account(fcm.service_account_json())
        async with FcmTransport(
            account, clock, Random(5), base_url=fcm.base_url, answer_timeout_s=0.3
        ) as transport:
            sender = Sender(sqlite_database, live, transport, clock)
            opened = Bench(
                sqlite_database, live, clock, fcm, sender, delivered, person, decision_id
            )
            await opened.stand("aisle-7")
            yield opened


async def test_a_push_reaches_the_handset_and_counts(bench: Bench) -> None:
    row = await bench.work()

    assert (row.state, row.outcome, row.attempts) == ("settled", "delivered", 1)
    assert row.lease is None
    assert row.settled_at == bench.clock.now()
    assert await bench.counts()
    (shown,) = await bench.shown()
    assert shown.title == "Pasta, 2 for 1"
    assert shown.data["decision_id"] == bench.decision_id
    assert shown.data["zone_id"] == "aisle-7"
    assert shown.tag == shown.collapse_key == f"visit-{bench.person.visit_id}"
    assert await bench.claim() == []


async def _leaves(bench: Bench) -> None:
    await bench.stand("aisle-8")


async def _is_nowhere(bench: Bench) -> None:
    await bench.stand(None)


async def _is_unknown(bench: Bench) -> None:
    await bench.live.picture(STORE, {}, gone=[bench.person.handset_id])


async def _was_heard_too_long_ago(bench: Bench) -> None:
    await bench.stand("aisle-7", heard_ago_s=PRESENCE_FRESH_S + 0.1)


async def _withdraws(bench: Bench, purpose: Purpose) -> None:
    async with bench.database.begin() as tx:
        no = Grant(purpose, False, "v1", "it-IT", bench.clock.now())
        await consents.add_grants(tx, bench.person.shopper_id, [no])


async def _withdraws_push(bench: Bench) -> None:
    await _withdraws(bench, Purpose.PUSH_MARKETING)


async def _withdraws_location(bench: Bench) -> None:
    await _withdraws(bench, Purpose.LOCATION_BLE)


async def _waits_too_long(bench: Bench) -> None:
    await bench.pass_time(LIVES.total_seconds())


async def _drops_the_target(bench: Bench) -> None:
    async with bench.database.begin() as tx:
        await handsets.drop_push_target(tx, bench.person.handset_id)


async def _campaign_is_paused(bench: Bench) -> None:
    async with bench.database.begin() as tx:
        paused = replace(a_campaign(), status=Status.PAUSED)
        await campaigns.save_campaign(tx, paused, bench.clock.now())


async def _store_is_halted(bench: Bench) -> None:
    async with bench.database.begin() as tx:
        await stops.throw(tx, Scope.STORE, STORE, "drill", bench.clock.now())


async def _campaign_is_halted(bench: Bench) -> None:
    async with bench.database.begin() as tx:
        await stops.throw(tx, Scope.CAMPAIGN, "pasta", "sold out", bench.clock.now())


async def _campaign_changes(bench: Bench, **changes: Any) -> None:
    async with bench.database.begin() as tx:
        await campaigns.save_campaign(tx, a_campaign(**changes), bench.clock.now())


async def _hours_end(bench: Bench) -> None:
    """The store is in Rome; in UTC the span would still be open."""
    local = bench.clock.now().astimezone(ZoneInfo("Europe/Rome"))
    end = (local + timedelta(seconds=1)).time()
    await _campaign_changes(bench, hours=(Hours((local - timedelta(hours=2)).time(), end),))
    await bench.pass_time(2)


async def _is_no_holiday(bench: Bench) -> None:
    await _campaign_changes(bench, on_holidays=OnHolidays.ONLY)


async def _dates_change(bench: Bench) -> None:
    await _campaign_changes(bench, valid_until=bench.clock.now())


HINDRANCES: list[tuple[Callable[[Bench], Awaitable[None]], str, str]] = [
    (_leaves, "expired", "the shopper has left the zone"),
    (_is_nowhere, "expired", "the shopper has left the zone"),
    (_is_unknown, "expired", "nobody knows where the shopper is"),
    (_was_heard_too_long_ago, "expired", "nobody knows where the shopper is"),
    (_withdraws_push, "expired", "consent was withdrawn"),
    (_withdraws_location, "expired", "consent was withdrawn"),
    (_waits_too_long, "expired", "too late to be of use"),
    (_drops_the_target, "target_gone", "the handset has no target"),
    (_store_is_halted, "expired", "an operator has halted it"),
    (_campaign_is_halted, "expired", "an operator has halted it"),
    (_campaign_is_paused, "expired", "the campaign is no longer live"),
    (_hours_end, "expired", "the campaign's hours are over"),
    (_is_no_holiday, "expired", "the campaign's hours are over"),
    (_dates_change, "expired", "the campaign's hours are over"),
]


@pytest.mark.parametrize(("hinder", "outcome", "why"), HINDRANCES)
async def test_what_has_changed_since_the_decision_stops_the_push(
    bench: Bench, hinder: Callable[[Bench], Awaitable[None]], outcome: str, why: str
) -> None:
    await hinder(bench)

    row = await bench.work()

    assert (row.state, row.outcome, row.why) == ("settled", outcome, why)
    assert bench.fcm.counts["send_requests"] == 0
    assert not await bench.counts()


async def test_a_campaign_within_its_hours_is_pushed(bench: Bench) -> None:
    local = bench.clock.now().astimezone(ZoneInfo("Europe/Rome"))
    hours = Hours(local.time(), (local + timedelta(hours=1)).time())
    await _campaign_changes(bench, hours=(hours,), on_holidays=OnHolidays.NEVER)

    assert (await bench.work()).outcome == "delivered"


async def test_withdrawn_profiling_stops_no_push(bench: Bench) -> None:
    await _withdraws(bench, Purpose.PROFILING)

    assert (await bench.work()).outcome == "delivered"


@pytest.mark.parametrize(
    "hinder", [_withdraws_push, _drops_the_target, _leaves], ids=lambda hinder: hinder.__name__
)
async def test_a_change_between_claim_and_push_counts_too(
    bench: Bench, hinder: Callable[[Bench], Awaitable[None]]
) -> None:
    (claimed,) = await bench.claim()
    await hinder(bench)

    await bench.sender.send(claimed)

    assert bench.fcm.counts["send_requests"] == 0
    assert not await bench.counts()


async def test_a_shopper_erased_between_claim_and_push_gets_nothing(bench: Bench) -> None:
    """The ledger still says what they allowed: it is the proof, and must not be enough."""
    (claimed,) = await bench.claim()
    async with bench.database.begin() as tx:
        await handsets.erase_shopper(tx, bench.person.shopper_id)
        assert await consents.standing_consents(tx, bench.person.shopper_id) == frozenset(Purpose)

    await bench.sender.send(claimed)

    assert bench.fcm.counts["send_requests"] == 0
    async with bench.database.read() as tx:
        assert (await tx.execute(select(outbox))).all() == []
        assert (await tx.execute(select(push_targets))).all() == []


async def test_a_target_replaced_between_claim_and_push_is_the_one_used(bench: Bench) -> None:
    bench.fcm.unregister("fid", FID)
    bench.fcm.register("fid", OTHER_FID)
    (claimed,) = await bench.claim()
    async with bench.database.begin() as tx:
        new = PushTarget(bench.person.handset_id, "fid", OTHER_FID, "android")
        await handsets.set_push_target(tx, new, bench.clock.now())

    await bench.sender.send(claimed)
    assert (await bench.row()).state == "due"
    row = await bench.work()

    assert row.outcome == "delivered"
    assert bench.fcm.counts["send_requests"] == 1
    assert [one.target_value for one in await bench.shown()] == [OTHER_FID]


GONE = [Trouble.UNREGISTERED, Trouble.APNS_GONE, Trouble.SENDER_ID_MISMATCH]


@pytest.mark.parametrize("trouble", GONE)
async def test_a_target_that_is_gone_is_retired_and_nothing_counts(
    bench: Bench, trouble: Trouble
) -> None:
    bench.fcm.faults.for_next(Fault(trouble))

    row = await bench.work()

    assert (row.state, row.outcome) == ("settled", "target_gone")
    assert await bench.target_is_retired()
    assert not await bench.counts()


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble.BAD_REQUEST,
        Trouble.INVALID_TARGET,
        Trouble.THIRD_PARTY_AUTH,
        Trouble.PERMISSION_DENIED,
    ],
)
async def test_what_fcm_refuses_is_not_tried_again_and_nothing_counts(
    bench: Bench, trouble: Trouble
) -> None:
    bench.fcm.faults.for_next(Fault(trouble))

    row = await bench.work()

    assert (row.state, row.outcome) == ("settled", "refused")
    assert row.why
    assert not await bench.target_is_retired()
    assert not await bench.counts()


async def _another_push(bench: Bench, platform: str) -> Any:
    """A push to somebody else in the aisle; its row after the worker has been at it."""
    now = bench.clock.now()
    fid = mint_target("fid", Random(platform))
    bench.fcm.register("fid", fid)
    async with bench.database.begin() as tx:
        other = await a_person(tx, now, target=None)
        await handsets.set_push_target(tx, PushTarget(other.handset_id, "fid", fid, platform), now)
        decision_id = await a_send(tx, other, now)
    here = Here("aisle-7", 0.9, 1.0, 1.0, now.timestamp())
    await bench.live.picture(STORE, {other.handset_id: here})
    for claimed in await bench.claim():
        await bench.sender.send(claimed)
    async with bench.database.read() as tx:
        one = outbox.c.decision_id == decision_id
        return (await tx.execute(select(outbox).where(one))).one()


@pytest.mark.parametrize(
    ("trouble", "stopped", "goes_on"),
    [
        (Trouble.THIRD_PARTY_AUTH, ["android"], ["ios", "web"]),
        (Trouble.PERMISSION_DENIED, ["android", "ios", "web"], []),
        (Trouble.BAD_REQUEST, [], ["android", "ios", "web"]),
    ],
)
async def test_a_bad_key_stops_its_lane_and_no_other(
    bench: Bench, trouble: Trouble, stopped: list[str], goes_on: list[str]
) -> None:
    bench.fcm.faults.for_next(Fault(trouble))
    await bench.work()
    asked = bench.fcm.counts["send_requests"]

    for platform in stopped:
        row = await _another_push(bench, platform)
        assert (row.outcome, row.why) == ("expired", "the platform's lane is stopped")
    assert bench.fcm.counts["send_requests"] == asked
    for platform in goes_on:
        assert (await _another_push(bench, platform)).outcome == "delivered"

    # After a while one push tries again.
    await bench.pass_time(LANE_STOPS_FOR_S)
    assert (await _another_push(bench, "android")).outcome == "delivered"


async def test_a_push_that_must_wait_waits_and_is_delivered(bench: Bench) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.QUOTA_EXCEEDED, retry_after_s=5))

    row = await bench.work()
    assert (row.state, row.why, row.maybe_sent) == ("due", "quota", False)
    assert row.due_at - bench.clock.now() == timedelta(seconds=5)
    assert await bench.counts()
    await bench.pass_time(4.9)
    assert await bench.claim() == []
    await bench.pass_time(0.1)
    row = await bench.work()

    assert (row.state, row.outcome, row.attempts) == ("settled", "delivered", 2)
    assert await bench.counts()


async def test_an_offer_that_would_be_over_by_then_expires(bench: Bench) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.UNAVAILABLE, retry_after_s=60))

    row = await bench.work()

    assert (row.state, row.outcome, row.why) == ("settled", "expired", "unavailable")
    assert not await bench.counts()


async def test_whoever_leaves_while_a_push_waits_does_not_get_it(bench: Bench) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.UNAVAILABLE, retry_after_s=5))
    await bench.work()
    await bench.pass_time(5)
    await bench.stand("aisle-8")

    row = await bench.work()

    assert (row.outcome, row.why) == ("expired", "the shopper has left the zone")
    assert not await bench.counts()


async def test_a_resend_takes_the_place_of_what_it_repeats(bench: Bench) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.CUT_AFTER_ACCEPTING))

    row = await bench.work()
    assert (row.state, row.maybe_sent) == ("due", True)
    await bench.pass_time(2)
    row = await bench.work()

    assert (row.outcome, row.attempts) == ("delivered", 2)
    shown = await bench.shown()
    assert len(shown) == 2
    assert len({(one.tag, one.data["decision_id"], one.title) for one in shown}) == 1


@pytest.mark.parametrize("trouble", [Trouble.CUT_AFTER_ACCEPTING, Trouble.SLOW, Trouble.INTERNAL])
async def test_what_fcm_may_have_taken_counts_for_good(bench: Bench, trouble: Trouble) -> None:
    bench.fcm.faults.for_next(Fault(trouble))
    row = await bench.work()
    assert (row.state, row.maybe_sent) == ("due", True)

    # Then the app is removed: the second try reaches nobody, the first may have.
    await bench.pass_time((row.due_at - bench.clock.now()).total_seconds())
    bench.fcm.faults.for_next(Fault(Trouble.UNREGISTERED))
    row = await bench.work()

    assert (row.outcome, row.maybe_sent) == ("target_gone", True)
    assert await bench.counts()


async def test_what_fcm_may_have_taken_counts_even_when_it_expires(bench: Bench) -> None:
    await bench.pass_time(LIVES.total_seconds() - 0.5)
    bench.fcm.faults.for_next(Fault(Trouble.CUT_AFTER_ACCEPTING))

    row = await bench.work()

    assert (row.outcome, row.maybe_sent) == ("expired", True)
    assert await bench.counts()


async def test_a_refused_access_token_is_renewed_within_the_push(bench: Bench) -> None:
    bench.fcm.faults.for_next(Fault(Trouble.UNAUTHENTICATED))

    row = await bench.work()

    assert (row.outcome, row.attempts) == ("delivered", 1)
    assert bench.fcm.counts["token_requests"] == 2


async def test_the_push_of_a_dead_worker_is_taken_over_and_may_have_been_sent(
    bench: Bench,
) -> None:
    async with bench.database.begin() as tx:
        await tx.execute(outbox.update().values(expires_at=bench.clock.now() + 2 * LEASE))
    await bench.claim()  # and then it died
    await bench.pass_time(LEASE.total_seconds())
    bench.fcm.faults.for_next(Fault(Trouble.UNREGISTERED))

    row = await bench.work()

    assert (row.outcome, row.attempts, row.maybe_sent) == ("target_gone", 2, True)
    assert await bench.counts()


async def test_a_worker_that_lost_its_lease_gives_nothing_back(bench: Bench) -> None:
    async with bench.database.begin() as tx:
        await tx.execute(outbox.update().values(expires_at=bench.clock.now() + 2 * LEASE))
    (slow,) = await bench.claim()
    await bench.pass_time(LEASE.total_seconds())
    assert (await bench.work()).outcome == "delivered"
    bench.fcm.faults.for_next(Fault(Trouble.BAD_REQUEST))

    await bench.sender.send(slow)

    assert (await bench.row()).outcome == "delivered"
    assert await bench.counts()


async def test_one_of_two_handsets_is_enough_for_the_send_to_count(bench: Bench) -> None:
    async with bench.database.begin() as tx:
        await tx.execute(
            outbox.insert().values(
                decision_id=bench.decision_id, handset_id="at-home", state="due",
                due_at=bench.clock.now(), expires_at=bench.clock.now() + LIVES, attempts=0,
                maybe_sent=False,
            )
        )  # fmt: skip
    for claimed in await bench.claim():
        await bench.sender.send(claimed)

    async with bench.database.read() as tx:
        outcomes = {row.handset_id: row.outcome for row in await tx.execute(select(outbox))}
    assert outcomes == {"at-home": "target_gone", bench.person.handset_id: "delivered"}
    assert await bench.counts()


async def test_without_redis_nothing_goes_out(bench: Bench) -> None:
    """Nobody knows where the shopper is, nor whether they are."""
    (claimed,) = await bench.claim()
    await bench.live.redis.delete(f"{{store:{STORE}}}:here")
    await bench.live.redis.set(f"{{store:{STORE}}}:here", "of another type")

    await bench.sender.send(claimed)  # a RedisError is not the end of the worker

    assert bench.fcm.counts["send_requests"] == 0
    row = await bench.row()
    assert row.state == "due"  # it is tried again, and nobody waits for a lease to run out
    assert not row.maybe_sent


async def test_the_process_sends_what_it_is_woken_for(
    bench: Bench, redis_url: str, tmp_path: Path
) -> None:
    key_file = tmp_path / "key.json"
    key_file.write_text(json.dumps(bench.fcm.service_account_json()))
    settings = load_settings(
        database_url=f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3",
        redis_url=redis_url,
        fcm_url=bench.fcm.base_url,
        fcm_key_file=key_file,
    )
    process = asyncio.create_task(run_push(settings, bench.clock), name="push")
    try:

        async def is_delivered() -> bool:
            return bool((await bench.row()).outcome == "delivered")

        await eventually(is_delivered)
        assert not process.done()
    finally:
        process.cancel()
        with suppress(asyncio.CancelledError):
            await process


async def test_without_a_key_the_process_says_which_setting_is_missing(
    tmp_path: Path, redis_url: str, clock: VirtualClock
) -> None:
    settings = load_settings(data_dir=tmp_path, redis_url=redis_url)

    with pytest.raises(SettingsError, match="CORSIA_FCM_KEY_FILE: pushes need a Firebase service"):
        await run_push(settings, clock)
