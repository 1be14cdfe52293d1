"""`corsia import` and `corsia export`: stores and campaigns as YAML files."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import click
import uvloop

from config.clock import SystemClock
from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.plan_clashes import clashes
from corsia.plan_files import Plan, PlanFileError, read_plan, write_plan
from corsia.ready_database import (
    DatabaseUnusableError,
    answering_database,
    ready_database,
    schema_version,
)
from corsia.yaml_lines import Fault
from db import campaigns, migrate, stores
from db.connect import DatabaseUrlError

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
    _refuse(faults)
    settings = load_settings()
    with said_plainly(DatabaseUrlError, DatabaseUnusableError):
        # Against what is stored, before there is anything to write.
        _refuse(map(str, uvloop.run(_clashes(settings, plans))))
        if not dry_run:
            _refuse(map(str, uvloop.run(_save(settings, plans, SystemClock().now()))))
    verb = "would take in" if dry_run else "took in"
    for file, plan in zip(files, plans, strict=True):
        if not plan.stores and not plan.campaigns:
            click.echo(f"{file.name}: nothing in it")
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
        with said_plainly(DatabaseUrlError, DatabaseUnusableError):
            plan = uvloop.run(_load(load_settings()))
    click.echo(write_plan(plan), nl=False)


def _demo_plan(now: datetime) -> Plan:
    from corsia.demo import campaigns as demo_campaigns
    from corsia.demo import store_plan
    from firmware_sim.floor import supermarket

    floor = supermarket()
    whole_day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return Plan((store_plan(floor),), tuple(demo_campaigns(floor, whole_day)))


def _refuse(faults: Iterable[str]) -> None:
    """End the command when there are faults, having said them."""
    if said := list(faults):
        click.echo("\n".join(said), err=True)
        raise click.ClickException(f"{len(said)} fault(s); nothing was taken in")


async def _clashes(settings: Settings, plans: list[Plan]) -> list[Fault]:
    """What is wrong between the plans and what is stored; an empty database stays empty."""
    if await schema_version(settings.sql_url) is None:
        return clashes(plans, ())
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        return clashes(plans, await stores.load_stores(tx))


async def _save(settings: Settings, plans: list[Plan], now: datetime) -> list[Fault]:
    """Store the plans, unless another import has meanwhile made them clash: those faults."""
    async with answering_database(settings.sql_url) as database:
        await migrate.upgrade(database)
        async with database.begin() as tx:
            if faults := clashes(plans, await stores.load_stores(tx)):
                return faults
            for plan in plans:
                for store in plan.stores:
                    await stores.save_store(tx, store, now)
                for campaign in plan.campaigns:
                    await campaigns.save_campaign(tx, campaign, now)
    return []


async def _load(settings: Settings) -> Plan:
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        return Plan(tuple(await stores.load_stores(tx)), tuple(await campaigns.load_campaigns(tx)))
