"""An API over real servers: on SQLite, and on both databases where the database matters."""

import shutil
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import aiohttp
import pytest
import yarl
from aiohttp import web

from config.clock import VirtualClock
from db import migrate
from db.connect import Database, open_database
from db.live import Live
from mobile_api.http_server import ApiRunner
from mobile_api.parts import Rates
from tests.mobile_api.harness import Api, app_of, new_store, settings_of


class Serve(Protocol):
    def __call__(
        self,
        database: Database,
        *,
        rates: Rates | None = None,
        redis_url: str | None = None,
        **given: object,
    ) -> AbstractAsyncContextManager[Api]: ...


@pytest.fixture
def serve(live: Live, redis_url: str, clock: VirtualClock, tmp_path: Path) -> Serve:
    """Serve the API with settings of one's own for the length of a block."""
    its_redis_url = redis_url

    @asynccontextmanager
    async def served(
        database: Database,
        *,
        rates: Rates | None = None,
        redis_url: str | None = None,
        **given: object,
    ) -> AsyncIterator[Api]:
        await new_store(database, clock.now())
        settings = settings_of(database, redis_url or its_redis_url, tmp_path, **given)
        app = app_of(settings, clock, rates)
        runner = ApiRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = yarl.URL(f"http://127.0.0.1:{runner.addresses[0][1]}/")
            async with aiohttp.ClientSession() as session:
                yield Api(url, session, app, clock, database, live)
        finally:
            await runner.cleanup()

    return served


@pytest.fixture(scope="session")
async def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file at the newest version: copied 40 times faster than it is made."""
    path = tmp_path_factory.mktemp("template") / "corsia.sqlite3"
    async with open_database(f"sqlite+aiosqlite:///{path}") as made:
        await migrate.upgrade(made)
    return path


@pytest.fixture
async def sqlite_database(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Database]:
    """The shared fixture of that name, made quickly: nearly every test here asks for one."""
    path = shutil.copy(sqlite_template, tmp_path / "corsia.sqlite3")
    async with open_database(f"sqlite+aiosqlite:///{path}") as opened:
        yield opened


@pytest.fixture
async def api(serve: Serve, sqlite_database: Database) -> AsyncIterator[Api]:
    async with serve(sqlite_database) as served:
        yield served


@pytest.fixture
async def api_on_both(serve: Serve, database: Database) -> AsyncIterator[Api]:
    """Each test that asks for it runs on SQLite and on PostgreSQL."""
    async with serve(database) as served:
        yield served
