"""What gateways report to presence, and the inbox where it waits for its half second.

Nothing malformed passes the inbox: each kind of refusal is counted.
"""

import enum
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from beacons.cell_filter import TICK_S

# A radio can tell -110 to about -20 dBm apart; 0, 20 and 127 are "no reading" in various stacks.
QUIETEST_DBM: Final = -110.0
LOUDEST_DBM: Final = -10.0
# Clocks of gateways are disciplined to well under this; a window ends 0.5 s after its time.
FUTURE_S: Final = 1.0
# Older than its tick by less than this, a sighting still says where somebody is.
LATE_S: Final = 3.0
# A minute of a crowd; more waiting than this means that time does not advance.
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


@dataclass(frozen=True, slots=True)
class Window:
    """All that one gateway heard of one device in one tick."""

    device: str
    gateway_id: str
    count: int
    mean_rssi_dbm: float


class Inbox:
    """Sightings by tick; `refused` counts what was not let in."""

    def __init__(self) -> None:
        self.refused: Counter[Refusal] = Counter()
        self._ticks: defaultdict[int, list[Heard]] = defaultdict(list)
        self._waiting = 0

    def put(
        self, heard: Iterable[Heard], gateways: Collection[str], next_tick: int | None, now_s: float
    ) -> None:
        """Let in what makes sense.

        gateways: those that are known. next_tick: the first that is not worked off, if any was.
        """
        for one in heard:
            refusal = _refusal(one, gateways, next_tick, now_s)
            if refusal is None and self._waiting >= MAX_WAITING:
                refusal = Refusal.TOO_MANY
            if refusal is not None:
                self.refused[refusal] += 1
                continue
            tick = tick_of(one.at_s)
            self._ticks[tick if next_tick is None else max(tick, next_tick)].append(one)
            self._waiting += 1

    def take(self, tick: int) -> list[Window]:
        """The windows of a tick, sorted, so that the order of arrival makes no difference."""
        heard = self._ticks.pop(tick, [])
        self._waiting -= len(heard)
        by_place: defaultdict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
        for one in heard:
            by_place[one.device, one.gateway_id].append((one.mean_rssi_dbm, one.count))
        windows = []
        for (device, gateway_id), readings in sorted(by_place.items()):
            if len(readings) == 1:
                mean_rssi_dbm, count = readings[0]
            else:
                count = sum(count for _, count in readings)
                mean_rssi_dbm = math.fsum(dbm * count for dbm, count in readings) / count
            windows.append(Window(device, gateway_id, count, mean_rssi_dbm))
        return windows

    def first_tick(self) -> int | None:
        """The earliest tick for which something waits."""
        return min(self._ticks, default=None)

    def clear(self) -> int:
        """Forget what waits; how much that was."""
        waiting, self._waiting = self._waiting, 0
        self._ticks.clear()
        return waiting


def tick_of(at_s: float) -> int:
    """The number of the tick in which an instant lies."""
    return math.floor(at_s / TICK_S)


def _refusal(
    one: Heard, gateways: Collection[str], next_tick: int | None, now_s: float
) -> Refusal | None:
    if not one.device:
        return Refusal.NO_DEVICE
    if one.gateway_id not in gateways:
        return Refusal.UNKNOWN_GATEWAY
    # Comparisons with NaN are false, so these refuse it too.
    if one.count < 1 or not QUIETEST_DBM <= one.mean_rssi_dbm <= LOUDEST_DBM:
        return Refusal.NO_READING
    if not math.isfinite(one.at_s):
        return Refusal.NO_TIME
    if one.at_s > now_s + FUTURE_S:
        return Refusal.FUTURE
    oldest_s = now_s - LATE_S if next_tick is None else next_tick * TICK_S - LATE_S
    if one.at_s < oldest_s:
        return Refusal.LATE
    return None
