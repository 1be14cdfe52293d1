"""`corsia store import`: a store's plan from GeoJSON, IMDF or YAML."""

from pathlib import Path

import click
import uvloop

from beacons.store_plan import GeoAnchor
from config.clock import SystemClock
from config.settings import load_settings
from corsia.commands.failures import said_plainly
from corsia.commands.people import BY, REVIEWED_BY
from corsia.commands.plan_options import ANCHOR, ANCHOR_HELP, FORMAT, the_format
from corsia.commands.plan_said import refuse, say_taken, say_weak
from corsia.gateway_list import read_gateways
from corsia.plan_files import Plan, PlanFileError, write_plan
from corsia.plan_given import Given
from corsia.plan_lives import Hands
from corsia.plan_source import Format, examine
from corsia.plan_storage import examined_with_stored, readable_stores, save_plans
from corsia.ready_database import DatabaseUnusableError
from db.connect import DatabaseUrlError
from db.stores import StoredPlanError
from offers.versions import VersionRefused


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "form", type=FORMAT, help="Guessed from the name when not given.")
@click.option("--store", "store_id", metavar="ID", help="The store's id, instead of the file's.")
@click.option("--name", help="The store's name, instead of the file's.")
@click.option("--tz", metavar="ZONE", help="Its time zone, such as Europe/Rome.")
@click.option("--country", metavar="CC", help="Its country, such as IT.")
@click.option("--anchor", type=ANCHOR, help=ANCHOR_HELP)
@click.option(
    "--gateways",
    type=click.Path(path_type=Path),
    help="CSV (gateway_id,floor_id,x_m,y_m,z_m) or GeoJSON with the gateways; IMDF has none.",
)
@click.option("--dry-run", is_flag=True, help="Only say what is wrong and what would be taken in.")
@click.option(
    "--to-yaml",
    type=click.Path(path_type=Path),
    help="Write the plan there as YAML, to be completed by hand, instead of taking it in.",
)
@BY
@REVIEWED_BY
def import_store(
    file: Path,
    *,
    form: str | None,
    store_id: str | None,
    name: str | None,
    tz: str | None,
    country: str | None,
    anchor: GeoAnchor | None,
    gateways: Path | None,
    dry_run: bool,
    to_yaml: Path | None,
    by: str,
    reviewed_by: str | None,
) -> None:
    """Take in a store's plan from FILE: GeoJSON, an IMDF archive (zip or folder), or YAML.

    Everything is checked first, and nothing is taken in when there is a fault. What the file does
    not say (time zone, gateways) is taken from the options, else from the stored store of that id.
    docs/store-plans.md says how each format is drawn.

    \b
    Examples:
      corsia store import mall.zip --store torino-1 --tz Europe/Rome --gateways gateways.csv
      corsia store import mall.zip --store torino-1 --tz Europe/Rome --to-yaml torino.yaml
      corsia store import floor.geojson --dry-run
    """
    format_ = the_format(file, form)
    said = {
        "--store": store_id,
        "--name": name,
        "--tz": tz,
        "--country": country,
        "--anchor": anchor,
        "--gateways": gateways,
    }
    needless = [option for option, value in said.items() if value is not None]
    if format_ is Format.YAML and needless:
        raise click.UsageError(f"a plan in YAML says it itself: leave out {', '.join(needless)}")
    settings = load_settings()
    with said_plainly(StoredPlanError, DatabaseUrlError, DatabaseUnusableError):
        stored = uvloop.run(readable_stores(settings))
    try:
        listed = None if gateways is None else read_gateways(gateways)
        given = Given(store_id, name, tz, country, anchor, listed, tuple(stored))
        examined, notes = examine(file, format_, given)
        # A plan that is to be completed by hand may lack gateways; what is written must be read.
        plan = examined.plan if to_yaml is not None and not examined.form else examined.sound()
    except PlanFileError as error:
        refuse(map(str, error.faults))
        raise AssertionError("an error without faults") from error
    for note in notes:
        click.echo(f"note: {note}", err=True)
    if to_yaml is not None:
        _write(to_yaml, plan)
        for fault in examined.drawing:
            click.echo(f"to mend: {fault}", err=True)
        return
    with said_plainly(StoredPlanError, VersionRefused, DatabaseUrlError, DatabaseUnusableError):
        now, hands = SystemClock().now(), Hands(by, reviewed_by)
        taken, clashing = uvloop.run(examined_with_stored(settings, [plan], hands, now))
        refuse(map(str, clashing))
        if not dry_run:
            taken, clashing = uvloop.run(save_plans(settings, [plan], hands, now))
            refuse(map(str, clashing))
    verb = "would take in" if dry_run else "took in"
    for store in plan.stores:
        say_taken(store, verb)
    for one in taken:
        click.echo(one.sentence(verb))
    say_weak(plan)


def _write(path: Path, plan: Plan) -> None:
    try:
        path.write_text(write_plan(plan), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be written: {error.strerror or error}"
        ) from error
    click.echo(f"wrote {path.name}: complete it and `corsia import` it")
