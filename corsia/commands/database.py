"""`corsia db ...`: the schema's versions."""

import click
import uvloop

from config.settings import Settings, load_settings
from corsia.commands.failures import said_plainly
from corsia.ready_database import DatabaseUnusableError, answering_database, schema_version
from db import migrate
from db.connect import DatabaseUrlError


@click.group()
def db() -> None:
    """Bring the database to the newest schema, or see how far it is.

    The database is CORSIA_DATABASE_URL; without it, SQLite in CORSIA_DATA_DIR.
    """


@db.command()
def upgrade() -> None:
    """Bring the schema to the newest version; safe to run again."""
    with said_plainly(DatabaseUrlError, DatabaseUnusableError):
        before, after = uvloop.run(_upgrade(load_settings()))
    if before == after:
        click.echo(f"the schema is at {after}, the newest version; nothing to do")
    else:
        click.echo(f"the schema went from {before or 'nothing'} to {after}")


@db.command()
def status() -> None:
    """Print the schema's version; exit with 1 when it is not the newest."""
    with said_plainly(DatabaseUrlError, DatabaseUnusableError):
        current = uvloop.run(schema_version(load_settings().sql_url))
    newest = migrate.newest()
    click.echo(f"the database is at {current or 'nothing'}, this Corsia needs {newest}")
    if current != newest:
        click.echo("run `corsia db upgrade`", err=True)
        raise SystemExit(1)


async def _upgrade(settings: Settings) -> tuple[str | None, str]:
    async with answering_database(settings.sql_url) as database:
        return await migrate.upgrade(database)
