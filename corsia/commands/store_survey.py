"""`corsia store survey ...`: walk a store once with a staff handset, and presence knows it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
import uvloop
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Column, Table

from beacons.floor import PlanError
from beacons.store_plan import StorePlan
from beacons.survey import Survey
from beacons.survey_report import survey_report
from beacons.survey_walk import Tap, TapChecker, survey_of_walk
from config.clock import SystemClock
from config.process import until_stopped
from config.settings import Settings, SettingsError, data_key, load_settings
from corsia.commands.failures import said_plainly
from corsia.commands.finite import FiniteRange
from corsia.ready_database import DatabaseUnusableError, ready_database
from corsia.store_survey import (
    DatabaseAwayError,
    Recorded,
    SurveyError,
    SurveySession,
    open_session,
)
from corsia.stored_store import NoSuchStoreError, plan_of
from corsia.survey_files import (
    SurveyFileError,
    read_points,
    read_sightings,
    read_taps,
    write_points,
    write_sightings,
    write_taps,
)
from corsia.survey_picture import as_svg
from corsia.survey_recorder import Faults
from corsia.survey_views import MOST_SAID, ProgressLine, tell_kept, tell_report, tell_walk
from db import stores, surveys
from db.connect import DatabaseUrlError
from db.ids import new_id
from db.live import open_live
from db.sealing import SealError
from db.surveys import KeptSurvey, StoredSurveyError

_FILE = click.Path(dir_okay=False, path_type=Path)
_EXPECTED: Final = (
    DatabaseUrlError, DatabaseUnusableError, NoSuchStoreError, SurveyError, SurveyFileError,
    StoredSurveyError, PlanError, OSError,
)  # fmt: skip


class NoSuchSurveyError(SurveyError):
    def __init__(self, survey_id: str) -> None:
        super().__init__(
            f"there is no survey {survey_id}: `corsia store survey list STORE` shows a store's"
        )


class NothingSurveyedError(SurveyError):
    def __init__(self) -> None:
        super().__init__("nothing was measured, so nothing is kept")


class StrangePointsError(SurveyError):
    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults[:MOST_SAID]))


@click.group("survey")
def survey() -> None:
    """Measure how loud a handset is where, by walking through the store once.

    A survey is optional: presence works from the places of the gateways alone, and better with
    one. Five minutes through every aisle are enough. Walk with one handset at the height at which
    shoppers hold theirs, tap wherever you turn, and keep walking between taps.

    \b
    With the app on a staff handset that allows location by Bluetooth:
      corsia store survey start STORE --handset HANDSET
    With files from elsewhere:
      corsia store survey import STORE --taps taps.csv --sightings sightings.csv
    """


@survey.command()
@click.argument("store_id", metavar="STORE")
@click.option("--handset", "handset_id", required=True, help="The id that its app shows.")
@click.option("--minutes", type=FiniteRange(0.1, 240), default=60.0, show_default=True,
              help="At most so long.")  # fmt: skip
@click.option("--taps", "taps_file", type=_FILE, help="Read when it is over: t,floor,x,y[,kind].")
@click.option("--keep", type=_FILE, help="Write what was heard to this CSV file too, and the app's "
              "taps beside it: with walk.csv to walk.taps.csv. `import` can make a survey of the "
              "two again.")  # fmt: skip
def start(
    store_id: str, handset_id: str, minutes: float, taps_file: Path | None, keep: Path | None
) -> None:
    """Record a walk through STORE: sightings from its stream, taps from the handset's app.

    Ends when the app says so (a tap of kind "end"), after --minutes, or with Ctrl-C; what was
    recorded until then becomes a survey. Engines use it within a minute.

    Between two taps the walk is taken to be straight and even, or the shortest way round what
    stands there. Tap where you turn and at least once a minute; tap "pause" when you stop to talk.
    """
    settings = load_settings()
    if taps_file is not None and keep is None:
        raise click.UsageError(
            "--taps needs --keep: should that file have faults, what was heard is not lost"
        )
    if keep is not None and not keep.parent.is_dir():
        raise click.UsageError(f"--keep: there is no folder {keep.parent}")
    if keep is not None and taps_file is not None and taps_file.resolve() in {
        keep.resolve(), _taps_beside(keep).resolve(),
    }:  # fmt: skip
        raise click.UsageError(f"--keep {keep} would write over the file of --taps")
    console = Console(stderr=True)
    with said_plainly(*_EXPECTED, SealError, RedisError, SettingsError):
        work = _record(settings, store_id, handset_id, minutes, taps_file, keep, console)
        done = uvloop.run(work)
    tell_walk(done.walk, done.faults)
    if not done.is_kept:
        raise click.ClickException(str(NothingSurveyedError()))
    tell_kept(done.walk.survey.survey_id)


@survey.command("import")
@click.argument("store_id", metavar="STORE")
@click.option("--taps", "taps_file", type=_FILE, help="t,floor,x,y[,kind]: where you were when.")
@click.option("--sightings", type=_FILE, help="t,gateway,rssi[,count]: what gateways heard.")
@click.option("--points", type=_FILE, help="A finished survey, as `show --points` writes it.")
@click.option("--dry-run", is_flag=True, help="Only say what would come of it.")
def import_survey(
    store_id: str,
    taps_file: Path | None,
    sightings: Path | None,
    points: Path | None,
    *,
    dry_run: bool,
) -> None:
    """Make a survey of STORE from CSV files: a walk's taps and sightings, or finished points.

    Times are unix seconds or like 2026-11-21T10:00:00Z. Sightings are of the walking handset only.
    A kind is here, pause (until the next tap nothing counts) or end.

    \b
    taps.csv                              sightings.csv
    t,floor,x,y,kind                      t,gateway,rssi,count
    1790000000.0,ground,2.0,3.4,here      1790000000.3,gw-01,-67,2
    """
    if (points is None) == (taps_file is None) or (taps_file is None) != (sightings is None):
        raise click.UsageError("give --taps and --sightings, or --points")
    settings = load_settings()
    with said_plainly(*_EXPECTED):
        plan = uvloop.run(_plan(settings, store_id))
        if points is not None:
            made = Survey(new_id(), tuple(read_points(points)))
            if faults := _strange(plan, made):
                raise StrangePointsError(faults)
            places = len({(p.floor_id, p.x_m, p.y_m) for p in made.points})
            click.echo(f"{len(made.points)} measurements at {places} places")
        else:
            assert taps_file is not None
            assert sightings is not None
            taps, heard = read_taps(taps_file), read_sightings(sightings)
            walk = survey_of_walk(new_id(), plan, taps, heard)
            tell_walk(walk, Faults())
            made = walk.survey
        if not made.points:
            raise NothingSurveyedError
        if not dry_run:
            uvloop.run(_save(settings, store_id, made))
            tell_kept(made.survey_id)


@survey.command("list")
@click.argument("store_id", metavar="STORE")
def list_surveys(store_id: str) -> None:
    """List the surveys of STORE, oldest first. All of them are in use."""
    with said_plainly(*_EXPECTED):
        kept = uvloop.run(_kept(load_settings(), store_id))
    if not kept:
        click.echo(f"{store_id} has no survey; presence works from the gateways' places alone")
        return
    table = Table(
        Column("survey", no_wrap=True, min_width=32),  # it is to be copied whole
        "made at (UTC)", "places", "gateways", "measured",
    )  # fmt: skip
    for one in kept:
        points = one.survey.points
        table.add_row(
            one.survey.survey_id,
            f"{one.made_at:%Y-%m-%d %H:%M}",
            str(len({(p.floor_id, p.x_m, p.y_m) for p in points})),
            str(len({p.gateway_id for p in points})),
            str(len(points)),
        )
    Console().print(table)


@survey.command()
@click.argument("survey_id", metavar="SURVEY")
@click.option("--svg", type=_FILE, help="Draw the surveyed places into this file.")
@click.option("--points", type=_FILE, help="Write the survey as CSV.")
def show(survey_id: str, svg: Path | None, points: Path | None) -> None:
    """Show what SURVEY covers, zone by zone, and how it fits the law of distance.

    A gateway that is many decibels off the law in the mean hangs elsewhere than in the plan, is
    covered, or hears badly. In the picture a digit is how many gateways heard the handset there.
    """
    with said_plainly(*_EXPECTED):
        plan, kept = uvloop.run(_one(load_settings(), survey_id))
        if svg is not None:
            svg.write_text(as_svg(plan.floors, kept.survey), encoding="utf-8")
        if points is not None:
            write_points(points, kept.survey.points)
    tell_report(plan, kept, survey_report(plan, kept.survey))


@survey.command()
@click.argument("survey_id", metavar="SURVEY")
def remove(survey_id: str) -> None:
    """Forget SURVEY: shelves were moved, or the walk went wrong. Engines follow in a minute."""
    with said_plainly(*_EXPECTED):
        uvloop.run(_remove(load_settings(), survey_id))
    click.echo(f"survey {survey_id} is removed")


async def _record(
    settings: Settings,
    store_id: str,
    handset_id: str,
    minutes: float,
    taps_file: Path | None,
    keep: Path | None,
    console: Console,
) -> Recorded:
    clock = SystemClock()
    async with (
        ready_database(settings.sql_url) as database,
        open_live(_redis_url(settings)) as live,
    ):
        session = await open_session(
            database,
            live,
            clock,
            store_id=store_id,
            handset_id=handset_id,
            tenant=settings.tenant,
            key=data_key(settings),
        )
        try:
            with ProgressLine(console) as line:
                await until_stopped(session.run(minutes * 60.0, line.show))
            console.print("[dim]finishing: waiting for the last batches[/]")
            await session.hear_the_rest()
            if keep is not None:
                _keep_files(keep, session, console)
            more_taps = [] if taps_file is None else read_taps(taps_file)
            return await session.finish(more_taps)
        except DatabaseAwayError:
            raise  # what cannot be asked cannot be told to forget
        except BaseException:
            await session.give_up()
            raise


def _keep_files(keep: Path, session: SurveySession, console: Console) -> None:
    try:
        write_sightings(keep, session.recorder.heard)
        write_taps(_taps_beside(keep), session.taps)
    except OSError as error:  # the survey itself may still be kept
        console.print(f"--keep {keep} was not written: {error.strerror or error}")


def _taps_beside(keep: Path) -> Path:
    return keep.with_suffix(".taps.csv")


def _redis_url(settings: Settings) -> str:
    """The configured Redis, or that of a `corsia up` on this machine."""
    if settings.redis_url is not None:
        return settings.redis_url
    socket = settings.data_path / "redis" / "redis.sock"
    if not socket.exists():
        raise SettingsError(
            "CORSIA_REDIS_URL is not set, and no `corsia up` runs with this CORSIA_DATA_DIR:"
            " there is no stream to listen to"
        )
    return f"unix://{socket.resolve()}"


async def _plan(settings: Settings, store_id: str) -> StorePlan:
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        return await plan_of(tx, store_id)


async def _save(settings: Settings, store_id: str, made: Survey) -> None:
    async with ready_database(settings.sql_url) as database, database.begin() as tx:
        await surveys.save(tx, store_id, made, SystemClock().now())


async def _kept(settings: Settings, store_id: str) -> list[KeptSurvey]:
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        await plan_of(tx, store_id)
        return await surveys.kept_surveys(tx, store_id)


async def _one(settings: Settings, survey_id: str) -> tuple[StorePlan, KeptSurvey]:
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        found = await surveys.load_one(tx, survey_id)
        if found is None:
            raise NoSuchSurveyError(survey_id)
        store_id, kept = found
        plan = await stores.load_store(tx, store_id)
    assert plan is not None, "a survey hangs on its store"
    return plan, kept


async def _remove(settings: Settings, survey_id: str) -> None:
    async with ready_database(settings.sql_url) as database, database.begin() as tx:
        if not await surveys.remove(tx, survey_id, SystemClock().now()):
            raise NoSuchSurveyError(survey_id)


def _strange(plan: StorePlan, made: Survey) -> list[str]:
    """What the points of a file name that the store does not have."""
    gateways = {place.gateway_id for floor in plan.floors for place in floor.gateways}
    checker = TapChecker(plan)
    faults = [
        f"gateway {gateway_id} is not in the store's plan"
        for gateway_id in sorted({point.gateway_id for point in made.points} - gateways)
    ]
    places = dict.fromkeys((p.floor_id, p.x_m, p.y_m) for p in made.points)
    said = (checker.fault(Tap(0.0, *place)) for place in places)
    return faults + [fault for fault in said if fault is not None]
