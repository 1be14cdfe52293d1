"""The simulated store: shoppers walk, their handsets advertise, gateways hear some of it.

A plain function of seed, floor and time: no clock is read, so the real-time loop and a rehearsal
in virtual time play the same store, in steps of any length.
"""

import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_sim.advertiser import Transmission
from firmware_sim.air import HeardAdvert
from firmware_sim.canaries import Canaries, merged
from firmware_sim.floor import Floor
from firmware_sim.plan import ShelfStop, plan
from firmware_sim.radio import PI_BUILT_IN, Handsets, Radio, Receiver, drawn_offset_db
from firmware_sim.scene import Place, Shopper, Visit
from firmware_sim.walk import Pose, Walk, true_zone
from firmware_sim.walker import MEDIAN_VISIT_S, Walker

# Assumed: three in ten come for a few things only, and so reach the till even in a short rehearsal.
QUICK_TRIP_SHARE: Final = 0.3
QUICK_TRIP_S: Final = 130.0
# The first half comes in one after the other through the door in this time.
OPENING_S: Final = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class _Walking:
    visit: Visit
    walk: Walk
    offset_db: float


class World:
    """A modelled store as a scene. start_s: the unix time at which it opens."""

    def __init__(
        self, floor: Floor, seed: int, start_s: float, receiver: Receiver = PI_BUILT_IN
    ) -> None:
        self._floor = floor
        self._seed = seed
        self._start_s = start_s
        self._walker = Walker(floor)
        self._radio = Radio(floor, seed, receiver)
        self._canaries = Canaries(floor, seed, self._radio, start_s)
        self._gateway_ids = tuple(gateway.gateway_id for gateway in floor.gateways)
        self._walking: list[_Walking] = []

    @property
    def floor(self) -> Floor:
        """The store."""
        return self._floor

    def admit(self, shopper: Shopper, at_s: float) -> Visit:
        """Let the shopper in at the door at that instant; the way is drawn from their number."""
        chance = random.Random(f"visit {self._seed} {shopper.number}")
        is_quick = chance.random() < QUICK_TRIP_SHARE
        walk = self._walker.visit(
            chance,
            starts_at_s=at_s - self._start_s,
            median_s=QUICK_TRIP_S if is_quick else MEDIAN_VISIT_S,
        )
        leaves_at_s = self._start_s + walk.ends_at_s
        stops = [
            ShelfStop(self._start_s + stop.at_s, stop.category)
            for stop in walk.stops
            if stop.category is not None
        ]
        visit = Visit(
            shopper=shopper,
            arrives_at_s=at_s,
            leaves_at_s=leaves_at_s,
            plan=plan(shopper.persona, at_s, leaves_at_s, stops, chance),
            place_at=lambda t: self._place(walk, t),
        )
        self._walking.append(_Walking(visit, walk, drawn_offset_db(chance)))
        return visit

    def transmit(self, gateway_id: str, data: bytes | None, interval_s: float) -> None:
        """From now on that gateway's radio sends this so often; None: nothing any more."""
        self._canaries.transmit(gateway_id, data, interval_s)

    def adverts(self, from_s: float, until_s: float) -> dict[str, list[HeardAdvert]]:
        """What each gateway hears in that span, in order of time."""
        of_handsets = self._of_handsets(from_s, until_s)
        of_gateways = self._canaries.adverts(from_s, until_s)
        return merged(of_handsets, of_gateways) if of_gateways else of_handsets

    def _of_handsets(self, from_s: float, until_s: float) -> dict[str, list[HeardAdvert]]:
        sent = [
            (transmission, pose, walking)
            for walking in self._walking
            for transmission, pose in self._transmissions(walking, from_s, until_s)
        ]
        self._walking = [w for w in self._walking if w.visit.leaves_at_s > until_s]
        if not sent:
            return {}
        sent.sort(key=lambda item: item[0].at_s)
        at_s = np.array([transmission.at_s for transmission, _, _ in sent])
        poses = np.array([pose for _, pose, _ in sent])
        handsets = Handsets(
            key=np.array([walking.visit.shopper.number for _, _, walking in sent]),
            x_m=poses[:, 0],
            y_m=poses[:, 1],
            heading_rad=poses[:, 2],
            offset_db=np.array([walking.offset_db for _, _, walking in sent]),
        )
        rssi_dbm = self._radio.hear(at_s - self._start_s, handsets)
        heard: dict[str, list[HeardAdvert]] = defaultdict(list)
        for row, gateway in np.argwhere(~np.isnan(rssi_dbm)).tolist():
            transmission = sent[row][0]
            heard[self._gateway_ids[gateway]].append(
                HeardAdvert(
                    at_ms=int(transmission.at_s * 1000),
                    address=transmission.address,
                    rssi_dbm=int(rssi_dbm[row, gateway]),
                    data=transmission.data,
                )
            )
        return dict(heard)

    def _transmissions(
        self, walking: _Walking, from_s: float, until_s: float
    ) -> list[tuple[Transmission, Pose]]:
        visit = walking.visit
        sent = visit.shopper.advertiser.transmissions(
            max(from_s, visit.arrives_at_s), min(until_s, visit.leaves_at_s)
        )
        placed = ((each, walking.walk.position(each.at_s - self._start_s)) for each in sent)
        return [(each, pose) for each, pose in placed if pose is not None]

    def _place(self, walk: Walk, at_s: float) -> Place | None:
        pose = walk.position(at_s - self._start_s)
        if pose is None:
            return None
        return Place(pose.x_m, pose.y_m, true_zone(self._floor, pose.x_m, pose.y_m))


def arrivals_s(count: int, span_s: float, chance: random.Random) -> tuple[float, ...]:
    """When each of `count` shoppers comes in, in seconds from the opening.

    Half of them wait at the door; the rest follow during the first half of the span.
    """
    waiting = (count + 1) // 2
    early = [chance.uniform(0.0, min(OPENING_S, span_s)) for _ in range(waiting)]
    later = [chance.uniform(0.0, span_s / 2) for _ in range(count - waiting)]
    return (*sorted(early), *sorted(later))
