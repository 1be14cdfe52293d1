"""The evidence of a fault run, from a database and the logs of a simulator."""

from dataclasses import replace
from pathlib import Path

import pytest

from config.clock import VirtualClock
from corsia.audit import Audit, Promise, audit
from corsia.audit_records import answers, gather_evidence
from corsia.run_report import gather
from db import campaigns, decisions, outbox, pressure, salts
from db.connect import Database
from firmware_sim.truth import (
    ConsentChanged,
    EnteredStore,
    LeftStore,
    OwnCapSet,
    PushJudged,
    PushReceived,
    Registered,
    RunLog,
)
from offers.campaign import Campaign, Status, Tier
from offers.pressure import DEFAULT_POLICY, Cap, Policy, Scope
from shoppers.consent import Purpose
from tests.db.rows import STORE, Person, a_decision, a_person, a_send, a_store
from tests.offers.situations import a_campaign

ALL_YES = {purpose.value: True for purpose in Purpose}
ALL_NO = {purpose.value: False for purpose in Purpose}


@pytest.fixture
async def person(database: Database, clock: VirtualClock) -> Person:
    """In the store for a minute now."""
    await a_store(database, clock.now())
    async with database.begin() as tx:
        found = await a_person(tx, clock.now())
    await clock.advance(60.0)
    return found


def comes_in(log: RunLog, person: Person, clock: VirtualClock) -> None:
    """The simulator says so too."""
    minute_ago_s = clock.now().timestamp() - 60.0
    log.event(Registered(minute_ago_s, person.handset_id, person.shopper_id, ALL_YES, "all yes"))
    log.event(EnteredStore(minute_ago_s, person.handset_id))


def took(log: RunLog, person: Person, decision_id: str, clock: VirtualClock) -> None:
    log.push(PushJudged(clock.now().timestamp(), person.handset_id, decision_id, True, None))


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
    return audit(await gather_evidence(database, records, STORE, run_dir))


async def test_what_both_sides_say_makes_a_run_without_a_breach(
    database: Database, person: Person, clock: VirtualClock, tmp_path: Path
) -> None:
    decision_id = await send(database, person, clock)
    now_s = clock.now().timestamp()
    with RunLog(tmp_path) as log:
        comes_in(log, person, clock)
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
        comes_in(log, person, clock)
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


async def limits_broken(
    database: Database, person: Person, clock: VirtualClock, run_dir: Path
) -> list[tuple[Promise, str]]:
    """What comes of one send that FCM took."""
    decision_id = await send(database, person, clock)
    with RunLog(run_dir) as log:
        comes_in(log, person, clock)
        took(log, person, decision_id, clock)
    return [(one.promise, one.detail) for one in (await audited(database, run_dir)).breaches]


async def save(database: Database, campaign: Campaign, clock: VirtualClock) -> None:
    async with database.begin() as tx:
        await campaigns.save_campaign(tx, campaign, clock.now())


async def test_the_budget_of_a_campaign_that_has_ended_is_judged(
    database: Database, person: Person, clock: VirtualClock, tmp_path: Path
) -> None:
    await save(database, a_campaign(status=Status.ENDED, budget_sends=0), clock)

    assert await limits_broken(database, person, clock, tmp_path) == [
        (Promise.OVER_BUDGET, "pasta: 1 of 0")
    ]


async def test_caps_are_those_of_the_policy_that_the_run_saved(
    database: Database, person: Person, clock: VirtualClock, tmp_path: Path
) -> None:
    policy = Policy((Cap(Scope.CATEGORY, 0, days=1),), first_after_s=61.0, hold_out_share=0.0)
    async with database.begin() as tx:
        await pressure.save_policy(tx, policy, "somebody", clock.now())

    assert await limits_broken(database, person, clock, tmp_path) == [
        (Promise.OVER_A_CAP, "category in 1 calendar days: 1 of 0"),
        (Promise.TOO_EARLY, "after 60.0 s"),
    ]


async def test_the_cap_that_a_shopper_set_is_judged_from_the_answer_on(
    database: Database, person: Person, clock: VirtualClock, tmp_path: Path
) -> None:
    now_s = clock.now().timestamp()
    with RunLog(tmp_path) as log:
        log.event(OwnCapSet(now_s - 2.0, person.handset_id, 0, acked_at=now_s - 1.0))

    assert await limits_broken(database, person, clock, tmp_path) == [
        (Promise.OVER_A_CAP, "their own cap: 1 of 0")
    ]


async def test_a_service_message_may_reach_who_is_held_out(
    database: Database, person: Person, clock: VirtualClock, tmp_path: Path
) -> None:
    everybody = replace(DEFAULT_POLICY, hold_out_share=1.0)
    async with database.begin() as tx:
        await pressure.save_policy(tx, everybody, "somebody", clock.now())
        await salts.load_or_make(tx)
    with RunLog(tmp_path) as log:
        comes_in(log, person, clock)
    held_out = (person.shopper_id, "pasta")
    ended = a_campaign(status=Status.ENDED, control_share=0.0)

    await save(database, ended, clock)
    assert held_out in (await gather(database, STORE, tmp_path, sightings_spooled=0)).control
    await save(database, replace(ended, tier=Tier.SERVICE), clock)
    assert held_out not in (await gather(database, STORE, tmp_path, sightings_spooled=0)).control


async def test_who_comes_back_at_once_has_begun_no_other_visit(
    database: Database, person: Person, clock: VirtualClock, tmp_path: Path
) -> None:
    now_s = clock.now().timestamp()
    with RunLog(tmp_path) as log:
        comes_in(log, person, clock)
        log.event(LeftStore(now_s - 50.0, person.handset_id))
        log.event(EnteredStore(now_s - 5.0, person.handset_id))
        log.event(LeftStore(now_s, person.handset_id))
        log.event(EnteredStore(now_s + 121.0, person.handset_id))
    records = await gather(database, STORE, tmp_path, sightings_spooled=0)

    evidence = await gather_evidence(database, records, STORE, tmp_path)

    assert evidence.entered_s[person.handset_id] == [now_s - 60.0, now_s - 5.0, now_s + 121.0]
    assert evidence.began_s[person.handset_id] == [now_s - 60.0, now_s + 121.0]
