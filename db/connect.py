"""The SQL engine, set up so that the same code is right on SQLite and on PostgreSQL."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, event, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

# How long a writer waits for another before the call fails; a batch's transaction takes 1-5 ms.
BUSY_TIMEOUT_MS: Final = 5_000
CONNECT_LIMIT_S: Final = 5.0
COMMAND_LIMIT_S: Final = 10.0
# Measured with six at a time, four hundred times: one more try was always enough.
WAL_TRIES_MAX: Final = 5
READ_ONLY: Final = {"corsia_read_only": True}
# What a database raises that is away or too busy: SQLAlchemy wraps what the server said,
# but not a connection that was refused.
DATABASE_ERRORS: Final = (DBAPIError, PoolTimeout, OSError)
DRIVERS: Final = ("sqlite+aiosqlite", "postgresql+asyncpg")


class DatabaseUrlError(Exception):
    """A database address that we cannot use; the message says what is accepted."""


class Database:
    """One engine; `begin` is a transaction that writes, `read` one that only looks."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end of the block, rolled back by an error."""
        async with self.engine.begin() as tx:
            yield tx

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A view of the data that takes no writer's turn."""
        async with self.engine.connect() as connection:
            tx = await connection.execution_options(**READ_ONLY)
            async with tx.begin():
                yield tx


@asynccontextmanager
async def open_database(
    url: str, *, statement_limit_s: float | None = COMMAND_LIMIT_S
) -> AsyncIterator[Database]:
    """The database at `url` for the length of the block. Raises DatabaseUrlError.

    statement_limit_s: how long PostgreSQL may take over a statement; None: as long as it must.
    """
    engine = _engine(url, statement_limit_s)
    try:
        yield Database(engine)
    finally:
        await engine.dispose()


async def insert_once(tx: AsyncConnection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert the row unless a unique key holds it already; whether it was inserted."""
    if tx.dialect.name == "sqlite":
        on_sqlite = sqlite.insert(table).values(row).on_conflict_do_nothing()
        return (await tx.execute(on_sqlite)).rowcount == 1
    on_postgres = postgresql.insert(table).values(row).on_conflict_do_nothing()
    return (await tx.execute(on_postgres)).rowcount == 1


async def insert_new(tx: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert the rows, those that a unique key holds already left out."""
    if not rows:
        return
    if tx.dialect.name == "sqlite":
        await tx.execute(sqlite.insert(table).on_conflict_do_nothing(), rows)
        return
    await tx.execute(postgresql.insert(table).on_conflict_do_nothing(), rows)


async def upsert(
    tx: AsyncConnection, table: Table, rows: list[dict[str, Any]], changing: Sequence[str]
) -> None:
    """Insert the rows; of those whose primary key is there already, change these columns only."""
    key = [column.name for column in table.primary_key]
    if tx.dialect.name == "sqlite":
        on_sqlite = sqlite.insert(table)
        new = {name: on_sqlite.excluded[name] for name in changing}
        await tx.execute(on_sqlite.on_conflict_do_update(index_elements=key, set_=new), rows)
        return
    on_postgres = postgresql.insert(table)
    fresh = {name: on_postgres.excluded[name] for name in changing}
    await tx.execute(on_postgres.on_conflict_do_update(index_elements=key, set_=fresh), rows)


async def delete_some(
    tx: AsyncConnection, key: Sequence[Column[Any]], due: ColumnElement[bool], most: int
) -> int:
    """Delete so many at most of the rows that are due; how many it were. key: what is unique in
    their table."""
    these = tuple_(*key).in_(select(*key).where(due).limit(most))
    return (await tx.execute(delete(key[0].table).where(these))).rowcount


def _engine(url: str, statement_limit_s: float | None) -> AsyncEngine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DatabaseUrlError("the database address is no URL") from error
    if parsed.drivername not in DRIVERS:
        raise DatabaseUrlError(
            f"{parsed.drivername}: use {' or '.join(f'{driver}://...' for driver in DRIVERS)}"
        )
    # Errors end up in logs, and parameters are personal.
    if parsed.drivername.startswith("postgresql"):
        return create_async_engine(
            parsed,
            hide_parameters=True,
            pool_size=10,
            max_overflow=10,
            pool_pre_ping=True,
            # A server that went silent must not hold a process for ever.
            connect_args={
                "timeout": CONNECT_LIMIT_S,
                "command_timeout": statement_limit_s,
                "server_settings": {
                    "idle_in_transaction_session_timeout": str(round(COMMAND_LIMIT_S * 2_000))
                },
            },
        )
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Every connection is a thread: all are kept, none is opened for a moment (measured: 1.9 ms a
    # batch of ingest instead of 2.9).
    engine = create_async_engine(parsed, hide_parameters=True, pool_size=20, max_overflow=0)
    event.listen(engine.sync_engine, "connect", _set_up_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    event.listen(engine.sync_engine, "invalidate", _end_cancelled)
    return engine


def _set_up_sqlite(dbapi: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver's own transactions start too late and lose concurrent updates (measured: 320 of
    # 400); ours begin in _begin_sqlite.
    dbapi.isolation_level = None
    cursor = dbapi.cursor()
    for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    _write_ahead(cursor)
    cursor.close()


def _write_ahead(cursor: DBAPICursor) -> None:
    """Switch the file to its write-ahead log.

    Of several who open a new file at once SQLite refuses all but one, and does not make them wait
    (measured: one in a hundred). The writer's turn they do wait for, and then the switch is made.
    """
    for _ in range(WAL_TRIES_MAX):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("COMMIT")
        else:
            return
    cursor.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("corsia_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _end_cancelled(
    dbapi: DBAPIConnection, _entry: ConnectionPoolEntry, why: BaseException | None
) -> None:
    """End the transaction of a cancelled statement before its connection is closed.

    A statement that was not read to its end keeps SQLite's connection open after close(), and with
    it the one writer's turn, until it is garbage (measured: most cancellations within a query).
    """
    if isinstance(why, asyncio.CancelledError):
        dbapi.rollback()
