"""How shoppers go round a store: the habits from which their walks are drawn.

Shoppers keep to the perimeter, the "racetrack", counter-clockwise from the door to the tills. From
it they make short excursions into aisles and mostly come out where they went in; they stop at
shelves, and hurry as the tills come near.
Source: Larson, Bradlow, Fader, "An exploratory look at supermarket shopping paths", International
Journal of Research in Marketing 22(4), 2005.
"""

import math
import random
from typing import Final

import shapely

from firmware_sim.excursion import (
    BODY_RADIUS_M,
    TILL_STOP_S,
    Excursion,
    Ground,
    halt,
    into_aisle,
    stand_s,
)
from firmware_sim.floor import Floor, Zone, ZoneKind
from firmware_sim.track import Step, Track
from firmware_sim.walk import Walk, WalkLog

# Strolling with a trolley; each shopper has a pace. Assumed.
PACE_M_PER_S: Final = (0.6, 1.1)
# From the last shelf to the till: the paper's shoppers speed up towards the checkout.
CHECKOUT_PACE: Final = 1.25
# How often an excursion that could come out at the far end, and go on from there, does.
TRAVERSE_SHARE: Final = 0.15

# Half of the visits to a small supermarket end within about this time. Assumed.
MEDIAN_VISIT_S: Final = 420.0
VISIT_SPREAD: Final = 0.3  # of the logarithm of the length
# Where shoppers stop, by kind of zone. Assumed.
KIND_WEIGHTS: Final = {ZoneKind.AISLE: 1.0, ZoneKind.PERIMETER: 0.8, ZoneKind.PROMO: 0.5}
SERVICE_DESK_SHARE: Final = 0.03  # of visits

WANDER_M: Final = 0.35  # how far a shopper's own racetrack is from the drawn one, at its corners


class WalkError(Exception):
    """A floor on which shoppers cannot walk as drawn; the message says where."""


class Walker:
    """Draws visits on one floor; all chance comes from the generator that is passed in."""

    def __init__(self, floor: Floor) -> None:
        """Raises WalkError where the racetrack, or a way from it, is too narrow."""
        self._floor = floor
        self._ground = Ground(floor)
        self._track = Track(floor.racetrack)
        if not self._ground.is_passable(self._track):
            raise WalkError(
                f"On the floor '{floor.store_id}' the racetrack, or the straight way from it to an"
                f" aisle or a till, comes nearer than {BODY_RADIUS_M} m to an obstacle."
            )

    def visit(
        self, chance: random.Random, starts_at_s: float = 0.0, median_s: float = MEDIAN_VISIT_S
    ) -> Walk:
        """One more visit, with an excursion into an aisle at least (if the floor has one).

        median_s: of the length of visits. The way round alone takes about 100 s in the
        supermarket; nobody is much quicker than that.
        Raises WalkError when there is nowhere to stand in a zone.
        """
        pace_m_per_s = chance.uniform(*PACE_M_PER_S)
        track = self._own_track(chance)
        lasts_s = chance.lognormvariate(math.log(median_s), VISIT_SPREAD)
        excursions = self._excursions(track, pace_m_per_s, lasts_s, chance)
        log = WalkLog(track.place(0.0), starts_at_s, self._ground.solid)
        arc_m = 0.0
        for number, excursion in enumerate(excursions, 1):
            following = excursions[number] if number < len(excursions) else None
            traverses = chance.random() < TRAVERSE_SHARE and excursion.may_go_through(following)
            log.take(*track.steps(arc_m, excursion.arc_m, pace_m_per_s), *excursion.inward)
            log.take(*(excursion.through if traverses else excursion.outward))
            arc_m = excursion.through_arc_m if traverses else excursion.arc_m
        log.take(*self._to_till(track, arc_m, pace_m_per_s, chance))
        return log.walk()

    def _excursions(
        self, track: Track, pace_m_per_s: float, lasts_s: float, chance: random.Random
    ) -> list[Excursion]:
        """As many as the visit has time for, in the order of the racetrack."""
        zones = [zone for zone in self._floor.zones if zone.kind in KIND_WEIGHTS]
        weights = [KIND_WEIGHTS[zone.kind] for zone in zones]
        aisles = [zone for zone in zones if zone.kind is ZoneKind.AISLE]
        certain = [chance.choice(aisles)] if aisles else []
        certain += [
            zone
            for zone in self._floor.zones
            if zone.kind is ZoneKind.SERVICE_DESK and chance.random() < SERVICE_DESK_SHARE
        ]
        drawn = [self._excursion(zone, track, pace_m_per_s, chance) for zone in certain]
        left_s = lasts_s - track.length_m / pace_m_per_s - TILL_STOP_S[0]
        left_s -= sum(excursion.lasts_s for excursion in drawn)
        while left_s > 0 and zones:
            zone = chance.choices(zones, weights)[0]
            drawn.append(self._excursion(zone, track, pace_m_per_s, chance))
            left_s -= drawn[-1].lasts_s
        drawn.sort(key=lambda excursion: excursion.arc_m)
        return drawn

    def _excursion(
        self, zone: Zone, track: Track, pace_m_per_s: float, chance: random.Random
    ) -> Excursion:
        draw = into_aisle if zone.kind is ZoneKind.AISLE else halt
        excursion = draw(zone, self._ground, track, pace_m_per_s, chance)
        if excursion is None:
            raise WalkError(f"In zone '{zone.zone_id}' nobody can stand at a shelf, or get there.")
        return excursion

    def _to_till(
        self, track: Track, arc_m: float, pace_m_per_s: float, chance: random.Random
    ) -> list[Step]:
        till = chance.choice(self._floor.tills)
        zone = next(
            zone
            for zone in self._floor.zones
            if zone.kind is ZoneKind.CHECKOUT
            and shapely.Polygon(zone.polygon).covers(shapely.Point(till))
        )
        speed = pace_m_per_s * CHECKOUT_PACE
        way = track.steps(arc_m, track.arc_m(till), speed)
        return [*way, Step(till, speed, stand_s(TILL_STOP_S, chance), zone)]

    def _own_track(self, chance: random.Random) -> Track:
        """The racetrack as this shopper takes it; as drawn where their own would be too tight."""
        own = Track(
            tuple(
                (x + chance.uniform(-WANDER_M, WANDER_M), y + chance.uniform(-WANDER_M, WANDER_M))
                for x, y in self._floor.racetrack
            )
        )
        return own if self._ground.is_passable(own) else self._track
