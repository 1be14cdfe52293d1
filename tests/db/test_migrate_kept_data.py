"""What a database holds survives the steps from one schema to the next."""

from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db import migrate
from db.connect import open_database

# The first schema was released: a database may be at it.
RELEASED = "0001"
STORE = (
    "INSERT INTO stores (id, name, tz, country, plan, control_salt, changed_at)"
    " VALUES ('s1', 'Shop', 'UTC', 'IT', '{}', 'salt', '2026-09-21 12:00:00')"
)

CAMPAIGNS = """
    INSERT INTO campaigns (id, status, document, sends, changed_at) VALUES
    ('rice', 'live', '{"offer": {"cost_cents": 20}}', 7, '2026-09-21 12:00:00'),
    ('free', 'live', '{"offer": {}}', 9, '2026-09-21 12:00:00')
"""

# A row in every table that hangs on another: what a table made anew on the way would take along.
TREE = """
INSERT INTO gateways (id, store_id) VALUES ('g1', 's1');
INSERT INTO shoppers (id, country, locale, created_at, erase_after)
    VALUES ('p1', 'IT', 'it', '2026-09-21', '2028-09-21');
INSERT INTO handsets (id, shopper_id, platform, app_version, created_at, changed_at)
    VALUES ('h1', 'p1', 'android', '1', '2026-09-21', '2026-09-21');
INSERT INTO visits (id, shopper_id, store_id, handset_id, entered_at, last_heard_at, erase_after)
    VALUES ('v1', 'p1', 's1', 'h1', '2026-09-21', '2026-09-21', '2027-09-21');
INSERT INTO zone_visits (visit_id, zone_id, entered_at, confidence)
    VALUES ('v1', 'aisle-7', '2026-09-21', 0.9);
INSERT INTO decisions (id, visit_id, shopper_id, zone_id, outcome, campaign_id, ghost, reasons,
                       weighed, seen, heard_at, at, erase_after)
    VALUES ('d1', 'v1', 'p1', 'aisle-7', 'send', 'rice', 0, '[]', '[]', '{}', '2026-09-21',
            '2026-09-21', '2027-09-21');
INSERT INTO sends (decision_id, shopper_id, campaign_id, visit_id, at)
    VALUES ('d1', 'p1', 'rice', 'v1', '2026-09-21');
INSERT INTO outbox (decision_id, handset_id, state, due_at, expires_at, attempts, maybe_sent)
    VALUES ('d1', 'h1', 'settled', '2026-09-21', '2026-09-21', 1, 0);
INSERT INTO receipts (decision_id, receipt_id, handset_id, kind, at)
    VALUES ('d1', 'r1', 'h1', 'opened', '2026-09-21');
INSERT INTO redemptions (id, decision_id, shopper_id, campaign_id, idempotency_key, code, at)
    VALUES ('x1', 'd1', 'p1', 'rice', 'k', 'CODE', '2026-09-21')
"""
TABLES = (
    "stores", "gateways", "shoppers", "handsets", "visits", "zone_visits", "decisions", "sends",
    "outbox", "receipts", "redemptions",
)  # fmt: skip


def _to_release(connection: Connection) -> None:
    command.upgrade(migrate._config(connection), RELEASED)


def _back_to_release(connection: Connection) -> None:
    command.downgrade(migrate._config(connection), RELEASED)


@pytest.mark.parametrize("again", [False, True])
async def test_what_the_first_release_held_is_kept(tmp_path: Path, *, again: bool) -> None:
    async with open_database(f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3") as database:
        async with database.begin() as tx:
            await tx.run_sync(_to_release)
            for statement in (STORE, *TREE.split(";")):
                await tx.execute(text(statement))

        assert await migrate.upgrade(database) == (RELEASED, migrate.newest())
        if again:  # back to the release, and forward once more
            async with database.begin() as tx:
                await tx.run_sync(_back_to_release)
                assert await _counts(tx) == dict.fromkeys(TABLES, 1)
            await migrate.upgrade(database)

        assert await migrate.drift(database) == []
        async with database.read() as tx:
            assert await _counts(tx) == dict.fromkeys(TABLES, 1)
            (sent,) = (await tx.execute(text("SELECT zone_id, store_id FROM sends"))).all()
    assert tuple(sent) == ("aisle-7", "s1")


async def _counts(tx: AsyncConnection) -> dict[str, int]:
    return {
        table: int(await tx.scalar(text(f"SELECT count(*) FROM {table}")) or 0) for table in TABLES
    }


async def test_what_was_sent_before_budgets_in_money_has_its_price(tmp_path: Path) -> None:
    async with open_database(f"sqlite+aiosqlite:///{tmp_path}/corsia.sqlite3") as database:
        async with database.begin() as tx:
            await tx.run_sync(_to_release)
            await tx.execute(text(CAMPAIGNS))

        await migrate.upgrade(database)

        priced = text("SELECT id, sends, spent_cents, least_cost_cents FROM campaigns ORDER BY id")
        async with database.read() as tx:
            rows = (await tx.execute(priced)).all()
    assert [tuple(row) for row in rows] == [("free", 9, 0, 0), ("rice", 7, 140, 20)]
