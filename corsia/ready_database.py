"""The database as a command finds it: usable and at the newest schema, or one sentence why not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from alembic.util.exc import CommandError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from db import migrate
from db.connect import Database, DatabaseUrlError, open_database

NO_FILE: Final = (":memory:", "file:")


class DatabaseUnusableError(Exception):
    """A database that cannot be worked with; the message says why and what to do."""

    def __init__(self, why: str, mend: str) -> None:
        super().__init__(f"the database cannot be used: {why}; {mend}")


class DatabaseAwayError(DatabaseUnusableError):
    """It does not answer, or not as a database does."""

    def __init__(self, error: Exception) -> None:
        super().__init__(_first_line(error), "see `corsia doctor`")


class SchemaError(DatabaseUnusableError):
    """Its schema is not the one that this code needs."""

    def __init__(self, why: str) -> None:
        super().__init__(why, "run `corsia db upgrade`")


@asynccontextmanager
async def answering_database(url: str) -> AsyncIterator[Database]:
    """The database for the length of the block, whatever its schema.

    Raises DatabaseAwayError for all that it refuses, DatabaseUrlError.
    """
    refused: tuple[type[Exception], ...] = (SQLAlchemyError, CommandError, OSError)
    refused += _driver_errors()
    try:
        if _is_there(url) and (path := _sqlite_file(url)) is not None:
            # Here, because aiosqlite's thread prints a trace when it cannot open its file.
            path.open("rb").close()
        async with open_database(url) as database:
            yield database
    except refused as error:
        raise DatabaseAwayError(error) from error


@asynccontextmanager
async def ready_database(url: str) -> AsyncIterator[Database]:
    """The database at the newest schema, for the length of the block; it is never made here.

    Raises SchemaError, DatabaseAwayError, DatabaseUrlError.
    """
    if not _is_there(url):
        raise SchemaError("it is not made yet")
    async with answering_database(url) as database:
        _check(await migrate.current(database))
        yield database


async def schema_version(url: str) -> str | None:
    """The version of its schema; None when it is empty or not made yet, and it is not made here.

    Raises DatabaseAwayError, DatabaseUrlError.
    """
    if not _is_there(url):
        return None
    async with answering_database(url) as database:
        return await migrate.current(database)


async def check_schema(url: str) -> None:
    """Return when the schema is the newest. Raises as `ready_database` does."""
    _check(await schema_version(url))


def _check(version: str | None) -> None:
    if version != migrate.newest():
        needed = migrate.newest()
        raise SchemaError(f"its schema is at {version or 'nothing'}, this Corsia needs {needed}")


def _is_there(url: str) -> bool:
    """Whether there is anything to open: a SQLite file would be made by looking."""
    path = _sqlite_file(url)
    return path is None or path.exists()


def _sqlite_file(url: str) -> Path | None:
    """The file that the address names; None when it names a server, or memory."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        # The cause is left out: it may quote a password.
        raise DatabaseUrlError("the database address is no URL") from error
    path = parsed.database
    if not parsed.drivername.startswith("sqlite") or not path or path.startswith(NO_FILE):
        return None
    return Path(path)


def _driver_errors() -> tuple[type[Exception], ...]:
    """What asyncpg raises while it connects; SQLAlchemy does not wrap that."""
    try:
        import asyncpg
    except ModuleNotFoundError:
        return ()
    return (asyncpg.PostgresError, asyncpg.InterfaceError)


def _first_line(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
