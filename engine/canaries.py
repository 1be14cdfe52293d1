"""What gateways hear of each other: taken out of the batches, kept as sums, written now and then.

Sums that wait are lost with the process: a minute of measurements that are made again each minute.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from beacons import canary
from beacons.links import LinkHour, LinkSums
from beacons.liveness import Liveness
from beacons.sighting import WINDOW_MS, Sighting
from db import gateway_links

# A row for each link and hour, touched once a minute: 2 rows a second for twelve gateways.
WRITE_EVERY_S: Final = 60.0


class Canaries:
    """The gateways of one store as they hear each other. liveness: which of them are at work."""

    def __init__(self, gateway_ids: Iterable[str], now_s: float) -> None:
        """now_s: unix, when batches begin to be taken in."""
        gateway_ids = frozenset(gateway_ids)
        self.liveness: Final = Liveness(gateway_ids, now_s)
        self._gateway_ids = gateway_ids
        self._gateway_of = canary.gateway_of(gateway_ids)
        self._sums = LinkSums()
        self._written_s = now_s
        self._is_under_way = False

    def take(self, gateway_id: str, sightings: Iterable[Sighting], now_s: float) -> list[Sighting]:
        """Keep what the batch of a gateway tells of its fellows; the rest of it.

        now_s: unix; what claims to be later was heard now, by a clock that is ahead of ours.
        """
        rest = []
        for sighting in sightings:
            fellow = self._fellow(sighting)
            end_s = sighting.at_ms / 1_000
            if fellow is None:
                rest.append(sighting)
                end_s += WINDOW_MS / 1_000
            elif gateway_id in self._gateway_ids and fellow != gateway_id:
                end_s += canary.WINDOW_MS / 1_000
                self.liveness.was_heard(fellow, min(end_s, now_s))
                self._sums.add(
                    gateway_id,
                    fellow,
                    sighting.at_ms / 1_000,
                    sighting.count,
                    sighting.mean_rssi_dbm,
                )
            self.liveness.reported(gateway_id, min(end_s, now_s))
        return rest

    def hours(self) -> list[LinkHour]:
        """What waits to be written."""
        return self._sums.hours()

    def follow(self, gateway_ids: Iterable[str], now_s: float) -> None:
        """The store has these gateways from now on; of those that stay, all is still known."""
        gateway_ids = frozenset(gateway_ids)
        self.liveness.follow(gateway_ids, now_s)
        self._gateway_ids = gateway_ids
        self._gateway_of = canary.gateway_of(gateway_ids)

    async def write(self, tx: AsyncConnection, store_id: str, now: datetime) -> None:
        """Add the sums to SQL when it is time; follow it with `wrote` when the transaction is
        through, and with nothing when it is not."""
        self._is_under_way = len(self._sums) > 0 and (
            abs(now.timestamp() - self._written_s) >= WRITE_EVERY_S
        )
        if self._is_under_way:
            await gateway_links.add(tx, store_id, self.hours())
            self._written_s = now.timestamp()

    def wrote(self) -> None:
        """The transaction of `write` is through."""
        if self._is_under_way:
            self._sums.clear()
            self._is_under_way = False

    def _fellow(self, sighting: Sighting) -> str | None:
        if sighting.kind != "ibeacon":
            return None
        return self._gateway_of.get(canary.numbers_of(sighting.identifier))
