"""What may be sent now, kept in memory: read anew when SQL says that it has changed."""

import asyncio
import logging
from typing import Final

from config.clock import Clock
from db import campaigns, stops
from db.connect import Database
from offers.catalogue import Catalogue
from offers.stops import Stops

log = logging.getLogger(__name__)

# What other processes have sent of a budget is known within this time; the budget itself is kept
# in SQL, by a condition.
SENDS_EVERY_S: Final = 30.0


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

        Raises DATABASE_ERRORS; what is known then stays.
        """
        async with self._one_at_a_time, database.read() as tx:
            # The version first: what changes while we read only makes us read again.
            version = await campaigns.version(tx)
            if version != self._version:
                thrown = await stops.standing(tx)
                live = await campaigns.live_campaigns(tx)
                # A tenth of a second for thousands, in which presence goes on.
                self.catalogue = await asyncio.to_thread(Catalogue, live)
                self.stops, self._version = thrown, version
                self._sends_at_s = self._clock.monotonic_s() + SENDS_EVERY_S
                log.info("campaigns taken up", extra={"live": len(live), "version": version})
            elif self._clock.monotonic_s() >= self._sends_at_s:
                self._sends_at_s = self._clock.monotonic_s() + SENDS_EVERY_S
                self.catalogue.sends_are(await campaigns.sends_of_live(tx))
