"""The scorecard of a run that goes on."""

from datetime import timedelta

from config.clock import SystemClock, VirtualClock
from corsia.live_shop import KEPT_S, Shop
from corsia.running_score import RunningScore
from db.connect import Database
from db.gateways import take_batch
from firmware_sim.truth import PushReceived, Registered, TruthPoint
from gateway.spool_file import SpoolCounts
from shoppers.consent import Purpose
from tests.db.rows import STORE, Person, a_person, a_send, a_store

YES = {purpose.value: True for purpose in Purpose}


def spool(spooled: int, dropped: int = 0) -> SpoolCounts:
    return SpoolCounts(
        spooled=spooled,
        sent=spooled - dropped,
        dropped=dropped,
        poisoned=0,
        waiting=0,
        waiting_batches=0,
        waiting_bytes=0,
    )


async def one_push(database: Database, clock: VirtualClock, shop: Shop) -> Person:
    """Somebody walks into aisle 7 and is shown an offer 4 s later."""
    now_s = clock.now().timestamp()
    async with database.begin() as tx:
        person = await a_person(tx, clock.now())
        decision_id = await a_send(tx, person, clock.now() + timedelta(seconds=3))
    shop.take(
        [TruthPoint(now_s + n / 2, person.handset_id, 1.0, 1.0, "aisle-7") for n in range(20)],
        [
            Registered(now_s - 1, person.handset_id, person.shopper_id, YES, "all yes"),
            PushReceived(
                at_s=now_s + 4,
                handset_id=person.handset_id,
                decision_id=decision_id,
                campaign_id=None,
                zone_id="aisle-7",
                accepted_at=now_s + 3.5,
                shown=True,
                duplicate=False,
                shown_at=now_s + 4,
                shown_zone="aisle-7",
            ),
        ],
    )
    return person


async def test_the_figures_are_those_of_the_scorecard(
    database: Database, clock: VirtualClock
) -> None:
    await a_store(database, clock.now())
    shop = Shop()
    await one_push(database, clock, shop)
    score = RunningScore(database, STORE, shop, SystemClock())

    await score.reckon()

    assert score.latest is not None
    card = score.latest.card
    assert (card.pushes, card.shoppers, card.aisle_precision) == (1, 1, 1.0)
    assert card.entry_to_push_s.p50 == 4.0
    assert card.consent_violations == 0


async def test_who_left_long_ago_counts_no_more(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    await a_store(sqlite_database, clock.now())
    shop = Shop()
    await one_push(sqlite_database, clock, shop)
    await clock.advance(KEPT_S + 60)
    await one_push(sqlite_database, clock, shop)
    shop.forget(clock.now().timestamp())
    score = RunningScore(sqlite_database, STORE, shop, SystemClock())

    await score.reckon()

    assert score.latest is not None
    assert (score.latest.card.pushes, score.latest.card.shoppers) == (1, 1)


async def test_a_shopper_erased_meanwhile_leaves_the_figures_of_before(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    await a_store(sqlite_database, clock.now())
    shop = Shop()
    score = RunningScore(sqlite_database, STORE, shop, SystemClock())
    await score.reckon()
    before = score.latest
    await one_push(sqlite_database, clock, shop)
    async with sqlite_database.begin() as tx:
        await tx.exec_driver_sql("delete from shoppers")

    await score.reckon()

    assert before is not None
    assert score.latest == before


async def test_sightings_under_way_are_not_lost(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    await a_store(sqlite_database, clock.now())
    async with sqlite_database.begin() as tx:
        assert await take_batch(tx, "gw-1", "boot", 1, 30, clock.now())
    score = RunningScore(sqlite_database, STORE, Shop(), SystemClock())

    score.note_spools([spool(spooled=50)])
    await score.reckon()

    assert score.latest is not None
    assert (score.latest.card.sightings_lost, score.latest.on_the_way) == (0, 20)


async def test_what_a_gateway_dropped_and_what_is_missing_in_its_sequence_is_lost(
    sqlite_database: Database, clock: VirtualClock
) -> None:
    await a_store(sqlite_database, clock.now())
    score = RunningScore(sqlite_database, STORE, Shop(), SystemClock())

    score.note_spools([spool(spooled=50, dropped=7)])
    await score.reckon()
    assert score.latest is not None
    assert score.latest.card.sightings_lost == 7

    score.note_spools([spool(spooled=50)])
    async with sqlite_database.begin() as tx:
        for seq in (1, 2, 5):
            assert await take_batch(tx, "gw-1", "boot", seq, 10, clock.now())
    await score.reckon()
    assert score.latest.card.sightings_lost == 2
