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

CAMPAIGNS = """
    INSERT INTO campaigns (id, status, document, sends, changed_at) VALUES
    ('rice', 'live', '{"offer": {"cost_cents": 20}}', 7, '2026-09-21 12:00:00'),
    ('free', 'live', '{"offer": {}}', 9, '2026-09-21 12:00:00')
"""


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


async def test_what_was_sent_before_budgets_in_money_has_its_price(tmp_path: Path) -> None:
    async with open_database(f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3") as database:
        async with database.begin() as tx:
            await tx.run_sync(_to_release)
            await tx.execute(text(CAMPAIGNS))

        await migrate.upgrade(database)

        priced = text("SELECT id, sends, spent_cents, least_cost_cents FROM campaigns ORDER BY id")
        async with database.read() as tx:
            rows = (await tx.execute(priced)).all()
    assert [tuple(row) for row in rows] == [("free", 9, 0, 0), ("rice", 7, 140, 20)]
