"""A simulated staff member surveys the store through the real API, the real recorder, real SQL."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
import shapely
from click.testing import CliRunner

from beacons.survey import Survey
from corsia.cli import main
from db import surveys
from db.connect import open_database
from firmware_sim.floor import supermarket


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a short rehearsal with a survey left behind."""
    folder = tmp_path_factory.mktemp("rehearsed") / "run"
    arguments = ["--fast", "--survey", "--minutes", "0.5", "--shoppers", "4", "--keep", str(folder)]
    done = CliRunner().invoke(main, ["rehearse", *arguments])
    assert done.exit_code == 0, done.output
    assert "surveyed" in done.stderr
    return folder


@pytest.fixture(scope="module")
def survey(run_dir: Path) -> Survey:
    async def load() -> list[Survey]:
        url = f"sqlite+aiosqlite:///{run_dir / 'corsia.sqlite3'}"
        async with open_database(url) as database, database.read() as tx:
            return await surveys.load(tx, "supermarket")

    (found,) = asyncio.run(load())
    return found


def test_the_whole_store_is_in_the_survey(survey: Survey) -> None:
    floor = supermarket()
    places = {(point.x_m, point.y_m) for point in survey.points}
    heard_by = {point.gateway_id for point in survey.points}

    assert len(places) > 150
    assert heard_by == {gateway.gateway_id for gateway in floor.gateways}
    for zone in floor.zones:
        if zone.zone_id.startswith("aisle"):
            area = shapely.Polygon(zone.polygon)
            inside = [place for place in places if area.contains(shapely.Point(place))]
            assert len(inside) >= 8, zone.zone_id


def test_nobody_walked_through_a_shelf(survey: Survey) -> None:
    floor = supermarket()
    solid = shapely.union_all([shapely.Polygon(shelf) for shelf in floor.obstacles])

    assert not [p for p in survey.points if solid.contains(shapely.Point(p.x_m, p.y_m))]


def test_who_walked_is_forgotten_and_no_longer_recognised(run_dir: Path) -> None:
    with sqlite3.connect(run_dir / "corsia.sqlite3") as database:
        (walks,) = database.execute("SELECT count(*) FROM survey_walks").fetchone()
        (taps,) = database.execute("SELECT count(*) FROM survey_taps").fetchone()
        # Staff are the only ones who never allowed profiling and then took back their location.
        withdrawn = database.execute(
            "SELECT count(*) FROM consents WHERE purpose = 'location_ble' AND granted = 0"
            " AND shopper_id IN (SELECT shopper_id FROM consents"
            " WHERE purpose = 'location_ble' AND granted = 1)"
        ).fetchone()

    assert (walks, taps) == (0, 0)
    assert withdrawn[0] >= 1


def test_a_recording_has_no_staff() -> None:
    done = CliRunner().invoke(main, ["rehearse", "--survey", "--recording", "."])

    assert done.exit_code == 2
    assert "--survey walks the modelled store" in done.stderr
