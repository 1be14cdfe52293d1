"""`corsia import` and `corsia export`: stores and campaigns as YAML files."""

from datetime import datetime
from pathlib import Path

import click
import uvloop

from config.clock import SystemClock
from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.plan_files import Plan, PlanFileError, read_plan, write_plan
from db import campaigns, migrate, stores
from db.connect import DatabaseUrlError, open_database

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--dry-run", is_flag=True, help="Only say what is wrong and what would be taken in.")
def import_plan(files: tuple[Path, ...], *, dry_run: bool) -> None:
    """Take in stores, zones, gateways and campaigns from YAML FILES.

    Everything is checked first, each fault named with its line; nothing is taken in when there is
    one. What has the id of something stored replaces it.

    \b
    Example:
      corsia export --demo > shop.yaml     # a plan to start from
      corsia import shop.yaml
    """
    faults: list[str] = []
    plans: list[Plan] = []
    for file in files:
        try:
            plans.append(read_plan(file))
        except PlanFileError as error:
            faults += [str(fault) for fault in error.faults]
    if faults:
        click.echo("\n".join(faults), err=True)
        raise click.ClickException(f"{len(faults)} fault(s); nothing was taken in")
    if not dry_run:
        with said_plainly(DatabaseUrlError, OSError):
            uvloop.run(_save(load_settings(), plans, SystemClock().now()))
    verb = "would take in" if dry_run else "took in"
    for plan in plans:
        for store in plan.stores:
            zones = sum(len(floor.zones) for floor in store.floors)
            gateways = sum(len(floor.gateways) for floor in store.floors)
            click.echo(f"{verb} store {store.store_id}: {zones} zones, {gateways} gateways")
        for campaign in plan.campaigns:
            click.echo(f"{verb} campaign {campaign.campaign_id} ({campaign.status.value})")


@click.command("export")
@click.option("--demo", is_flag=True, help="The demonstration's plan instead of what is stored.")
def export_plan(*, demo: bool) -> None:
    """Write all stores and campaigns as YAML, in the form that `corsia import` reads."""
    if demo:
        plan = _demo_plan(SystemClock().now())
    else:
        with said_plainly(DatabaseUrlError, OSError):
            plan = uvloop.run(_load(load_settings()))
    click.echo(write_plan(plan), nl=False)


def _demo_plan(now: datetime) -> Plan:
    from corsia.demo import campaigns as demo_campaigns
    from corsia.demo import store_plan
    from firmware_sim.floor import supermarket

    floor = supermarket()
    whole_day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return Plan((store_plan(floor),), tuple(demo_campaigns(floor, whole_day)))


async def _save(settings: Settings, plans: list[Plan], now: datetime) -> None:
    async with open_database(settings.sql_url) as database:
        await migrate.upgrade(database)
        async with database.begin() as tx:
            for plan in plans:
                for store in plan.stores:
                    await stores.save_store(tx, store, now)
                for campaign in plan.campaigns:
                    await campaigns.save_campaign(tx, campaign, now)


async def _load(settings: Settings) -> Plan:
    async with open_database(settings.sql_url) as database:
        await migrate.upgrade(database)
        async with database.read() as tx:
            found = [await stores.load_store(tx, one) for one in await stores.store_ids(tx)]
            return Plan(
                tuple(store for store in found if store is not None),
                tuple(await campaigns.load_campaigns(tx)),
            )
