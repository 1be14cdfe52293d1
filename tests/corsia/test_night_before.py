"""The night before a rehearsal: the day's radio, the real calibration, and who is dead by then."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from beacons.links import links_of
from config.clock import VirtualClock
from corsia import demo
from corsia.bad_days import dead_gateways
from corsia.cli import main
from corsia.fast_store import Outage
from corsia.night_before import calibrate_overnight, night, told
from db import gateway_radios, stores
from db.connect import Database
from firmware_sim.floor import supermarket
from firmware_sim.radio import PI_BUILT_IN, Radio

SEED = 3
NAMESPACE = bytes.fromhex("c0451a01")


async def test_gateways_know_by_morning_how_loud_they_hear_that_day(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    floor = supermarket()
    plan = demo.store_plan(floor)
    async with sqlite_database.begin() as tx:
        await stores.save_store(tx, plan, clock.now())

    found = await calibrate_overnight(sqlite_database, plan, floor, SEED, NAMESPACE, clock.now())

    async with sqlite_database.read() as tx:
        kept = await gateway_radios.load(tx, floor.store_id)
        assert await gateway_radios.changed_at(tx, floor.store_id) == clock.now()
    assert tuple(kept) == tuple(sorted(found.radios, key=lambda radio: radio.gateway_id))
    planted_db = Radio(floor, SEED, PI_BUILT_IN).gateway_offset_db
    planted_db = planted_db - planted_db.mean()
    error_db = np.array([radio.offset_db for radio in found.radios]) - planted_db
    assert np.sqrt(np.mean(error_db**2)) < 0.7 * np.std(planted_db)
    (sentence,) = told(found)
    assert sentence.startswith("12 gateways calibrated by 132 links of the night before: they hear")


async def test_a_gateway_that_is_dead_that_night_is_not_calibrated(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    floor = supermarket()
    plan = demo.store_plan(floor)
    async with sqlite_database.begin() as tx:
        await stores.save_store(tx, plan, clock.now())
    dead = dead_gateways(floor, SEED)

    found = await calibrate_overnight(
        sqlite_database, plan, floor, SEED, NAMESPACE, clock.now(), Outage(dead)
    )

    assert {radio.gateway_id for radio in found.radios if radio.links == 0} == dead
    assert {flag.gateway_id for flag in found.flags} == dead
    assert len(list(told(found))) == 1 + len(dead)


def test_a_gateway_that_dies_by_day_was_alive_in_the_night() -> None:
    floor, until_s = supermarket(), 1_790_000_000.2
    dead = dead_gateways(floor, SEED)

    later = night(floor, SEED, NAMESPACE, until_s, Outage(dead, until_s + 60))

    assert later.hours() == night(floor, SEED, NAMESPACE, until_s).hours()
    links = links_of(later.hours())
    assert {link.hearer_id for link in links} == {one.gateway_id for one in floor.gateways}
    # Each window of ten seconds is begun by the first advert after the last one.
    assert max(link.windows for link in links) in range(280, 361)


@pytest.mark.parametrize(("options", "calibrated"), [([], 12), (["--uncalibrated"], 0)])
def test_a_rehearsal_has_a_night_before_unless_told_otherwise(
    tmp_path: Path, options: list[str], calibrated: int
) -> None:
    folder = tmp_path / "run"
    short = ["--fast", "--minutes", "0.2", "--shoppers", "1", "--keep", str(folder)]
    done = CliRunner().invoke(main, ["rehearse", *short, *options])

    assert done.exit_code == 0, done.output
    assert ("the night before" in done.stderr) == (calibrated > 0)
    with closing(sqlite3.connect(folder / "corsia.sqlite3")) as database:
        (found,) = database.execute("SELECT count(*) FROM gateway_radios").fetchone()
    assert found == calibrated
