"""Adverts to sightings: per identifier and 500 ms window, how many and how loud.

Canaries of fellow gateways stand still, so their windows are ten seconds long, each begun by the
advert that finds none open. What is neither a handset of ours, nor a fellow, nor a configured
beacon is forgotten here: no address is kept, and strangers are one number.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from beacons import canary, codec
from beacons.altbeacon import AltBeacon
from beacons.ceid import Ceid
from beacons.codec import Frame
from beacons.eddystone import EddystoneEid, EddystoneUid
from beacons.ibeacon import IBeacon
from beacons.sighting import WINDOW_MS, Kind, Sighting
from gateway.known_beacons import KnownBeacons
from gateway.source import Advert

# The busiest gateway we plan for hears 400 identifiers in a window. Beyond this somebody floods
# the air, and memory matters more than one more identifier.
MAX_IDENTIFIERS: Final = 1_000
# For an advert that was stamped just before the window's end and is still on its way to us.
GRACE_MS: Final = 50
# A window that far ahead means that the clock was set back, and would else wait to be caught up.
AHEAD_MS: Final = 2_000
# The most one sighting can carry (beacons.sighting): 20 a millisecond, so nothing but a flood.
MAX_COUNT: Final = 10_000
# Readings a radio can give; 127 is "unavailable", and BlueZ's missing value shows as -127.
MIN_RSSI_DBM: Final = -126
MAX_RSSI_DBM: Final = 20

_Who = tuple[Kind, str]


@dataclass(slots=True)
class AdvertCounts:
    """What became of the adverts so far."""

    adverts: int = 0
    counted: int = 0  # in a sighting
    strangers: int = 0  # nothing of ours in them
    malformed: int = 0  # structures that announce a format and break it
    without_rssi: int = 0
    over_ceiling: int = 0  # ours, but too many at once


class Aggregator:
    """Open windows of one gateway. Fed with adverts in any order, asked for sightings.

    An advert later than its window's closing opens the window again: the window then comes in two
    sightings, which is why consumers weigh a sighting by its count. Nothing is lost to lateness.
    """

    def __init__(
        self, namespace: bytes, known: KnownBeacons, max_identifiers: int = MAX_IDENTIFIERS
    ) -> None:
        """namespace: the operator's 4 octets. max_identifiers: in one window."""
        self._namespace = namespace
        self._known = known
        self._max_identifiers = max_identifiers
        self._canaries = canary.region(namespace).hex()
        self._windows: dict[int, dict[_Who, _Tally]] = {}
        self._fellows: dict[_Who, _Tally] = {}
        self._newest_ms: int | None = None
        self.counts: Final = AdvertCounts()

    @property
    def newest_ms(self) -> int | None:
        """When the latest advert was heard: the time inside a recording."""
        return self._newest_ms

    @property
    def open_sightings(self) -> int:
        """How many sightings there would be if every window closed now."""
        return sum(map(len, self._windows.values())) + len(self._fellows)

    def add(self, advert: Advert) -> None:
        """Fold one advert in, or forget it."""
        self.counts.adverts += 1
        decoded = codec.decode_counted(advert.data, self._namespace)
        self.counts.malformed += decoded.malformed
        heard = {who for frame in decoded.frames if (who := self._ours(frame)) is not None}
        if not heard:
            self.counts.strangers += 1
        elif not MIN_RSSI_DBM <= advert.rssi_dbm <= MAX_RSSI_DBM:
            self.counts.without_rssi += 1
        else:
            self._newest_ms = max(advert.at_ms, self._newest_ms or advert.at_ms)
            for who in heard:
                self._fold(who, advert)

    def closed(self, now_ms: int) -> list[Sighting]:
        """The sightings of windows that are over, oldest first; each is given once."""

        def is_over(start_ms: int, length_ms: int) -> bool:
            return start_ms + length_ms + GRACE_MS <= now_ms or start_ms > now_ms + AHEAD_MS

        over = [start_ms for start_ms in self._windows if is_over(start_ms, WINDOW_MS)]
        fellows = [
            who for who, tally in self._fellows.items() if is_over(tally.start_ms, canary.WINDOW_MS)
        ]
        return self._taken(over, fellows)

    def all(self) -> list[Sighting]:
        """The sightings of every window, over or not: no advert is to come, or all must go."""
        return self._taken(list(self._windows), list(self._fellows))

    def _ours(self, frame: Frame) -> _Who | None:
        match frame:
            case Ceid() | IBeacon() | AltBeacon() | EddystoneUid() | EddystoneEid():
                who = (frame.kind, frame.identifier)
                return who if self._known.covers(frame) or self._is_canary(who) else None
            case _:
                return None

    def _is_canary(self, who: _Who) -> bool:
        return who[0] == "ibeacon" and who[1].startswith(self._canaries)

    def _fold(self, who: _Who, advert: Advert) -> None:
        start_ms = advert.at_ms - advert.at_ms % WINDOW_MS
        window = self._fellows if self._is_canary(who) else self._windows.setdefault(start_ms, {})
        tally = window.get(who)
        if tally is None:
            if len(window) >= self._max_identifiers:
                self.counts.over_ceiling += 1
                return
            tally = window[who] = _Tally(start_ms)
        elif tally.count >= MAX_COUNT:
            self.counts.over_ceiling += 1
            return
        tally.count += 1
        tally.sum_dbm += advert.rssi_dbm
        tally.max_dbm = max(tally.max_dbm, advert.rssi_dbm)
        self.counts.counted += 1

    def _taken(self, starts_ms: Iterable[int], fellows: Iterable[_Who]) -> list[Sighting]:
        taken = [
            _sighting(who, tally)
            for start_ms in starts_ms
            for who, tally in self._windows.pop(start_ms).items()
        ]
        taken += [_sighting(who, self._fellows.pop(who)) for who in fellows]
        taken.sort(key=lambda sighting: sighting.at_ms)
        return taken


class _Tally:
    __slots__ = ("count", "max_dbm", "start_ms", "sum_dbm")

    def __init__(self, start_ms: int) -> None:
        self.start_ms = start_ms
        self.count = 0
        self.sum_dbm = 0
        self.max_dbm = MIN_RSSI_DBM


def _sighting(who: _Who, tally: _Tally) -> Sighting:
    mean_dbm = round(tally.sum_dbm / tally.count, 2)
    return Sighting(*who, tally.start_ms, tally.count, mean_dbm, tally.max_dbm)
