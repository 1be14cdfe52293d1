"""Two transactions at once: know when the second has come to wait for the first."""

import asyncio
from typing import Final

from sqlalchemy import text

from db.connect import Database

_WAITING: Final = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
# SQLite does not tell who waits. A reader's round trip takes as long as a writer's way to its wait.
SQLITE_ROUND_TRIPS: Final = 20
GIVE_UP_S: Final = 5.0


async def until_somebody_waits(database: Database) -> None:
    """Nothing, once a transaction waits for another's lock. Raises TimeoutError when none does."""
    async with asyncio.timeout(GIVE_UP_S):
        if database.engine.dialect.name == "sqlite":
            for _ in range(SQLITE_ROUND_TRIPS):
                async with database.read() as tx:
                    await tx.execute(text("SELECT 1"))
            return
        while True:
            async with database.read() as tx:
                if await tx.scalar(_WAITING):
                    return
