"""The racetrack of a floor: from a place to a length along it and back, and the steps between."""

import math
from dataclasses import dataclass
from itertools import accumulate, pairwise

import shapely

from firmware_sim.floor import Point, Zone


@dataclass(frozen=True, slots=True)
class Step:
    """Go straight to a point; then stand there if `stand_s` says so, facing what is nearest."""

    to: Point
    speed_m_per_s: float
    stand_s: float = 0.0
    zone: Zone | None = None  # what the shopper stands for


class Track:
    """A racetrack as one shopper takes it."""

    def __init__(self, corners: tuple[Point, ...]) -> None:
        self.line = shapely.LineString(corners)
        lengths_m = accumulate((math.dist(one, two) for one, two in pairwise(corners)), initial=0.0)
        self._corners = list(zip(lengths_m, corners, strict=True))

    @property
    def length_m(self) -> float:
        """From the door to the end."""
        return self._corners[-1][0]

    def arc_m(self, place: Point) -> float:
        """How far along the racetrack its nearest point is."""
        return float(self.line.project(shapely.Point(place)))

    def place(self, arc_m: float) -> Point:
        """The point of the racetrack that far from the door."""
        point = self.line.interpolate(arc_m)
        return (point.x, point.y)

    def nearest(self, place: Point) -> Point:
        """The point of the racetrack nearest to a place."""
        return self.place(self.arc_m(place))

    def steps(self, from_m: float, to_m: float, speed_m_per_s: float) -> list[Step]:
        """Along the racetrack, forward or back, round its corners."""
        low, high = min(from_m, to_m), max(from_m, to_m)
        between = [corner for length_m, corner in self._corners if low < length_m < high]
        if to_m < from_m:
            between.reverse()
        return [Step(place, speed_m_per_s) for place in (*between, self.place(to_m))]
