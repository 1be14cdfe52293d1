"""Links: what one gateway hears of another's canary, in sums that add up over any span of time."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

HOUR_S: Final = 3_600


@dataclass(frozen=True, slots=True)
class LinkHour:
    """One link in one hour; the means of its windows as sums.

    hour_s: unix seconds, where the hour begins. sum_dbm2: of the squares.
    """

    hearer_id: str
    heard_id: str
    hour_s: int
    windows: int
    packets: int
    sum_dbm: float
    sum_dbm2: float


@dataclass(frozen=True, slots=True)
class Link:
    """One link over a span of time.

    sd_db: spread of the windows' means. hours: in how many it was heard. fullness: packets in a
    window, as a share of the most that the hearer hears of any fellow; weak links lose packets.
    """

    hearer_id: str
    heard_id: str
    mean_rssi_dbm: float
    sd_db: float
    windows: int
    hours: int
    fullness: float


class LinkSums:
    """Sums that wait to be written."""

    def __init__(self) -> None:
        self._hours: dict[tuple[str, str, int], LinkHour] = {}

    def __len__(self) -> int:
        return len(self._hours)

    def add(
        self, hearer_id: str, heard_id: str, at_s: float, packets: int, mean_rssi_dbm: float
    ) -> None:
        """Take in one window. at_s: unix."""
        hour_s = math.floor(at_s / HOUR_S) * HOUR_S
        before = self._hours.get((hearer_id, heard_id, hour_s))
        self._hours[hearer_id, heard_id, hour_s] = LinkHour(
            hearer_id,
            heard_id,
            hour_s,
            (before.windows if before else 0) + 1,
            (before.packets if before else 0) + packets,
            (before.sum_dbm if before else 0.0) + mean_rssi_dbm,
            (before.sum_dbm2 if before else 0.0) + mean_rssi_dbm**2,
        )

    def hours(self) -> list[LinkHour]:
        """What waits, in order, so that two writers lock rows in one order."""
        return [self._hours[key] for key in sorted(self._hours)]

    def clear(self) -> None:
        """It has been written."""
        self._hours.clear()


def links_of(hours: Iterable[LinkHour]) -> list[Link]:
    """The links that these hours make up, in order of hearer and heard."""
    totals: dict[tuple[str, str], list[LinkHour]] = {}
    for hour in hours:
        totals.setdefault((hour.hearer_id, hour.heard_id), []).append(hour)
    rate = {
        pair: sum(hour.packets for hour in of) / sum(hour.windows for hour in of)
        for pair, of in totals.items()
    }
    best: dict[str, float] = {}
    for (hearer_id, _), packets in rate.items():
        best[hearer_id] = max(packets, best.get(hearer_id, 0.0))
    return [_link(pair, totals[pair], rate[pair] / best[pair[0]]) for pair in sorted(totals)]


def _link(pair: tuple[str, str], hours: list[LinkHour], fullness: float) -> Link:
    windows = sum(hour.windows for hour in hours)
    mean_dbm = math.fsum(hour.sum_dbm for hour in hours) / windows
    square_dbm2 = math.fsum(hour.sum_dbm2 for hour in hours) / windows
    # The difference of two large numbers may fall a hair below zero.
    variance_db2 = max(0.0, square_dbm2 - mean_dbm**2)
    return Link(*pair, mean_dbm, math.sqrt(variance_db2), windows, len(hours), fullness)
