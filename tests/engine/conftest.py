"""A shop that is open, on SQLite; and one on each database."""

import pytest

from config.clock import VirtualClock
from db.connect import Database
from db.live import Live
from tests.db.prepared import migrated_file, prepared_database
from tests.engine.shop import Shop

__all__ = ["migrated_file", "prepared_database", "shop", "shop_on_each"]


@pytest.fixture
async def shop(sqlite_database: Database, live: Live, clock: VirtualClock) -> Shop:
    opened = Shop(sqlite_database, live, clock)
    await opened.open()
    return opened


@pytest.fixture
async def shop_on_each(database: Database, live: Live, clock: VirtualClock) -> Shop:
    opened = Shop(database, live, clock)
    await opened.open()
    return opened
