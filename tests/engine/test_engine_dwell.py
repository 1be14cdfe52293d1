"""Expected dwell in the engine: learned from the store's own stays, at the start and each hour."""

import asyncio
import logging
from datetime import datetime, timedelta

import pytest

from beacons.dwell import assumed_curve
from beacons.floor import ZoneKind
from db import visits
from db.connect import open_database
from db.handsets import register
from db.stays import LEARNED_FROM
from db.tables import decisions
from engine.dwell import LEARN_EVERY_S, RETRY_S, keep_dwell, learn_dwell
from engine.live_campaigns import LiveCampaigns
from engine.owning import own_store
from tests.engine.shop import IN_A, Shop, eventually

ASSUMED_S = float(assumed_curve(ZoneKind.AISLE).residual_s(10.0))


async def _remember(shop: Shop, lasts_s: float, at: datetime, stays: int = 100) -> None:
    """That many visits began then, each with a stay in aisle A of about that length."""
    async with shop.database.begin() as tx:
        handset = await register(
            tx, platform="web", app_version="1", country="IT", locale="it-IT", now=at
        )
        for number in range(stays):
            visit = await visits.open_visit(
                tx, handset.shopper_id, shop.store_id, handset.handset_id, at
            )
            await visits.enter_zone(tx, visit.visit_id, "aisle-a", at, 0.8)
            left_at = at + timedelta(seconds=lasts_s * (0.5 + number / stays))
            await visits.leave_zones(tx, visit.visit_id, left_at)
            await visits.close_visit(tx, visit.visit_id, at + timedelta(seconds=900))


async def test_the_curves_are_those_of_the_stores_own_stays(shop_on_each: Shop) -> None:
    shop = shop_on_each
    await _remember(shop, 100.0, shop.clock.now() - timedelta(days=1))

    assert await learn_dwell(shop.engine, shop.database, shop.clock) == 100

    plan = shop.engine.plan
    assert plan.residual_dwell_s("aisle-a", 10.0) == pytest.approx(90.0, rel=0.2)
    assert plan.still_here_p("aisle-a", 10.0, 30.0) > 0.8
    assert plan.still_here_p("aisle-a", 10.0, 140.0) < 0.2
    # Of its kind, and of another kind.
    assert plan.residual_dwell_s("aisle-b", 10.0) > 2 * ASSUMED_S
    assert plan.residual_dwell_s("checkout", 10.0) < ASSUMED_S


async def test_stays_of_last_season_are_forgotten(shop: Shop) -> None:
    await _remember(shop, 100.0, shop.clock.now() - LEARNED_FROM - timedelta(minutes=1))

    assert await learn_dwell(shop.engine, shop.database, shop.clock) == 0
    assert shop.engine.plan.residual_dwell_s("aisle-a", 10.0) == pytest.approx(ASSUMED_S)


async def test_an_engine_decides_by_what_the_store_has_seen(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await _remember(shop, 100.0, shop.clock.now() - timedelta(days=1))
    phone = await shop.phone()
    work = own_store(
        shop.store_id,
        shop.database,
        shop.live,
        shop.identities,
        LiveCampaigns(shop.clock),
        shop.clock,
    )
    engine = asyncio.create_task(work, name="engine")
    try:

        async def has_learned() -> bool:
            return "dwell learned" in caplog.messages

        await eventually(has_learned)

        async def has_decided() -> bool:
            await shop.transmit({phone: IN_A})
            await shop.clock.advance(1)
            return any(one.outcome == "send" for one in await shop.rows(decisions))

        await eventually(has_decided)
    finally:
        engine.cancel()
        await asyncio.wait([engine])
    expected_s = [
        one.seen["moment"]["residual_dwell_s"]
        for one in await shop.rows(decisions)
        if one.outcome == "send"
    ]
    assert expected_s[0] > 2 * ASSUMED_S


async def test_the_curves_follow_within_the_hour(shop: Shop) -> None:
    await _remember(shop, 100.0, shop.clock.now() - timedelta(days=1))
    engine = shop.engine

    def expected_s() -> float:
        return engine.plan.residual_dwell_s("aisle-a", 10.0)

    async def has_read() -> bool:
        return expected_s() > 2 * ASSUMED_S

    async def has_read_anew() -> bool:
        return expected_s() < 1.2 * ASSUMED_S

    keeping = asyncio.create_task(keep_dwell(engine, shop.database, shop.clock), name="dwell")
    try:
        await eventually(has_read)
        await _remember(shop, 10.0, shop.clock.now(), stays=900)
        before_s = expected_s()
        await shop.clock.advance(LEARN_EVERY_S - 1.0)
        assert expected_s() == before_s

        await shop.clock.advance(1.0)
        await eventually(has_read_anew)
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


async def test_while_the_database_is_away_the_curves_stay_and_it_is_asked_again(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    before_s = shop.engine.plan.residual_dwell_s("aisle-a", 10.0)

    async with open_database("postgresql+asyncpg://corsia@127.0.0.1:1/corsia") as away:
        keeping = asyncio.create_task(keep_dwell(shop.engine, away, shop.clock), name="dwell")
        try:
            for wanted in (1, 2):

                async def has_asked(wanted: int = wanted) -> bool:
                    return caplog.messages.count("dwell not learned") == wanted

                await eventually(has_asked)
                await shop.clock.advance(RETRY_S)
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])

    assert shop.engine.plan.residual_dwell_s("aisle-a", 10.0) == before_s
