"""What may be sent now, kept in memory: read anew when SQL says that it has changed."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from config.clock import Clock
from db import campaigns, stops
from db.connect import Database
from offers.catalogue import Catalogue
from offers.stops import Stops

log = logging.getLogger(__name__)

# What other processes have sent of a budget is known within this time; the budget itself is kept
# in SQL, by a condition.
SENDS_EVERY_S: Final = 30.0
# All stores of a process ask one after another; one silent database must not hold them in a queue.
REFRESH_WITHIN_S: Final = 3.0


class LiveCampaigns:
    """The live campaigns and the kill switches, for all stores of a process.

    `catalogue` and `stops` are those of the last `refresh`.
    """

    def __init__(self, clock: Clock) -> None:
        self.catalogue = Catalogue(())
        self.stops = Stops()
        self._clock = clock
        self._version: int | None = None
        self._sends_at_s = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def refresh(self, database: Database) -> None:
        """Be as SQL is now: one small question when nothing has changed.

        Raises DATABASE_ERRORS, after REFRESH_WITHIN_S at the latest; what is known then stays.
        """
        async with asyncio.timeout(REFRESH_WITHIN_S), self._one_at_a_time, database.read() as tx:
            # The version first: what changes while we read only makes us read again.
            version = await campaigns.version(tx)
            if version != self._version:
                self.stops = await stops.standing(tx)
                rows = await campaigns.live_rows(tx)
                # Half a second for ten thousand, in which the loop goes on.
                self.catalogue = await asyncio.to_thread(_catalogue, rows)
                self._version = version
                self._sends_at_s = self._clock.monotonic_s() + SENDS_EVERY_S
                log.info("campaigns taken up", extra={"live": len(rows), "version": version})
            elif self._clock.monotonic_s() >= self._sends_at_s:
                self._sends_at_s = self._clock.monotonic_s() + SENDS_EVERY_S
                self.catalogue.sends_are(await campaigns.sends_of_live(tx))

    async def is_current(self, tx: AsyncConnection) -> bool:
        """Whether nothing has changed since the last `refresh`."""
        return await campaigns.version(tx) == self._version


def _catalogue(rows: Sequence[Row[str, Any, int]]) -> Catalogue:
    return Catalogue(campaigns.read_live(rows))
