"""The operator's salts: one history, made when needed, never shortened."""

from datetime import timedelta

import pytest

from config.clock import VirtualClock
from db import salts
from db.connect import Database
from offers.assignment import BadSalts

DAY = timedelta(days=1)


async def test_the_first_salt_is_made_once_and_stays(
    database: Database, clock: VirtualClock
) -> None:
    async with database.begin() as tx:
        assert await salts.load(tx) is None
        made = await salts.load_or_make(tx)
    async with database.begin() as tx:
        again = await salts.load_or_make(tx)
        assert await salts.load(tx) == again == made
    assert len(made.history) == 1
    assert made.at(clock.now() - 1_000 * DAY)  # whatever a clock says


async def test_dealing_anew_keeps_what_was(database: Database, clock: VirtualClock) -> None:
    start = clock.now()
    async with database.begin() as tx:
        before = await salts.load_or_make(tx)
        after = await salts.deal_anew(tx, "the tills were wrong", start + DAY)
    assert after.history[0] == before.history[0]
    assert after.at(start) != after.at(start + DAY)
    assert after.change_between(start, start + 2 * DAY)


async def test_a_salt_of_the_past_is_refused(database: Database, clock: VirtualClock) -> None:
    async with database.begin() as tx:
        await salts.load_or_make(tx)
        dealt = await salts.deal_anew(tx, "the tills were wrong", clock.now())
        with pytest.raises(BadSalts):
            await salts.deal_anew(tx, "a clock that was wrong", clock.now() - DAY)
        assert await salts.load(tx) == dealt
