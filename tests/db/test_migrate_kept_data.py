"""What a database holds survives the steps from one schema to the next."""

from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, text

from db import migrate
from db.connect import open_database

# The first schema was released: a database may be at it.
RELEASED = "0001"
STORE = (
    "INSERT INTO stores (id, name, tz, country, plan, control_salt, changed_at)"
    " VALUES ('s1', 'Shop', 'UTC', 'IT', '{}', 'salt', '2026-09-21 12:00:00')"
)


def _to_release(connection: Connection) -> None:
    command.upgrade(migrate._config(connection), RELEASED)


def _back_to_release(connection: Connection) -> None:
    command.downgrade(migrate._config(connection), RELEASED)


@pytest.mark.parametrize("again", [False, True])
async def test_a_store_of_the_first_release_is_kept(tmp_path: Path, *, again: bool) -> None:
    async with open_database(f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3") as database:
        async with database.begin() as tx:
            await tx.run_sync(_to_release)
            await tx.execute(text(STORE))

        assert await migrate.upgrade(database) == (RELEASED, migrate.newest())
        if again:  # back to the release, and forward once more
            async with database.begin() as tx:
                await tx.run_sync(_back_to_release)
            await migrate.upgrade(database)

        assert await migrate.drift(database) == []
        async with database.read() as tx:
            assert (await tx.scalars(text("SELECT id FROM stores"))).all() == ["s1"]
