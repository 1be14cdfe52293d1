"""The evidence of a fault run, from a database and the logs of a simulator."""

from dataclasses import replace
from pathlib import Path

import pytest

from config.clock import VirtualClock
from corsia.audit import Audit, Promise, audit
from corsia.audit_records import answers, gather_evidence
from corsia.run_report import RULES, gather
from db import decisions, outbox
from db.connect import Database
from firmware_sim.truth import (
    ConsentChanged,
    EnteredStore,
    PushJudged,
    PushReceived,
    Registered,
    RunLog,
)
from shoppers.consent import Purpose
from tests.db.rows import STORE, Person, a_decision, a_person, a_send, a_store

ALL_YES = {purpose.value: True for purpose in Purpose}
ALL_NO = {purpose.value: False for purpose in Purpose}


@pytest.fixture
async def person(database: Database, clock: VirtualClock) -> Person:
    """In the store, with a push that FCM has taken, as SQL says."""
    await a_store(database, clock.now())
    async with database.begin() as tx:
        return await a_person(tx, clock.now())


async def send(database: Database, person: Person, clock: VirtualClock) -> str:
    async with database.begin() as tx:
        decision_id = await a_send(tx, person, clock.now())
        (claimed,) = await outbox.claim(tx, clock.now(), 1)
        await outbox.settle(tx, [(claimed, outbox.End("delivered", ""))], clock.now())
    return decision_id


async def audited(database: Database, run_dir: Path) -> Audit:
    records = await gather(database, STORE, run_dir, sightings_spooled=0)
    # Who is in a control group depends on a salt that is drawn by chance.
    records = replace(records, control=frozenset())
    return audit(await gather_evidence(database, records, RULES, run_dir))


async def test_what_both_sides_say_makes_a_run_without_a_breach(
    database: Database, person: Person, clock: VirtualClock, tmp_path: Path
) -> None:
    decision_id = await send(database, person, clock)
    now_s = clock.now().timestamp()
    with RunLog(tmp_path) as log:
        log.event(Registered(now_s, person.handset_id, person.shopper_id, ALL_YES, "all yes"))
        log.event(EnteredStore(now_s, person.handset_id))
        log.push(PushJudged(now_s, person.handset_id, decision_id, False, "UNAVAILABLE"))
        log.push(PushJudged(now_s + 1, person.handset_id, decision_id, True, None))
        log.event(
            PushReceived(
                at_s=now_s + 2,
                handset_id=person.handset_id,
                decision_id=decision_id,
                campaign_id="pasta",
                zone_id="aisle-7",
                accepted_at=now_s + 1,
                shown=True,
                duplicate=False,
                shown_at=now_s + 2,
            )
        )

    found = await audited(database, tmp_path)

    assert found.breaches == ()
    assert found.outcomes == {"delivered": 1}
    answered = answers(tmp_path)
    assert answered.accepted_s == [now_s + 1]
    assert answered.troubles == {"UNAVAILABLE": 1}


async def test_what_only_sql_says_is_not_believed(
    database: Database, person: Person, clock: VirtualClock, tmp_path: Path
) -> None:
    await send(database, person, clock)

    found = await audited(database, tmp_path)

    assert [breach.promise for breach in found.breaches] == [Promise.NEVER_ACCEPTED]


async def test_the_simulators_word_on_consent_and_on_what_was_given_back_holds(
    database: Database, person: Person, clock: VirtualClock, tmp_path: Path
) -> None:
    decision_id = await send(database, person, clock)
    async with database.begin() as tx:
        await decisions.release_send(tx, decision_id, clock.now())
    now_s = clock.now().timestamp()
    with RunLog(tmp_path) as log:
        log.event(Registered(now_s, person.handset_id, person.shopper_id, ALL_YES, "stops push"))
        log.event(ConsentChanged(now_s + 1, person.handset_id, ALL_NO, acked_at=now_s + 2))
        log.push(PushJudged(now_s + 3, person.handset_id, decision_id, True, None))

    found = await audited(database, tmp_path)

    assert {breach.promise for breach in found.breaches} == {
        Promise.WITHOUT_CONSENT,
        Promise.GIVEN_BACK,
    }


async def test_a_decision_without_an_end_or_a_reason_is_not_accounted_for(
    database: Database, person: Person, clock: VirtualClock, tmp_path: Path
) -> None:
    async with database.begin() as tx:
        await a_send(tx, person, clock.now())
        held = replace(
            await a_decision(tx, person, clock.now()), decision_id="held", outcome="hold"
        )
        await decisions.store_decision(tx, replace(held, reasons=[]))

    found = await audited(database, tmp_path)

    # The third is the decision to send that was stored without its send.
    assert found.outcomes == {"unaccounted for": 3}
    assert {breach.promise for breach in found.breaches} == {
        Promise.NOT_SETTLED,
        Promise.NO_PUSH,
        Promise.NO_REASON,
        Promise.SENT_TWICE,
    }
