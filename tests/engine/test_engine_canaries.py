"""What gateways hear of each other reaches SQL, and nobody takes it for a shopper."""

from datetime import timedelta

from beacons import canary
from beacons.links import Link
from beacons.liveness import Life
from beacons.sighting import Sighting
from db import gateway_links
from db.tables import visits
from engine.canaries import WRITE_EVERY_S
from tests.engine.shop import IN_A, STORE, Shop

NAMESPACE = bytes.fromhex("c0451a01")


def _heard(shop: Shop, fellow: str, mean_dbm: float, age_s: float = 10.0) -> Sighting:
    at_ms = round((shop.clock.now().timestamp() - age_s) * 2) * 500
    identifier = canary.canary(NAMESPACE, fellow).identifier
    return Sighting("ibeacon", identifier, at_ms, 4, mean_dbm, round(mean_dbm) + 2)


async def _links(shop: Shop) -> list[Link]:
    now = shop.clock.now()
    async with shop.database.read() as tx:
        return await gateway_links.load(tx, STORE, now - timedelta(days=1), now)


async def _pass(shop: Shop) -> None:
    await shop.clock.advance(WRITE_EVERY_S)
    await shop.append("shop-3", (_heard(shop, "elsewhere", -80.0),))
    await shop.turn()


async def test_canaries_are_summed_and_written_once_a_minute(shop_on_each: Shop) -> None:
    shop = shop_on_each
    for mean_dbm in (-70.0, -72.0):
        await shop.append("shop-0", (_heard(shop, "shop-1", mean_dbm),))
        await shop.turn()
    assert await _links(shop) == []

    await _pass(shop)
    await _pass(shop)
    (link,) = await _links(shop)
    assert (link.hearer_id, link.heard_id) == ("shop-0", "shop-1")
    assert (link.mean_rssi_dbm, link.windows) == (-71.0, 2)
    assert shop.engine.counts["canary_sightings"] == 2
    assert shop.engine.counts["unknown_sightings"] == 2  # of a gateway that is not the shop's
    assert await shop.rows(visits) == []


async def test_a_shopper_in_the_same_batch_is_still_seen(shop: Shop) -> None:
    phone = await shop.phone()
    for _ in range(6):
        await shop.append("shop-0", (_heard(shop, "shop-1", -70.0),))
        await shop.spend(1.0, {phone: IN_A})
    assert phone.handset_id in shop.engine.picture()


async def test_a_transaction_that_failed_loses_nothing(shop: Shop) -> None:
    await shop.append("shop-0", (_heard(shop, "shop-1", -70.0),))
    await shop.turn()
    await shop.clock.advance(WRITE_EVERY_S)
    async with shop.database.engine.connect() as connection:
        tx = await connection.begin()
        await shop.engine.canaries.write(connection, STORE, shop.clock.now())
        await tx.rollback()
    assert await _links(shop) == []

    await _pass(shop)
    assert [link.windows for link in await _links(shop)] == [1]


async def test_an_old_spool_counts_in_its_own_hour_and_proves_no_life(shop: Shop) -> None:
    await shop.append("shop-0", (_heard(shop, "shop-1", -70.0, age_s=4 * 3_600.0),))
    await shop.turn()
    await _pass(shop)
    now = shop.clock.now()
    async with shop.database.read() as tx:
        old = await gateway_links.load(
            tx, STORE, now - timedelta(hours=6), now - timedelta(hours=3)
        )
    assert [link.windows for link in old] == [1]
    assert shop.engine.canaries.liveness.life("shop-0", now.timestamp()) is Life.DEAD


async def test_gateways_that_report_or_are_heard_are_alive(shop: Shop) -> None:
    await shop.clock.advance(WRITE_EVERY_S)
    await shop.append("shop-0", (_heard(shop, "shop-1", -70.0),))
    await shop.turn()
    lives = shop.engine.canaries.liveness
    now_s = shop.clock.now().timestamp()
    assert [lives.life(f"shop-{number}", now_s) for number in range(3)] == [
        Life.LISTENING,
        Life.DEAF,
        Life.DEAD,
    ]
    assert lives.listening(now_s) == {"shop-0"}


async def test_times_ahead_of_ours_prove_life_no_longer_than_until_now(shop: Shop) -> None:
    ahead = _heard(shop, "shop-1", -70.0, age_s=-3_600.0)
    await shop.append("shop-0", (ahead,))
    await shop.turn()
    liveness = shop.engine.canaries.liveness
    assert liveness.life("shop-0", shop.clock.now().timestamp()) is Life.LISTENING

    await shop.clock.advance(120)

    now_s = shop.clock.now().timestamp()
    assert [liveness.life(one, now_s) for one in ("shop-0", "shop-1")] == [Life.DEAD, Life.DEAD]


async def test_a_gateway_does_not_vouch_for_itself(shop: Shop) -> None:
    await shop.append("shop-0", (_heard(shop, "shop-0", -20.0),))
    await shop.turn()
    await _pass(shop)
    assert await _links(shop) == []
