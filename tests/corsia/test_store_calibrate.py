"""`corsia store calibrate` as a user meets it."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from beacons.store_plan import StorePlan
from config.clock import SystemClock
from corsia.cli import main
from db import gateway_links, gateway_radios, stores
from db.connect import Database
from tests.beacons.made_links import MadeStore, hour_of, made_store

STORE = "store-1"


async def _run(folder: Path, *arguments: str) -> Result:
    """The command in a thread: it has an event loop of its own."""
    done = await asyncio.to_thread(
        CliRunner().invoke,
        main,
        ["store", "calibrate", *arguments],
        env={
            "CORSIA_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/corsia.sqlite3",
            "COLUMNS": "100",
        },
        prog_name="corsia",
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture
async def made(sqlite_database: Database) -> MadeStore:
    """A store of twelve gateways that have never heard each other."""
    store = made_store(1)
    await _save(sqlite_database, store)
    return store


async def _save(database: Database, store: MadeStore) -> None:
    plan = StorePlan(STORE, "Shop", "Europe/Rome", "IT", (store.floor,))
    async with database.begin() as tx:
        await stores.save_store(tx, plan, SystemClock().now())


async def _hear(database: Database, store: MadeStore, hours_ago: int = 0, seed: int = 1) -> None:
    at = SystemClock().now() - timedelta(hours=hours_ago)
    hour_s = int(at.replace(minute=0, second=0, microsecond=0).timestamp())
    async with database.begin() as tx:
        await gateway_links.add(tx, STORE, hour_of(store.links(seed), hour_s))


async def _is_calibrated(database: Database) -> bool:
    async with database.read() as tx:
        return await gateway_radios.changed_at(tx, STORE) is not None


async def test_it_prints_every_gateway_and_writes(
    sqlite_database: Database, made: MadeStore, tmp_path: Path
) -> None:
    await _hear(sqlite_database, made)

    done = await _run(tmp_path, STORE)

    assert done.exit_code == 0
    rows = [line.split() for line in done.output.splitlines() if "+-" in line]
    planted_db = made.receive_db - made.receive_db.mean()
    for row, one_db in zip(rows, planted_db, strict=True):
        gateway, hears_db, error_db, was, *_ = row
        assert was == "-"
        assert abs(float(hears_db) - one_db) < 4 * float(error_db.removeprefix("+-")), gateway
    assert "from ceiling to ceiling" in done.output
    assert "Engines take it up within a minute." in done.output
    assert await _is_calibrated(sqlite_database)


async def test_the_second_time_it_says_what_was(
    sqlite_database: Database, made: MadeStore, tmp_path: Path
) -> None:
    await _hear(sqlite_database, made)
    await _run(tmp_path, STORE)
    covered = made.covered(4, 12.0)
    async with sqlite_database.begin() as tx:
        await gateway_links.prune(tx, SystemClock().now() + 2 * gateway_links.KEPT)
    await _hear(sqlite_database, covered, seed=2)

    said: dict[str, Any] = json.loads((await _run(tmp_path, STORE, "--json")).output)

    one = said["gateways"][4]
    assert one["offset_db"] - one["before"]["offset_db"] == pytest.approx(-11.0, abs=2.0)
    assert one["transmit_db"] - one["before"]["transmit_db"] == pytest.approx(-11.0, abs=2.0)
    assert said["written"] is True
    assert said["links"] == len(covered.links())
    law = {"level_dbm", "pivot_m", "exponent", "sigma_db"}
    assert set(said["floors"][0]) == {"floor_id", *law}


async def test_what_is_wrong_is_said_in_words(
    sqlite_database: Database, made: MadeStore, tmp_path: Path
) -> None:
    deaf = [link for link in made.links() if link.hearer_id != "g07"]
    hour_s = int(SystemClock().now().timestamp()) // 3_600 * 3_600
    async with sqlite_database.begin() as tx:
        await gateway_links.add(tx, STORE, hour_of(deaf, hour_s))

    done = await _run(tmp_path, STORE)

    assert done.exit_code == 0
    (row,) = [line for line in done.output.splitlines() if "g07" in line and "+-" in line]
    assert row.split()[-1] == "deaf"
    assert "g07 is heard by 11 of its fellows but reports hearing none" in done.output


async def test_a_dry_run_writes_nothing(
    sqlite_database: Database, made: MadeStore, tmp_path: Path
) -> None:
    await _hear(sqlite_database, made)
    done = await _run(tmp_path, STORE, "--dry-run")
    assert "Nothing was written." in done.output
    assert not await _is_calibrated(sqlite_database)


async def test_old_links_are_looked_at_when_asked_for(
    sqlite_database: Database, made: MadeStore, tmp_path: Path
) -> None:
    await _hear(sqlite_database, made, hours_ago=20)
    assert (await _run(tmp_path, STORE)).exit_code == 1
    assert (await _run(tmp_path, STORE, "--hours", "24")).exit_code == 0


async def test_a_store_that_is_not_there_is_named(made: MadeStore, tmp_path: Path) -> None:
    done = await _run(tmp_path, "nowhere")
    assert done.exit_code == 1
    assert "there is no store nowhere; known: store-1" in done.output


async def test_a_store_without_canaries_is_told_what_to_look_at(
    made: MadeStore, tmp_path: Path
) -> None:
    done = await _run(tmp_path, STORE)
    assert done.exit_code == 1
    assert "no gateway of store-1 has heard another since " in done.output
    assert "CORSIA_GATEWAY_CANARY" in done.output


async def test_a_store_of_one_gateway_is_told_that_it_has_nothing_to_compare(
    sqlite_database: Database, tmp_path: Path
) -> None:
    await _save(sqlite_database, made_store(1, 1))
    done = await _run(tmp_path, STORE)
    assert "no two gateways that could hear each other" in done.output


async def test_a_floor_without_links_is_said_to_have_none(
    sqlite_database: Database, made: MadeStore, tmp_path: Path
) -> None:
    places = tuple(replace(one, gateway_id=f"up-{one.gateway_id}") for one in made.floor.gateways)
    upper = replace(made.floor, floor_id="upper", level=1, gateways=places)
    plan = StorePlan(STORE, "Shop", "Europe/Rome", "IT", (made.floor, upper))
    async with sqlite_database.begin() as tx:
        await stores.save_store(tx, plan, SystemClock().now())
    await _hear(sqlite_database, made)

    lines = (await _run(tmp_path, STORE)).output.splitlines()
    assert [line[:4] for line in lines if "from ceiling to ceiling" in line] == ["f: -"]
    assert "upper: no links: its gateways keep what was known or is assumed of them" in lines

    said = json.loads((await _run(tmp_path, STORE, "--json")).output)
    assert [floor["floor_id"] for floor in said["floors"]] == ["f", "upper"]
    assert said["floors"][0]["exponent"] > 1.0
    assert said["floors"][1]["exponent"] is said["floors"][1]["level_dbm"] is None


async def test_what_has_only_begun_is_too_little(
    sqlite_database: Database, made: MadeStore, tmp_path: Path
) -> None:
    at = SystemClock().now().replace(minute=0, second=0, microsecond=0)
    short = [replace(link, windows=3) for link in made.links()]
    async with sqlite_database.begin() as tx:
        await gateway_links.add(tx, STORE, hour_of(short, int(at.timestamp())))

    done = await _run(tmp_path, STORE, "--hours", "1")
    assert done.exit_code == 1
    assert f"since {at:%Y-%m-%d %H:%M} UTC is too little yet: wait three minutes" in done.output
    assert not await _is_calibrated(sqlite_database)


async def test_help_says_what_the_numbers_are() -> None:
    done = await asyncio.to_thread(CliRunner().invoke, main, ["store", "calibrate", "--help"])
    assert done.exit_code == 0
    assert "standard error" in done.output
