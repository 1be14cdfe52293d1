"""`corsia policy ...`: how often the retailer allows itself to speak to a shopper."""

from collections.abc import Iterable
from datetime import UTC
from pathlib import Path
from typing import Final

import click
import uvloop

from config.clock import SystemClock
from config.settings import Settings, load_settings
from corsia.commands import people
from corsia.commands.failures import said_plainly
from corsia.commands.patience import DatabaseBusyError, patiently
from corsia.commands.plan_said import refuse
from corsia.policy_files import PolicyFileError, read_policy, write_policy
from corsia.policy_said import changes, risks
from corsia.ready_database import DatabaseUnusableError, ready_database
from db import campaigns, pressure
from db.connect import DatabaseUrlError
from db.pressure import SavedPolicy
from offers.pressure import DEFAULT_POLICY, Policy

_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_LAST: Final = 2**63 - 1  # that a database can count to
_DEFAULT: Final = f"policy {pressure.UNWRITTEN}, the default"


class NoSuchPolicyError(Exception):
    def __init__(self, number: int) -> None:
        super().__init__(f"there is no policy {number}: `corsia policy show --history` lists them")


@click.group()
def policy() -> None:
    """How often a shopper may be spoken to: caps, the quiet start of a visit, the hold-out.

    \b
    Example:
      corsia policy show > policy.yaml
      corsia policy set policy.yaml --dry-run
      corsia policy set policy.yaml --by "Anna, marketing"
    """


@policy.command(short_help="Print the policy in force, or an earlier one.")
@click.argument("number", type=click.IntRange(0, _LAST), required=False)
@click.option("--history", is_flag=True, help="Who saved a policy when, and what that changed.")
def show(*, number: int | None, history: bool) -> None:
    """Print the policy in force, or that of NUMBER, as YAML that `corsia policy set` reads.

    A decision keeps the number that held for it.

    \b
    Examples:
      corsia policy show --history
      corsia policy show 3 > before.yaml
    """
    if history and number is not None:
        raise click.UsageError("either NUMBER or --history")
    with said_plainly(NoSuchPolicyError, DatabaseUrlError, DatabaseUnusableError):
        wanted = _history(load_settings()) if history else _shown(load_settings(), number)
        click.echo(uvloop.run(wanted), nl=False)


@policy.command("set", short_help="Put the policy of a file in force.")
@click.argument("file", type=_FILE)
@people.BY
@click.option("--dry-run", is_flag=True, help="Only say what is wrong, risky, and would change.")
def set_policy(file: Path, *, by: str, dry_run: bool) -> None:
    """Make the policy in the YAML FILE the one in force.

    Engines follow it within a second, for decisions to come; what was sent counts under the new
    caps as under the old ones. Every fault is named with its line and column.

    \b
    Example:
      corsia policy show > policy.yaml     # a policy to start from
      corsia policy set policy.yaml
    """
    try:
        wanted = read_policy(file)
    except PolicyFileError as error:
        refuse(str(error).splitlines())
    for risk in risks(wanted):
        click.echo(f"warning: {risk}", err=True)
    with said_plainly(DatabaseBusyError, DatabaseUrlError, DatabaseUnusableError):
        if dry_run:
            said = uvloop.run(_compared(load_settings(), wanted))
        else:
            said = uvloop.run(patiently(lambda: _set(load_settings(), wanted, by)))
    click.echo(said)


async def _shown(settings: Settings, number: int | None) -> str:
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        holds = await pressure.saved_policy(tx)
        saved = holds if number is None else await pressure.saved_policy(tx, number)
    if saved is None and number is not None and number != pressure.UNWRITTEN:
        raise NoSuchPolicyError(number)
    in_force = "it is in force" if saved == holds else "it is NOT in force any more"
    if saved is None:
        return write_policy(DEFAULT_POLICY, [f"{_DEFAULT}; {in_force}."])
    return write_policy(saved.policy, [f"{_titled(saved)}; {in_force}."])


async def _history(settings: Settings) -> str:
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        saved = await pressure.saved_policies(tx)
    lines = [_DEFAULT]
    before = DEFAULT_POLICY
    for one in saved:
        lines += [_titled(one), *_indented(changes(before, one.policy))]
        before = one.policy
    return "\n".join(lines) + "\n"


async def _compared(settings: Settings, wanted: Policy) -> str:
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        number, before = await pressure.policy(tx)
    differs = list(changes(before, wanted))
    if not differs:
        return f"would change nothing against {_called(number)}"
    return "\n".join([f"would change against {_called(number)}:", *_indented(differs)])


async def _set(settings: Settings, wanted: Policy, by: str) -> str:
    async with ready_database(settings.sql_url) as database, database.begin() as tx:
        before_number, before = await pressure.policy(tx)
        differs = list(changes(before, wanted))
        if not differs and before_number != pressure.UNWRITTEN:
            return f"policy {before_number} says so already: nothing was saved"
        number = await pressure.save_policy(tx, wanted, by, SystemClock().now())
        await campaigns.changed(tx)
    if not differs:
        return f"policy {number} is in force: the same as the default, whatever that becomes"
    head = f"policy {number} is in force; against {_called(before_number)}:"
    return "\n".join([head, *_indented(differs)])


def _called(number: int) -> str:
    return "the default" if number == pressure.UNWRITTEN else f"policy {number}"


def _titled(saved: SavedPolicy) -> str:
    at = f"{saved.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"policy {saved.number}, saved {at} by {saved.by}"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]
