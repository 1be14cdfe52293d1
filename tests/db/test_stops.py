"""The kill switches: what is stopped spends nothing, and every change moves the version."""

import pytest

from config.clock import VirtualClock
from db import campaigns, stops
from db.connect import Database
from offers.stops import Scope, Stops
from tests.offers.situations import a_campaign


@pytest.mark.parametrize(
    ("scope", "target"),
    [(Scope.EVERYTHING, ""), (Scope.STORE, "store-1"), (Scope.CAMPAIGN, "pasta")],
)
async def test_what_is_stopped_spends_nothing_until_it_is_lifted(
    database: Database, clock: VirtualClock, scope: Scope, target: str
) -> None:
    async with database.begin() as tx:
        await campaigns.save_campaign(tx, a_campaign(), clock.now())
        assert await stops.throw(tx, scope, target, "prices are wrong", clock.now())
    async with database.begin() as tx:
        assert not await campaigns.spend(tx, a_campaign(), "store-1")
        assert not await stops.throw(tx, scope, target, "again", clock.now())
        assert [one[3] for one in await stops.thrown(tx)] == ["prices are wrong"]
        assert await stops.lift(tx, scope, target)
        assert not await stops.lift(tx, scope, target)
        assert await campaigns.spend(tx, a_campaign(), "store-1")


async def test_a_stop_of_something_else_stops_nothing_here(
    database: Database, clock: VirtualClock
) -> None:
    async with database.begin() as tx:
        await campaigns.save_campaign(tx, a_campaign(), clock.now())
        await stops.throw(tx, Scope.STORE, "store-2", "flood", clock.now())
        await stops.throw(tx, Scope.CAMPAIGN, "rice", "sold out", clock.now())
        assert await campaigns.spend(tx, a_campaign(), "store-1")
        assert await stops.standing(tx) == Stops(
            store_ids=frozenset({"store-2"}), campaign_ids=frozenset({"rice"})
        )


async def test_each_change_of_what_may_be_sent_moves_the_version(
    database: Database, clock: VirtualClock
) -> None:
    seen = []
    async with database.begin() as tx:
        seen.append(await campaigns.version(tx))
        await campaigns.save_campaign(tx, a_campaign(), clock.now())
        seen.append(await campaigns.version(tx))
        await campaigns.save_campaign(tx, a_campaign(name="New"), clock.now())
        seen.append(await campaigns.version(tx))
        await stops.throw(tx, Scope.EVERYTHING, "", "drill", clock.now())
        seen.append(await campaigns.version(tx))
        await stops.lift(tx, Scope.EVERYTHING, "")
        seen.append(await campaigns.version(tx))
        await campaigns.spend(tx, a_campaign(), "store-1")
        assert await campaigns.version(tx) == seen[-1]
    assert seen == sorted(set(seen))
