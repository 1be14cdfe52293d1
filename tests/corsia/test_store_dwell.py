"""`corsia store dwell` as a user meets it."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from config.clock import SystemClock
from corsia.cli import main
from corsia.commands.store_dwell import CURVE_S
from db import visits
from db.connect import Database
from db.handsets import register
from tests.db.rows import STORE, a_store


async def _run(folder: Path, *arguments: str) -> Result:
    """The command in a thread: it has an event loop of its own."""
    done = await asyncio.to_thread(
        CliRunner().invoke,
        main,
        ["store", "dwell", *arguments],
        env={
            "CORSIA_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/corsia.sqlite3",
            "COLUMNS": "80",
        },
        prog_name="corsia",
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture
async def store(sqlite_database: Database) -> Database:
    """A store with one aisle."""
    await a_store(sqlite_database, SystemClock().now())
    return sqlite_database


async def _remember(database: Database, days_ago: int, lasts_s: float, stays: int = 100) -> None:
    at = SystemClock().now() - timedelta(days=days_ago)
    async with database.begin() as tx:
        handset = await register(
            tx, platform="web", app_version="1", country="IT", locale="it-IT", now=at
        )
        for number in range(stays):
            visit = await visits.open_visit(tx, handset.shopper_id, STORE, handset.handset_id, at)
            await visits.enter_zone(tx, visit.visit_id, "aisle-7", at, 0.8)
            left_at = at + timedelta(seconds=lasts_s * (0.5 + number / stays))
            await visits.leave_zones(tx, visit.visit_id, left_at)
            await visits.close_visit(tx, visit.visit_id, at + timedelta(seconds=900))


async def test_it_prints_what_the_stays_say(store: Database, tmp_path: Path) -> None:
    await _remember(store, days_ago=1, lasts_s=60.0)

    done = await _run(tmp_path, STORE)

    assert done.exit_code == 0
    (row,) = [line for line in done.output.splitlines() if "aisle-7" in line]
    _, kind, stays, half_s, *after_s, curve = row.split()
    assert (kind, stays) == ("aisle", "100")
    assert float(half_s) == pytest.approx(60.0, rel=0.1)
    assert [float(each) for each in after_s] == pytest.approx([57.0, 50.0, 30.0], rel=0.2)
    # Nobody leaves in the first 20 s, everybody within 90.
    assert curve.startswith("████")
    assert len(curve) < len(CURVE_S)
    assert "assumed" not in done.output


async def test_json_says_the_same_in_numbers(store: Database, tmp_path: Path) -> None:
    await _remember(store, days_ago=1, lasts_s=60.0)

    (zone,) = json.loads((await _run(tmp_path, STORE, "--json")).output)

    assert (zone["zone_id"], zone["kind"], zone["stays"]) == ("aisle-7", "aisle", 100)
    assert zone["median_s"] == pytest.approx(60.0, rel=0.1)
    assert zone["residual_s"]["10"] == pytest.approx(50.0, rel=0.1)
    assert zone["still_here_p"]["20"] > 0.9
    assert zone["still_here_p"]["120"] < 0.1


async def test_more_weeks_can_be_asked_for(store: Database, tmp_path: Path) -> None:
    await _remember(store, days_ago=40, lasts_s=60.0, stays=20)

    async def stays(*options: str) -> Any:
        return json.loads((await _run(tmp_path, STORE, "--json", *options)).output)[0]["stays"]

    assert await stays() == 0
    assert await stays("--weeks", "6") == 20


async def test_without_visits_it_says_that_all_is_assumed(store: Database, tmp_path: Path) -> None:
    done = await _run(tmp_path, STORE)

    assert done.exit_code == 0
    assert "No visit of the last 4 weeks is over yet: all of this is assumed." in done.output


async def test_a_store_that_is_not_there_is_named(store: Database, tmp_path: Path) -> None:
    done = await _run(tmp_path, "elsewhere")

    assert done.exit_code == 1
    assert done.stderr == f"Error: there is no store elsewhere; known: {STORE}\n"
