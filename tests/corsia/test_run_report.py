"""The scorecard's records from what a run left behind."""

from pathlib import Path

import pytest

from beacons.presence import LAG_S
from config.clock import VirtualClock
from corsia.run_report import RULES, failed_calls, gather
from corsia.scorecard import score
from db import outbox
from db.connect import Database
from db.tables import decisions
from firmware_sim.truth import Failed, RunLog
from tests.db.rows import STORE, a_person, a_send, a_store


async def test_what_fcm_took_and_no_handset_saw_counts_against_delivery(
    sqlite_database: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    await a_store(sqlite_database, clock.now())
    async with sqlite_database.begin() as tx:
        person = await a_person(tx, clock.now())
        decision_id = await a_send(tx, person, clock.now())
        (claimed,) = await outbox.claim(tx, clock.now(), 1)
        await outbox.settle(tx, [(claimed, outbox.End("delivered", ""))], clock.now())

    records = await gather(sqlite_database, STORE, tmp_path, sightings_spooled=0)

    assert [(push.decision_id, push.shown_s) for push in records.pushes] == [(decision_id, None)]
    card = score(records, RULES)
    assert (card.pushes, card.in_aisle_delivery) == (1, 0.0)


def test_calls_that_failed_are_told_in_a_few_words(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.event(Failed(at_s=1.0, handset_id=None, what="register", status=503))
        log.event(Failed(at_s=2.0, handset_id="h", what="browse", status=None))

    assert failed_calls(tmp_path) == ("register: 503", "browse: no answer")


@pytest.mark.parametrize(
    ("accepted_after_s", "ready_after_s"),
    [(0.1, LAG_S), (0.9, 0.9), (None, None)],
    ids=["presence waits", "a slow gateway", "nobody noted it"],
)
async def test_a_decision_is_ready_when_all_is_there_and_presence_has_waited(
    database: Database,
    clock: VirtualClock,
    tmp_path: Path,
    accepted_after_s: float | None,
    ready_after_s: float | None,
) -> None:
    now_s = clock.now().timestamp()
    await a_store(database, clock.now())
    async with database.begin() as tx:
        person = await a_person(tx, clock.now())
        await a_send(tx, person, clock.now())
        seen = {"accepted_at_s": None if accepted_after_s is None else now_s + accepted_after_s}
        await tx.execute(decisions.update().values(heard_at=clock.now(), seen=seen))

    (decision,) = (await gather(database, STORE, tmp_path, sightings_spooled=0)).decisions

    ready_s = None if ready_after_s is None else now_s + ready_after_s
    assert decision.ready_s == (None if ready_s is None else pytest.approx(ready_s, abs=1e-3))
