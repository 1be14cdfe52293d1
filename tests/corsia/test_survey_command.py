"""`corsia store survey` as an operator types it: files in, tables and pictures out, Ctrl-C."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from beacons.survey import Survey
from beacons.survey_walk import Tap, survey_of_walk
from config.clock import SystemClock, VirtualClock
from corsia.cli import main
from corsia.store_survey import Progress
from corsia.survey_files import read_sightings, read_taps
from corsia.survey_recorder import Faults
from corsia.survey_views import progress_line
from db import migrate, stores, surveys
from db.connect import open_database
from db.live import Live
from tests.db.rows import STORE, a_plan
from tests.engine.shop import KEY, TENANT, Shop, a_shop, sighting
from tests.engine.shop import STORE as SHOP

TAPS = """t,floor,x,y,kind
2026-11-21T10:00:00Z,ground,1.0,4.5,here
1795255204,ground,5.0,4.5,here
1795255206,ground,9.0,4.5,here
1795255210.0,ground,5.0,4.5,end
"""
SIGHTINGS = "t,gateway,rssi,count\n" + "".join(
    f"{1_795_255_200.25 + step / 2},gw-{1 + step % 2},{-60 - step},2\n" for step in range(20)
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data directory with a store, and the CSV files of a walk in it."""

    async def prepare() -> None:
        url = f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3"
        async with open_database(url) as database:
            await migrate.upgrade(database)
            async with database.begin() as tx:
                await stores.save_store(tx, a_plan(), SystemClock().now())

    asyncio.run(prepare())
    (tmp_path / "taps.csv").write_text(TAPS)
    (tmp_path / "sightings.csv").write_text(SIGHTINGS)
    return tmp_path


def run(folder: Path, *arguments: str) -> Result:
    settings = {"CORSIA_DATA_DIR": str(folder), "COLUMNS": "100"}
    return CliRunner().invoke(main, ["store", "survey", *arguments], env=settings)


def imported(folder: Path) -> str:
    """The id of the survey that the files make."""
    files = ("--taps", f"{folder}/taps.csv", "--sightings", f"{folder}/sightings.csv")
    done = run(folder, "import", STORE, *files)
    assert done.exit_code == 0, done.output
    found = re.search(r"survey ([0-9a-f]{32}) is kept", done.stdout)
    assert found is not None
    return found[1]


def kept(folder: Path) -> list[Survey]:
    async def load() -> list[Survey]:
        url = f"sqlite+aiosqlite:///{folder}/corsia.sqlite3"
        async with open_database(url) as database, database.read() as tx:
            return await surveys.load(tx, STORE)

    return asyncio.run(load())


def test_a_walk_from_files_is_told_and_kept(folder: Path) -> None:
    files = ("--taps", f"{folder}/taps.csv", "--sightings", f"{folder}/sightings.csv")

    done = run(folder, "import", STORE, *files)

    assert done.exit_code == 0, done.output
    assert "8 places on 12 m in 10 s, heard by 2 gateways, 2.0 at a place" in done.stdout
    assert done.stderr == ""
    (survey,) = kept(folder)
    assert len(survey.points) == 16


def test_what_cannot_have_been_is_said(folder: Path) -> None:
    hasty = TAPS.replace("1795255206", "1795255205").replace("9.0,4.5", "99.0,4.5", 1)
    (folder / "taps.csv").write_text(hasty)
    files = ("--taps", f"{folder}/taps.csv", "--sightings", f"{folder}/sightings.csv")

    done = run(folder, "import", STORE, *files, "--dry-run")

    assert done.exit_code == 0
    assert "Tap 3, and the ways to and from it: (99.0, 4.5) lies 89.0 m outside" in done.stderr
    assert "12 sightings heard outside the ways that count." in done.stderr
    assert kept(folder) == []


def test_a_survey_goes_out_as_points_and_comes_in_again(folder: Path) -> None:
    survey_id = imported(folder)
    points = folder / "points.csv"

    shown = run(folder, "show", survey_id, "--points", str(points))
    again = run(folder, "import", STORE, "--points", str(points))

    assert (shown.exit_code, again.exit_code) == (0, 0), shown.output + again.output
    first, second = kept(folder)
    assert first.points == second.points


def test_show_tells_what_is_covered(folder: Path) -> None:
    survey_id = imported(folder)
    svg = folder / "survey.svg"

    done = run(folder, "show", survey_id, "--svg", str(svg))

    assert done.exit_code == 0
    assert "8 places in 10 s, 2.0 gateways at a place" in done.stdout
    assert re.search(r"aisle-7\W+0\W+0\W+\d+%", done.stdout)
    assert re.search(r"gw-2\W+8\W", done.stdout)
    assert any(re.fullmatch(r"[.2]+", line) and "2" in line for line in done.stdout.splitlines())
    drawn = svg.read_text()
    assert drawn.count("<circle") == 8
    assert drawn.startswith("<svg ")


def test_list_and_remove(folder: Path) -> None:
    assert "has no survey" in run(folder, "list", STORE).stdout
    survey_id = imported(folder)
    assert survey_id in run(folder, "list", STORE).stdout

    removed = run(folder, "remove", survey_id)

    assert removed.stdout == f"survey {survey_id} is removed\n"
    assert kept(folder) == []


