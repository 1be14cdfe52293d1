"""Closed windows to the spool, dated by the server's clock; held in memory while that cannot be.

Two things may stand in the way: a full disk, and a clock that was never set. Both pass, so what was
heard waits here, up to a limit.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import msgspec

from beacons.sighting import MAX_SIGHTINGS, WINDOW_MS, Sighting
from config.clock import Clock
from gateway.aggregate import Aggregator
from gateway.server_time import ServerTime, unix_ms
from gateway.spool import Spool, SpoolError

# Ten minutes of 40 identifiers, or one of the busiest gateway, in some 20 MB.
MAX_HELD: Final = 50_000

log = logging.getLogger(__name__)


@dataclass(slots=True)
class FlushHealth:
    """What the flush says of itself; it alone writes here, the status file reads."""

    held: int = 0  # sightings in memory only
    lost: int = 0  # sightings pushed out of memory
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    sighting: Sighting
    epoch_ms: int  # unix time of this machine's monotonic zero when it was heard


class Flusher:
    """The way from the aggregator to the spool."""

    def __init__(
        self,
        aggregator: Aggregator,
        spool: Spool,
        clock: Clock,
        time: ServerTime,
        *,
        is_recording: bool = False,
    ) -> None:
        """is_recording: the adverts' times are right, whatever this machine's clock says."""
        self._aggregator = aggregator
        self._spool = spool
        self._clock = clock
        self._time = time
        self._is_recording = is_recording
        self._held: deque[_Held] = deque()
        self._one_at_a_time = asyncio.Lock()
        self.health: Final = FlushHealth()

    async def flush(self, now_ms: int | None) -> None:
        """Windows that are over at `now_ms` are on disk, or held; None: all windows."""
        aggregator = self._aggregator
        sightings = aggregator.all() if now_ms is None else aggregator.closed(now_ms)
        self._hold(sightings)
        async with self._one_at_a_time:
            await self._write_held()
        self.health.held = len(self._held)

    def _hold(self, sightings: list[Sighting]) -> None:
        epoch_ms = self._epoch_ms()
        self._held.extend(_Held(sighting, epoch_ms) for sighting in sightings)
        while len(self._held) > MAX_HELD:
            self._held.popleft()
            self.health.lost += 1

    async def _write_held(self) -> None:
        if self._held and not self._is_recording and not self._time.is_plausible:
            self._note("this machine's clock was never set")
            return
        while self._held:
            # Out of memory first: an append that is cancelled still reaches the disk.
            part = [self._held.popleft() for _ in range(min(MAX_SIGHTINGS, len(self._held)))]
            shift_ms = {epoch: self._shift_ms(epoch) for epoch in {one.epoch_ms for one in part}}
            dated = [_dated(one.sighting, shift_ms[one.epoch_ms]) for one in part]
            try:
                await self._spool.append(dated)
            except SpoolError as error:
                self._held.extendleft(reversed(part))
                self._note(str(error))
                return
            self._note(None)

    def _shift_ms(self, epoch_ms: int) -> int:
        """What to add to stamps made at `epoch_ms`: learned and stepped clocks, in whole windows.

        The offset is learned to the second, and a hair's breadth between two readings of two
        clocks must not tear a recording's windows apart.
        """
        if self._is_recording:
            return 0
        offset_ms = round(self._time.offset_s * 1000)
        stepped_ms = self._epoch_ms() - epoch_ms
        return round((stepped_ms + offset_ms) / WINDOW_MS) * WINDOW_MS

    def _epoch_ms(self) -> int:
        return unix_ms(self._clock.now() - timedelta(seconds=self._clock.monotonic_s()))

    def _note(self, trouble: str | None) -> None:
        if trouble != self.health.trouble:
            if trouble is None:
                log.info("spool takes sightings again")
            else:
                log.error("sightings held in memory", extra={"why": trouble})
        self.health.trouble = trouble


def _dated(sighting: Sighting, shift_ms: int) -> Sighting:
    if shift_ms == 0:
        return sighting
    return msgspec.structs.replace(sighting, at_ms=sighting.at_ms + shift_ms)
