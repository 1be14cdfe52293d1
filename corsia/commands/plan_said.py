"""What the commands that take plans in say of them: faults, what was taken in, what is weak."""

from collections.abc import Iterable

import click

from beacons.plan_lint import lint
from beacons.store_plan import StorePlan
from corsia.plan_files import Plan, creative_warnings


def refuse(faults: Iterable[str]) -> None:
    """End the command when there are faults, having said them."""
    if said := list(faults):
        click.echo("\n".join(said), err=True)
        raise click.ClickException(f"{len(said)} fault(s); nothing was taken in")


def say_taken(store: StorePlan, verb: str) -> None:
    """One line on a store. verb: `took in`, `would take in` ..."""
    zones = sum(len(floor.zones) for floor in store.floors)
    gateways = sum(len(floor.gateways) for floor in store.floors)
    floors = f"{len(store.floors)} floors, " if len(store.floors) > 1 else ""
    click.echo(f"{verb} store {store.store_id}: {floors}{zones} zones, {gateways} gateways")


def say_weak(plan: Plan) -> None:
    """The lints' warnings, of its stores and its campaigns' texts, on standard error."""
    for warning in creative_warnings(plan):
        click.echo(f"warning: {warning}", err=True)
    for store in plan.stores:
        for finding in lint(store):
            where = f"{store.store_id} {finding.floor_id or ''}".strip()
            click.echo(f"warning: {where}: {finding.sentence}", err=True)
