"""What gateways report to presence, and the inbox where it waits for its half second.

Nothing malformed passes the inbox: each kind of refusal is counted.
"""

import enum
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from beacons.filter_tables import TICK_S

# A radio can tell -110 to about -20 dBm apart; 0, 20 and 127 are "no reading" in various stacks.
QUIETEST_DBM: Final = -110.0
LOUDEST_DBM: Final = -10.0
# The most one sighting can carry on the wire (beacons.sighting).
MAX_COUNT: Final = 10_000
# Clocks of gateways are disciplined to well under this; a window ends 0.5 s after its time.
FUTURE_S: Final = 1.0
# Older than its tick by less than this, a sighting still says where somebody is.
LATE_S: Final = 3.0
# Half a minute of a crowd; more waiting than this means that time does not advance.
MAX_WAITING: Final = 200_000


@dataclass(frozen=True, slots=True)
class Heard:
    """One device in one window at one gateway.

    at_s: start of the window, unix. count: adverts in it.
    """

    device: str
    gateway_id: str
    at_s: float
    count: int
    mean_rssi_dbm: float
    max_rssi_dbm: float


class Refusal(enum.Enum):
    """Why a sighting was not used."""

    UNKNOWN_GATEWAY = "unknown_gateway"
    NO_DEVICE = "no_device"
    NO_READING = "no_reading"
    NO_TIME = "no_time"
    FUTURE = "future"
    LATE = "late"
    TOO_MANY = "too_many"


# What waits: device, index of the gateway, number of adverts, their mean in dBm.
Waiting = tuple[str, int, int, float]


class Inbox:
    """Sightings by tick; `refused` counts what was not let in."""

    def __init__(self) -> None:
        self.refused: Counter[Refusal] = Counter()
        self._ticks: defaultdict[int, list[Waiting]] = defaultdict(list)
        self._waiting = 0

    def put(
        self,
        heard: Iterable[Heard],
        gateways: Mapping[str, int],
        next_tick: int | None,
        now_s: float,
    ) -> None:
        """Let in what makes sense.

        gateways: index of each that is known. next_tick: the first that is not worked off, if any
        was.
        """
        latest_s = now_s + FUTURE_S
        oldest_s = (now_s if next_tick is None else next_tick * TICK_S) - LATE_S
        ticks = self._ticks
        for one in heard:
            gateway = gateways.get(one.gateway_id)
            at_s = one.at_s
            if (
                gateway is None
                or not one.device
                or not oldest_s <= at_s <= latest_s
                or not QUIETEST_DBM <= one.mean_rssi_dbm <= LOUDEST_DBM
                or not 1 <= one.count <= MAX_COUNT
                or self._waiting >= MAX_WAITING
            ):
                self.refused[_refusal(one, gateway, oldest_s, latest_s)] += 1
                continue
            tick = math.floor(at_s / TICK_S)
            if next_tick is not None and tick < next_tick:
                tick = next_tick
            ticks[tick].append((one.device, gateway, one.count, one.mean_rssi_dbm))
            self._waiting += 1

    def take(self, tick: int) -> list[Waiting]:
        """What was heard in a tick."""
        heard = self._ticks.pop(tick, [])
        self._waiting -= len(heard)
        return heard

    def first_tick(self) -> int | None:
        """The earliest tick for which something waits."""
        return min(self._ticks, default=None)

    def forget_before(self, tick: int) -> None:
        """Refuse what waits for an earlier tick: it will not be worked off."""
        for late in [one for one in self._ticks if one < tick]:
            self.refused[Refusal.LATE] += len(self.take(late))

    def clear(self) -> None:
        """Refuse what waits: the clock was set back, and it lies ahead."""
        self.refused[Refusal.FUTURE] += self._waiting
        self._waiting = 0
        self._ticks.clear()


def tick_of(at_s: float) -> int:
    """The number of the tick in which an instant lies."""
    return math.floor(at_s / TICK_S)


def _refusal(one: Heard, gateway: int | None, oldest_s: float, latest_s: float) -> Refusal:
    """Why a sighting that was not let in was not."""
    if not one.device:
        return Refusal.NO_DEVICE
    if gateway is None:
        return Refusal.UNKNOWN_GATEWAY
    # Comparisons with NaN are false, so these refuse it too.
    if not 1 <= one.count <= MAX_COUNT or not QUIETEST_DBM <= one.mean_rssi_dbm <= LOUDEST_DBM:
        return Refusal.NO_READING
    if not math.isfinite(one.at_s):
        return Refusal.NO_TIME
    if one.at_s > latest_s:
        return Refusal.FUTURE
    return Refusal.LATE if one.at_s < oldest_s else Refusal.TOO_MANY