FILES = ("--taps", "taps.csv", "--sightings", "sightings.csv")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("list", "mall"), f"there is no store mall; known: {STORE}"),
        (("show", "s0"), "there is no survey s0: `corsia store survey list STORE`"),
        (("remove", "s0"), "there is no survey s0"),
        (("import", "mall", *FILES), "there is no store mall"),
        (("import", STORE), "give --taps and --sightings, or --points"),
        (("import", STORE, "--taps", "taps.csv"), "give --taps and --sightings, or --points"),
        (("import", STORE, *FILES, "--points", "p.csv"), "give --taps and --sightings"),
        (("import", STORE, "--points", "none.csv"), "none.csv cannot be read: No such file"),
        (("import", STORE, "--points", "taps.csv"), "the heading lacks gateway, rssi_mean"),
        (("start", STORE, "--handset", "h", "--taps", "taps.csv"), "--taps needs --keep"),
        (("start", STORE, "--handset", "h", "--keep", "no/k.csv"), "there is no folder no"),
        (
            ("start", STORE, "--handset", "h", "--keep", "w.csv", "--taps", "./w.taps.csv"),
            "--keep w.csv would write over the file of --taps",
        ),
        (("start", STORE, "--handset", "h"), "CORSIA_REDIS_URL is not set, and no `corsia up`"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(folder)

    done = run(folder, *arguments)

    assert done.exit_code in {1, 2}
    assert sentence in done.stderr
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_points_of_another_store_are_refused(folder: Path) -> None:
    heading = "floor,x,y,gateway,rssi_mean,rssi_sd,count,seconds\n"
    strange = "ground,1,4,gw-9,-60,1,3,2\nroof,1,4,gw-1,-60,1,3,2\nground,1,50,gw-1,-60,1,3,2\n"
    (folder / "points.csv").write_text(heading + strange)

    done = run(folder, "import", STORE, "--points", f"{folder}/points.csv")

    assert done.exit_code == 1
    assert "gateway gw-9 is not in the store's plan" in done.stderr
    assert "there is no floor roof" in done.stderr
    assert "(1.0, 50.0) lies 44.0 m outside the floor" in done.stderr
    assert kept(folder) == []


def test_without_a_database_it_says_what_to_run(tmp_path: Path) -> None:
    done = run(tmp_path, "list", STORE)

    assert done.exit_code == 1
    assert "run `corsia db upgrade`" in done.stderr


def test_how_it_goes_is_one_line() -> None:
    plain = Progress(7.0, 12, 3, 0, None, Faults(), None)
    troubled = Progress(67.2, 1204, 9, 14, 4.2, Faults(missing=3), "Redis does not answer")

    assert progress_line(plain) == "0:07  12 sightings by 3 gateways  0 taps"
    assert progress_line(troubled) == (
        "1:07  1204 sightings by 9 gateways  14 taps, the last 4 s ago  3 batches missed"
        "  Redis does not answer"
    )


@asynccontextmanager
async def recording(
    command: list[str], settings: dict[str, str], *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`corsia store survey start` in a process of its own, once it records."""
    process = await asyncio.create_subprocess_exec(
        *command, "store", "survey", "start", *arguments,
        env={**os.environ, **settings},  # noqa: TID251
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            assert b"recording" in await process.stderr.readline()
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_ctrl_c_keeps_what_was_recorded_so_far(
    corsia_command: list[str], redis_url: str, live: Live, tmp_path: Path
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3"
    settings = {
        "CORSIA_DATA_DIR": str(tmp_path), "CORSIA_DATABASE_URL": url, "CORSIA_TENANT": TENANT,
        "CORSIA_REDIS_URL": redis_url, "CORSIA_DATA_KEY": KEY.hex(),
    }  # fmt: skip
    async with open_database(url) as database:
        await migrate.upgrade(database)
        shop = Shop(database, live, VirtualClock(SystemClock().now()))
        await shop.open()
        phone = await shop.phone()
        start = (SHOP, "--handset", phone.handset_id, "--keep", str(tmp_path / "heard.csv"))
        async with recording(corsia_command, settings, *start) as process:
            at = SystemClock().now()
            for number, x_m in enumerate((2.0, 3.0)):
                when = at + timedelta(seconds=number / 2)
                tap = Tap(when.timestamp(), "ground", x_m, 10.0)
                async with database.begin() as tx:
                    walk = await surveys.open_walk_of(tx, phone.handset_id, at)
                    assert walk is not None
                    await surveys.add_tap(tx, walk, f"tap-{number}", tap, when)
            await shop.append(f"{SHOP}-0", (sighting(phone, at.timestamp(), -60.0),))
            assert process.stderr is not None
            # Two looks later both taps are in the past.
            while b" 2 taps" not in (line := await process.stderr.readline()):
                assert line, "it ended"

            process.send_signal(signal.SIGINT)
            said, complained = await process.communicate()

        assert process.returncode == 0, complained.decode()
        assert "1 place on 1 m in 0 s, heard by 1 gateway," in said.decode()
        async with database.read() as tx:
            (survey,) = await surveys.load(tx, SHOP)
    assert [point.gateway_id for point in survey.points] == [f"{SHOP}-0"]
    again = survey_of_walk(
        "again", a_shop(), read_taps(tmp_path / "heard.taps.csv"),
        read_sightings(tmp_path / "heard.csv"),
    )  # fmt: skip
    assert again.survey.points == survey.points
