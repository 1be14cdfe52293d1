"""Detours from the racetrack: a few shelves of an aisle and out again, or one stop beside the way.

Source of the habits: Larson, Bradlow, Fader, "An exploratory look at supermarket shopping paths",
International Journal of Research in Marketing 22(4), 2005. What it does not say is assumed.
"""

import math
import random
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import shapely

from firmware_sim.floor import Floor, Point, Polygon, Zone, ZoneKind
from firmware_sim.track import Step, Track

# A person's half width: nobody walks nearer to a shelf.
BODY_RADIUS_M: Final = 0.25
# How far from a shelf one can stand and still be looking at it.
REACH_M: Final = 0.9

# Aisles are narrower than the racetrack and there is more to read. Assumed.
AISLE_PACE: Final = 0.75
# Shape of the depth of an excursion as a share of the aisle: mean a third, hardly ever the end.
DEPTH_SHAPE: Final = (1.5, 3.0)
SHALLOWEST_M: Final = 1.0
# The racetrack passes the back ends of the aisles first.
BACK_ENTRY_SHARE: Final = 0.6
MORE_STOPS_SHARE: Final = 0.4  # another stop in the same aisle; and after it, yet another

# Seconds in front of something: log-normal, median and spread of the logarithm. Assumed.
SHELF_STOP_S: Final = (9.0, 0.7)
DESK_STOP_S: Final = (40.0, 0.5)
TILL_STOP_S: Final = (25.0, 0.4)
SHORTEST_STOP_S: Final = 2.0
LONGEST_STOP_S: Final = 120.0

TRIES: Final = 400  # places drawn before a zone counts as one where nobody can stand


@dataclass(frozen=True, slots=True)
class Excursion:
    """In, the stops, and out again at the same end or, in an aisle, the other."""

    arc_m: float  # where it leaves the racetrack, measured along it from the door
    inward: tuple[Step, ...]
    outward: tuple[Step, ...]
    through: tuple[Step, ...] = ()
    through_arc_m: float = -math.inf  # where it is back on the racetrack when it goes through

    @property
    def lasts_s(self) -> float:
        """From the racetrack and back to it, by the same end."""
        steps = self.inward + self.outward
        ways = ((math.dist(one.to, two.to), two.speed_m_per_s) for one, two in pairwise(steps))
        return sum(way_m / speed for way_m, speed in ways) + sum(step.stand_s for step in steps)

    def may_go_through(self, following: "Excursion | None") -> bool:
        """Whether coming out at the far end leads onward, and past nothing still wanted."""
        is_onward = self.through_arc_m > self.arc_m
        return is_onward and (following is None or self.through_arc_m <= following.arc_m)


class Ground:
    """Where one can stand and walk on a floor."""

    def __init__(self, floor: Floor) -> None:
        self.solid = shapely.union_all([shapely.Polygon(each) for each in floor.obstacles])
        self._blocked = self.solid.buffer(BODY_RADIUS_M)
        shapely.prepare(self._blocked)
        aisles = [zone for zone in floor.zones if zone.kind is ZoneKind.AISLE]
        self.axes = {zone.zone_id: _axis(zone.polygon) for zone in aisles}
        self._tills = floor.tills

    def is_passable(self, track: Track) -> bool:
        """Whether one can walk this racetrack, and from it straight to all aisles and tills."""
        ends = [end for axis in self.axes.values() for end in (axis.start, axis.end)]
        return not self._blocked.intersects(track.line) and all(
            self.is_free(track.nearest(place), place) for place in (*ends, *self._tills)
        )

    def is_free(self, one: Point, other: Point) -> bool:
        """Whether one can walk straight from the one place to the other."""
        return not self._blocked.intersects(shapely.LineString((one, other)))

    def is_spot(self, place: Point, zone: Zone) -> bool:
        """Whether one can stand there, inside the zone, and look at something."""
        point = shapely.Point(place)
        return (
            bool(shapely.Polygon(zone.polygon).contains(point))
            and not self._blocked.intersects(point)
            and bool(self.solid.distance(point) <= REACH_M)
        )


