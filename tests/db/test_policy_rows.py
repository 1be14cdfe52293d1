"""Policies as the database keeps them: the newest holds, the others are history."""

from datetime import timedelta

from config.clock import VirtualClock
from db.connect import Database
from db.pressure import UNWRITTEN, policy, save_policy, saved_policies, saved_policy
from offers.pressure import DEFAULT_POLICY, Cap, Policy, Scope

STRICT = Policy((Cap(Scope.CATEGORY, 1, days=1), Cap(Scope.VISIT, 0)), 0.5, 1 / 3)
LOOSE = Policy((Cap(Scope.SHOPPER, 9, within=timedelta(minutes=90)),), 60.0, 0.0)


async def test_before_any_is_saved_the_default_holds(database: Database) -> None:
    async with database.read() as tx:
        assert await policy(tx) == (UNWRITTEN, DEFAULT_POLICY)
        assert await saved_policy(tx) is None
        assert await saved_policies(tx) == []


async def test_the_newest_holds_and_the_others_are_kept(
    database: Database, clock: VirtualClock
) -> None:
    now = clock.now()
    async with database.begin() as tx:
        first = await save_policy(tx, STRICT, "Anna", now)
    async with database.begin() as tx:
        # An hour earlier by its clock: what is saved later holds all the same.
        second = await save_policy(tx, LOOSE, "Bruno", now - timedelta(hours=1))

    async with database.read() as tx:
        assert UNWRITTEN < first < second
        assert await policy(tx) == (second, LOOSE)
        before, after = await saved_policies(tx)
        assert (before.number, before.at, before.by, before.policy) == (first, now, "Anna", STRICT)
        assert after == await saved_policy(tx) == await saved_policy(tx, second)
        assert before == await saved_policy(tx, first)
        assert await saved_policy(tx, second + 1) is None
