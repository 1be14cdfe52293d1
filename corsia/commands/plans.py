"""`corsia import` and `corsia export`: stores and campaigns as YAML files."""

from datetime import datetime
from pathlib import Path

import click
import uvloop

from config.clock import SystemClock
from config.settings import load_settings
from corsia.commands.failures import said_plainly
from corsia.commands.people import BY, REVIEWED_BY
from corsia.commands.plan_said import refuse, say_taken, say_weak
from corsia.plan_files import Plan, PlanFileError, read_plan, write_plan
from corsia.plan_lives import Hands
from corsia.plan_storage import examined_with_stored, load_plan, save_plans
from corsia.ready_database import DatabaseUnusableError
from db.connect import DatabaseUrlError
from db.stores import StoredPlanError
from offers.versions import VersionRefused

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--dry-run", is_flag=True, help="Only say what is wrong and what would be taken in.")
@BY
@REVIEWED_BY
def import_plan(
    files: tuple[Path, ...], *, dry_run: bool, by: str, reviewed_by: str | None
) -> None:
    """Take in stores, zones, gateways and campaigns from YAML FILES.

    Everything is checked first, each fault named with its line; nothing is taken in when there is
    one. A store of a stored id replaces it. A campaign of a stored id is a new version of it: as a
    draft it waits beside the one that is sent, and as a live one it replaces that, which needs
    somebody else to have reviewed it. One that is the same as before stays untouched.

    \b
    Examples:
      corsia export --demo > shop.yaml     # a plan to start from
      corsia import shop.yaml --by anna --reviewed-by bruno
    """
    faults: list[str] = []
    plans: list[Plan] = []
    for file in files:
        try:
            plans.append(read_plan(file))
        except PlanFileError as error:
            faults += [str(fault) for fault in error.faults]
    refuse(faults)
    settings = load_settings()
    with said_plainly(StoredPlanError, VersionRefused, DatabaseUrlError, DatabaseUnusableError):
        # Against what is stored, before there is anything to write.
        now, hands = SystemClock().now(), Hands(by, reviewed_by)
        taken, clashing = uvloop.run(examined_with_stored(settings, plans, hands, now))
        refuse(map(str, clashing))
        if not dry_run:
            taken, clashing = uvloop.run(save_plans(settings, plans, hands, now))
            refuse(map(str, clashing))
    verb = "would take in" if dry_run else "took in"
    for file, plan in zip(files, plans, strict=True):
        if not plan.stores and not plan.campaigns:
            click.echo(f"{file.name}: nothing in it")
        for store in plan.stores:
            say_taken(store, verb)
    for one in taken:
        click.echo(one.sentence(verb))
    for plan in plans:
        say_weak(plan)


@click.command("export")
@click.option("--demo", is_flag=True, help="The demonstration's plan instead of what is stored.")
def export_plan(*, demo: bool) -> None:
    """Write all stores and campaigns as YAML, in the form that `corsia import` reads."""
    if demo:
        plan = _demo_plan(SystemClock().now())
    else:
        with said_plainly(StoredPlanError, DatabaseUrlError, DatabaseUnusableError):
            plan = uvloop.run(load_plan(load_settings()))
    click.echo(write_plan(plan), nl=False)


def _demo_plan(now: datetime) -> Plan:
    from corsia.demo import campaigns as demo_campaigns
    from corsia.demo import store_plan
    from firmware_sim.floor import supermarket

    floor = supermarket()
    whole_day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return Plan((store_plan(floor),), tuple(demo_campaigns(floor, whole_day)))
