"""`corsia till ...`: let tills send their receipts, and shut them out."""

import click
import uvloop

from config.clock import SystemClock
from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.ready_database import DatabaseUnusableError, ready_database
from db import stores, tills
from db.connect import DatabaseUrlError


class TillError(Exception):
    """A till that cannot be added or revoked; the message says why."""


@click.group()
def till() -> None:
    """Tills send their receipts, so that an offer's worth is counted in money.

    \b
    Example:
      corsia till add milano-1 till-3
      curl -H "Authorization: Bearer TOKEN" -d @receipt.json .../v1/till/receipts
    """


@till.command()
@click.argument("store_id", metavar="STORE")
@click.argument("name", metavar="TILL")
def add(store_id: str, name: str) -> None:
    """Print a token with which TILL sends the receipts of STORE. It is shown now and never again.

    A till that was revoked gets a new one.
    """
    if not 1 <= len(name) <= 64:
        raise click.UsageError("a till's name has 1 to 64 characters")
    with said_plainly(TillError, DatabaseUrlError, DatabaseUnusableError):
        click.echo(uvloop.run(_add(load_settings(), store_id, name)))


@till.command()
@click.argument("store_id", metavar="STORE")
@click.argument("name", metavar="TILL")
def revoke(store_id: str, name: str) -> None:
    """Refuse TILL from its next receipt on. What it sent before stays."""
    with said_plainly(TillError, DatabaseUrlError, DatabaseUnusableError):
        uvloop.run(_revoke(load_settings(), store_id, name))
    click.echo(f"{name} of {store_id} is refused from now on")


@till.command("list")
def list_tills() -> None:
    """Every till, and whether it may send."""
    with said_plainly(DatabaseUrlError, DatabaseUnusableError):
        known = uvloop.run(_listed(load_settings()))
    for one in known:
        state = "may send" if one.revoked_at is None else f"revoked {one.revoked_at:%Y-%m-%d}"
        click.echo(f"{one.store_id} {one.name}: {state}")
    if not known:
        click.echo("there are no tills: `corsia till add STORE TILL`")


async def _add(settings: Settings, store_id: str, name: str) -> str:
    async with ready_database(settings.sql_url) as database, database.begin() as tx:
        if store_id not in (known := await stores.store_ids(tx)):
            raise TillError(
                f"there is no store {store_id}; there are: {', '.join(known) or 'none'}"
            )
        token = await tills.add(tx, store_id, name, SystemClock().now())
    if token is None:
        raise TillError(
            f"{name} of {store_id} has a token; if that is lost: `corsia till revoke` first"
        )
    return token


async def _revoke(settings: Settings, store_id: str, name: str) -> None:
    async with ready_database(settings.sql_url) as database, database.begin() as tx:
        if not await tills.revoke(tx, store_id, name, SystemClock().now()):
            raise TillError(f"no till {name} of {store_id} may send: `corsia till list`")


async def _listed(settings: Settings) -> list[tills.Till]:
    async with ready_database(settings.sql_url) as database, database.read() as tx:
        return await tills.listed(tx)
