"""Shoppers who leave while something fails, or are back before it is written."""

from contextlib import suppress
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.zone_events import Appeared, Gone
from db.tables import visits
from engine.owning import write_news
from engine.store import StoreEngine
from tests.engine.shop import IN_A, Shop

A_WHILE_S = 14


async def test_who_leaves_while_the_database_fails_is_gone_all_the_same(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(A_WHILE_S, {phone: IN_A})
    failing = _FailsOnce(shop.engine)
    shop.engine.canaries.write = failing  # type: ignore[method-assign]
    for _ in range(60):
        await shop.clock.advance(5)
        failing.armed = any(isinstance(one, Gone) for one in shop.engine._unwritten)
        shop.engine.hear(await shop.take(), shop.clock.now())
        failing.armed = any(isinstance(one, Gone) for one in shop.engine._unwritten)
        with suppress(ConnectionResetError):
            await write_news(shop.engine, shop.database, shop.live, shop.clock.now())

    assert failing.failed
    (visit,) = await shop.rows(visits)
    assert visit.left_at is not None


class _FailsOnce:
    """The canaries' writing, which fails in the first transaction with a leaving in it."""

    def __init__(self, engine: StoreEngine) -> None:
        self._write = engine.canaries.write
        self.armed = self.failed = False

    async def __call__(self, tx: AsyncConnection, store_id: str, now: datetime) -> None:
        if self.armed and not self.failed:
            self.failed = True
            raise ConnectionResetError("the server has gone")
        await self._write(tx, store_id, now)


async def test_who_is_gone_and_back_in_one_batch_has_a_new_visit(shop: Shop) -> None:
    phone = await shop.phone()
    await shop.spend(A_WHILE_S, {phone: IN_A})
    await shop.clock.advance(400)  # nobody worked, and nobody was heard
    for _ in range(A_WHILE_S):
        await shop.transmit({phone: IN_A})
        await shop.clock.advance(1)
    shop.engine.hear(await shop.take(), shop.clock.now())
    events = [type(one) for one in shop.engine._unwritten]
    assert events.index(Gone) < events.index(Appeared)
    await write_news(shop.engine, shop.database, shop.live, shop.clock.now())
    await shop.spend(5, {phone: IN_A})

    first, second = await shop.rows(visits)
    assert first.left_at is not None
    assert second.left_at is None
