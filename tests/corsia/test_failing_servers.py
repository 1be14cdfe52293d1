"""Servers that are taken away really are away, and come back as they should."""

import asyncio
import sqlite3
from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from config.clock import SystemClock
from corsia.failing_servers import FailingRedis, SqliteFile, open_postgres
from db import migrate
from db.connect import DATABASE_ERRORS, Database, open_database
from db.live import open_live
from db.tables import shoppers

NOT_WAITING_MS = 50


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A database with our tables in it."""
    made = tmp_path / "corsia.sqlite3"
    async with open_database(f"sqlite+aiosqlite:///{made}") as database:
        await migrate.upgrade(database)
    return made


def client(file: Path) -> sqlite3.Connection:
    """A connection of another process, as far as SQLite is concerned, that does not wait long."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout={NOT_WAITING_MS}")
    connection.execute("SELECT count(*) FROM shoppers").fetchone()  # in use before it is taken
    return connection


def write(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")


def read(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT count(*) FROM shoppers").fetchone()


async def test_a_locked_sqlite_is_read_and_not_written(file: Path) -> None:
    with closing(client(file)) as connection:
        async with SqliteFile(file).locked():
            read(connection)
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                write(connection)
        write(connection)


async def test_of_a_gone_sqlite_nobody_reads_or_writes_until_it_is_back(file: Path) -> None:
    server = SqliteFile(file)
    async with open_database(server.url) as database:
        await _read(database)
        async with server.gone(), asyncio.TaskGroup() as both:
            # SQLite tries for ten seconds before it gives up: both at once.
            both.create_task(_fails(_read(database)), name="reading")
            both.create_task(_fails(_write(database)), name="writing")
        await _read(database)
        await _write(database)


async def test_redis_comes_back_in_the_same_place_and_empty() -> None:
    async with FailingRedis(SystemClock()) as server, open_live(server.url) as live:
        url = server.url
        await live.redis.set("kept", "?")
        before = (await live.redis.info("server"))["process_id"]
        await server.kill_and_empty()

        assert server.url == url
        async with open_live(url) as fresh:
            assert await fresh.redis.dbsize() == 0
            assert (await fresh.redis.info("server"))["process_id"] != before


async def test_a_postgres_is_locked_and_gone_and_comes_back() -> None:
    async with open_postgres() as server, open_database(server.url) as database:
        await migrate.upgrade(database)
        await _write(database)
        async with server.locked():
            await _fails(_write(database))
        await _write(database)
        async with server.gone():
            await _fails(_read(database))
        await _read(database)
        await _write(database)


async def _read(database: Database) -> None:
    async with database.read() as tx:
        await tx.execute(select(shoppers.c.id))


async def _write(database: Database) -> None:
    async with database.begin() as tx:
        if tx.dialect.name == "postgresql":
            await tx.execute(text(f"SET LOCAL lock_timeout = {NOT_WAITING_MS}"))
        await tx.execute(shoppers.delete().where(shoppers.c.id == "nobody"))


async def _fails(asked: Coroutine[Any, Any, None]) -> None:
    """It fails as every process of ours expects a database to fail that is away."""
    with pytest.raises(DATABASE_ERRORS):
        await asked
