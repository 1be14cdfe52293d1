"""The schema's versions, on both databases."""

import asyncio
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from db import migrate
from db.connect import Database, open_database


async def test_a_new_database_reaches_the_newest_version_without_drift(database: Database) -> None:
    assert await migrate.current(database) == migrate.newest()
    assert await migrate.drift(database) == []


async def test_upgrading_again_changes_nothing(database: Database) -> None:
    assert await migrate.upgrade(database) == (migrate.newest(), migrate.newest())


async def test_a_changed_schema_is_told(database: Database) -> None:
    async with database.engine.connect() as connection:
        await connection.execute(text("ALTER TABLE campaigns ADD COLUMN extra INTEGER"))
        await connection.commit()
    try:
        assert "extra" in str(await migrate.drift(database))
    finally:
        async with database.begin() as tx:
            await tx.execute(text("ALTER TABLE campaigns DROP COLUMN extra"))


@pytest.fixture(params=["sqlite", "postgres"])
async def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/empty.sqlite3"
    url: str = request.getfixturevalue("postgres_url")
    async with open_database(url) as database, database.engine.connect() as connection:
        outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await outside.execute(text("DROP DATABASE IF EXISTS empty"))
        await outside.execute(text("CREATE DATABASE empty"))
    path, question, rest = url.partition("?")
    return f"{path.rpartition('/')[0]}/empty{question}{rest}"


UPGRADER = """
import asyncio, sys
from db import connect, migrate

async def upgrade():
    async with connect.open_database(sys.argv[1]) as database:
        await migrate.upgrade(database)

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(upgrade())
"""


def _upgrade_in_two_processes(url: str) -> list[str]:
    """What those that failed said."""
    with ExitStack() as running:
        processes = [
            running.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", UPGRADER, url],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(2)
        ]  # fmt: skip
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=60)[1] for process in processes]
        return [said for process, said in zip(processes, said, strict=True) if process.returncode]


async def test_processes_that_start_together_upgrade_once(empty_database_url: str) -> None:
    # Processes, because Alembic keeps its context in globals.
    assert await asyncio.to_thread(_upgrade_in_two_processes, empty_database_url) == []

    async with open_database(empty_database_url) as database:
        assert await migrate.current(database) == migrate.newest()
        assert await migrate.drift(database) == []


@pytest.mark.parametrize("empty_database_url", ["postgres"], indirect=True)
async def test_a_step_may_take_longer_than_a_statement_of_a_server(
    empty_database_url: str,
) -> None:
    held = asyncio.Event()

    async def hold() -> None:
        async with open_database(empty_database_url) as database, database.begin() as tx:
            await tx.execute(select(func.pg_advisory_xact_lock(migrate.UPGRADE_LOCK)))
            held.set()
            await tx.execute(text("SELECT pg_sleep(1.5)"))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hold(), name="hold")
        await held.wait()
        async with open_database(empty_database_url, statement_limit_s=1.0) as database:
            await migrate.upgrade(database)
            assert await migrate.current(database) == migrate.newest()
