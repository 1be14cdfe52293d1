"""A store at work: from the stream to visits, decisions and the outbox, whatever fails."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from beacons.sighting import Sighting
from db import campaigns as campaign_rows
from db import consents, handsets
from db import visits as visit_rows
from db.live import WAKE
from db.tables import campaigns, decisions, gateway_progress, outbox, sends, visits, zone_visits
from engine.live_campaigns import LiveCampaigns
from engine.owning import load_store_engine
from offers.campaign import Tier
from offers.pressure import Message
from shoppers.consent import Grant, Purpose
from tests.engine.shop import (
    AT_CHECKOUT,
    BOOT,
    GATEWAYS,
    IN_A,
    IN_B,
    STORE,
    Shop,
    for_aisle_a,
    sighting,
)

# Long enough in an aisle for a decision after the first seconds of a visit.
A_WHILE_S = 14


async def test_a_shopper_in_an_aisle_gets_its_offer(shop_on_each: Shop) -> None:
    shop = shop_on_each
    phone = await shop.phone()
    start = shop.clock.now()

    await shop.spend(A_WHILE_S, {phone: IN_A})

    (visit,) = await shop.rows(visits)
    assert (visit.shopper_id, visit.handset_id) == (phone.shopper_id, phone.handset_id)
    assert timedelta(0) <= visit.entered_at - start <= timedelta(seconds=1)
    (stay,) = await shop.rows(zone_visits)
    assert (stay.zone_id, stay.left_at) == ("aisle-a", None)
    *held, taken = await shop.rows(decisions)
    # Before it was too early, and that is stored too.
    assert {one.outcome for one in held} == {"hold"}
    assert {tuple(one.reasons) for one in held} == {("visit_too_young",)}
    assert (taken.outcome, taken.campaign_id, taken.zone_id) == ("send", "pasta", "aisle-a")
    assert taken.reasons == []
    assert taken.weighed[0]["relevance"] == ["you are near it"]
    assert taken.seen["moment"]["zone_id"] == "aisle-a"
    (sent,) = await shop.rows(sends)
    assert (sent.decision_id, sent.visit_id) == (taken.id, visit.id)
    (due,) = await shop.rows(outbox)
    assert (due.decision_id, due.handset_id, due.state) == (taken.id, phone.handset_id, "due")
    residual_s = taken.seen["moment"]["residual_dwell_s"]
    assert residual_s == pytest.approx(27, abs=3)
    assert due.expires_at - taken.at == timedelta(seconds=residual_s)
    assert await shop.live.redis.llen(WAKE) == 1
    (campaign,) = await shop.rows(campaigns)
    assert campaign.sends == 1


async def test_one_visit_brings_one_push_however_long_it_is(shop: Shop) -> None:
    phone = await shop.phone()

    await shop.spend(25, {phone: IN_A})
    await shop.spend(25, {phone: IN_B})
    await shop.spend(25, {phone: IN_A})

    assert len(await shop.rows(sends)) == 1
    *_, last = await shop.rows(decisions)
    assert set(last.reasons) == {"visit_cap", "campaign_seen", "cool_down"}
    stays = [one.zone_id for one in await shop.rows(zone_visits)]
    assert stays == ["aisle-a", "aisle-b", "aisle-a"]


async def test_where_nothing_is_on_offer_that_is_stored(shop: Shop) -> None:
    phone = await shop.phone()

    await shop.spend(A_WHILE_S, {phone: IN_B})

    assert {tuple(one.reasons) for one in await shop.rows(decisions)} == {("no_campaign",)}
    assert await shop.rows(sends) == []


async def test_nobody_is_messaged_at_the_checkout(shop: Shop) -> None:
    await shop.open(for_aisle_a(zone_ids=frozenset({"checkout"})))
    phone = await shop.phone()

    await shop.spend(A_WHILE_S, {phone: AT_CHECKOUT})

    *_, last = await shop.rows(decisions)
    # How sure presence is of the place is another matter.
    assert "quiet_zone" in last.reasons
    assert await shop.rows(sends) == []


async def test_only_campaigns_of_the_store_count(shop: Shop) -> None:
    await shop.open(for_aisle_a(store_ids=frozenset({"another"})))
    phone = await shop.phone()

    await shop.spend(A_WHILE_S, {phone: IN_A})

    assert {tuple(one.reasons) for one in await shop.rows(decisions)} == {("no_campaign",)}


async def test_the_control_group_leaves_a_ghost_and_gets_nothing(shop: Shop) -> None:
    await shop.open(for_aisle_a(control_share=1.0), for_aisle_a("runner-up", tier=3))
    phone = await shop.phone()
    async with shop.database.begin() as tx:
        best = for_aisle_a(control_share=1.0, tier=Tier.PERSONAL)
        await campaign_rows.save_campaign(tx, best, shop.clock.now())

    await shop.spend(A_WHILE_S, {phone: IN_A})

    *_, last = await shop.rows(decisions)
    assert (last.outcome, last.ghost, last.campaign_id) == ("hold", True, "pasta")
    assert last.reasons == ["control_group"]
    assert await shop.rows(sends) == []
    assert await shop.rows(outbox) == []


@pytest.mark.parametrize(
    ("allowed", "country", "target", "reason"),
    [
        ((Purpose.LOCATION_BLE,), "IT", "fid-1", "no_consent"),
        ((Purpose.LOCATION_BLE, Purpose.PROFILING), "IT", "fid-1", "no_consent"),
        ((Purpose.LOCATION_BLE, Purpose.PUSH_MARKETING), "XX", "fid-1", "country_unknown"),
        ((Purpose.LOCATION_BLE, Purpose.PUSH_MARKETING), "IT", None, "no_push_target"),
    ],
)
async def test_what_the_shopper_does_not_allow_is_not_done(
    shop: Shop, allowed: tuple[Purpose, ...], country: str, target: str | None, reason: str
) -> None:
    phone = await shop.phone(*allowed, country=country, target=target)

    await shop.spend(A_WHILE_S, {phone: IN_A})

    *_, last = await shop.rows(decisions)
    assert last.reasons == [reason]
    assert await shop.rows(sends) == []


async def test_a_consent_withdrawn_in_the_shop_counts_at_once(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(5, {phone: IN_A})
    async with shop.database.begin() as tx:
        no = Grant(Purpose.PUSH_MARKETING, False, "v1", "it-IT", shop.clock.now())
        await consents.add_grants(tx, phone.shopper_id, [no])

    await shop.spend(A_WHILE_S, {phone: IN_A})

    *_, last = await shop.rows(decisions)
    assert last.reasons == ["no_consent"]
    assert await shop.rows(sends) == []


async def test_a_push_goes_to_every_handset_of_the_shopper(shop: Shop) -> None:
    phone, other = await shop.phone(), await shop.phone(target="fid-2")
    async with shop.database.begin() as tx:
        await tx.execute(
            text("UPDATE handsets SET shopper_id = :s WHERE id = :h"),
            {"s": phone.shopper_id, "h": other.handset_id},
        )

    await shop.spend(A_WHILE_S, {phone: IN_A})

    assert {one.handset_id for one in await shop.rows(outbox)} == {
        phone.handset_id, other.handset_id,
    }  # fmt: skip


async def test_a_batch_seen_twice_changes_nothing(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.transmit({phone: IN_A})
    await shop.clock.advance(0.5)
    entries = await shop.take()

    shop.engine.hear(entries, shop.clock.now())
    shop.engine.hear(entries, shop.clock.now())
    await shop.turn()
    first = await shop.rows(gateway_progress)
    assert [one.sightings for one in first] == [1] * len(GATEWAYS)

    # A new process, to which the same entries are given once more.
    await shop.restart()
    shop.engine.hear(entries, shop.clock.now())
    await shop.turn()

    assert await shop.rows(gateway_progress) == first
    assert shop.engine.counts["repeated_batches"] == len(GATEWAYS)
    assert shop.engine.counts["resolved_sightings"] == 0


async def test_an_engine_restarted_mid_visit_goes_on_with_it(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(A_WHILE_S, {phone: IN_A})
    before = await shop.rows(visits)
    assert len(await shop.rows(sends)) == 1
    await shop.clock.advance(60)

    await shop.restart()
    await shop.spend(A_WHILE_S, {phone: IN_A})

    assert [one.id for one in await shop.rows(visits)] == [one.id for one in before]
    assert len(await shop.rows(sends)) == 1
    *_, last = await shop.rows(decisions)
    assert "visit_cap" in last.reasons


async def test_what_a_dead_engine_had_not_written_is_heard_by_the_next(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.transmit({phone: IN_A})
    await shop.clock.advance(0.5)
    lost = await shop.take()
    shop.engine.hear(lost, shop.clock.now())  # and then it died

    await shop.restart()
    inherited = await shop.live.unacknowledged(shop.store_id, "heir", 2)
    assert inherited == lost
    shop.engine.hear(inherited, shop.clock.now())
    await shop.turn()

    assert sum(one.sightings for one in await shop.rows(gateway_progress)) == len(GATEWAYS)
    assert shop.engine.counts["missing_batches"] == 0


async def test_a_visit_that_was_open_for_too_long_is_closed_at_the_start(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(5, {phone: IN_A})
    await shop.clock.advance(301)

    await shop.restart()

    (visit,) = await shop.rows(visits)
    assert visit.left_at == visit.last_heard_at
    await shop.spend(5, {phone: IN_A})
    assert len(await shop.rows(visits)) == 2


async def test_whoever_left_while_no_engine_ran_has_left(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(5, {phone: IN_A})
    await shop.clock.advance(60)
    await shop.restart()

    await shop.spend(1)
    assert [one.left_at for one in await shop.rows(visits)] == [None]
    await shop.clock.advance(300)
    await shop.spend(1)

    (visit,) = await shop.rows(visits)
    assert visit.left_at == visit.last_heard_at
    (stay,) = await shop.rows(zone_visits)
    assert stay.left_at == visit.left_at
    # The next day is another visit.
    await shop.clock.advance(86_400)
    await shop.spend(3, {phone: IN_A})
    assert len(await shop.rows(visits)) == 2


async def test_somebody_who_stands_still_is_still_there_after_a_restart(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(330, {phone: IN_A}, every_s=2.5)
    (before,) = await shop.rows(visits)
    assert shop.clock.now() - before.last_heard_at < timedelta(seconds=70)

    await shop.restart()
    await shop.spend(5, {phone: IN_A})

    (after,) = await shop.rows(visits)
    assert after.id == before.id
    assert len(await shop.rows(sends)) == 1


async def test_silence_ends_the_visit_when_it_began(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(5, {phone: IN_A})
    left_at = shop.clock.now()

    await shop.spend(100, every_s=5)

    (visit,) = await shop.rows(visits)
    assert abs(visit.left_at - left_at) <= timedelta(seconds=1)
    assert await shop.live.everyone(shop.store_id) == {} or shop.engine.picture() == {}


async def test_a_failed_transaction_takes_nothing_and_is_tried_again(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(8, {phone: IN_A})
    before = len(await shop.rows(decisions))
    async with shop.database.begin() as tx:
        await tx.execute(
            text(
                "CREATE TRIGGER full BEFORE INSERT ON outbox"
                " BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
        )

    failed = 0
    for _ in range(12):
        await shop.transmit({phone: IN_A})
        await shop.clock.advance(0.5)
        try:
            await shop.turn()
        except DBAPIError:
            failed += 1
            # Nothing was written, and no cap is held for a push that there is not.
            assert len(await shop.rows(decisions)) == before
            assert await shop.rows(sends) == []
            assert await shop.live.redis.exists(f"{{shopper:{phone.shopper_id}}}:sends") == 0
    assert failed > 1
    async with shop.database.begin() as tx:
        await tx.execute(text("DROP TRIGGER full"))
    await shop.spend(1, {phone: IN_A})

    assert len(await shop.rows(sends)) == 1
    assert len(await shop.rows(outbox)) == 1
    assert len(await shop.rows(visits)) == 1
    assert [one.sends for one in await shop.rows(campaigns)] == [1]
    progress = await shop.rows(gateway_progress)
    assert sum(one.sightings for one in progress) == sum(shop.sent.values())


async def test_a_cap_that_redis_knows_better_holds_the_push(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(5, {phone: IN_A})
    (visit,) = await shop.rows(visits)
    # Another process has just reserved and not yet written.
    other = Message("d-other", shop.clock.now(), "rice", visit.id, "a", STORE)
    assert await shop.live.reserve(phone.shopper_id, other, [], (), shop.clock.now())

    await shop.spend(A_WHILE_S, {phone: IN_A})

    *_, last = await shop.rows(decisions)
    assert last.reasons == ["cap_race"]
    assert await shop.rows(sends) == []
    assert [one.sends for one in await shop.rows(campaigns)] == [0]


async def test_a_budget_is_not_overdrawn(shop: Shop) -> None:
    await shop.open(for_aisle_a(budget_sends=1))
    phones = [await shop.phone(target=f"fid-{n}") for n in range(3)]

    await shop.spend(A_WHILE_S, dict.fromkeys(phones, IN_A))

    assert len(await shop.rows(sends)) == 1
    assert [one.sends for one in await shop.rows(campaigns)] == [1]
    reasons = [tuple(one.reasons) for one in await shop.rows(decisions)]
    assert ("budget_spent",) in reasons or ("cap_race",) in reasons


async def test_the_events_of_an_erased_shopper_are_dropped(shop: Shop) -> None:
    phone, other = await shop.phone(), await shop.phone(target="fid-2")
    await shop.spend(5, {phone: IN_A, other: IN_B})
    async with shop.database.begin() as tx:
        await handsets.erase_shopper(tx, phone.shopper_id)

    # The engine still knows the secret; it learns of the erasure within a minute. Whoever is in
    # another aisle at once is believed to be there late.
    await shop.spend(3 * A_WHILE_S, {phone: IN_A, other: IN_A})

    assert {one.shopper_id for one in await shop.rows(visits)} == {other.shopper_id}
    assert {one.shopper_id for one in await shop.rows(decisions)} == {other.shopper_id}
    assert {one.shopper_id for one in await shop.rows(sends)} == {other.shopper_id}


async def test_sightings_older_than_two_minutes_cause_nothing(shop: Shop) -> None:
    phone = await shop.phone()
    long_ago_s = shop.clock.now().timestamp() - 130
    for half_seconds in range(40):
        heard = (sighting(phone, long_ago_s + half_seconds / 2 - 20, -62.0),)
        await shop.append("shop-0", heard)

    await shop.spend(20)

    assert shop.engine.counts["late_sightings"] == 40
    assert shop.engine.counts["resolved_sightings"] == 0
    for table in (visits, decisions, sends, outbox):
        assert await shop.rows(table) == []
    # They were heard all the same, and are not lost.
    assert [one.sightings for one in await shop.rows(gateway_progress)] == [40]


async def test_strangers_are_counted_and_never_stored(shop: Shop) -> None:
    phone = await shop.phone()
    stranger = replace(phone, secret=b"x" * 32, handset_id="h", shopper_id="s")

    await shop.spend(5, {stranger: IN_A})

    assert shop.engine.counts["unknown_sightings"] == 5 * len(GATEWAYS)
    assert await shop.rows(visits) == []
    assert shop.engine.picture() == {}


async def test_what_presence_refuses_is_counted_for_the_operator(shop: Shop) -> None:
    phone = await shop.phone()
    now_s = shop.clock.now().timestamp()
    identifier = phone.identifier(now_s)
    too_faint = Sighting("ceid", identifier, round(now_s) * 1_000, 1, -120.0, -120)

    await shop.append("shop-0", (too_faint,))
    await shop.spend(2)

    assert shop.engine.counts["sightings_no_reading"] == 1
    assert shop.engine.picture() == {}


async def test_other_kinds_of_beacon_are_nobodys_handset(shop: Shop) -> None:
    phone = await shop.phone()
    now_s = shop.clock.now().timestamp()
    # The octets of our own handset in the identifier of another kind.
    identifier = phone.identifier(now_s) + "00" * 8
    ibeacon = Sighting("ibeacon", identifier, round(now_s) * 1_000, 1, -60.0, -60)

    await shop.append("shop-0", (ibeacon,))
    await shop.spend(1)

    assert shop.engine.counts["unknown_sightings"] == 1


async def test_gaps_are_counted(shop: Shop) -> None:
    phone = await shop.phone()
    heard = (sighting(phone, shop.clock.now().timestamp(), -60),)
    await shop.append("shop-0", heard, skipping=2)  # 3 is the first
    await shop.append("shop-0", heard)
    await shop.append("shop-0", heard, skipping=4)
    await shop.turn()
    assert shop.engine.counts["missing_batches"] == 6

    await shop.restart()
    await shop.append("shop-0", heard, skipping=1)
    await shop.turn()

    assert shop.engine.counts["missing_batches"] == 1


async def test_an_entry_that_is_no_batch_harms_no_other(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.live.redis.xadd(f"{{store:{shop.store_id}}}:sightings", {"g": "shop-0", "b": b"?"})

    await shop.spend(3, {phone: IN_A})

    assert shop.engine.counts["malformed_batches"] == 1
    assert len(await shop.rows(visits)) == 1
    assert await shop.live.backlog(shop.store_id) == 0


async def test_a_gateway_that_sql_does_not_know_stops_nothing(shop: Shop) -> None:
    """A Redis that outlived its database."""
    phone = await shop.phone()
    await shop.append("of-another-life", (sighting(phone, shop.clock.now().timestamp(), -60),))

    await shop.spend(3, {phone: IN_A})

    assert len(await shop.rows(visits)) == 1
    known = {one.gateway_id for one in await shop.rows(gateway_progress)}
    assert "of-another-life" not in known
    assert len(known) == len(GATEWAYS)


async def test_the_picture_says_who_is_where(shop: Shop) -> None:
    here, there = await shop.phone(), await shop.phone(target="fid-2")

    await shop.spend(6, {here: IN_A, there: IN_B})

    everyone = await shop.live.everyone(shop.store_id)
    assert {name: one.zone_id for name, one in everyone.items()} == {
        here.handset_id: "aisle-a",
        there.handset_id: "aisle-b",
    }
    assert shop.clock.now().timestamp() - everyone[here.handset_id].heard_s <= 2


async def test_the_next_visit_within_the_cool_down_is_spared(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(A_WHILE_S, {phone: IN_A})
    await shop.spend(120, every_s=5)
    await shop.spend(A_WHILE_S, {phone: IN_A})
    *_, last = await shop.rows(decisions)
    assert last.reasons == ["cool_down"]

    await shop.spend(100, every_s=5)
    await shop.clock.advance(20 * 60)
    await shop.restart()
    await shop.spend(A_WHILE_S, {phone: IN_A})

    assert len(await shop.rows(sends)) == 2


async def test_the_progress_of_every_spool_is_read_at_the_start(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(2, {phone: IN_A})

    engine = await load_store_engine(
        shop.database, shop.store_id, shop.identities, LiveCampaigns(shop.clock), shop.clock
    )

    assert engine._intake._last_seq == {(f"shop-{n}", BOOT): 2 for n in range(len(GATEWAYS))}


async def test_a_commit_whose_answer_was_lost_forks_no_visit(shop: Shop) -> None:
    phone = await shop.phone()
    for _ in range(3):
        await shop.transmit({phone: IN_A})
        await shop.clock.advance(1)
        shop.engine.hear(await shop.take(), shop.clock.now())
    await shop.engine.campaigns.refresh(shop.database)
    async with shop.database.begin() as tx:
        await shop.engine.write(tx, shop.live, shop.clock.now())
    assert len(await shop.rows(visits)) == 1

    # The engine was not told that it went through; it asks SQL before it tries again.
    async with shop.database.read() as tx:
        shop.engine.reread(await visit_rows.open_visits(tx, shop.store_id))
    await shop.spend(A_WHILE_S, {phone: IN_A})

    assert len(await shop.rows(visits)) == 1
    assert len(await shop.rows(sends)) == 1


async def test_what_waited_for_a_database_is_not_decided_on(shop: Shop) -> None:
    phone = await shop.phone()
    for _ in range(30):
        await shop.transmit({phone: IN_A})
        await shop.clock.advance(1)
        shop.engine.hear(await shop.take(), shop.clock.now())
    await shop.clock.advance(60)

    await shop.turn()

    assert await shop.rows(decisions) == []
    assert shop.engine.counts["dwells_too_old"] > 0
    assert len(await shop.rows(visits)) == 1
