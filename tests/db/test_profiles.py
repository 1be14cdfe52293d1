"""What is kept of shoppers and what was learnt of all: as it was at any moment of the last days."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from config.clock import VirtualClock
from db import learnt, profiles
from db.connect import Database
from db.consents import add_grants
from db.handsets import erase_shopper
from db.learnt_tables import campaign_odds
from db.learnt_tables import learnt as learnt_table
from db.learnt_tables import profiles as profiles_table
from db.profiles import Made
from db.receipts import redeem, sent_offer
from db.tables import decisions, sends
from db.worth_tables import purchases
from offers.baskets import Association
from offers.fading import Tally
from offers.habits import Habit
from offers.known import Learnt, Opinion, Profile
from offers.learning import Tried
from shoppers.consent import Grant, Purpose
from tests.db.rows import STORE, Person, a_person, a_send, a_store

YEAR, DAY = timedelta(days=365), timedelta(days=1)


@pytest.fixture
async def database(database: Database, clock: VirtualClock) -> Database:
    await a_store(database, clock.now())
    return database


def _profile(since: datetime, times: int = 4) -> Profile:
    bought = Tally(2.5, since - DAY)
    return Profile(
        baskets=Tally(7.25, since - DAY),
        habits={"pasta": Habit(since - 30 * DAY, times, bought)},
        dwelt={"rice": Tally(60.0, since - DAY)},
        alike={"rice": -0.125},
        since=since,
    )


async def _kept(tx: AsyncConnection, person: Person, profile: Profile | None, now: datetime) -> int:
    made = None if profile is None else Made(profile, now + YEAR)
    return await profiles.keep(tx, {person.shopper_id: made}, now, now)


async def test_a_profile_comes_back_as_it_was_at_any_moment(
    database: Database, clock: VirtualClock
) -> None:
    now = clock.now()
    first, second = _profile(now, 4), _profile(now + DAY, 5)
    async with database.begin() as tx:
        person = await a_person(tx, now)
        assert await _kept(tx, person, first, now) == 1
        assert await _kept(tx, person, second, now + DAY) == 1

        async def at(moment: datetime) -> Profile:
            return (await profiles.find(tx, person.shopper_id, moment)).profile

        assert await at(now - timedelta(seconds=1)) == Profile()
        assert await at(now) == first
        assert await at(now + DAY - timedelta(seconds=1)) == first
        assert await at(now + DAY) == second

        await profiles.prune(tx, now + DAY + profiles.REPLAYED, 500)
        assert await at(now) == first
        await profiles.prune(tx, now + 2 * DAY + profiles.REPLAYED, 500)
        assert await at(now) == Profile()
        assert await at(now + 9 * DAY) == second


async def test_one_of_whom_nothing_is_known_any_more_has_no_profile(
    database: Database, clock: VirtualClock
) -> None:
    now = clock.now()
    async with database.begin() as tx:
        person = await a_person(tx, now)
        await _kept(tx, person, _profile(now), now)
        assert await _kept(tx, person, None, now + DAY) == 0
        assert (await profiles.find(tx, person.shopper_id, now + DAY)).profile == Profile()


async def test_a_profile_that_never_came_to_hold_is_replaced(
    database: Database, clock: VirtualClock
) -> None:
    now, soon = clock.now(), clock.now() + timedelta(minutes=1)
    async with database.begin() as tx:
        person = await a_person(tx, now)
        for times in (4, 5):
            made = Made(_profile(soon, times), now + YEAR)
            await profiles.keep(tx, {person.shopper_id: made}, soon, now)
        rows = (await tx.execute(select(profiles_table))).all()

    assert [row.document["habits"]["pasta"]["times"] for row in rows] == [5]


async def test_nothing_is_kept_of_who_withdrew_meanwhile_or_is_gone(
    database: Database, clock: VirtualClock
) -> None:
    now = clock.now()
    async with database.begin() as tx:
        stays, withdrew, gone = [await a_person(tx, now, target=None) for _ in range(3)]
        await add_grants(
            tx, withdrew.shopper_id, [Grant(Purpose.PROFILING, False, "v1", "it", now)]
        )
        await erase_shopper(tx, gone.shopper_id)
        made: dict[str, Made | None] = {
            one.shopper_id: Made(_profile(now), now + YEAR) for one in (stays, withdrew, gone)
        }
        assert await profiles.keep(tx, made, now, now) == 1
        kept = (await tx.scalars(select(profiles_table.c.shopper_id))).all()

    assert list(kept) == [stays.shopper_id]


async def test_what_was_stated_is_replaced_whole_and_remembered_for_replays(
    database: Database, clock: VirtualClock
) -> None:
    now = clock.now()
    first = {"pasta": Opinion.WANTED, "rice": Opinion.UNWANTED}
    second = {"pasta": Opinion.UNWANTED, "milk": Opinion.WANTED}
    async with database.begin() as tx:
        person = await a_person(tx, now)
        await profiles.state(tx, person.shopper_id, first, now)
        await profiles.state(tx, person.shopper_id, second, now + DAY)
        await profiles.state(tx, person.shopper_id, second, now + 2 * DAY)

        assert await profiles.opinions(tx, person.shopper_id, now) == first
        assert await profiles.opinions(tx, person.shopper_id, now + DAY) == second
        assert await profiles.opinions(tx, person.shopper_id, now + 9 * DAY) == second
        assert await profiles.opinions(tx, "somebody-else", now) == {}


async def test_two_answers_of_one_instant_leave_the_last(
    database: Database, clock: VirtualClock
) -> None:
    now = clock.now()
    async with database.begin() as tx:
        person = await a_person(tx, now)
        for opinion in (Opinion.WANTED, Opinion.UNWANTED):
            await profiles.state(tx, person.shopper_id, {"pasta": opinion}, now)

        assert await profiles.opinions(tx, person.shopper_id, now) == {"pasta": Opinion.UNWANTED}


def _learnt(since: datetime, share: float) -> Learnt:
    pair = Association("pasta", "sauce", 30, 0.03, 0.3, 2.5)
    return Learnt({"pasta": share}, {"pasta": {"sauce": pair}}, {"pasta": "Pasta"}, since)


async def test_what_was_learnt_comes_back_version_by_version(
    database: Database, clock: VirtualClock
) -> None:
    start = clock.now()
    counts = {"pasta": {"cold": Tried(100, 3), "keen": Tried(7, 7)}}
    async with database.begin() as tx:
        assert await learnt.newest(tx) is None
        for night in range(12):
            since = start + night * DAY
            await learnt.keep(tx, _learnt(since, night / 100), counts, since, since)
        last = start + 11 * DAY

        assert await learnt.newest(tx) == last
        assert await learnt.load(tx, last) == (_learnt(last, 0.11), counts)
        # Of what held eight days ago and since, nothing is gone.
        kept = list((await tx.scalars(select(learnt_table.c.since).order_by("since"))).all())
        assert kept == [start + night * DAY for night in range(3, 12)]
        odds = (await tx.scalars(select(campaign_odds.c.since).distinct())).all()
        assert len(odds) == len(kept)
        assert (await profiles.find(tx, None, last - DAY)).learnt_since == last - DAY


async def _sent(
    tx: AsyncConnection, now: datetime, *, context: str = "cold", member: bool = True
) -> tuple[Person, str]:
    """Somebody who was sent `pasta`, and perhaps showed who they are at the till."""
    person = await a_person(tx, now, target=None)
    decision_id = await a_send(tx, person, now)
    weighed = [{"campaign_id": "pasta", "against": [], "relevance": [], "context": context}]
    await tx.execute(update(decisions).where(decisions.c.id == decision_id).values(weighed=weighed))
    await _bought(tx, person, "bread", now + timedelta(minutes=9), member=member)
    return person, decision_id


async def _bought(
    tx: AsyncConnection, person: Person, category: str, at: datetime, *, member: bool = True
) -> None:
    await tx.execute(
        purchases.insert().values(
            id=f"{person.visit_id}-{category}", store_id=STORE, receipt_id=person.visit_id,
            line=hash(category) % 1_000_000, shopper_id=person.shopper_id, is_member=member,
            visit_id=person.visit_id, product_id=f"some-{category}", category=category, quantity=1,
            price_cents=100, margin_cents=20, discount_cents=0, decision_id=None, at=at,
            stored_at=at, erase_after=at + YEAR,
        )
    )  # fmt: skip


async def answered(tx: AsyncConnection, now: datetime) -> dict[str, Tried]:
    return await learnt.responses(tx, "pasta", now, await learnt.with_tills(tx, now))


async def test_a_campaign_is_answered_by_what_was_bought_after_it_on_that_visit(
    database: Database, clock: VirtualClock
) -> None:
    now = clock.now()
    soon = now + timedelta(minutes=9)
    async with database.begin() as tx:
        await _sent(tx, now)
        bought, _ = await _sent(tx, now)
        await _bought(tx, bought, "pasta", soon)
        before, _ = await _sent(tx, now, context="keen")
        await _bought(tx, before, "pasta", now - timedelta(minutes=1))
        unknown_to_the_till, _ = await _sent(tx, now, member=False)
        await _bought(tx, unknown_to_the_till, "pasta", soon, member=False)
        _, released = await _sent(tx, now)
        await tx.execute(
            update(sends).where(sends.c.decision_id == released).values(released_at=soon)
        )
        await _sent(tx, now, context="what another version wrote")

        found = await answered(tx, now + 2 * DAY)
        assert found == {"cold": Tried(2, 1), "keen": Tried(1, 0)}
        assert await learnt.sent_lately(tx, now + 2 * DAY) == ["pasta"]
        # Whoever may still buy is not counted as one who did not; and seasons pass.
        assert await answered(tx, now + DAY / 2) == {}
        assert await learnt.sent_lately(tx, now + 120 * DAY) == []


async def test_without_tills_only_coupons_answer_and_silence_teaches_nothing(
    database: Database, clock: VirtualClock
) -> None:
    now = clock.now()
    async with database.begin() as tx:
        persons = [await _sent(tx, now) for _ in range(3)]
        await tx.execute(purchases.delete())
        assert await answered(tx, now + 2 * DAY) == {}

        person, decision_id = persons[0]
        offer = await sent_offer(tx, decision_id, person.shopper_id)
        assert offer is not None
        await redeem(tx, replace(offer), "key", "code", now)
        assert await answered(tx, now + 2 * DAY) == {"cold": Tried(3, 1)}
