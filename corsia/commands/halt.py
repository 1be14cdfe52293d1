"""`corsia halt` and `corsia resume`: stop sending offers at once, and send again."""

from datetime import UTC, datetime
from typing import Final

import click
import uvloop

from config.clock import SystemClock
from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.commands.patience import DatabaseBusyError, patiently
from corsia.ready_database import DatabaseUnusableError, ready_database
from db import campaigns, stops, stores
from db.connect import DatabaseUrlError
from offers.stops import Scope

Target = tuple[Scope, str]

BUSY: Final = "Stop the engine or the push processes if offers must end now"


class HaltError(Exception):
    """Something that cannot be halted or resumed; the message says why."""


class NoSuchStoreError(HaltError):
    def __init__(self, store_id: str, known: list[str]) -> None:
        super().__init__(f"there is no store {store_id}; there are: {', '.join(known) or 'none'}")


class NoSuchCampaignError(HaltError):
    def __init__(self, campaign_id: str) -> None:
        super().__init__(f"there is no campaign {campaign_id}: `corsia export` lists them")


@click.command()
@click.option("--everything", is_flag=True, help="Every offer of every store.")
@click.option("--store", "store_id", metavar="STORE", help="Every offer in this store.")
@click.option("--campaign", "campaign_id", metavar="CAMPAIGN", help="This campaign, everywhere.")
@click.option("--why", help="For whoever asks why nothing is sent. Nobody's name.")
def halt(
    *, everything: bool, store_id: str | None, campaign_id: str | None, why: str | None
) -> None:
    """Stop sending offers, or with no option say what is stopped.

    It holds within a second, for decisions and for what is on its way to Firebase, and until
    `corsia resume` is told the same. What was sent is not called back, and stays redeemable.

    \b
    Examples:
      corsia halt
      corsia halt --store milano-1 --why "wrong prices on the shelf"
      corsia halt --everything --why "legal asked"
    """
    target = _target(everything, store_id, campaign_id)
    with said_plainly(HaltError, DatabaseBusyError, DatabaseUrlError, DatabaseUnusableError):
        if target is None:
            if why is not None:
                raise click.UsageError(
                    "--why goes with --everything, --store or --campaign: what is to be stopped?"
                )
            said = uvloop.run(_standing(load_settings()))
        else:
            said = uvloop.run(patiently(lambda: _halt(load_settings(), target, why or ""), BUSY))
    click.echo(said)


@click.command()
@click.option("--everything", is_flag=True, help="Lift `corsia halt --everything`.")
@click.option("--store", "store_id", metavar="STORE", help="Lift the halt of this store.")
@click.option("--campaign", "campaign_id", metavar="CAMPAIGN", help="Lift that of this campaign.")
def resume(*, everything: bool, store_id: str | None, campaign_id: str | None) -> None:
    """Send offers again that `corsia halt` stopped. Other halts stay."""
    target = _target(everything, store_id, campaign_id)
    if target is None:
        raise click.UsageError("what is to be resumed? --everything, --store or --campaign")
    with said_plainly(HaltError, DatabaseBusyError, DatabaseUrlError, DatabaseUnusableError):
        click.echo(uvloop.run(patiently(lambda: _resume(load_settings(), target))))


def _target(everything: bool, store_id: str | None, campaign_id: str | None) -> Target | None:
    given = [
        *([(Scope.EVERYTHING, "")] if everything else []),
        *([(Scope.STORE, store_id)] if store_id is not None else []),
        *([(Scope.CAMPAIGN, campaign_id)] if campaign_id is not None else []),
    ]
    if len(given) > 1:
        raise click.UsageError("one of --everything, --store and --campaign at a time")
    return given[0] if given else None


async def _halt(settings: Settings, target: Target, why: str) -> str:
    scope, name = target
    async with ready_database(settings.sql_url) as database, database.begin() as tx:
        if scope is Scope.STORE and name not in (known := await stores.store_ids(tx)):
            raise NoSuchStoreError(name, known)
        if scope is Scope.CAMPAIGN and not await campaigns.is_there(tx, name):
            raise NoSuchCampaignError(name)
        is_new = await stops.throw(tx, scope, name, why, SystemClock().now())
    return f"{_named(target)} is {'halted' if is_new else 'halted already; the reason stays'}"


async def _resume(settings: Settings, target: Target) -> str:
    async with ready_database(settings.sql_url) as database, database.begin() as tx:
        if not await stops.lift(tx, *target):
            raise HaltError(f"{_named(target)} is not halted; `corsia halt` says what is")
        left = await stops.thrown(tx)
    said = f"{_named(target)} is resumed"
    return f"{said}; still halted:\n{_listed(left)}" if left else said


async def _standing(settings: Settings) -> str:
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        thrown = await stops.thrown(tx)
    return _listed(thrown) if thrown else "nothing is halted"


def _listed(thrown: list[tuple[Scope, str, datetime, str]]) -> str:
    return "\n".join(
        f"{_named((scope, target))}, since {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        + (f": {why}" if why else "")
        for scope, target, at, why in thrown
    )


def _named(target: Target) -> str:
    scope, name = target
    return "everything" if scope is Scope.EVERYTHING else f"{scope.value} {name}"
