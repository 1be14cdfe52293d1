"""Stores are calibrated by themselves: soon after the first links, then each night."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from beacons.floor import FloorPlan
from beacons.link_changes import FlagKind
from beacons.links import LinkHour
from beacons.store_plan import StorePlan
from config.clock import VirtualClock
from config.settings import load_settings
from db import gateway_links, gateway_radios, stores
from db.connect import Database
from engine.calibrate import SPAN, calibrate_due, calibrated, keep, read_links
from engine.jobs import run_jobs
from tests.beacons.made_links import MadeStore, hour_of, made_store
from tests.engine.shop import eventually
from tests.engine.test_engine_run import running

STORE = "rome-1"
AN_HOUR = timedelta(hours=1)
# Four in the morning in Rome, in summer.
QUIET = datetime(2026, 9, 21, 2, 30, tzinfo=UTC)


@pytest.fixture
async def made(sqlite_database: Database) -> MadeStore:
    store = made_store(1)
    plan = StorePlan(STORE, "Shop", "Europe/Rome", "IT", (store.floor,))
    async with sqlite_database.begin() as tx:
        await stores.save_store(tx, plan, QUIET)
    return store


async def _hear(database: Database, store: MadeStore, at: datetime, seed: int = 1) -> None:
    hour_s = int(at.replace(minute=0, second=0).timestamp())
    async with database.begin() as tx:
        await gateway_links.add(tx, STORE, hour_of(store.links(seed), hour_s))


async def _last(database: Database) -> gateway_radios.KeptCalibration | None:
    async with database.read() as tx:
        return await gateway_radios.calibration(tx, STORE)


async def test_a_new_store_is_calibrated_minutes_after_its_first_links(
    sqlite_database: Database, made: MadeStore
) -> None:
    noon = QUIET + 8 * AN_HOUR
    assert await calibrate_due(sqlite_database, noon) == []
    await _hear(sqlite_database, made, noon)
    assert await calibrate_due(sqlite_database, noon + timedelta(minutes=4)) == [STORE]

    kept = await _last(sqlite_database)
    assert kept is not None
    assert kept.flags == ()
    assert [radio.gateway_id for radio in kept.radios] == made.ids
    worst = max(
        abs(radio.offset_db - planted_db)
        for radio, planted_db in zip(
            kept.radios, made.receive_db - made.receive_db.mean(), strict=True
        )
    )
    assert worst < 3.0


async def test_a_few_windows_are_no_ground_for_a_calibration(
    sqlite_database: Database, made: MadeStore
) -> None:
    hours = [
        LinkHour(hour.hearer_id, hour.heard_id, hour.hour_s, 3, 12, -210.0, 14_700.0)
        for hour in hour_of(made.links(), int(QUIET.timestamp()) // 3_600 * 3_600)
    ]
    async with sqlite_database.begin() as tx:
        await gateway_links.add(tx, STORE, hours)
    assert await calibrate_due(sqlite_database, QUIET) == []


async def _heard_for_windows(
    database: Database, store: MadeStore, at: datetime, windows: int, store_id: str = STORE
) -> None:
    hour_s = int(at.timestamp()) // 3_600 * 3_600
    hours = [
        LinkHour(hour.hearer_id, hour.heard_id, hour_s, windows, 4 * windows, -70.0 * windows,
                 4_900.0 * windows)
        for hour in hour_of(store.links(), hour_s)
    ]  # fmt: skip
    async with database.begin() as tx:
        await gateway_links.add(tx, store_id, hours)


@pytest.mark.parametrize("hours_later", [40, 48])  # by day, and in the quiet hour
async def test_after_days_of_silence_it_waits_until_all_have_reported(
    sqlite_database: Database, made: MadeStore, hours_later: int
) -> None:
    await _hear(sqlite_database, made, QUIET)
    assert await calibrate_due(sqlite_database, QUIET) == [STORE]
    later = QUIET + hours_later * AN_HOUR

    await _heard_for_windows(sqlite_database, made, later, 3)
    assert await calibrate_due(sqlite_database, later) == []
    await _heard_for_windows(sqlite_database, made, later, 9)
    assert await calibrate_due(sqlite_database, later) == [STORE]


async def test_a_calibration_of_the_future_holds_nothing_up(
    sqlite_database: Database, made: MadeStore
) -> None:
    await _hear(sqlite_database, made, QUIET + 1_000 * AN_HOUR)
    assert await calibrate_due(sqlite_database, QUIET + 1_000 * AN_HOUR) == [STORE]
    await _hear(sqlite_database, made, QUIET, seed=2)

    assert await calibrate_due(sqlite_database, QUIET) == [STORE]
    kept = await _last(sqlite_database)
    assert kept is not None
    assert kept.calibrated_at == QUIET
    # One that a clock set a little later made is as good as any.
    assert await calibrate_due(sqlite_database, QUIET - timedelta(minutes=1)) == []


async def test_a_store_that_cannot_be_written_keeps_no_other_from_its_turn(
    sqlite_database: Database, made: MadeStore, caplog: pytest.LogCaptureFixture
) -> None:
    plan = StorePlan("aosta-1", "Shop", "Europe/Rome", "IT", (_renamed(made.floor, "a"),))
    async with sqlite_database.begin() as tx:
        await stores.save_store(tx, plan, QUIET)
        refuse = (
            "CREATE TRIGGER refuse BEFORE INSERT ON gateway_radios WHEN NEW.store_id = 'aosta-1'"
            " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
        await tx.execute(text(refuse))
    await _hear(sqlite_database, made, QUIET)
    renamed = replace(made, floor=plan.floors[0])
    await _heard_for_windows(sqlite_database, renamed, QUIET, 60, "aosta-1")

    assert await calibrate_due(sqlite_database, QUIET) == [STORE]
    said = [record for record in caplog.records if record.message == "store not calibrated"]
    assert [record.__dict__["store"] for record in said] == ["aosta-1"]


def _renamed(floor: FloorPlan, prefix: str) -> FloorPlan:
    places = tuple(
        replace(place, gateway_id=f"{prefix}-{place.gateway_id}") for place in floor.gateways
    )
    return replace(floor, gateways=places)


async def test_the_last_hours_begin_at_a_full_hour(
    sqlite_database: Database, made: MadeStore
) -> None:
    for hours_ago in (0, 6):
        await _hear(sqlite_database, made, QUIET - hours_ago * AN_HOUR)
    async with sqlite_database.read() as tx:
        plan = await stores.load_store(tx, STORE)
        assert plan is not None
        links = await read_links(tx, plan, QUIET)
    assert {link.hours for link in links.links} == {1}
    assert (links.since, links.at) == (datetime(2026, 9, 20, 21, tzinfo=UTC), QUIET)


async def test_what_was_heard_before_a_move_is_not_blended_in(
    sqlite_database: Database, made: MadeStore
) -> None:
    for hour in range(8):
        await _hear(sqlite_database, made, QUIET - hour * AN_HOUR, seed=hour)
    assert await calibrate_due(sqlite_database, QUIET) == [STORE]
    # Moved at 14:00 but for the first minutes of that hour's sums, which are of the old place.
    moved_at = datetime(2026, 9, 21, 14, 5, tzinfo=UTC)
    moved = made.moved(3, 4.8, 9.0)
    await _heard_for_windows(sqlite_database, made, moved_at, 30)
    await _hear(sqlite_database, moved, moved_at, seed=60)
    await _hear(sqlite_database, moved, moved_at + AN_HOUR, seed=61)
    async with sqlite_database.read() as tx:
        plan = await stores.load_store(tx, STORE)
        assert plan is not None
        links = await read_links(tx, plan, moved_at + AN_HOUR, AN_HOUR)

    assert links.since == moved_at.replace(hour=15, minute=0)
    (flag,) = (await calibrated(links)).flags
    assert (flag.gateway_id, flag.kind) == ("g03", FlagKind.MOVED)


async def test_then_it_is_done_in_the_stores_own_night(
    sqlite_database: Database, made: MadeStore
) -> None:
    evening = QUIET - 8 * AN_HOUR
    for hour in range(60):
        await _hear(sqlite_database, made, evening + hour * AN_HOUR, seed=hour)
    done_at = [
        evening + hour * AN_HOUR
        for hour in range(60)
        if await calibrate_due(sqlite_database, evening + hour * AN_HOUR)
    ]
    # At once; not in the first night, so soon after; then once each night.
    assert done_at == [evening, QUIET + 24 * AN_HOUR, QUIET + 48 * AN_HOUR]


async def test_what_was_moved_is_found_in_the_following_night(
    sqlite_database: Database, made: MadeStore
) -> None:
    for hour in range(6):
        await _hear(sqlite_database, made, QUIET - hour * AN_HOUR, seed=hour)
    assert await calibrate_due(sqlite_database, QUIET) == [STORE]
    moved = made.moved(3, 4.8, 9.0)
    night = QUIET + 24 * AN_HOUR
    for hour in range(6):
        await _hear(sqlite_database, moved, night - hour * AN_HOUR, seed=50 + hour)

    assert await calibrate_due(sqlite_database, night) == [STORE]
    kept = await _last(sqlite_database)
    assert kept is not None
    assert [(flag.gateway_id, flag.kind) for flag in kept.flags] == [("g03", FlagKind.MOVED)]

    # It is said again as long as it hangs there and the plan does not know.
    later = night + 24 * AN_HOUR
    for hour in range(6):
        await _hear(sqlite_database, moved, later - hour * AN_HOUR, seed=90 + hour)
    await calibrate_due(sqlite_database, later)
    again = await _last(sqlite_database)
    assert again is not None
    assert [flag.gateway_id for flag in again.flags] == ["g03"]


async def test_a_look_writes_nothing(sqlite_database: Database, made: MadeStore) -> None:
    await _hear(sqlite_database, made, QUIET)
    async with sqlite_database.read() as tx:
        plan = await stores.load_store(tx, STORE)
        assert plan is not None
        links = await read_links(tx, plan, QUIET + AN_HOUR)
    found = await calibrated(links)
    assert len(found.radios) == 12
    assert await _last(sqlite_database) is None
    async with sqlite_database.begin() as tx:
        await keep(tx, found)
    kept = await _last(sqlite_database)
    assert kept is not None
    assert kept.calibrated_at == QUIET + AN_HOUR


async def test_links_that_are_older_than_the_span_are_not_looked_at(
    sqlite_database: Database, made: MadeStore
) -> None:
    await _hear(sqlite_database, made, QUIET - SPAN - 2 * AN_HOUR)
    assert await calibrate_due(sqlite_database, QUIET) == []


async def test_the_jobs_process_calibrates_and_forgets(
    sqlite_database: Database, tmp_path: Path, made: MadeStore
) -> None:
    clock = VirtualClock(QUIET)
    await _hear(sqlite_database, made, QUIET)
    await _hear(sqlite_database, made, QUIET - gateway_links.KEPT - 9 * AN_HOUR)
    settings = load_settings(database_url=f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3")

    async with running(run_jobs(settings, clock)):

        async def is_done() -> bool:
            async with sqlite_database.read() as tx:
                old = await gateway_links.load(tx, STORE, QUIET - 1_000 * SPAN, QUIET - SPAN)
                return not old and await gateway_radios.changed_at(tx, STORE) is not None

        await eventually(is_done)
