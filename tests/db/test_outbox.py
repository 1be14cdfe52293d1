"""The outbox: each push leased to one worker, settled once, counted right."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from config.clock import VirtualClock
from db import outbox
from db.campaigns import save_campaign
from db.connect import Database
from db.handsets import PushTarget, retire_push_target, set_push_target
from db.outbox import LEASE, Again, Claimed, End
from db.tables import outbox as outbox_table
from tests.db.rows import LIVES, STORE, Person, a_person, a_send, a_store
from tests.offers.situations import a_campaign

SECOND = timedelta(seconds=1)


@pytest.fixture
async def person(database: Database, clock: VirtualClock) -> Person:
    await a_store(database, clock.now())
    async with database.begin() as tx:
        return await a_person(tx, clock.now())


async def _send(database: Database, clock: VirtualClock, person: Person, *handsets: str) -> str:
    async with database.begin() as tx:
        return await a_send(tx, person, clock.now(), handset_ids=handsets or None)


async def _claim(database: Database, clock: VirtualClock, most: int = 50) -> list[Claimed]:
    async with database.begin() as tx:
        return await outbox.claim(tx, clock.now(), most)


async def _settle(
    database: Database, clock: VirtualClock, claimed: Claimed, outcome: str, **facts: bool
) -> bool:
    end = End(outcome, "a reason", **facts)
    async with database.begin() as tx:
        was_held = await outbox.held(tx, [claimed]) == [claimed]
        await outbox.settle(tx, [(claimed, end)], clock.now())
        return was_held


async def _retry(
    database: Database, clock: VirtualClock, claimed: Claimed, at: datetime, **facts: bool
) -> bool:
    again = Again(at, "a reason", **{"maybe_sent": False, **facts})
    async with database.begin() as tx:
        was_held = await outbox.held(tx, [claimed]) == [claimed]
        await outbox.settle(tx, [(claimed, again)], clock.now())
        return was_held


async def _rows(database: Database) -> Sequence[Any]:
    async with database.read() as tx:
        return (await tx.execute(select(outbox_table))).all()


async def _came_to_nothing(database: Database, decision_id: str) -> bool:
    async with database.begin() as tx:
        return await outbox.came_to_nothing(tx, [decision_id]) == [decision_id]


async def test_a_claim_holds_all_that_a_push_needs(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    decision_id = await _send(database, clock, person)

    (claimed,) = await _claim(database, clock)

    assert claimed == Claimed(
        decision_id=decision_id,
        handset_id=person.handset_id,
        shopper_id=person.shopper_id,
        store_id=STORE,
        visit_id=person.visit_id,
        zone_id="aisle-7",
        campaign_id="pasta",
        campaign=claimed.campaign,
        target_kind="fid",
        target_value="fid-1",
        platform="android",
        locale="it-IT",
        decided_at=clock.now(),
        expires_at=clock.now() + LIVES,
        attempts=0,
        lease=claimed.lease,
        leased_until=clock.now() + LEASE,
    )
    assert claimed.campaign["name"] == "Pasta week"


async def test_a_retired_target_is_not_claimed(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    await _send(database, clock, person)
    async with database.begin() as tx:
        target = PushTarget(person.handset_id, "fid", "fid-1", "android")
        await retire_push_target(tx, target, "unregistered", clock.now())

    (claimed,) = await _claim(database, clock)

    assert (claimed.target_kind, claimed.target_value, claimed.platform) == (None, None, None)


async def test_workers_claim_disjoint_sets(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    async with database.begin() as tx:
        for number in range(12):
            await save_campaign(tx, a_campaign(f"c-{number}"), clock.now())
            await a_send(tx, person, clock.now(), campaign_id=f"c-{number}")

    async with asyncio.TaskGroup() as tasks:
        workers = [
            tasks.create_task(_claim(database, clock, most=3), name=f"worker {n}") for n in range(4)
        ]

    claimed = [one.decision_id for task in workers for one in task.result()]
    assert len(claimed) == len(set(claimed)) == 12
    assert await _claim(database, clock) == []


async def test_the_oldest_goes_first_and_not_more_than_asked_for(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    async with database.begin() as tx:
        await save_campaign(tx, a_campaign("rice"), clock.now())
    older = await _send(database, clock, person)
    await clock.advance(1)
    async with database.begin() as tx:
        newer = await a_send(tx, person, clock.now(), campaign_id="rice")

    assert [one.decision_id for one in await _claim(database, clock, most=1)] == [older]
    assert [one.decision_id for one in await _claim(database, clock, most=1)] == [newer]


async def test_a_claim_can_leave_out_a_platform(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    android = await _send(database, clock, person)
    async with database.begin() as tx:
        other = await a_person(tx, clock.now(), target=None)
        target = PushTarget(other.handset_id, "fid", "fid-2", "ios")
        await set_push_target(tx, target, clock.now())
        ios = await a_send(tx, other, clock.now())

    async def claim(*without: str) -> list[str]:
        async with database.begin() as tx:
            return [one.decision_id for one in await outbox.claim(tx, clock.now(), 50, without)]

    assert await claim("ios", "android") == []
    assert await claim("android") == [ios]
    assert await claim() == [android]


async def test_many_are_settled_together_each_in_its_own_way(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    await _send(database, clock, person, "a", "b", "c")
    claimed = {one.handset_id: one for one in await _claim(database, clock)}
    later = clock.now() + SECOND

    async with database.begin() as tx:
        ends: list[tuple[Claimed, End | Again]] = [
            (claimed["a"], End("delivered", "")),
            (claimed["b"], End("expired", "quota", maybe_sent=True)),
            (claimed["c"], Again(later, "unreachable", maybe_sent=False)),
        ]
        await outbox.settle(tx, ends, clock.now())

    async with database.read() as tx:
        rows = {row.handset_id: row for row in await tx.execute(select(outbox_table))}
    assert {name: (row.state, row.outcome, row.maybe_sent) for name, row in rows.items()} == {
        "a": ("settled", "delivered", False),
        "b": ("settled", "expired", True),
        "c": ("due", None, False),
    }
    assert (rows["b"].why, rows["c"].why, rows["c"].due_at) == ("quota", "unreachable", later)
    assert [row.lease for row in rows.values()] == [None] * 3


async def test_a_lease_that_ran_out_passes_to_the_next_worker(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    decision_id = await _send(database, clock, person)
    (first,) = await _claim(database, clock)
    await clock.advance(LEASE.total_seconds() - 1)
    assert await _claim(database, clock) == []
    await clock.advance(1)

    (second,) = await _claim(database, clock)

    assert second.lease != first.lease
    assert (first.attempts, second.attempts) == (0, 1)
    # The first may have sent it before it died: only delivery or silence is known.
    assert await _settle(database, clock, second, "expired")
    assert not await _came_to_nothing(database, decision_id)


async def test_who_lost_the_lease_settles_nothing(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    await _send(database, clock, person)
    (first,) = await _claim(database, clock)
    await clock.advance(LEASE.total_seconds())
    (second,) = await _claim(database, clock)

    assert not await _settle(database, clock, first, "delivered")
    assert not await _retry(database, clock, first, clock.now())

    assert await _settle(database, clock, second, "refused")
    assert not await _settle(database, clock, second, "delivered")
    async with database.read() as tx:
        assert await outbox.outcomes(tx) == {"refused": 1}


async def test_a_retry_comes_up_when_it_is_due(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    await _send(database, clock, person)
    (claimed,) = await _claim(database, clock)
    assert await _retry(database, clock, claimed, clock.now() + 10 * SECOND)

    await clock.advance(9)
    assert await _claim(database, clock) == []
    await clock.advance(1)
    assert [one.attempts for one in await _claim(database, clock)] == [0]


async def test_only_what_was_sent_counts_as_an_attempt(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    await _send(database, clock, person)
    for was_tried, attempts in ((False, 0), (True, 1), (False, 1), (True, 2)):
        (claimed,) = await _claim(database, clock)
        assert await _retry(database, clock, claimed, clock.now(), was_tried=was_tried)
        assert (await _rows(database))[0].attempts == attempts

    (claimed,) = await _claim(database, clock)
    assert claimed.attempts == 2
    assert await _settle(database, clock, claimed, "delivered", was_tried=True)
    assert (await _rows(database))[0].attempts == 3


async def test_a_push_that_may_have_gone_out_counts_for_good(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    decision_id = await _send(database, clock, person)
    (claimed,) = await _claim(database, clock)
    await _retry(database, clock, claimed, clock.now(), maybe_sent=True)
    (again,) = await _claim(database, clock)

    await _settle(database, clock, again, "target_gone")

    assert not await _came_to_nothing(database, decision_id)


@pytest.mark.parametrize(
    ("outcome", "maybe_sent", "nothing"),
    [
        ("delivered", False, False),
        ("expired", True, False),
        ("expired", False, True),
        ("refused", False, True),
        ("target_gone", False, True),
    ],
)
async def test_a_send_came_to_nothing_when_no_handset_can_have_it(
    database: Database,
    clock: VirtualClock,
    person: Person,
    outcome: str,
    maybe_sent: bool,
    nothing: bool,
) -> None:
    decision_id = await _send(database, clock, person)
    assert not await _came_to_nothing(database, decision_id)
    (claimed,) = await _claim(database, clock)
    assert not await _came_to_nothing(database, decision_id)

    await _settle(database, clock, claimed, outcome, maybe_sent=maybe_sent)

    assert await _came_to_nothing(database, decision_id) is nothing


async def test_one_handset_that_has_it_is_enough(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    decision_id = await _send(database, clock, person, person.handset_id, "tablet")
    first, second = await _claim(database, clock)

    await _settle(database, clock, first, "target_gone")
    assert not await _came_to_nothing(database, decision_id)
    await _settle(database, clock, second, "delivered")
    assert not await _came_to_nothing(database, decision_id)


async def test_two_workers_that_settle_the_last_two_pushes_see_that_it_was_for_nothing(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    decision_id = await _send(database, clock, person, person.handset_id, "tablet")
    claimed = await _claim(database, clock)
    settled = asyncio.Barrier(2) if database.engine.dialect.name == "postgresql" else None

    async def settle(one: Claimed) -> bool:
        async with database.begin() as tx:
            assert await outbox.held(tx, [one]) == [one]
            await outbox.settle(tx, [(one, End("target_gone", ""))], clock.now())
            if settled is not None:  # SQLite lets one in after the other
                await settled.wait()
            return await outbox.came_to_nothing(tx, [decision_id]) == [decision_id]

    async with asyncio.TaskGroup() as tasks:
        workers = [tasks.create_task(settle(one), name=one.handset_id) for one in claimed]

    assert sorted(task.result() for task in workers) == [False, True]


async def test_what_waits_and_what_came_of_the_rest_is_told(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    async with database.read() as tx:
        assert await outbox.next_due(tx) is None
        assert await outbox.outcomes(tx) == {}
    due_at = clock.now()
    await _send(database, clock, person, person.handset_id, "tablet")
    first, _ = await _claim(database, clock)

    await _settle(database, clock, first, "delivered")

    async with database.read() as tx:
        assert await outbox.next_due(tx) == due_at + outbox.LEASE
        assert await outbox.outcomes(tx) == {"delivered": 1, "pending": 1}


async def test_a_reason_that_a_database_would_refuse_holds_up_nothing(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    await _send(database, clock, person)
    (claimed,) = await _claim(database, clock)

    async with database.begin() as tx:
        await outbox.settle(tx, [(claimed, End("refused", "field\0s"))], clock.now())

        assert (await tx.execute(select(outbox_table.c.why))).scalar_one() == "fields"


async def test_a_long_reason_is_cut_to_its_column(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    await _send(database, clock, person)
    (claimed,) = await _claim(database, clock)

    async with database.begin() as tx:
        await outbox.settle(tx, [(claimed, End("refused", "x" * 500))], clock.now())

        assert len((await tx.execute(select(outbox_table.c.why))).scalar_one()) == 120


async def test_a_claim_walks_an_index_however_long_the_outbox_is(
    database: Database, clock: VirtualClock, person: Person
) -> None:
    decision_id = await _send(database, clock, person, "oldest")
    made: dict[str, Any] = {
        "decision_id": decision_id, "expires_at": clock.now() + LIVES, "attempts": 0,
        "maybe_sent": False,
    }  # fmt: skip
    async with database.begin() as tx:
        for state, count in (("settled", 4_000), ("due", 2_000)):
            due_at = clock.now() + SECOND
            rows = [
                {**made, "handset_id": f"{state}-{n}", "state": state, "due_at": due_at}
                for n in range(count)
            ]
            await tx.execute(outbox_table.insert(), rows)
        await tx.execute(text("analyze outbox"))
    await clock.advance(2)

    async with database.begin() as tx:
        asked = await _asked(tx, lambda: outbox.claim(tx, clock.now(), 50, ["ios"]))
        await tx.rollback()
    plans = [await _plan(database, *one) for one in asked if "UPDATE" in one[0]]

    assert len(plans) == 2
    for plan in plans:
        assert "ix_outbox_due" in plan
        assert "SCAN outbox" not in plan
        assert "Seq Scan on outbox" not in plan
    # The rows that are due come out of the index in their order, and only as many as are wanted.
    assert not re.search("ORDER BY|Sort", plans[1])


async def _asked(
    tx: AsyncConnection, work: Callable[[], Awaitable[object]]
) -> list[tuple[str, Any]]:
    """The statements that some work asks, with their parameters."""
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(tx.sync_connection, "before_cursor_execute", note)
    await work()
    event.remove(tx.sync_connection, "before_cursor_execute", note)
    return asked


async def _plan(database: Database, statement: str, parameters: Any) -> str:
    how = "EXPLAIN QUERY PLAN" if database.engine.dialect.name == "sqlite" else "EXPLAIN"
    async with database.read() as tx:
        rows = await tx.exec_driver_sql(f"{how} {statement}", parameters)
        return "\n".join(str(row[-1]) for row in rows)
