"""Gateways in SQL: enrolment codes that work once, and spools that are read once."""

import asyncio
from datetime import timedelta

import pytest

from config.clock import VirtualClock
from db import gateways, stores
from db.connect import Database
from db.gateways import Gateway, Progress
from tests.db.rows import STORE, a_plan, a_store

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
BOOT, NEXT_BOOT = "0" * 16, "1" * 16
AN_HOUR = timedelta(hours=1)


@pytest.fixture
async def database(database: Database, clock: VirtualClock) -> Database:
    await a_store(database, clock.now())
    return database


async def _code(database: Database, clock: VirtualClock, gateway_id: str = "gw-1") -> str:
    async with database.begin() as tx:
        return await gateways.new_enrolment_code(tx, gateway_id, clock.now() + AN_HOUR)


async def _enrol(
    database: Database, clock: VirtualClock, code: str, key: bytes = KEY
) -> Gateway | None:
    async with database.begin() as tx:
        return await gateways.enrol(tx, code, key, "1.0", clock.now())


async def test_a_code_enrols_its_gateway(database: Database, clock: VirtualClock) -> None:
    enrolled = await _enrol(database, clock, await _code(database, clock))

    assert enrolled == Gateway("gw-1", STORE, KEY, None)
    async with database.read() as tx:
        assert await gateways.load_gateway(tx, "gw-1") == enrolled
        assert await gateways.load_gateway(tx, "gw-2") == Gateway("gw-2", STORE, None, None)
        assert await gateways.load_gateway(tx, "gw-3") is None


async def test_a_code_that_nobody_made_enrols_nobody(
    database: Database, clock: VirtualClock
) -> None:
    assert await _enrol(database, clock, "guessed") is None


async def test_a_code_works_once(database: Database, clock: VirtualClock) -> None:
    code = await _code(database, clock)
    await _enrol(database, clock, code)

    assert await _enrol(database, clock, code, OTHER_KEY) is None
    async with database.read() as tx:
        gateway = await gateways.load_gateway(tx, "gw-1")
    assert gateway is not None
    assert gateway.public_key == KEY


async def test_the_same_key_may_ask_again(database: Database, clock: VirtualClock) -> None:
    code = await _code(database, clock)
    first = await _enrol(database, clock, code)
    await clock.advance(2 * 3_600)

    assert await _enrol(database, clock, code) == first


async def test_a_code_is_over_when_it_expires(database: Database, clock: VirtualClock) -> None:
    code = await _code(database, clock)
    await clock.advance(3_600)

    assert await _enrol(database, clock, code) is None


async def test_of_two_that_race_for_a_code_one_gets_it(
    database: Database, clock: VirtualClock
) -> None:
    code = await _code(database, clock)

    async with asyncio.TaskGroup() as tasks:
        racers = [
            tasks.create_task(_enrol(database, clock, code, bytes([n]) * 32), name=f"racer {n}")
            for n in range(6)
        ]

    (enrolled,) = [task.result() for task in racers if task.result() is not None]
    async with database.read() as tx:
        assert await gateways.load_gateway(tx, "gw-1") == enrolled


async def test_revoking_lasts_until_a_new_code(database: Database, clock: VirtualClock) -> None:
    old = await _code(database, clock)
    await _enrol(database, clock, old)
    async with database.begin() as tx:
        assert await gateways.revoke(tx, "gw-1", clock.now())
        assert not await gateways.revoke(tx, "gw-3", clock.now())

    again = await _enrol(database, clock, old)
    assert again is not None
    assert again.revoked_at == clock.now()
    anew = await _enrol(database, clock, await _code(database, clock), OTHER_KEY)
    assert anew == Gateway("gw-1", STORE, OTHER_KEY, None)


async def test_a_changed_plan_keeps_what_was_enrolled(
    database: Database, clock: VirtualClock
) -> None:
    enrolled = await _enrol(database, clock, await _code(database, clock))

    async with database.begin() as tx:
        await stores.save_store(tx, a_plan(gateways=("gw-1", "gw-9")), clock.now())

    async with database.read() as tx:
        assert await gateways.load_gateway(tx, "gw-1") == enrolled
        assert await gateways.load_gateway(tx, "gw-9") is not None


async def _take(
    database: Database, clock: VirtualClock, seq: int, boot: str = BOOT, gateway: str = "gw-1"
) -> bool:
    async with database.begin() as tx:
        return await gateways.take_batch(tx, gateway, boot, seq, 10, clock.now())


async def _progress(database: Database) -> list[Progress]:
    async with database.read() as tx:
        return await gateways.progress(tx)


async def test_a_batch_counts_once(database: Database, clock: VirtualClock) -> None:
    taken = [await _take(database, clock, seq) for seq in (1, 1, 2, 1, 2)]

    assert taken == [True, False, True, False, False]
    assert await _progress(database) == [
        Progress("gw-1", BOOT, last_seq=2, batches=2, sightings=20)
    ]


async def test_progress_only_goes_forward(database: Database, clock: VirtualClock) -> None:
    taken = [await _take(database, clock, seq) for seq in (5, 3, 9, 8)]

    assert taken == [True, False, True, False]
    assert [one.last_seq for one in await _progress(database)] == [9]


async def test_each_spool_counts_for_itself(database: Database, clock: VirtualClock) -> None:
    assert await _take(database, clock, 7)
    assert await _take(database, clock, 1, NEXT_BOOT)
    assert await _take(database, clock, 1, gateway="gw-2")

    assert len(await _progress(database)) == 3
    async with database.read() as tx:
        assert await gateways.sightings_taken(tx) == 30


async def test_before_anything_was_taken_it_is_none(database: Database) -> None:
    async with database.read() as tx:
        assert await gateways.sightings_taken(tx) == 0


async def test_a_batch_that_several_take_at_once_counts_once(
    database: Database, clock: VirtualClock
) -> None:
    async with asyncio.TaskGroup() as tasks:
        takers = [tasks.create_task(_take(database, clock, 1), name=f"taker {n}") for n in range(6)]

    assert sorted(task.result() for task in takers) == [False] * 5 + [True]
    assert [one.batches for one in await _progress(database)] == [1]


async def test_a_batch_of_a_gateway_that_sql_does_not_know_is_left_out(
    database: Database, clock: VirtualClock
) -> None:
    async with database.begin() as tx:
        assert not await gateways.take_batch(tx, "ghost", BOOT, 1, 10, clock.now())
        assert await gateways.take_batch(tx, "gw-1", BOOT, 1, 10, clock.now())

    assert [one.gateway_id for one in await _progress(database)] == ["gw-1"]
