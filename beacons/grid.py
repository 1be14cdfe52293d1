"""The walkable floor as a grid of cells: who is whose neighbour, and which zones a cell lies in."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import Polygon as ShapelyPolygon

from beacons.floor import FloorPlan, PlanError, check_plan, walkable, zone_of

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Two cells across a shop aisle of 1.5 to 2 m; finer buys nothing against fading of 6 dB.
CELL_M: Final = 0.75
# Bounds memory and time per handset on large floors, whose cells grow instead.
MAX_CELLS: Final = 2_048
# A cell is judged by 5 x 5 points in it: where it is walkable, and its share of each zone.
_POINTS: Final = 5
# A cell with less free floor than this belongs to the shelf.
_MIN_FREE_SHARE: Final = 0.3


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells of a rectangle around the floor, row by row; those of shelves are not walkable.

    xy: middle of the walkable part of each cell, shape (cells, 2).
    right, down: whether one can walk from cell m to m + 1, and from m to m + columns.
    zone_share: (cells, zones + 1); how much of a cell lies in each zone, the last: in none.
    """

    cell_m: float
    rows: int
    columns: int
    xy: Floats
    walkable: Bools
    right: Bools
    down: Bools
    zone_share: Floats


def build_grid(plan: FloorPlan, cell_m: float = CELL_M) -> Grid:
    """The grid of a plan; cells grow beyond `cell_m` when the floor would need too many.

    Raises PlanError when the plan has faults.
    """
    if faults := check_plan(plan):
        raise PlanError(plan.floor_id, faults)
    x_min, y_min, x_max, y_max = ShapelyPolygon(plan.outline).bounds
    width_m, height_m = x_max - x_min, y_max - y_min
    while math.ceil(width_m / cell_m) * math.ceil(height_m / cell_m) > MAX_CELLS:
        cell_m *= 1.02
    columns, rows = math.ceil(width_m / cell_m), math.ceil(height_m / cell_m)

    inside = (np.arange(_POINTS) + 0.5) / _POINTS
    x = x_min + cell_m * (np.arange(columns)[:, None] + inside).ravel()
    y = y_min + cell_m * (np.arange(rows)[:, None] + inside).ravel()
    # (rows, columns, points of a cell)
    square = np.stack(np.meshgrid(x, y), axis=-1).reshape(rows, _POINTS, columns, _POINTS, 2)
    points: Floats = square.transpose(0, 2, 1, 3, 4).reshape(rows * columns, _POINTS**2, 2)
    area = walkable(plan)
    shapely.prepare(area)
    free: Bools = np.asarray(shapely.contains_xy(area, points[..., 0], points[..., 1]))
    is_walkable = free.mean(axis=1) >= _MIN_FREE_SHARE
    if not is_walkable.any():
        raise PlanError(plan.floor_id, [f"No place is wider than {cell_m:.2g} m."])

    # The free point nearest to the middle of the free ones: the middle itself may be in a shelf.
    weight: Floats = np.where(free.any(axis=1, keepdims=True), free, True).astype(np.float64)
    middle = (points * weight[..., None]).sum(axis=1) / weight.sum(axis=1)[:, None]
    away = np.hypot(*np.moveaxis(points - middle[:, None], -1, 0))
    nearest = np.argmin(np.where(weight > 0, away, np.inf), axis=1)
    xy = points[np.arange(len(points)), nearest]

    zones = zone_of(plan, points.reshape(-1, 2)).reshape(free.shape)
    share = np.stack(
        [((zones == index) * weight).sum(axis=1) for index in [*range(len(plan.zones)), -1]], axis=1
    )
    share /= weight.sum(axis=1)[:, None]
    return Grid(
        cell_m=cell_m,
        rows=rows,
        columns=columns,
        xy=xy,
        walkable=is_walkable,
        right=_links(area, xy, is_walkable, 1, columns),
        down=_links(area, xy, is_walkable, columns, columns),
        zone_share=share,
    )


def _links(area: shapely.Geometry, xy: Floats, free: Bools, shift: int, columns: int) -> Bools:
    """Whether one can walk straight from each cell to the one `shift` further on."""
    open_ = np.zeros(len(xy), dtype=np.bool_)
    start = np.arange(len(xy) - shift)
    if shift == 1:
        start = start[start % columns != columns - 1]
    start = start[free[start] & free[start + shift]]
    lines = shapely.linestrings(np.stack([xy[start], xy[start + shift]], axis=1))
    open_[start] = shapely.covers(area, lines)
    return open_
