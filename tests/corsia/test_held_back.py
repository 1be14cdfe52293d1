"""Decisions to say nothing, as news and in words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from config.clock import VirtualClock
from corsia.held_back import WORDS, HeldBack, HoldsSeen, held_since
from db.connect import Database
from db.decisions import StoredDecision, store_decision
from offers.situation import Reason
from tests.db.rows import Person, a_person, a_store

AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
HOLD = HeldBack(AT, "v1", "s1", "aisle-7", Reason.UNSURE_PLACE)


def stored(person: Person, decision_id: str, at: datetime, *reasons: Reason) -> StoredDecision:
    return StoredDecision(
        decision_id=decision_id,
        visit_id=person.visit_id,
        shopper_id=person.shopper_id,
        zone_id="aisle-7",
        outcome="hold" if reasons else "send",
        campaign_id="pasta",
        ghost=False,
        reasons=list(reasons),
        weighed=[],
        seen={},
        heard_at=at,
        at=at,
    )


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words(reason: Reason) -> None:
    assert WORDS[reason]


def test_the_same_answer_in_the_same_zone_is_no_news() -> None:
    seen = HoldsSeen(keep=10)

    seen.take([HOLD, replace(HOLD, at=AT + timedelta(seconds=1))])

    assert seen.newest() == (HOLD,)


@pytest.mark.parametrize(
    "other",
    [
        replace(HOLD, visit_id="v2"),
        replace(HOLD, zone_id="aisle-8"),
        replace(HOLD, reason=Reason.COOL_DOWN),
    ],
)
def test_another_answer_is_news_and_stands_first(other: HeldBack) -> None:
    seen = HoldsSeen(keep=10)

    seen.take([HOLD])
    seen.take([other])

    assert seen.newest() == (other, HOLD)


def test_only_so_many_are_kept() -> None:
    seen = HoldsSeen(keep=2)

    seen.take([replace(HOLD, visit_id=f"v{n}") for n in range(5)])

    assert [hold.visit_id for hold in seen.newest()] == ["v4", "v3"]


async def test_holds_are_found_by_shopper_and_time_with_their_main_reason(
    database: Database, clock: VirtualClock
) -> None:
    await a_store(database, clock.now())
    later = clock.now() + timedelta(seconds=1)
    async with database.begin() as tx:
        person = await a_person(tx, clock.now())
        for row in (
            stored(person, "old", clock.now(), Reason.UNSURE_PLACE),
            stored(person, "first", later, Reason.VISIT_CAP, Reason.COOL_DOWN),
            stored(person, "sent", later),
            stored(person, "second", later + timedelta(seconds=1), Reason.COOL_DOWN),
        ):
            await store_decision(tx, row)

    async with database.read() as tx:
        found = await held_since(tx, [person.shopper_id], clock.now(), most=10)
        newest = await held_since(tx, [person.shopper_id], clock.now(), most=1)
        others = await held_since(tx, ["somebody else"], clock.now(), most=10)

    assert [hold.reason for hold in found] == [Reason.VISIT_CAP, Reason.COOL_DOWN]
    assert found[0].words == "they had their push of this visit"
    assert newest == found[1:]
    assert others == []
