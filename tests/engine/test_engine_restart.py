"""An engine that is killed, or whose plan changes, ends no stay by it and tells none twice."""

from dataclasses import replace
from datetime import timedelta

import pytest

from beacons.calibration import GatewayRadio
from db import gateway_radios, stores, surveys
from db.surveys import OpenWalk
from db.tables import decisions, sends, visits, zone_visits
from engine.plan import engine_plan, read_plan
from engine.resumed import NAMED_WITHIN_S
from tests.engine.shop import GATEWAYS, IN_A, IN_B, Shop, a_shop

A_WHILE_S = 14
# Between the aisles: in no zone.
IN_BETWEEN = (6.0, 4.0)


async def _stays(shop: Shop) -> list[tuple[str, bool]]:
    """The zones that were entered, and whether each stay is over."""
    return [(one.zone_id, one.left_at is not None) for one in await shop.rows(zone_visits)]


async def _take_up(shop: Shop) -> None:
    """The engine works with the plan as SQL has it now."""
    async with shop.database.read() as tx:
        source = await read_plan(tx, shop.store_id)
    shop.engine.take_up(engine_plan(source), shop.clock.now())


async def test_a_killed_engine_s_presence_goes_on_at_once(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(A_WHILE_S, {phone: IN_A})
    await shop.keep()
    decided = len(await shop.rows(decisions))
    await shop.clock.advance(3)

    await shop.restart()

    here = shop.engine.picture()[phone.handset_id]
    assert here.zone_id == "aisle-a"
    await shop.spend(2, {phone: IN_A})
    assert shop.engine.picture()[phone.handset_id].zone_id == "aisle-a"
    assert await _stays(shop) == [("aisle-a", False)]
    # A mark that was told before is not told again; the next one is at 20 s.
    assert len(await shop.rows(decisions)) == decided
    await shop.spend(10, {phone: IN_B})
    assert await _stays(shop) == [("aisle-a", True), ("aisle-b", False)]
    assert len(await shop.rows(visits)) == len(await shop.rows(sends)) == 1


@pytest.mark.parametrize("away_s", [5, 10, 14])
async def test_a_stay_outlasts_an_engine_that_is_away_for_longer(
    shop_on_each: Shop, away_s: int
) -> None:
    shop = shop_on_each
    phone = await shop.phone()
    await shop.spend(A_WHILE_S, {phone: IN_A})
    await shop.keep()
    (before,) = await shop.rows(zone_visits)
    await shop.clock.advance(away_s)

    await shop.restart()
    await shop.spend(A_WHILE_S + NAMED_WITHIN_S, {phone: IN_A})

    assert await shop.rows(zone_visits) == [before]
    assert len(await shop.rows(visits)) == len(await shop.rows(sends)) == 1


async def test_a_shopper_who_walked_on_meanwhile_is_where_they_are(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(A_WHILE_S, {phone: IN_A})
    await shop.keep()
    await shop.clock.advance(10)

    await shop.restart()
    await shop.spend(A_WHILE_S, {phone: IN_B})

    assert await _stays(shop) == [("aisle-a", True), ("aisle-b", False)]


@pytest.mark.parametrize("kept", [None, b"garbage"])
async def test_without_a_usable_checkpoint_the_stay_goes_on_all_the_same(
    shop: Shop, kept: bytes | None
) -> None:
    phone = await shop.phone()
    await shop.spend(A_WHILE_S, {phone: IN_A})
    (before,) = await shop.rows(zone_visits)
    if kept is not None:
        await shop.keep_this(kept)
    await shop.clock.advance(30)

    await shop.restart()
    assert shop.engine.picture() == {}
    await shop.spend(A_WHILE_S + NAMED_WITHIN_S, {phone: IN_A})

    assert await shop.rows(zone_visits) == [before]


async def test_a_checkpoint_that_is_too_old_is_not_believed(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(A_WHILE_S, {phone: IN_A})
    old = shop.engine.checkpoint()
    await shop.clock.advance(60)
    await shop.restart()

    assert not shop.engine.restore(old, shop.clock.now())
    assert shop.engine.picture() == {}


async def test_a_stay_that_ended_while_nobody_looked_is_over(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(A_WHILE_S, {phone: IN_A})
    await shop.clock.advance(60)
    began = shop.clock.now()
    await shop.restart()

    await shop.spend(NAMED_WITHIN_S + 4, {phone: IN_BETWEEN})

    (stay,) = await shop.rows(zone_visits)
    assert stay.left_at == began
    (visit,) = await shop.rows(visits)
    assert visit.left_at is None


async def test_another_zone_after_a_restart_ends_the_stay_before(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(A_WHILE_S, {phone: IN_A})
    await shop.clock.advance(60)
    await shop.restart()

    await shop.spend(A_WHILE_S, {phone: IN_B})

    assert await _stays(shop) == [("aisle-a", True), ("aisle-b", False)]


async def test_what_was_told_after_the_checkpoint_is_not_told_again(shop: Shop) -> None:
    phone, leaver = await shop.phone(), await shop.phone(target="fid-2")
    await shop.spend(6, {phone: IN_A, leaver: IN_B})
    await shop.spend(80, {phone: IN_A})
    await shop.keep()
    # Whoever left is gone after the checkpoint; who stayed changes aisle after it.
    await shop.spend(12, {phone: IN_B})
    before = {one.id: one.left_at for one in await shop.rows(visits)}
    assert sorted(left_at is None for left_at in before.values()) == [False, True]
    stays = await _stays(shop)

    await shop.restart()
    await shop.spend(A_WHILE_S, {phone: IN_B})

    assert {one.id: one.left_at for one in await shop.rows(visits)} == before
    assert await _stays(shop) == stays


async def test_somebody_restored_who_stands_still_is_not_gone_after_five_minutes(
    shop: Shop,
) -> None:
    phone = await shop.phone()
    await shop.spend(100, {phone: IN_A}, every_s=2.5)
    await shop.keep()
    await shop.restart()

    await shop.spend(330, {phone: IN_A}, every_s=2.5)

    assert [one.left_at for one in await shop.rows(visits)] == [None]
    assert await _stays(shop) == [("aisle-a", False)]


async def test_a_calibration_changes_the_radio_map_and_nobody_s_place(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(A_WHILE_S, {phone: IN_A})
    decided = len(await shop.rows(decisions))
    model = shop.engine.plan.model
    known = shop.engine.canaries.liveness.listening(shop.clock.now().timestamp())
    assert len(known) == len(GATEWAYS)
    radios = [
        GatewayRadio(f"shop-{n}", offset_db, 1.0, -offset_db, 1.0, 2.2, 0.2, 5.0, 3)
        for n, offset_db in enumerate((3.0, -3.0, 1.0, -1.0))
    ]
    async with shop.database.begin() as tx:
        await gateway_radios.save(tx, shop.store_id, radios, (), shop.clock.now())

    await _take_up(shop)

    assert shop.engine.plan.version.calibrated_at == shop.clock.now()
    assert shop.engine.plan.model is not model
    assert shop.engine.picture()[phone.handset_id].zone_id == "aisle-a"
    assert shop.engine.canaries.liveness.listening(shop.clock.now().timestamp()) == known
    await shop.spend(3, {phone: IN_A})
    assert await _stays(shop) == [("aisle-a", False)]
    assert len(await shop.rows(decisions)) <= decided + 1


async def test_a_floor_that_was_drawn_anew_keeps_visits_and_stays(shop: Shop) -> None:
    phone, sleeper = await shop.phone(), await shop.phone(target="fid-2")
    await shop.spend(A_WHILE_S, {phone: IN_A, sleeper: IN_B})
    plan = a_shop()
    floor = plan.floors[0]
    longer = ((0, 0), (14, 0), (14, 13), (0, 13))
    async with shop.database.begin() as tx:
        drawn = replace(plan, floors=(replace(floor, outline=longer),))
        await stores.save_store(tx, drawn, shop.clock.now())

    await _take_up(shop)
    assert shop.engine.picture() == {}
    # One is heard again, the other never: both visits end as if nothing had happened.
    await shop.spend(A_WHILE_S, {phone: IN_A})
    assert sorted(await _stays(shop)) == [("aisle-a", False), ("aisle-b", False)]
    await shop.spend(400, {phone: IN_A}, every_s=2.5)

    assert sorted(await _stays(shop)) == [("aisle-a", False), ("aisle-b", True)]
    left = {one.handset_id: one.left_at for one in await shop.rows(visits)}
    assert left[phone.handset_id] is None
    assert left[sleeper.handset_id] is not None


async def test_a_gateway_that_died_is_no_evidence(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(A_WHILE_S, {phone: IN_A})
    alive = [place for place in a_shop().floors[0].gateways if place.gateway_id != "shop-3"]

    for _ in range(30):
        await shop.transmit({phone: IN_A}, alive)
        await shop.clock.advance(1)
        await shop.turn()

    assert shop.engine.canaries.liveness.listening(shop.clock.now().timestamp()) == {
        place.gateway_id for place in alive
    }
    assert shop.engine.picture()[phone.handset_id].zone_id == "aisle-a"
    assert await _stays(shop) == [("aisle-a", False)]


async def test_who_walks_a_survey_is_no_shopper(shop_on_each: Shop) -> None:
    shop = shop_on_each
    staff, shopper = await shop.phone(), await shop.phone(target="fid-2")
    walk = OpenWalk(staff.handset_id, shop.store_id, "survey-1", shop.clock.now())
    async with shop.database.begin() as tx:
        assert await surveys.open_walk(tx, walk, shop.clock.now())

    # The engine has not looked who walks yet.
    await shop.spend(3, {staff: IN_A, shopper: IN_B})
    async with shop.database.read() as tx:
        walking = await surveys.walking_in(tx, shop.store_id, shop.clock.now())
        assert await surveys.walking_in(tx, "another", shop.clock.now()) == frozenset()
        later = shop.clock.now() + surveys.OPEN_FOR + timedelta(seconds=1)
        assert await surveys.walking_in(tx, shop.store_id, later) == frozenset()
    assert walking == {staff.handset_id}
    shop.engine.is_surveyed_with(walking)
    await shop.spend(A_WHILE_S, {staff: IN_A, shopper: IN_B})

    assert {one.handset_id for one in await shop.rows(visits)} == {shopper.handset_id}
    assert {one.shopper_id for one in await shop.rows(decisions)} == {shopper.shopper_id}
    assert {zone_id for zone_id, _ in await _stays(shop)} == {"aisle-b"}
    assert shop.engine.counts["survey_sightings"] == A_WHILE_S * len(GATEWAYS)


async def test_a_survey_begun_in_the_middle_of_a_visit_ends_its_offers(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(5, {phone: IN_A})
    shop.engine.is_surveyed_with(frozenset({phone.handset_id}))

    await shop.spend(120, {phone: IN_A}, every_s=2.5)

    assert await shop.rows(sends) == []
    (visit,) = await shop.rows(visits)
    assert visit.left_at is not None
