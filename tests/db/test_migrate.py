"""The schema's versions, on both databases."""

from db import migrate
from db.connect import Database


async def test_a_new_database_reaches_the_newest_version_without_drift(database: Database) -> None:
    assert await migrate.current(database) == migrate.newest()
    assert await migrate.drift(database) == []


async def test_upgrading_again_changes_nothing(database: Database) -> None:
    assert await migrate.upgrade(database) == (migrate.newest(), migrate.newest())
