"""The schema's versions: bring a database to the newest, or say how far it is."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from db.connect import Database
from db.tables import metadata

HERE: Final = Path(__file__).parent / "migrations"


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
    before = await current(database)
    async with database.begin() as tx:
        await tx.run_sync(lambda connection: command.upgrade(_config(connection), "head"))
    return before, newest()


async def drift(database: Database) -> list[str]:
    """What differs between the tables in this code and a database; empty when nothing does."""

    def compare(connection: Connection) -> list[str]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [str(difference) for difference in compare_metadata(context, metadata)]

    async with database.read() as tx:
        return await tx.run_sync(compare)