def into_aisle(
    aisle: Zone, ground: Ground, track: Track, pace_m_per_s: float, chance: random.Random
) -> Excursion | None:
    """To one or more shelves of an aisle; None when there is nowhere to stand in it."""
    axis = ground.axes[aisle.zone_id]
    back, front = sorted((axis.start, axis.end), key=track.arc_m)
    near, far = (back, front) if chance.random() < BACK_ENTRY_SHARE else (front, back)
    stops = 1
    while chance.random() < MORE_STOPS_SHARE:
        stops += 1
    shares = sorted(chance.betavariate(*DEPTH_SHAPE) for _ in range(stops))
    speed = pace_m_per_s * AISLE_PACE
    inward = [Step(track.nearest(near), pace_m_per_s), Step(near, pace_m_per_s)]
    for share in shares:
        depth_m = max(share * math.dist(near, far), SHALLOWEST_M)
        way = (inward[-1].to, near, far)
        spot = _spot_in_aisle(aisle, ground, way, depth_m, axis.half_width_m, chance)
        if spot is None:
            return None
        inward.append(Step(spot, speed, stand_s(SHELF_STOP_S, chance), aisle))
    is_open = ground.is_free(inward[-1].to, far)
    return Excursion(
        arc_m=track.arc_m(near),
        inward=tuple(inward),
        outward=(Step(near, speed), inward[0]),
        through=(Step(far, speed), Step(track.nearest(far), pace_m_per_s)) if is_open else (),
        through_arc_m=track.arc_m(far) if is_open else -math.inf,
    )


def halt(
    zone: Zone, ground: Ground, track: Track, pace_m_per_s: float, chance: random.Random
) -> Excursion | None:
    """One stop in a zone beside the racetrack; None when there is nowhere to stand in it."""
    is_desk = zone.kind is ZoneKind.SERVICE_DESK
    x0, y0, x1, y1 = shapely.Polygon(zone.polygon).bounds
    for _ in range(TRIES):
        spot = (chance.uniform(x0, x1), chance.uniform(y0, y1))
        if ground.is_spot(spot, zone) and ground.is_free(track.nearest(spot), spot):
            lasts_s = stand_s(DESK_STOP_S if is_desk else SHELF_STOP_S, chance)
            beside = Step(track.nearest(spot), pace_m_per_s)
            there = Step(spot, pace_m_per_s, lasts_s, zone)
            return Excursion(track.arc_m(spot), inward=(beside, there), outward=(beside,))
    return None


def stand_s(median_and_spread: tuple[float, float], chance: random.Random) -> float:
    """How long one shopper stands there."""
    median_s, spread = median_and_spread
    drawn_s = chance.lognormvariate(math.log(median_s), spread)
    return min(max(drawn_s, SHORTEST_STOP_S), LONGEST_STOP_S)


def _spot_in_aisle(
    aisle: Zone,
    ground: Ground,
    way: tuple[Point, Point, Point],
    depth_m: float,
    half_width_m: float,
    chance: random.Random,
) -> Point | None:
    """A place to stand, so deep from the near end; where nobody gets so deep, one before it.

    way: the place before, the near end, the far end.
    """
    before, near, far = way
    length_m = math.dist(near, far)
    along = ((far[0] - near[0]) / length_m, (far[1] - near[1]) / length_m)
    for attempt in range(TRIES):
        deep_m = depth_m if attempt < TRIES // 2 else chance.uniform(SHALLOWEST_M, depth_m)
        aside_m = chance.uniform(-half_width_m, half_width_m)
        spot = (
            near[0] + deep_m * along[0] - aside_m * along[1],
            near[1] + deep_m * along[1] + aside_m * along[0],
        )
        is_reached = ground.is_free(before, spot) and ground.is_free(spot, near)
        if is_reached and ground.is_spot(spot, aisle):
            return spot
    return None


@dataclass(frozen=True, slots=True)
class _Axis:
    """The middle line of an aisle, from one short side to the other."""

    start: Point
    end: Point
    half_width_m: float


def _axis(polygon: Polygon) -> _Axis:
    rectangle = shapely.minimum_rotated_rectangle(shapely.Polygon(polygon))
    a, b, c, d = shapely.get_coordinates(rectangle)[:4].tolist()
    if math.dist(a, b) > math.dist(b, c):
        a, b, c, d = b, c, d, a
    start = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
    end = ((c[0] + d[0]) / 2, (c[1] + d[1]) / 2)
    return _Axis(start, end, math.dist(a, b) / 2)
