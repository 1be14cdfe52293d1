"""One shopper's way through a store: where they truly are at any instant, and where they stop.

How such a way comes about is `walker`'s business.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

import shapely

from firmware_sim.floor import Floor, Point, Polygon
from firmware_sim.track import Step


class Pose(NamedTuple):
    """Where a shopper is and looks; heading 0 is along x, counter-clockwise."""

    x_m: float
    y_m: float
    heading_rad: float


@dataclass(frozen=True, slots=True)
class Stop:
    """A stand-still in front of something; `category` is what is sold there."""

    at_s: float
    duration_s: float
    zone_id: str
    category: str | None


@dataclass(frozen=True, slots=True)
class Leg:
    """A straight way at one speed, or a stand-still."""

    from_s: float
    until_s: float
    start: Point
    end: Point
    heading_rad: float


@dataclass(frozen=True, slots=True)
class Walk:
    """One visit, from the door to the till, settled before it begins."""

    legs: tuple[Leg, ...]
    stops: tuple[Stop, ...]

    @property
    def starts_at_s(self) -> float:
        """When the shopper comes in."""
        return self.legs[0].from_s

    @property
    def ends_at_s(self) -> float:
        """When the shopper has paid and is gone."""
        return self.legs[-1].until_s

    def position(self, t_s: float) -> Pose | None:
        """Where the shopper is then; None before the visit and after it."""
        if not self.starts_at_s <= t_s < self.ends_at_s:
            return None
        leg = self.legs[bisect_right(self.legs, t_s, key=lambda leg: leg.from_s) - 1]
        share = (t_s - leg.from_s) / (leg.until_s - leg.from_s)
        return Pose(
            leg.start[0] + share * (leg.end[0] - leg.start[0]),
            leg.start[1] + share * (leg.end[1] - leg.start[1]),
            leg.heading_rad,
        )


class WalkLog:
    """Writes a walk down, step by step."""

    def __init__(self, start: Point, at_s: float, solid: shapely.Geometry) -> None:
        """solid: what there is to face."""
        self._legs: list[Leg] = []
        self._stops: list[Stop] = []
        self._at = start
        self._at_s = at_s
        self._solid = solid

    def take(self, *steps: Step) -> None:
        """The shopper takes these steps next."""
        for step in steps:
            distance_m = math.dist(self._at, step.to)
            heading_rad = math.atan2(step.to[1] - self._at[1], step.to[0] - self._at[0])
            self._add(distance_m / step.speed_m_per_s, step.to, heading_rad)
            if step.zone is not None:
                zone_id, category = step.zone.zone_id, step.zone.category
                self._stops.append(Stop(self._at_s, step.stand_s, zone_id, category))
                self._add(step.stand_s, step.to, self._facing_rad(step.to))

    def walk(self) -> Walk:
        """All steps so far."""
        return Walk(tuple(self._legs), tuple(self._stops))

    def _add(self, lasts_s: float, to: Point, heading_rad: float) -> None:
        until_s = self._at_s + lasts_s
        # A hair's breadth is no time at all next to a unix time, and a leg must take some.
        if until_s > self._at_s:
            self._legs.append(Leg(self._at_s, until_s, self._at, to, heading_rad))
        self._at, self._at_s = to, until_s

    def _facing_rad(self, place: Point) -> float:
        nearest = shapely.shortest_line(shapely.Point(place), self._solid)
        (x0, y0), (x1, y1) = nearest.coords
        return math.atan2(y1 - y0, x1 - x0)


def true_zone(floor: Floor, x_m: float, y_m: float) -> str | None:
    """The zone that holds the place; None between zones. On a shared edge it is one of the two."""
    for zone in floor.zones:
        if _holds(zone.polygon, x_m, y_m):
            return zone.zone_id
    return None


def _holds(polygon: Polygon, x_m: float, y_m: float) -> bool:
    """Whether a ray to the right of the place leaves the polygon an odd number of times."""
    inside = False
    for (ax, ay), (bx, by) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if (ay > y_m) != (by > y_m) and x_m < ax + (y_m - ay) / (by - ay) * (bx - ax):
            inside = not inside
    return inside
