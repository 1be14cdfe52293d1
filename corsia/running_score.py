"""The scorecard of a run that goes on, at a bounded cost however long it goes on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from config.clock import Clock
from corsia.live_shop import Shop
from corsia.run_report import RULES, records_of
from corsia.scorecard import RecordsDisagreeError, Scorecard, score
from db import gateways
from db.connect import Database
from gateway.spool_file import SpoolCounts

PERIOD_S: Final = 5.0
# With hundreds of shoppers one scorecard takes seconds: it then comes less often, so that all of
# them together never take more than a twentieth of a core.
REST_FACTOR: Final = 19.0


@dataclass(frozen=True, slots=True)
class Running:
    """How the run stands.

    card: of the handsets that the shop knows. Its sightings_lost counts what is known to be lost:
    dropped by a gateway, or missing from the sequence of its batches (each counts as one: nobody
    knows how many it held). on_the_way: spooled and not used yet.
    """

    card: Scorecard
    on_the_way: int


class RunningScore:
    """The newest scorecard of a run."""

    def __init__(self, database: Database, store_id: str, shop: Shop, clock: Clock) -> None:
        self.latest: Running | None = None
        self.took_s = 0.0
        self._database = database
        self._store_id = store_id
        self._shop = shop
        self._clock = clock
        self._spools: Sequence[SpoolCounts] = ()

    def note_spools(self, spools: Sequence[SpoolCounts]) -> None:
        """What each gateway said last of its spool."""
        self._spools = spools

    async def keep(self) -> None:
        """Reckon again and again, for ever."""
        while True:
            await self.reckon()
            await self._clock.sleep(max(PERIOD_S, REST_FACTOR * self.took_s))

    async def reckon(self) -> None:
        """Put the scorecard of this moment into `latest`."""
        began_s = self._clock.monotonic_s()
        handsets, samples, events = self._shop.to_score()
        records = await records_of(
            self._database, self._store_id, samples, events, 0, only=handsets
        )
        async with self._database.read() as tx:
            progress = await gateways.progress(tx)
        try:
            # Pure, and up to seconds of it: the loop must go on drawing.
            card = await asyncio.to_thread(score, records, RULES)
        except RecordsDisagreeError:
            # A shopper was erased since: their pushes are in the log and their decisions nowhere.
            # The figures of before stand until that shopper is forgotten.
            return
        finally:
            self.took_s = self._clock.monotonic_s() - began_s
        given_up = sum(spool.dropped + spool.poisoned for spool in self._spools)
        missing = sum(one.last_seq - one.batches for one in progress)
        spooled = sum(spool.spooled for spool in self._spools)
        taken = sum(one.sightings for one in progress)
        self.latest = Running(
            # A batch that was dropped is missing from the sequence too.
            replace(card, sightings_lost=max(given_up, missing)),
            on_the_way=max(spooled - given_up - taken, 0),
        )
