"""Shoppers and handsets in SQL: secrets, push targets, consents, browsing."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, update

from config.clock import VirtualClock
from db import browsing, consents, handsets
from db.browsing import BrowsingEvent
from db.connect import Database
from db.handsets import Handset, HeardHandset, PushTarget
from db.tables import decisions
from offers.situation import Browsed
from shoppers.consent import Grant, Purpose
from tests.db.rows import a_decision, a_person, a_store

LATER = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
async def handset(database: Database, clock: VirtualClock) -> Handset:
    """One registered handset, with nothing else."""
    async with database.begin() as tx:
        return await handsets.register(
            tx, platform="ios", app_version="2.1", country="FR", locale="fr-FR", now=clock.now()
        )


async def test_a_handset_comes_back_as_it_registered(database: Database, handset: Handset) -> None:
    async with database.read() as tx:
        assert await handsets.load_handset(tx, handset.handset_id) == handset
        assert await handsets.load_handset(tx, "nobody") is None
        assert await handsets.handsets_of(tx, handset.shopper_id) == [handset.handset_id]


async def test_the_engine_is_told_of_secrets_and_of_every_change(
    database: Database, clock: VirtualClock, handset: Handset
) -> None:
    async with database.read() as tx:
        assert await handsets.changed_since(tx, None) == []

    await clock.advance(60)
    given_at = clock.now()
    async with database.begin() as tx:
        await handsets.set_secret(tx, handset.handset_id, b"sealed", given_at)
    heard = HeardHandset(handset.handset_id, handset.shopper_id, b"sealed", given_at)
    async with database.read() as tx:
        assert await handsets.changed_since(tx, None) == [heard]
        assert await handsets.changed_since(tx, given_at) == [heard]
        assert await handsets.changed_since(tx, given_at + timedelta(microseconds=1)) == []

    await clock.advance(60)
    async with database.begin() as tx:
        await handsets.set_secret(tx, handset.handset_id, None, clock.now())
    async with database.read() as tx:
        assert await handsets.changed_since(tx, None) == []
        (gone,) = await handsets.changed_since(tx, given_at)
    assert gone == HeardHandset(handset.handset_id, handset.shopper_id, None, clock.now())


async def test_pushes_go_to_the_last_target_given(
    database: Database, clock: VirtualClock, handset: Handset
) -> None:
    old = PushTarget(handset.handset_id, "token", "old", "ios")
    new = PushTarget(handset.handset_id, "fid", "new", "ios")
    async with database.begin() as tx:
        assert await handsets.push_target(tx, handset.handset_id) is None
        await handsets.set_push_target(tx, old, clock.now())
        await handsets.set_push_target(tx, new, clock.now())

        assert await handsets.push_target(tx, handset.handset_id) == new
        assert await handsets.push_targets_of(tx, handset.shopper_id) == [new]


async def test_a_retired_target_is_used_no_more_until_it_is_reported_again(
    database: Database, clock: VirtualClock, handset: Handset
) -> None:
    target = PushTarget(handset.handset_id, "fid", "fid-1", "ios")
    async with database.begin() as tx:
        await handsets.set_push_target(tx, target, clock.now())
        await handsets.retire_push_target(tx, target, "unregistered", clock.now())

        assert await handsets.push_target(tx, handset.handset_id) is None
        assert await handsets.push_targets_of(tx, handset.shopper_id) == []

        await handsets.set_push_target(tx, target, clock.now())
        assert await handsets.push_target(tx, handset.handset_id) == target


async def test_retiring_an_old_target_spares_the_one_reported_meanwhile(
    database: Database, clock: VirtualClock, handset: Handset
) -> None:
    old = PushTarget(handset.handset_id, "fid", "old", "ios")
    new = PushTarget(handset.handset_id, "fid", "new", "ios")
    async with database.begin() as tx:
        await handsets.set_push_target(tx, new, clock.now())
        await handsets.retire_push_target(tx, old, "unregistered", clock.now())

        assert await handsets.push_target(tx, handset.handset_id) == new


async def test_a_dropped_target_is_gone(
    database: Database, clock: VirtualClock, handset: Handset
) -> None:
    async with database.begin() as tx:
        target = PushTarget(handset.handset_id, "fid", "fid-1", "ios")
        await handsets.set_push_target(tx, target, clock.now())
        await handsets.drop_push_target(tx, handset.handset_id)

        assert await handsets.push_target(tx, handset.handset_id) is None


async def test_the_ledger_keeps_every_answer_in_its_order(
    database: Database, clock: VirtualClock, handset: Handset
) -> None:
    yes = Grant(Purpose.PROFILING, True, "v1", "fr-FR", clock.now())
    no = Grant(Purpose.PROFILING, False, "v2", "fr-FR", clock.now())
    other = Grant(Purpose.LOCATION_BLE, True, "v1", "fr-FR", clock.now())
    async with database.begin() as tx:
        await consents.add_grants(tx, handset.shopper_id, [yes, other])
        await consents.add_grants(tx, handset.shopper_id, [])
        await consents.add_grants(tx, handset.shopper_id, [no])

    async with database.read() as tx:
        assert await consents.ledger(tx, handset.shopper_id) == [yes, other, no]
        standing = await consents.standing_consents(tx, handset.shopper_id)
        assert standing == {Purpose.LOCATION_BLE}
        assert await consents.standing_consents(tx, "nobody") == frozenset()


async def test_an_answer_that_repeats_the_standing_one_is_not_written_again(
    database: Database, clock: VirtualClock, handset: Handset
) -> None:
    yes = Grant(Purpose.PROFILING, True, "v1", "fr-FR", clock.now())
    no = replace(yes, granted=False)
    other_text = replace(no, text_version="v2")
    other_words = replace(other_text, locale="en-GB")
    async with database.begin() as tx:
        await consents.add_grants(tx, handset.shopper_id, [yes, replace(yes, at=LATER), no, no])
        await consents.add_grants(tx, handset.shopper_id, [no, other_text])
        await consents.add_grants(tx, handset.shopper_id, [other_text, other_words, yes])

        assert await consents.ledger(tx, handset.shopper_id) == [
            yes, no, other_text, other_words, yes,
        ]  # fmt: skip
        assert await consents.last_answers(tx, handset.shopper_id) == [yes]


async def test_a_days_answers_are_bounded_but_never_a_withdrawal(
    database: Database, clock: VirtualClock, handset: Handset
) -> None:
    shopper_id = handset.shopper_id
    yes = Grant(Purpose.PROFILING, True, "v1", "fr-FR", clock.now())
    no = replace(yes, granted=False)
    async with database.begin() as tx:
        for _ in range(consents.CHANGES_A_DAY // 2):
            assert await consents.add_grants(tx, shopper_id, [no, yes])
        full = await consents.ledger(tx, shopper_id)
        assert len(full) == consents.CHANGES_A_DAY

        other = replace(yes, purpose=Purpose.LOCATION_BLE)
        assert not await consents.add_grants(tx, shopper_id, [other])
        assert not await consents.add_grants(tx, shopper_id, [no, other])
        # What never stood is no withdrawal.
        assert not await consents.add_grants(tx, shopper_id, [replace(other, granted=False)])
        assert await consents.add_grants(tx, shopper_id, [yes])  # nothing new
        assert await consents.ledger(tx, shopper_id) == full

        assert await consents.add_grants(tx, shopper_id, [no])
        assert not await consents.add_grants(tx, shopper_id, [replace(no, text_version="v2")])
        assert await consents.ledger(tx, shopper_id) == [*full, no]
        assert await consents.add_grants(tx, "somebody else", [yes])

        assert await consents.add_grants(
            tx, shopper_id, [replace(yes, at=clock.now() + timedelta(days=1, microseconds=1))]
        )


async def test_what_stands_is_found_without_reading_the_ledger(
    sqlite_database: Database,
) -> None:
    asked: list[tuple[str, Any]] = []

    def note(*given: Any) -> None:
        asked.append((given[2], given[3]))

    async with sqlite_database.read() as tx:
        event.listen(sqlite_database.engine.sync_engine, "before_cursor_execute", note)
        await consents.standing_consents(tx, "somebody")
        event.remove(sqlite_database.engine.sync_engine, "before_cursor_execute", note)
        ((statement, parameters),) = asked
        rows = await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plan = [row.detail for row in rows]

    assert [step for step in plan if step.startswith("SCAN")] == []
    by_purpose = "SEARCH consents USING COVERING INDEX ix_consents_last (shopper_id=? AND purpose=?"
    assert sum(step.startswith(by_purpose) for step in plan) == len(Purpose)


async def test_two_that_lock_a_shopper_take_turns(database: Database, handset: Handset) -> None:
    order: list[str] = []
    locked = asyncio.Event()

    async def first() -> None:
        async with database.begin() as tx:
            assert await handsets.lock_shopper(tx, handset.shopper_id)
            assert not await handsets.lock_shopper(tx, "somebody erased")
            locked.set()
            async with database.read() as other:  # a round trip in which the second could go on
                await handsets.load_handset(other, handset.handset_id)
            order.append("first")

    async def second() -> None:
        await locked.wait()
        async with database.begin() as tx:
            await handsets.lock_shopper(tx, handset.shopper_id)
            order.append("second")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(second(), name="second")
        tasks.create_task(first(), name="first")

    assert order == ["first", "second"]


def _event(clock: VirtualClock, event_id: str, *, age_s: float = 0.0) -> BrowsingEvent:
    at = clock.now() - timedelta(seconds=age_s)
    return BrowsingEvent(event_id, "viewed", "pasta", None, at)


async def test_a_look_reported_twice_is_one(
    database: Database, clock: VirtualClock, handset: Handset
) -> None:
    now = clock.now()
    async with database.begin() as tx:
        events = [_event(clock, "e-1"), _event(clock, "e-2", age_s=5), _event(clock, "e-1")]
        assert await browsing.add_browsing(tx, handset.shopper_id, events, now) == 2
        assert await browsing.add_browsing(tx, handset.shopper_id, events, now) == 0

        assert await browsing.recent(tx, handset.shopper_id, now - timedelta(hours=1), now) == (
            Browsed("viewed", "pasta", now),
            Browsed("viewed", "pasta", now - timedelta(seconds=5)),
        )


async def test_only_recent_looks_are_looked_at_and_not_too_many(
    database: Database, clock: VirtualClock, handset: Handset
) -> None:
    now = clock.now()
    many = [_event(clock, f"e-{n}", age_s=n) for n in range(browsing.RECENT_MAX + 5)]
    async with database.begin() as tx:
        await browsing.add_browsing(tx, handset.shopper_id, many, now)

        found = await browsing.recent(tx, handset.shopper_id, now - timedelta(seconds=10), now)
        assert len(found) == 11
        found = await browsing.recent(tx, handset.shopper_id, now - timedelta(days=1), now)
        assert len(found) == browsing.RECENT_MAX
        assert found[0].at == now


async def test_withdrawn_profiling_forgets_what_was_looked_at(
    database: Database, clock: VirtualClock, handset: Handset
) -> None:
    async with database.begin() as tx:
        await browsing.add_browsing(tx, handset.shopper_id, [_event(clock, "e-1")], clock.now())
        await browsing.forget_browsing(tx, handset.shopper_id)

        assert (
            await browsing.recent(tx, handset.shopper_id, clock.now() - timedelta(1), clock.now())
            == ()
        )


async def test_withdrawn_profiling_takes_the_words_that_told_of_it(
    database: Database, clock: VirtualClock
) -> None:
    await a_store(database, clock.now())
    words = ["you are near it", "you viewed it in the app"]
    weighed = [
        {"campaign_id": "pasta", "score": 4.0, "against": [], "relevance": words, "context": "keen"}
    ]
    async with database.begin() as tx:
        person = await a_person(tx, clock.now())
        for browsed in (0, 1):
            decision = await a_decision(tx, person, clock.now())
            await tx.execute(
                update(decisions)
                .where(decisions.c.id == decision.decision_id)
                .values(weighed=weighed, seen={"country": "IT", "browsed": browsed})
            )
        await browsing.forget_browsing(tx, person.shopper_id)
        rows = (await tx.execute(select(decisions).where(decisions.c.zone_id == "aisle-7"))).all()

    assert [row.weighed[0]["relevance"] for row in rows] == [["you are near it"]] * 2
    assert sorted("context" in row.weighed[0] for row in rows) == [False, False]
    assert sorted(row.seen.get("browsed", -1) for row in rows) == [-1, 0]
