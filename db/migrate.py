"""The schema's versions: bring a database to the newest, or say how far it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from db.connect import Database, open_database
from db.schema import metadata

HERE: Final = Path(__file__).parent / "migrations"
# Any number that nobody else locks: "CRSA", as on air.
UPGRADE_LOCK: Final = 0x43525341


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The version that this code needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


async def current(database: Database) -> str | None:
    """The version of a database; None when it is empty."""
    async with database.read() as tx:
        return await tx.run_sync(
            lambda connection: MigrationContext.configure(connection).get_current_revision()
        )


async def upgrade(database: Database) -> tuple[str | None, str]:
    """Bring the database to the newest version; the versions before and after."""
    before, needed = await current(database), newest()
    if before == needed:
        return before, needed
    async with _unhurried(database) as patient, patient.begin() as tx:
        if tx.dialect.name == "postgresql":
            # Processes that start together must not both make the first table.
            await tx.execute(select(func.pg_advisory_xact_lock(UPGRADE_LOCK)))
        await tx.run_sync(lambda connection: command.upgrade(_config(connection), "head"))
    return before, needed


@asynccontextmanager
async def _unhurried(database: Database) -> AsyncIterator[Database]:
    """The same database, where a step over a large table may take as long as it must."""
    url = database.engine.url
    if not url.drivername.startswith("postgresql"):
        yield database
        return
    told = url.render_as_string(hide_password=False)
    async with open_database(told, statement_limit_s=None) as opened:
        yield opened


async def drift(database: Database) -> list[str]:
    """What differs between the tables in this code and a database; empty when nothing does."""

    def compare(connection: Connection) -> list[str]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [str(difference) for difference in compare_metadata(context, metadata)]

    async with database.read() as tx:
        return await tx.run_sync(compare)
