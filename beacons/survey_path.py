"""How somebody walked from one place of a floor to another: straight, or round what stands between.

The way round is the shortest one there is: from corner to corner of what stands there. (The cells
of `beacons.grid` would do for where a way leads, but are up to a metre too wide at its corners.)
"""

import heapq
import math
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely

from beacons.floor import FloorPlan, narrowed, walkable

Point = tuple[float, float]

# A tap this near to the walkable floor was meant for it: a thumb covers a metre of a floor plan.
NEAR_M: Final = 1.5
# How near to a corner people walk. Not less than rounding can put inside a shelf.
CLEAR_M: Final = 0.1


class Ways:
    """The walkable part of one floor."""

    def __init__(self, plan: FloorPlan) -> None:
        """plan: one in which `check_plan` finds no fault."""
        self._outline = shapely.Polygon(plan.outline)
        self._area = walkable(plan)
        self._clear = narrowed(self._area, CLEAR_M)
        shapely.prepare(self._area)

    def is_straight(self, start: Point, end: Point) -> bool:
        """Whether one can walk straight from one place where one can stand to another."""
        return start == end or bool(shapely.covers(self._area, shapely.LineString([start, end])))

    def outside_m(self, place: Point) -> float:
        """How far a place lies outside the floor; 0 on it, be it in an obstacle."""
        return float(shapely.distance(self._outline, shapely.Point(place)))

    def nearest(self, place: Point) -> Point | None:
        """The place itself, or the nearest where one can stand; None when that is not near."""
        line = shapely.shortest_line(shapely.Point(place), self._clear)
        if line is None or shapely.length(line) > NEAR_M:
            return None
        x_m, y_m = shapely.get_coordinates(line)[1].tolist()
        return x_m, y_m

    def way(self, start: Point, end: Point) -> tuple[Point, ...] | None:
        """The corners of the way from place to place, both included; None when there is no way.

        start, end: where one can stand (`nearest`).
        Source: Hart, Nilsson, Raphael, "A formal basis for the heuristic determination of minimum
        cost paths", 1968, over what can be seen from each corner.
        """
        if self.is_straight(start, end):
            return start, end
        places = np.vstack([self._corners, end])
        goal = len(places) - 1
        ahead_m = np.hypot(*(places - end).T)
        queue = [(math.dist(start, end), 0.0, -1, -1)]
        came_from: dict[int, int] = {}
        while queue:
            _, walked_m, here, before = heapq.heappop(queue)
            if here in came_from:
                continue
            came_from[here] = before
            if here == goal:
                return (start, *_corners_to(goal, came_from, places))
            at = start if here < 0 else tuple(places[here])
            for there in self._seen_from(at, places):
                if there not in came_from:
                    there_m = walked_m + math.dist(at, places[there])
                    heapq.heappush(queue, (there_m + ahead_m[there], there_m, there, here))
        return None

    @cached_property
    def _corners(self) -> npt.NDArray[np.float64]:
        # Half the clearance is what may go lost of a rounded corner.
        return shapely.get_coordinates(shapely.simplify(self._clear, CLEAR_M / 2))

    def _seen_from(self, here: Point, places: npt.NDArray[np.float64]) -> list[int]:
        """The places to which one can walk straight."""
        ends = np.stack([np.broadcast_to(here, places.shape), places], axis=1)
        free = shapely.covers(self._area, shapely.linestrings(ends))
        return np.flatnonzero(free).tolist()


def length_m(way: tuple[Point, ...]) -> float:
    """How long a way is."""
    return sum(math.dist(one, two) for one, two in pairwise(way))


def along(way: tuple[Point, ...], walked_m: float) -> Point:
    """The place after so many metres of a way."""
    for one, two in pairwise(way):
        step_m = math.dist(one, two)
        if walked_m <= step_m and step_m > 0.0:
            share = walked_m / step_m
            return one[0] + share * (two[0] - one[0]), one[1] + share * (two[1] - one[1])
        walked_m -= step_m
    return way[-1]


def _corners_to(
    goal: int, came_from: dict[int, int], places: npt.NDArray[np.float64]
) -> tuple[Point, ...]:
    """The places turned at from the start on, and the goal."""
    corners: list[Point] = []
    here = goal
    while here >= 0:
        x_m, y_m = places[here].tolist()
        corners.append((x_m, y_m))
        here = came_from[here]
    return tuple(reversed(corners))
