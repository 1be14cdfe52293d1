"""The doctor on stored stores: calibrated or not, surveyed or not, and how long ago."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from beacons.calibration import GatewayRadio
from beacons.link_changes import Flag, FlagKind
from beacons.survey import Survey
from config.clock import SystemClock, VirtualClock
from config.settings import Settings
from corsia.doctor import examine
from corsia.doctor_stores import NAMED, stored_stores
from corsia.findings import Finding, State
from db import gateway_radios, stores, surveys
from db.connect import Database
from tests.engine.shop import a_shop


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of the database that `sqlite_database` opens."""
    return Settings(data_dir=tmp_path, api_port=0)


async def _save(
    database: Database,
    now: datetime,
    store_id: str,
    calibrated_at: datetime | None = None,
    surveyed_at: datetime | None = None,
    flags: tuple[Flag, ...] = (),
) -> None:
    async with database.begin() as tx:
        await stores.save_store(tx, a_shop(store_id), now)
        if calibrated_at is not None:
            radio = GatewayRadio(f"{store_id}-0", 1.0, 1.0, 0.0, 1.0, 2.2, 0.2, 5.0, 3)
            await gateway_radios.save(tx, store_id, [radio], flags, calibrated_at)
        if surveyed_at is not None:
            await surveys.save(tx, store_id, Survey(f"of-{store_id}", ()), surveyed_at)


def _said(findings: list[Finding]) -> list[tuple[str, State, str]]:
    return [(one.name, one.state, one.what) for one in findings]


async def test_each_store_has_its_line(
    sqlite_database: Database, clock: VirtualClock, settings: Settings
) -> None:
    now, hour = clock.now(), timedelta(hours=1)
    await _save(sqlite_database, now, "a-new")
    await _save(sqlite_database, now, "b-fresh", now - 7 * hour, now - 72 * hour)
    await _save(sqlite_database, now, "c-stale", now - 49 * hour)
    await _save(sqlite_database, now, "d-now", now - hour / 2, now - 30 * hour)

    assert _said(await stored_stores(settings, clock)) == [
        ("store a-new", State.WARN, "gateways never calibrated; not surveyed, which is optional"),
        ("store b-fresh", State.OK, "gateways calibrated 7 h ago; surveyed 3 days ago"),
        (
            "store c-stale",
            State.WARN,
            "gateways calibrated 2 days ago; not surveyed, which is optional",
        ),
        ("store d-now", State.OK, "gateways calibrated in the last hour; surveyed 30 h ago"),
    ]


async def test_what_the_last_calibration_found_is_a_warning(
    sqlite_database: Database, clock: VirtualClock, settings: Settings
) -> None:
    now = clock.now()
    for store_id, kind in (("a", FlagKind.NEW), ("b", FlagKind.DIED)):
        await _save(
            sqlite_database, now, store_id, now, flags=(Flag(f"{store_id}-0", kind, "it is so"),)
        )

    new, died = await stored_stores(settings, clock)
    assert new.state is State.OK
    assert died.state is State.WARN
    assert died.what.endswith("; to be looked at: b-0 died")


@pytest.mark.parametrize("stores_beside", [0, NAMED])
async def test_a_calibration_of_the_future_is_a_warning(
    sqlite_database: Database, clock: VirtualClock, settings: Settings, stores_beside: int
) -> None:
    now = clock.now()
    for number in range(stores_beside):
        await _save(sqlite_database, now, f"s{number:02d}", now)
    await _save(sqlite_database, now, "tomorrow", now + timedelta(hours=30))

    finding = (await stored_stores(settings, clock))[-1]
    assert finding.state is State.WARN
    future = "which is not yet" if not stores_beside else "by a wrong clock: tomorrow"
    assert future in finding.what


async def test_many_stores_are_summed_up(
    sqlite_database: Database, clock: VirtualClock, settings: Settings
) -> None:
    now = clock.now()
    for number in range(NAMED + 1):
        await _save(sqlite_database, now, f"s{number:02d}", now, now if number < 3 else None)
    (finding,) = await stored_stores(settings, clock)
    assert finding.state is State.OK
    assert finding.what == "11 stores, 3 of them surveyed; all calibrated in the last two days"

    await clock.advance(50 * 3_600)
    await _save(sqlite_database, now, "t-new")
    (finding,) = await stored_stores(settings, clock)
    assert finding.state is State.WARN
    assert "; never calibrated: t-new; not in the last two days: s00, s01" in finding.what
    assert finding.what.endswith("s09 and 1 more")


async def test_the_doctor_asks_a_database_that_is_well(
    sqlite_database: Database, settings: Settings
) -> None:
    clock = SystemClock()  # it starts a Redis, which takes real time
    await _save(sqlite_database, clock.now(), "shop")

    findings = await examine(settings, clock)

    assert [one.name for one in findings if one.name.startswith("store")] == ["store shop"]
