"""What may be sent now, kept in memory: read anew when SQL says that it has changed."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from config.clock import Clock
from db import campaigns, pressure, salts, stops
from db.connect import Database
from engine.known import Remembering
from engine.situation import Shelf
from offers.catalogue import Catalogue
from offers.pressure import DEFAULT_POLICY
from offers.stops import Stops

log = logging.getLogger(__name__)

# What other processes have sent of a budget is known within this time; the budget itself is kept
# in SQL, by a condition.
SENDS_EVERY_S: Final = 30.0
# One silent database must not hold the stores of a process for longer, nor a catalogue that takes
# long to make.
REFRESH_WITHIN_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class _Making:
    """A shelf whose catalogue is being made, in a thread. began_s: of the monotonic clock."""

    version: int
    shelf: Shelf
    catalogue: asyncio.Future[Catalogue]
    began_s: float


class LiveCampaigns:
    """What may be sent, for all stores of a process.

    shelf: as of the last `refresh`. remembering: what is known of shoppers, asked for one by one.
    """

    def __init__(self, clock: Clock) -> None:
        self.shelf = Shelf(Catalogue(()), Stops(), DEFAULT_POLICY, pressure.UNWRITTEN, None)
        self.remembering = Remembering()
        self._clock = clock
        self._version: int | None = None
        self._sends_at_s = 0.0
        self._making: _Making | None = None
        self._one_at_a_time = asyncio.Lock()
        self._begun = self._done = 0  # readings; done: the last one that went through

    async def refresh(self, database: Database) -> None:
        """Be as SQL is now: one small question when nothing has changed.

        One reading serves all who asked before it began. Raises DATABASE_ERRORS, after
        REFRESH_WITHIN_S at the latest; what is known then stays. A catalogue that takes longer goes
        on being made: nobody waits for it any more, and who asks when it is ready has it.
        """
        asked = self._begun
        async with asyncio.timeout(REFRESH_WITHIN_S), self._one_at_a_time:
            if self._done > asked:
                return
            self._begun += 1
            await self._take_up()  # begun by somebody who could not wait for it
            await self._read(database)
            await self._take_up()
            if self.shelf.salts is None:
                async with database.begin() as tx:
                    drawn = await salts.load_or_make(tx)
                self.shelf = replace(self.shelf, salts=drawn)
            self._done = self._begun

    async def _read(self, database: Database) -> None:
        async with database.read() as tx:
            # The version first: what changes while we read only makes us read again.
            version = await campaigns.version(tx)
            if version != self._version:
                halted = await stops.standing(tx)
                policy_id, policy = await pressure.policy(tx)
                drawn = await salts.load(tx)
                rows = await campaigns.live_rows(tx)
                shelf = Shelf(Catalogue(()), halted, policy, policy_id, drawn)
                # Half a second for ten thousand, in which the loop goes on.
                making = asyncio.get_running_loop().run_in_executor(None, _catalogue, rows)
                self._making = _Making(version, shelf, making, self._clock.monotonic_s())
            elif self._clock.monotonic_s() >= self._sends_at_s:
                self._sends_at_s = self._clock.monotonic_s() + SENDS_EVERY_S
                self.shelf.catalogue.sends_are(await campaigns.sends_of_live(tx))

    async def _take_up(self) -> None:
        """Have the catalogue that is being made, if there is one. Raises TimeoutError when somebody
        has waited for it in vain."""
        making, now_s = self._making, self._clock.monotonic_s()
        if making is None:
            return
        if not making.catalogue.done() and now_s - making.began_s >= REFRESH_WITHIN_S:
            raise TimeoutError("the campaigns are still being made ready")
        await asyncio.wait([making.catalogue])
        self._making = None
        self.shelf = replace(making.shelf, catalogue=making.catalogue.result())
        self._version = making.version
        self._sends_at_s = self._clock.monotonic_s() + SENDS_EVERY_S
        log.info("campaigns taken up", extra={"version": making.version})

    async def is_current(self, tx: AsyncConnection) -> bool:
        """Whether nothing has changed since the last `refresh`."""
        return await campaigns.version(tx) == self._version


def _catalogue(rows: Sequence[Row[str, Any, int]]) -> Catalogue:
    return Catalogue(campaigns.read_live(rows))
