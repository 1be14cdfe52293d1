"""A survey is recorded from the stream beside the engine, over a real Redis and a real database."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from beacons.floor import PlanError
from beacons.sighting import Batch, encode_batch
from beacons.survey_walk import Tap, TapKind
from config.clock import SystemClock, VirtualClock
from corsia.store_survey import (
    AWAY_S,
    AlreadyRecordedError,
    ConsentWithdrawnError,
    DatabaseAwayError,
    NoSuchHandsetError,
    NotConsentedError,
    Progress,
    Recorded,
    SurveySession,
    WalkGoneError,
    open_session,
)
from corsia.stored_store import NoSuchStoreError
from corsia.survey_recorder import Faults, SurveyRecorder
from db import handsets, stores, surveys
from db.connect import Database
from db.live import Live, StreamEntry, open_live
from db.redis_server import embedded_redis
from engine.identities import Owner
from shoppers.consent import Purpose
from tests.engine.shop import (
    BOOT,
    KEY,
    STORE,
    TENANT,
    Phone,
    Shop,
    a_shop,
    eventually,
    sighting,
)

LONG_S = 3_600.0
# Along the middle of the shop, at half a metre each half second.
START, END = (2.0, 8.5), (10.0, 8.5)


@pytest.fixture
async def shop(sqlite_database: Database, live: Live, clock: VirtualClock) -> Shop:
    opened = Shop(sqlite_database, live, clock)
    await opened.open()
    return opened


@dataclass
class Recording:
    """A session at work in a task of its own."""

    shop: Shop
    session: SurveySession
    said: list[Progress] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.task = asyncio.create_task(self.session.run(LONG_S, self.said.append))

    async def tap(self, x_m: float, y_m: float, kind: TapKind = TapKind.HERE) -> None:
        now = self.shop.clock.now()
        tap = Tap(now.timestamp(), "ground", x_m, y_m, kind)
        async with self.shop.database.begin() as tx:
            assert await surveys.add_tap(tx, self.session.walk, str(now), tap, now)

    async def walk(self, phone: Phone, seconds: float = 16.0) -> None:
        """From START to END, heard all the time."""
        await self.tap(*START)
        steps = round(2 * seconds)
        for step in range(steps):
            share = step / steps
            here = (START[0] + share * (END[0] - START[0]), START[1])
            before = len(self.session.recorder.heard)
            await self.shop.transmit({phone: here})

            async def has_come(before: int = before) -> bool:
                return len(self.session.recorder.heard) == before + 4

            await eventually(has_come)
            await self.shop.clock.advance(0.5)

    async def look(self) -> None:
        """Until the session has looked at the database as it is now, or is over."""
        for _ in range(2):  # the first look may have begun before
            before = len(self.said)

            async def has_looked(before: int = before) -> bool:
                await self.shop.clock.advance(0.5)
                return len(self.said) > before or self.task.done()

            await eventually(has_looked)


async def stop(*tasks: asyncio.Task[None]) -> None:
    """Cancel them and wait until they are gone."""
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def start(shop: Shop, phone: Phone) -> Recording:
    return Recording(shop, await session_of(shop, phone.handset_id))


async def session_of(shop: Shop, handset_id: str, store_id: str = STORE) -> SurveySession:
    return await open_session(
        shop.database, shop.live, shop.clock,
        store_id=store_id, handset_id=handset_id, tenant=TENANT, key=KEY,
    )  # fmt: skip


async def finished(recording: Recording, more_taps: Sequence[Tap] = ()) -> Recorded:
    return await recording.session.finish(more_taps)


async def test_a_walk_becomes_a_survey_and_leaves_no_trace_of_who_walked(shop: Shop) -> None:
    phone = await shop.phone()
    recording = await start(shop, phone)
    await recording.walk(phone)
    await recording.tap(*END, TapKind.END)
    await recording.look()

    await recording.task
    done = await finished(recording)

    assert done.walk.left_out == ()
    assert done.faults == Faults()
    assert done.walk.places == 8
    assert done.walk.seconds == pytest.approx(16.0)
    assert [point.count for point in done.walk.survey.points] == [8] * 32  # 2 adverts, 4 windows
    async with shop.database.read() as tx:
        (kept,) = await surveys.load(tx, STORE)
        assert await surveys.open_walk_of(tx, phone.handset_id, shop.clock.now()) is None
    assert len(kept.points) == 32
    assert kept.survey_id == done.walk.survey.survey_id


async def test_the_engine_gets_every_batch_all_the_same(shop: Shop) -> None:
    phone = await shop.phone()
    recording = await start(shop, phone)
    await recording.walk(phone, 4.0)

    entries = await shop.take()

    assert len(entries) == 8 * 4
    await stop(recording.task)


async def test_what_was_recorded_before_it_was_stopped_is_kept(shop: Shop) -> None:
    phone = await shop.phone()
    recording = await start(shop, phone)
    await recording.walk(phone, 8.0)
    await recording.tap(*END)

    await stop(recording.task)
    done = await finished(recording)

    assert done.is_kept
    assert done.walk.seconds == pytest.approx(8.0)


async def test_taps_may_come_from_a_file(shop: Shop) -> None:
    phone = await shop.phone()
    recording = await start(shop, phone)
    start_s = shop.clock.now().timestamp()
    await recording.walk(phone, 8.0)
    await stop(recording.task)

    done = await finished(recording, [Tap(start_s + 8.0, "ground", *END, TapKind.END)])

    assert done.walk.places == 8


async def test_without_a_tap_nothing_is_kept(shop: Shop) -> None:
    recording = await start(shop, await shop.phone())
    await stop(recording.task)

    done = await finished(recording)

    assert not done.is_kept
    async with shop.database.read() as tx:
        assert await surveys.load(tx, STORE) == []


async def test_it_says_how_it_goes(shop: Shop) -> None:
    phone = await shop.phone()
    recording = await start(shop, phone)
    await recording.walk(phone, 4.0)
    await recording.look()

    said = recording.said[-1]

    assert (said.heard, said.gateways, said.taps, said.trouble) == (32, 4, 1, None)
    assert said.seconds >= 4.0
    assert said.tapped_s == pytest.approx(said.seconds)  # the tap was the first thing of all
    await stop(recording.task)


async def test_it_ends_by_itself_after_its_time(shop: Shop) -> None:
    session = await session_of(shop, (await shop.phone()).handset_id)
    said: list[Progress] = []
    task = asyncio.create_task(session.run(30.0, said.append))

    async def is_over() -> bool:
        await shop.clock.advance(0.5)
        return task.done()

    await eventually(is_over)
    await task
    assert 30.0 <= said[-1].seconds < 40.0
    assert len(said) > 5


@pytest.mark.parametrize("how", ["withdrawn", "erased"])
async def test_a_walk_whose_consent_is_withdrawn_is_forgotten(shop: Shop, how: str) -> None:
    phone = await shop.phone()
    recording = await start(shop, phone)
    await recording.walk(phone, 8.0)
    await recording.tap(*END)
    async with shop.database.begin() as tx:
        if how == "withdrawn":
            await handsets.set_secret(tx, phone.handset_id, None, shop.clock.now())
        else:
            await handsets.erase_shopper(tx, phone.shopper_id)

    await recording.look()

    with pytest.raises(ExceptionGroup) as raised:
        await recording.task
    assert raised.group_contains(ConsentWithdrawnError)
    with pytest.raises(ConsentWithdrawnError):
        await finished(recording)
    async with shop.database.read() as tx:
        assert await surveys.load(tx, STORE) == []
        assert await surveys.tap_count(tx, recording.session.walk) == 0


async def test_what_cannot_be_recorded_is_refused_in_a_sentence(shop: Shop) -> None:
    phone = await shop.phone()
    silent = await shop.phone(Purpose.PROFILING)
    assert (await session_of(shop, phone.handset_id)).walk.store_id == STORE

    async def refused(kind: type[Exception], handset_id: str, store_id: str = STORE) -> str:
        with pytest.raises(kind) as raised:
            await session_of(shop, handset_id, store_id)
        return str(raised.value)

    assert "there is no store mall" in await refused(NoSuchStoreError, phone.handset_id, "mall")
    assert "there is no handset h0" in await refused(NoSuchHandsetError, "h0")
    assert "allow location" in await refused(NotConsentedError, silent.handset_id)
    assert "recorded already" in await refused(AlreadyRecordedError, phone.handset_id)


async def test_a_plan_with_faults_is_refused_before_anybody_walks(shop: Shop) -> None:
    phone = await shop.phone()
    plan = a_shop()
    broken = replace(plan, floors=(replace(plan.floors[0], gateways=()),))
    async with shop.database.begin() as tx:
        await stores.save_store(tx, broken, shop.clock.now())

    with pytest.raises(PlanError, match="no gateway"):
        await session_of(shop, phone.handset_id)


async def test_another_recorder_that_took_over_ends_the_first(shop: Shop) -> None:
    phone = await shop.phone()
    recording = await start(shop, phone)
    taken_over = surveys.OpenWalk(phone.handset_id, STORE, "other", shop.clock.now())
    async with shop.database.begin() as tx:
        later = shop.clock.now() + timedelta(minutes=5)
        assert await surveys.open_walk(tx, taken_over, later)

    await recording.look()

    with pytest.raises(ExceptionGroup) as raised:
        await recording.task
    assert raised.group_contains(AlreadyRecordedError)


async def test_a_walk_that_is_gone_is_not_called_somebody_elses(shop: Shop) -> None:
    recording = await start(shop, await shop.phone())
    async with shop.database.begin() as tx:
        await surveys.close_walk(tx, recording.session.walk)

    await recording.look()

    with pytest.raises(ExceptionGroup) as raised:
        await recording.task
    assert raised.group_contains(WalkGoneError, match="not in the database any more")


async def rename(shop: Shop, before: str, after: str) -> None:
    async with shop.database.begin() as tx:
        await tx.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))


async def walked_and_stopped(shop: Shop) -> Recording:
    phone = await shop.phone()
    recording = await start(shop, phone)
    await recording.walk(phone, 4.0)
    await recording.tap(*END, TapKind.END)
    await recording.look()
    await stop(recording.task)
    return recording


@pytest.mark.parametrize("table", ["survey_taps", "survey_walks", "surveys"])
async def test_a_database_that_is_away_for_a_while_does_not_cost_the_walk(
    shop: Shop, table: str
) -> None:
    recording = await walked_and_stopped(shop)
    await rename(shop, table, "away")

    finishing = asyncio.create_task(finished(recording))
    for _ in range(10):
        await shop.clock.advance(1.0)
    assert not finishing.done()
    await rename(shop, "away", table)

    await eventually(lambda: over(finishing, shop))
    assert (await finishing).is_kept
    async with shop.database.read() as tx:
        assert len(await surveys.load(tx, STORE)) == 1
        assert await surveys.tap_count(tx, recording.session.walk) == 0


async def test_a_database_that_stays_away_is_said_and_not_waited_for_for_ever(shop: Shop) -> None:
    recording = await walked_and_stopped(shop)
    await rename(shop, "surveys", "away")
    began_s = shop.clock.monotonic_s()

    finishing = asyncio.create_task(finished(recording))
    await eventually(lambda: over(finishing, shop))

    with pytest.raises(DatabaseAwayError, match="has not answered for 30 s"):
        await finishing
    assert AWAY_S <= shop.clock.monotonic_s() - began_s < 2 * AWAY_S
    async with shop.database.read() as tx:
        assert await surveys.tap_count(tx, recording.session.walk) == 2


async def test_giving_up_without_a_database_is_noted_and_nothing_worse(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    recording = await walked_and_stopped(shop)
    await rename(shop, "survey_walks", "away")

    await recording.session.give_up()

    assert "a survey walk is still open" in caplog.text


async def over(task: asyncio.Task[Recorded], shop: Shop) -> bool:
    await shop.clock.advance(0.5)
    return task.done()


async def test_a_survey_that_was_kept_unheard_is_not_kept_twice(shop: Shop) -> None:
    recording = await walked_and_stopped(shop)

    first = await finished(recording)  # as if the connection was lost with the answer
    second = await finished(recording)

    assert first.walk.survey == second.walk.survey
    async with shop.database.read() as tx:
        assert len(await surveys.load(tx, STORE)) == 1


async def test_it_outlives_a_redis_that_is_away(
    sqlite_database: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    async with embedded_redis(tmp_path, SystemClock()) as url, open_live(url) as live:
        shop = Shop(sqlite_database, live, clock)
        await shop.open()
        phone = await shop.phone()
        recording = await start(shop, phone)
        await recording.walk(phone, 2.0)

    await recording.look()
    await recording.look()

    assert recording.said[-1].trouble == "Redis does not answer"
    assert recording.said[-1].heard == 16
    await stop(recording.task)


async def test_what_the_engine_was_faster_with_is_counted(shop: Shop) -> None:
    phone = await shop.phone()
    session = await session_of(shop, phone.handset_id)
    task = asyncio.create_task(session.run(LONG_S, lambda _: None))
    heard = (sighting(phone, shop.clock.now().timestamp(), -60.0),)

    async def sent_one_more(by: int) -> bool:
        """Whether a batch, sent now, is heard; an engine deletes each as soon as it can."""
        await shop.append(f"{STORE}-0", heard)
        await shop.live.acknowledge(STORE, await shop.take())
        return len(session.recorder.heard) >= by

    await eventually(lambda: sent_one_more(1))  # the first one tells where counting begins
    first = shop.sent[f"{STORE}-0"] - len(session.recorder.heard)
    for _ in range(200):
        await sent_one_more(0)
    seen = len(session.recorder.heard)
    await eventually(lambda: sent_one_more(seen + 1))
    await stop(task)

    recorder, sent = session.recorder, shop.sent[f"{STORE}-0"]
    assert sent - 2 <= first + len(recorder.heard) + recorder.faults.missing <= sent
    assert len(recorder.heard) > sent / 2


SECRET = bytes(range(32))
PHONE = Phone("h1", "s1", SECRET)
NOW_S = datetime(2026, 11, 21, 10, tzinfo=UTC).timestamp()


def entry(seq: int, *phones: Phone, gateway_id: str = "g1", boot: str = BOOT) -> StreamEntry:
    heard = tuple(sighting(phone, NOW_S, -60.0) for phone in phones)
    return StreamEntry(f"{seq}-0", gateway_id, encode_batch(Batch(1, boot, seq, heard)))


def a_recorder() -> SurveyRecorder:
    return SurveyRecorder(Owner("h1", "s1"), SECRET, TENANT)


def test_only_the_handset_itself_is_picked_out() -> None:
    recorder = a_recorder()
    stranger = Phone("h2", "s2", bytes(32))

    assert recorder.take([entry(1, PHONE, stranger), entry(2, stranger)], NOW_S) == 1

    (one,) = recorder.heard
    assert (one.gateway_id, one.at_s, one.count, one.mean_rssi_dbm) == ("g1", NOW_S, 2, -60.0)


def test_batches_that_are_gone_are_counted_and_repeats_left_out() -> None:
    recorder = a_recorder()

    recorder.take([entry(7, PHONE), entry(8, PHONE), entry(8, PHONE), entry(12, PHONE)], NOW_S)
    recorder.take([entry(3, PHONE, gateway_id="g2"), entry(1, PHONE, boot="f" * 16)], NOW_S)
    recorder.take([StreamEntry("9-0", "g1", b"no batch")], NOW_S)

    assert len(recorder.heard) == 5
    assert recorder.faults == Faults(missing=3, malformed=1)
