"""A migrated SQLite file, copied to where a test's database will be: migrating takes 0.1 s."""

import shutil
from pathlib import Path

import pytest

from db import migrate
from db.connect import open_database


@pytest.fixture(scope="session")
async def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the newest version, closed."""
    path = tmp_path_factory.mktemp("migrated") / "corsia.sqlite3"
    async with open_database(f"sqlite+aiosqlite:///{path}") as opened:
        await migrate.upgrade(opened)
    return path


@pytest.fixture(autouse=True)
def prepared_database(request: pytest.FixtureRequest, migrated_file: Path, tmp_path: Path) -> None:
    """The file that `database` and `sqlite_database` open is there already."""
    if {"database", "sqlite_database"} & set(request.fixturenames):
        shutil.copy(migrated_file, tmp_path / "corsia.sqlite3")
