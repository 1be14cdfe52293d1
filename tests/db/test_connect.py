"""Transactions: nothing is lost between two writers, and nothing personal is in an error."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError

from config.clock import SystemClock
from db.connect import (
    DATABASE_ERRORS,
    Database,
    DatabaseUrlError,
    insert_once,
    open_database,
)
from db.tables import campaigns, gateways, stores

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def _campaign(**changes: object) -> dict[str, object]:
    row = {"id": "c", "status": "live", "document": {}, "sends": 0, "changed_at": NOW}
    return {**row, **changes}


async def test_read_then_write_loses_no_update_on_sqlite(sqlite_database: Database) -> None:
    async with sqlite_database.begin() as tx:
        await tx.execute(insert(campaigns).values(_campaign()))

    async def add(times: int) -> None:
        for _ in range(times):
            async with sqlite_database.begin() as tx:
                sends: int = (await tx.execute(select(campaigns.c.sends))).scalar_one()
                await asyncio.sleep(0)  # noqa: TID251  (gives the others their chance to interfere)
                await tx.execute(update(campaigns).values(sends=sends + 1))

    async with asyncio.TaskGroup() as tasks:
        for worker in range(8):
            tasks.create_task(add(10), name=f"worker {worker}")

    async with sqlite_database.read() as tx:
        assert (await tx.execute(select(campaigns.c.sends))).scalar_one() == 80


async def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    async with database.begin() as writing:
        await writing.execute(insert(campaigns).values(_campaign()))
        async with asyncio.timeout(1), database.read() as reading:
            assert (await reading.execute(select(campaigns.c.id))).all() == []


async def test_an_error_in_the_block_takes_everything_back(database: Database) -> None:
    async def fail_after_writing() -> None:
        async with database.begin() as tx:
            await tx.execute(insert(campaigns).values(_campaign()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_writing()

    async with database.read() as tx:
        assert (await tx.execute(select(campaigns.c.id))).all() == []


async def test_a_cancelled_transaction_gives_back_the_writers_turn(database: Database) -> None:
    async def write() -> None:
        async with database.begin() as tx:
            while True:
                await tx.execute(update(campaigns).values(sends=0))
                await tx.execute(text("SELECT * FROM alembic_version"))

    cancelled = []
    for number in range(20):
        task = asyncio.create_task(write(), name="writer")
        await SystemClock().sleep(0.004 + number / 10_000)
        task.cancel()
        await asyncio.wait([task])
        cancelled.append(task)  # and with it all that the error refers to
        async with asyncio.timeout(2), database.begin() as tx:
            await tx.execute(update(campaigns).values(sends=1))

    assert all(task.cancelled() for task in cancelled)


async def test_of_racing_inserts_exactly_one_is_the_first(database: Database) -> None:
    first: list[bool] = []

    async def race(number: int) -> None:
        async with database.begin() as tx:
            first.append(await insert_once(tx, campaigns, _campaign(sends=number)))

    async with asyncio.TaskGroup() as tasks:
        for number in range(12):
            tasks.create_task(race(number), name=f"racer {number}")

    assert sorted(first) == [False] * 11 + [True]


async def test_a_reference_to_nothing_is_refused(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.begin() as tx:
            await tx.execute(insert(gateways).values(id="gw-1", store_id="nowhere"))


async def test_an_instant_comes_back_as_it_went_in(database: Database) -> None:
    at = datetime(2026, 11, 21, 12, 30, 15, 123456, tzinfo=timezone(timedelta(hours=2)))
    row = {"id": "s", "name": "s", "tz": "UTC", "country": "IT", "plan": {}}
    async with database.begin() as tx:
        await tx.execute(insert(stores).values({**row, "changed_at": at}))

    async with database.read() as tx:
        found = (await tx.execute(select(stores.c.changed_at))).scalar_one()

    assert found == at
    assert found.utcoffset() == timedelta(0)


async def test_an_instant_without_a_zone_is_refused(database: Database) -> None:
    naive = datetime(2026, 11, 21, 10, 0)  # noqa: DTZ001  (the subject)
    with pytest.raises(Exception, match="an instant without a time zone"):
        async with database.begin() as tx:
            await tx.execute(insert(campaigns).values(_campaign(changed_at=naive)))


async def test_a_statement_may_take_as_long_as_its_process_allows(postgres_url: str) -> None:
    pause = text("SELECT pg_sleep(0.3)")
    async with open_database(postgres_url, statement_limit_s=0.1) as hurried:
        with pytest.raises(DATABASE_ERRORS):
            async with hurried.read() as tx:
                await tx.execute(pause)
    patient = open_database(postgres_url, statement_limit_s=None)
    async with patient as database, database.read() as tx:
        await tx.execute(pause)


async def test_no_parameter_is_quoted_in_an_error(database: Database) -> None:
    secret = {"note": "a name, a token"}
    with pytest.raises(IntegrityError) as refused:
        async with database.begin() as tx:
            await tx.execute(insert(campaigns).values(_campaign(sends=-1, document=secret)))

    assert "a token" not in str(refused.value)
    assert "INSERT INTO campaigns" in str(refused.value)


async def test_a_database_that_is_away_is_one_of_the_known_errors() -> None:
    nobody_listens = "postgresql+asyncpg://corsia@127.0.0.1:1/corsia"
    async with open_database(nobody_listens) as database:
        for transaction in (database.read, database.begin):
            with pytest.raises(DATABASE_ERRORS):
                async with transaction():
                    pass


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("no url", "the database address is no URL"),
        ("mysql://u:hidden@h/db", "mysql: use sqlite"),
        ("sqlite:///x", "sqlite: use sqlite"),
        ("postgresql://u:hidden@h/db", "postgresql: use sqlite"),
    ],
)
async def test_an_address_that_we_cannot_use_is_refused(url: str, said: str) -> None:
    with pytest.raises(DatabaseUrlError, match=said) as refused:
        async with open_database(url):
            pass

    assert "hidden" not in str(refused.value)


async def test_the_folder_of_a_new_database_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    async with open_database(f"sqlite+aiosqlite:///{folder}/c.sqlite3") as new, new.read():
        pass

    assert folder.stat().st_mode & 0o077 == 0


async def test_all_who_open_a_new_file_at_once_may_write_to_it(tmp_path: Path) -> None:
    async def write(path: Path) -> None:
        async with open_database(f"sqlite+aiosqlite:///{path}") as opened, opened.begin() as tx:
            await tx.execute(text("create table if not exists seen (a integer)"))

    for number in range(60):
        async with asyncio.TaskGroup() as tasks:
            for _ in range(6):
                tasks.create_task(write(tmp_path / f"{number}.sqlite3"), name="opens")
