"""Refresh tokens: good once; a copy that is used ends the whole family."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from config.clock import VirtualClock
from db import tokens
from db.connect import Database
from db.handsets import register
from db.tables import refresh_tokens
from db.tokens import Refusal, Spent
from tests.db.waiting import until_somebody_waits

DAY = timedelta(days=1)


@pytest.fixture
async def handset_id(database: Database, clock: VirtualClock) -> str:
    async with database.begin() as tx:
        handset = await register(
            tx, platform="web", app_version="1", country="IT", locale="it-IT", now=clock.now()
        )
    return handset.handset_id


async def _issue(
    database: Database, clock: VirtualClock, handset_id: str, family: str | None = None
) -> str:
    async with database.begin() as tx:
        return await tokens.issue(tx, handset_id, clock.now() + DAY, family)


async def _spend(database: Database, clock: VirtualClock, token: str) -> Spent | Refusal:
    async with database.begin() as tx:
        return await tokens.spend(tx, token, clock.now())


async def test_a_token_is_good_once(
    database: Database, clock: VirtualClock, handset_id: str
) -> None:
    token = await _issue(database, clock, handset_id)

    spent = await _spend(database, clock, token)

    assert isinstance(spent, Spent)
    assert spent.handset_id == handset_id
    assert await _spend(database, clock, token) is Refusal.REUSED


async def test_a_used_copy_ends_the_family_and_no_other(
    database: Database, clock: VirtualClock, handset_id: str
) -> None:
    stolen = await _issue(database, clock, handset_id)
    bystander = await _issue(database, clock, handset_id)
    spent = await _spend(database, clock, stolen)
    assert isinstance(spent, Spent)
    newest = await _issue(database, clock, handset_id, spent.family)

    assert await _spend(database, clock, stolen) is Refusal.REUSED

    assert await _spend(database, clock, newest) is Refusal.UNKNOWN
    assert await _spend(database, clock, stolen) is Refusal.UNKNOWN
    assert isinstance(await _spend(database, clock, bystander), Spent)


async def test_of_several_that_spend_a_token_at_once_one_may_and_the_family_ends(
    database: Database, clock: VirtualClock, handset_id: str
) -> None:
    token = await _issue(database, clock, handset_id)

    async def refresh() -> Spent | Refusal:
        async with database.begin() as tx:
            spent = await tokens.spend(tx, token, clock.now())
            if isinstance(spent, Spent):
                await tokens.issue(tx, handset_id, clock.now() + DAY, spent.family)
            return spent

    async with asyncio.TaskGroup() as tasks:
        refreshing = [tasks.create_task(refresh(), name=f"refresh {n}") for n in range(5)]

    assert sum(isinstance(task.result(), Spent) for task in refreshing) == 1
    async with database.read() as tx:
        revoked = (await tx.execute(select(refresh_tokens.c.revoked_at))).scalars().all()
    assert len(revoked) == 2
    assert None not in revoked


async def test_a_copy_used_during_a_refresh_ends_the_token_that_the_refresh_makes(
    database: Database, clock: VirtualClock, handset_id: str
) -> None:
    stolen = await _issue(database, clock, handset_id)
    spent = await _spend(database, clock, stolen)
    assert isinstance(spent, Spent)
    current = await _issue(database, clock, handset_id, spent.family)

    async with asyncio.TaskGroup() as tasks, database.begin() as tx:
        assert isinstance(await tokens.spend(tx, current, clock.now()), Spent)
        newest = await tokens.issue(tx, handset_id, clock.now() + DAY, spent.family)
        copying = tasks.create_task(_spend(database, clock, stolen), name="the copy")
        await until_somebody_waits(database)

    assert copying.result() is Refusal.REUSED
    assert await _spend(database, clock, newest) is Refusal.UNKNOWN


async def test_an_expired_token_is_unknown(
    database: Database, clock: VirtualClock, handset_id: str
) -> None:
    token = await _issue(database, clock, handset_id)
    await clock.advance(DAY.total_seconds())

    assert await _spend(database, clock, token) is Refusal.UNKNOWN


async def test_a_token_that_nobody_issued_is_unknown(
    database: Database, clock: VirtualClock, handset_id: str
) -> None:
    assert await _spend(database, clock, "guessed") is Refusal.UNKNOWN


async def test_a_token_is_kept_as_a_hash_only(
    database: Database, clock: VirtualClock, handset_id: str
) -> None:
    token = await _issue(database, clock, handset_id)

    async with database.read() as tx:
        assert token not in str((await tx.execute(select(refresh_tokens))).all())
