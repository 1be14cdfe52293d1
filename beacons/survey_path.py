"""How somebody walked from one place of a floor to another: straight, or round what stands between.

The way round is the shortest over the cells of the walkable grid, pulled tight.
"""

import heapq
import math
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
import shapely

from beacons.floor import FloorPlan, PlanError, check_plan, walkable
from beacons.grid import Grid, build_grid

Point = tuple[float, float]

# A tap this near to the walkable floor was meant for it: a thumb covers a metre of a floor plan.
NEAR_M: Final = 1.5
# Places are taken this far from walls and shelves, so that rounding cannot put them inside.
_CLEAR_M: Final = 0.05
# Cells tried as the first of a way; in a corner the nearest ones may be behind a shelf.
_FIRST_CELLS: Final = 12


class Ways:
    """The walkable part of one floor."""

    def __init__(self, plan: FloorPlan) -> None:
        """Raises PlanError when the plan has faults."""
        if faults := check_plan(plan):
            raise PlanError(plan.floor_id, faults)
        self._plan = plan
        self._outline = shapely.Polygon(plan.outline)
        self._area = walkable(plan)
        self._inner = shapely.buffer(self._area, -_CLEAR_M)
        shapely.prepare(self._area)

    @cached_property
    def _grid(self) -> Grid:
        # Not made before it is needed: most taps are only looked at, most ways are straight.
        return build_grid(self._plan)

    @cached_property
    def _links(self) -> list[list[int]]:
        return _links(self._grid)

    def is_straight(self, start: Point, end: Point) -> bool:
        """Whether one can walk straight from one place where one can stand to another."""
        return start == end or bool(shapely.covers(self._area, shapely.LineString([start, end])))

    def outside_m(self, place: Point) -> float:
        """How far a place lies outside the floor; 0 on it, be it in an obstacle."""
        return float(shapely.distance(self._outline, shapely.Point(place)))

    def nearest(self, place: Point) -> Point | None:
        """The place itself, or the nearest where one can stand; None when that is not near."""
        line = shapely.shortest_line(shapely.Point(place), self._inner)
        if line is None or shapely.length(line) > NEAR_M:
            return None
        x_m, y_m = shapely.get_coordinates(line)[1].tolist()
        return x_m, y_m

    def way(self, start: Point, end: Point) -> tuple[Point, ...] | None:
        """The corners of the way from place to place, both included; None when there is no way.

        start, end: where one can stand (`nearest`).
        """
        if self.is_straight(start, end):
            return start, end
        first = self._cells_at(start)
        last = frozenset(self._cells_at(end))
        before = self._shortest(start, first, last)
        if before is None:
            return None
        cells = [tuple(self._grid.xy[cell].tolist()) for cell in before]
        return self._tight([start, *cells, end])

    def _cells_at(self, place: Point) -> list[int]:
        """Cells that one can walk to straight from a place."""
        away_m = np.hypot(*(self._grid.xy - place).T)
        away_m[~self._grid.walkable] = np.inf
        nearest = away_m.argsort()[:_FIRST_CELLS]
        return [
            cell
            for cell in nearest[self._grid.walkable[nearest]].tolist()
            if self.is_straight(place, tuple(self._grid.xy[cell].tolist()))
        ]

    def _shortest(self, start: Point, first: list[int], last: frozenset[int]) -> list[int] | None:
        """Dijkstra's; the cells of the shortest way from one of the first to one of the last."""
        xy = self._grid.xy
        queue = [(math.dist(start, xy[cell]), cell, -1) for cell in first]
        heapq.heapify(queue)
        came_from: dict[int, int] = {}
        while queue:
            walked_m, cell, previous = heapq.heappop(queue)
            if cell in came_from:
                continue
            came_from[cell] = previous
            if cell in last:
                way = [cell]
                while came_from[way[-1]] >= 0:
                    way.append(came_from[way[-1]])
                return way[::-1]
            for other in self._links[cell]:
                if other not in came_from:
                    further_m = walked_m + math.dist(xy[cell], xy[other])
                    heapq.heappush(queue, (further_m, other, cell))
        return None

    def _tight(self, corners: list[Point]) -> tuple[Point, ...]:
        """The way without the corners that need not be turned."""
        kept = [corners[0]]
        at = 0
        while at < len(corners) - 1:
            ahead = range(len(corners) - 1, at + 1, -1)
            at = next((to for to in ahead if self.is_straight(corners[at], corners[to])), at + 1)
            kept.append(corners[at])
        return tuple(kept)


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


def _links(grid: Grid) -> list[list[int]]:
    """The neighbours of each cell; across a corner only where both ways round it are free."""
    links: list[list[int]] = [[] for _ in range(grid.rows * grid.columns)]

    def join(one: int, two: int) -> None:
        links[one].append(two)
        links[two].append(one)

    for cell in range(len(links)):
        right, below = cell + 1, cell + grid.columns
        if grid.right[cell]:
            join(cell, right)
        if grid.down[cell]:
            join(cell, below)
        if grid.right[cell] and grid.down[cell] and grid.right[below] and grid.down[right]:
            join(cell, below + 1)
            join(right, below)
    return links
