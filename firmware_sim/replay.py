"""Recorded walks played as a store: each receiver a gateway, each trace a shopper with a handset.

What a gateway hears is what was recorded, at the recorded instants and as loud; only the bytes are
those of today's handset. Truth and zones are the recording's.
"""

import heapq
import random
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from firmware_sim.air import HeardAdvert
from firmware_sim.floor import Floor, GatewayPlace, Point, Polygon, Zone, ZoneKind
from firmware_sim.plan import ShelfStop, plan
from firmware_sim.recording import Recording, Trace
from firmware_sim.scene import Place, Shopper, Visit

# Truth is there each 0.5 s where it is known; past two of them the place is unknown.
PLACE_HOLDS_S: Final = 1.0
# A shorter stay in a zone is a passage, not a halt at its shelves.
HALT_S: Final = 4.0
# The recordings do not say how high their radios hang.
UNKNOWN_Z_M: Final = 0.0


class ReplayError(Exception):
    """More shoppers than recorded walks."""


class Replay:
    """A recording as a scene; every shopper who is admitted takes the next walk."""

    def __init__(self, recording: Recording, seed: int, country: str = "IT") -> None:
        self._recording = recording
        self._seed = seed
        self._shift = _shift(recording)
        self._floor = _floor(recording, self._shift, country)
        self._gateway_ids = tuple(recording.anchors)
        self._free = list(reversed(recording.traces))
        self._playing: list[_Playing] = []

    @property
    def floor(self) -> Floor:
        """The recorded place, moved so that its corner is the origin: outline, zones, gateways."""
        return self._floor

    @property
    def capacity(self) -> int:
        """How many shoppers can still be admitted."""
        return len(self._free)

    def admit(self, shopper: Shopper, at_s: float) -> Visit:
        """Give the shopper the next walk, from its start. Raises ReplayError after the last."""
        if not self._free:
            raise ReplayError(f"the recording holds {len(self._recording.traces)} walks, no more")
        playing = _Playing(self._free.pop(), shopper, at_s, self._shift)
        self._playing.append(playing)
        leaves_at_s = at_s + playing.length_s
        chance = random.Random(f"replay {self._seed} {shopper.number}")
        return Visit(
            shopper=shopper,
            arrives_at_s=at_s,
            leaves_at_s=leaves_at_s,
            plan=plan(shopper.persona, at_s, leaves_at_s, playing.halts(), chance),
            place_at=playing.place_at,
        )

    def transmit(self, gateway_id: str, data: bytes | None, interval_s: float) -> None:
        """Nothing: the recorded air holds no canaries, and nobody knows what would be heard."""

    def adverts(self, from_s: float, until_s: float) -> dict[str, list[HeardAdvert]]:
        """What each gateway heard in that span, in order of time."""
        heard: dict[str, list[HeardAdvert]] = defaultdict(list)
        spans = [playing.heard_until(until_s) for playing in self._playing]
        for at_s, anchor, advert in heapq.merge(*spans, key=lambda item: item[0]):
            if at_s >= from_s:
                heard[self._gateway_ids[anchor]].append(advert)
        self._playing = [playing for playing in self._playing if not playing.is_over]
        return dict(heard)


class _Playing:
    """One walk under way."""

    def __init__(self, trace: Trace, shopper: Shopper, start_s: float, shift: Point) -> None:
        self._shopper = shopper
        self._start_s = start_s
        self._shift = shift
        self._t_s: list[float] = trace.t_s.tolist()
        self._anchor: list[int] = trace.anchor.tolist()
        self._rssi_dbm: list[float] = trace.rssi_dbm.tolist()
        self._truth_t_s: list[float] = trace.truth_t_s.tolist()
        self._x_m: list[float] = trace.truth_x_m.tolist()
        self._y_m: list[float] = trace.truth_y_m.tolist()
        self._zone = trace.truth_zone
        self._next = 0

    @property
    def length_s(self) -> float:
        return max(self._t_s[-1], self._truth_t_s[-1])

    @property
    def is_over(self) -> bool:
        return self._next >= len(self._t_s)

    def place_at(self, at_s: float) -> Place | None:
        t_s = at_s - self._start_s
        number = bisect_right(self._truth_t_s, t_s) - 1
        is_known = number >= 0 and t_s - self._truth_t_s[number] <= PLACE_HOLDS_S
        if not is_known or t_s > self.length_s:
            return None
        return Place(
            self._x_m[number] + self._shift[0],
            self._y_m[number] + self._shift[1],
            self._zone[number],
        )

    def halts(self) -> Iterator[ShelfStop]:
        """Where the walk stayed in one zone; the zone is also the category of its shelves."""
        since = 0
        for number, zone in enumerate(self._zone):
            if zone != self._zone[since]:
                since = number
            entered_s = self._truth_t_s[since]
            is_last = number + 1 == len(self._zone) or self._zone[number + 1] != zone
            if zone and is_last and self._truth_t_s[number] - entered_s >= HALT_S:
                yield ShelfStop(self._start_s + entered_s, zone)

    def heard_until(self, until_s: float) -> list[tuple[float, int, HeardAdvert]]:
        """What was heard since the last call: instant, anchor, advert."""
        heard = []
        end = bisect_right(self._t_s, until_s - self._start_s)
        while end > 0 and self._start_s + self._t_s[end - 1] >= until_s:
            end -= 1  # the span is half open
        for number in range(self._next, end):
            at_s = self._start_s + self._t_s[number]
            if not self._shopper.advertiser.is_allowed:
                continue
            address, data = self._shopper.advertiser.face(at_s)
            advert = HeardAdvert(int(at_s * 1000), address, round(self._rssi_dbm[number]), data)
            heard.append((at_s, self._anchor[number], advert))
        self._next = max(self._next, end)
        return heard


def _shift(recording: Recording) -> Point:
    """What moves everything into the quadrant that a floor lies in."""
    return -min(x for x, _ in _corners(recording)), -min(y for _, y in _corners(recording))


def _corners(recording: Recording) -> list[Point]:
    zones = [corner for polygon in recording.zones.values() for corner in polygon]
    return [*recording.anchors.values(), *zones]


def _floor(recording: Recording, shift: Point, country: str) -> Floor:
    corners = [_moved(corner, shift) for corner in _corners(recording)]
    return Floor(
        store_id=recording.dataset,
        name=f"Recording {recording.dataset}",
        tz="Europe/Rome",
        country=country,
        size_m=(max(x for x, _ in corners), max(y for _, y in corners)),
        shelf_height_m=UNKNOWN_Z_M,
        walls=(),
        shelves=(),
        fixtures=(),
        zones=tuple(
            Zone(zone_id, ZoneKind.AISLE, zone_id, _moved_polygon(polygon, shift), zone_id)
            for zone_id, polygon in recording.zones.items()
        ),
        gateways=tuple(
            GatewayPlace(anchor_id, *_moved(place, shift), UNKNOWN_Z_M)
            for anchor_id, place in recording.anchors.items()
        ),
        racetrack=(),
        tills=(),
    )


def _moved(point: Point, shift: Point) -> Point:
    return point[0] + shift[0], point[1] + shift[1]


def _moved_polygon(polygon: Polygon, shift: Point) -> Polygon:
    return tuple(_moved(corner, shift) for corner in polygon)
