"""Links add up across writes and hours; the last calibration is the one in use."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from beacons.calibration import GatewayRadio
from beacons.link_changes import Flag, FlagKind
from beacons.links import Link, LinkSums
from config.clock import VirtualClock
from db import gateway_links, gateway_radios, tables
from db.connect import Database
from tests.db.rows import STORE, a_store

AN_HOUR = timedelta(hours=1)


@pytest.fixture
async def database(database: Database, clock: VirtualClock) -> Database:
    await a_store(database, clock.now())
    return database


def _radio(gateway_id: str, offset_db: float = 0.0) -> GatewayRadio:
    return GatewayRadio(gateway_id, offset_db, 1.0, -offset_db, 1.1, 2.0, 0.1, 4.0, 9)


async def _heard(database: Database, at: datetime, *levels_dbm: float) -> None:
    sums = LinkSums()
    for dbm in levels_dbm:
        sums.add("gw-1", "gw-2", at.timestamp(), 3, dbm)
    async with database.begin() as tx:
        await gateway_links.add(tx, STORE, sums.hours())


async def _links(database: Database, since: datetime, until: datetime) -> list[Link]:
    async with database.read() as tx:
        return await gateway_links.load(tx, STORE, since, until)


async def test_sums_of_one_hour_add_up(database: Database, clock: VirtualClock) -> None:
    now = clock.now()
    await _heard(database, now, -70.0, -72.0)
    await _heard(database, now, -74.0)
    async with database.begin() as tx:
        await gateway_links.add(tx, STORE, [])

    (link,) = await _links(database, now, now + AN_HOUR)
    assert (link.hearer_id, link.heard_id) == ("gw-1", "gw-2")
    assert (link.mean_rssi_dbm, link.windows, link.hours) == (-72.0, 3, 1)


async def test_a_span_has_the_hours_that_begin_in_it(
    database: Database, clock: VirtualClock
) -> None:
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    for back in range(4):
        await _heard(database, hour - back * AN_HOUR, -70.0 - back)

    (link,) = await _links(database, hour - 2 * AN_HOUR, hour)
    assert (link.mean_rssi_dbm, link.hours) == (-71.5, 2)
    # What was heard before the span is summed with the rest of its hour: the hour is left out.
    (link,) = await _links(database, hour - 1.9 * AN_HOUR, hour)
    assert (link.mean_rssi_dbm, link.hours) == (-71.0, 1)
    assert gateway_links.first_hour(hour - 1.9 * AN_HOUR) == hour - AN_HOUR
    assert gateway_links.first_hour(hour) == hour
    assert await _links(database, hour - 9 * AN_HOUR, hour - 5 * AN_HOUR) == []


async def test_links_are_kept_for_two_months(database: Database, clock: VirtualClock) -> None:
    await _heard(database, clock.now() - gateway_links.KEPT - AN_HOUR, -70.0)
    await _heard(database, clock.now(), -71.0)
    async with database.begin() as tx:
        assert await gateway_links.prune(tx, clock.now()) == 1
    (link,) = await _links(database, clock.now() - 2 * gateway_links.KEPT, clock.now() + AN_HOUR)
    assert link.mean_rssi_dbm == -71.0


async def test_the_last_calibration_is_in_use_and_earlier_ones_are_history(
    database: Database, clock: VirtualClock
) -> None:
    first, second = clock.now(), clock.now() + AN_HOUR
    async with database.begin() as tx:
        assert await gateway_radios.load(tx, STORE) == []
        assert await gateway_radios.changed_at(tx, STORE) is None
        assert await gateway_radios.calibration(tx, STORE) is None
        for at, offset_db in ((first, 1.0), (second, 2.0)):
            radios = [_radio("gw-1", offset_db), _radio("gw-2", -offset_db)]
            flags = [Flag("gw-2", FlagKind.COVERED, "is heard less")]
            await gateway_radios.save(tx, STORE, radios, flags, at)

    async with database.read() as tx:
        assert await gateway_radios.load(tx, STORE) == [_radio("gw-1", 2.0), _radio("gw-2", -2.0)]
        assert await gateway_radios.changed_at(tx, STORE) == second
        before = await gateway_radios.calibration(tx, STORE, second - timedelta(minutes=1))
        assert before is not None
        assert (before.calibrated_at, before.radios[0]) == (first, _radio("gw-1", 1.0))
        assert before.flags == (Flag("gw-2", FlagKind.COVERED, "is heard less"),)
        assert await gateway_radios.calibration(tx, STORE, first - AN_HOUR) is None


async def test_what_a_fast_clock_wrote_does_not_outlive_the_next_calibration(
    database: Database, clock: VirtualClock
) -> None:
    now = clock.now()
    async with database.begin() as tx:
        await gateway_radios.save(tx, STORE, [_radio("gw-1", 9.0)], [], now + 24 * AN_HOUR)
        await gateway_radios.save(tx, STORE, [_radio("gw-1", 1.0)], [], now)
        assert await gateway_radios.load(tx, STORE) == [_radio("gw-1", 1.0)]
        assert await gateway_radios.changed_at(tx, STORE) == now


@pytest.mark.parametrize(
    "flags", [[["melted", "is no more"]], [["moved"]], ["moved"], {"kind": "moved"}, 7]
)
async def test_flags_of_another_version_are_left_out_with_a_warning(
    database: Database, clock: VirtualClock, caplog: pytest.LogCaptureFixture, flags: object
) -> None:
    radios = [_radio("gw-1"), _radio("gw-2")]
    known = [Flag(one, FlagKind.MOVED, "has moved") for one in ("gw-1", "gw-2")]
    async with database.begin() as tx:
        await gateway_radios.save(tx, STORE, radios, known, clock.now())
        other = update(tables.gateway_radios).where(tables.gateway_radios.c.gateway_id == "gw-1")
        await tx.execute(other.values(flags=flags))

        assert await gateway_radios.load(tx, STORE) == radios
        kept = await gateway_radios.calibration(tx, STORE)
    assert kept is not None
    assert kept.flags == tuple(known[1:])
    assert [record.__dict__["gateway"] for record in caplog.records] == ["gw-1", "gw-1"]


async def test_pruning_leaves_what_is_in_use(database: Database, clock: VirtualClock) -> None:
    long_ago = clock.now() - gateway_radios.KEPT - timedelta(days=9)
    async with database.begin() as tx:
        for days in (0, 1):
            radios = [_radio("gw-1", float(days))]
            await gateway_radios.save(tx, STORE, radios, [], long_ago + timedelta(days=days))
        assert await gateway_radios.prune(tx, clock.now()) == 1
        assert await gateway_radios.load(tx, STORE) == [_radio("gw-1", 1.0)]


async def test_a_store_without_gateways_has_nothing_to_save(
    database: Database, clock: VirtualClock
) -> None:
    async with database.begin() as tx:
        await gateway_radios.save(tx, STORE, [], [], clock.now())
        assert await gateway_radios.changed_at(tx, STORE) is None
