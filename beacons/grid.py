"""The walkable floors as one grid of cells: who is whose neighbour, and which zones a cell lies in.

The floors of a store lie under each other in one rectangle, so that one pair of shifts moves
everybody; no neighbours are joined across floors but by stairs, lifts and the like. Only walkable
places of the rectangle are cells.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import Polygon as ShapelyPolygon

from beacons.floor import FloorPlan, PlanError, check_plan, walkable, zone_of
from beacons.store_plan import Connector

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]

# Two cells across a shop aisle of 1.5 to 2 m; finer buys nothing against fading of 6 dB.
CELL_M: Final = 0.75
# A zone six cells wide is told apart as well as one of more cells, and costs less.
CELLS_ACROSS_ZONE: Final = 6.0
# Bounds memory and time per handset on large floors, whose cells grow instead.
MAX_CELLS: Final = 2_048
# A cell is judged by 5 x 5 points in it: where it is walkable, and its share of each zone.
_POINTS: Final = 5
# A cell with less free floor than this belongs to the shelf.
_MIN_FREE_SHARE: Final = 0.3


@dataclass(frozen=True, slots=True)
class Grid:
    """The walkable cells, row by row.

    xy: middle of the walkable part of each cell, shape (cells, 2). floor: index of its floor.
    zone_share: (cells, zones + 1); how much of a cell lies in each zone, the last: in none. The
    zones of all floors, in the order of the plans.
    joined: pairs of cells that a connector joins, shape (pairs, 2).
    place: where each cell is in the rectangle of rows x columns places. right, down: whether one
    can walk from place m to m + 1, and from m to m + columns.
    """

    cell_m: float
    xy: Floats
    floor: Ints
    zone_share: Floats
    joined: Ints
    rows: int
    columns: int
    place: Ints
    right: Bools
    down: Bools


def build_grid(
    floors: Sequence[FloorPlan],
    connectors: Sequence[Connector] = (),
    cell_m: float | None = None,
) -> Grid:
    """The grid of a store's floors.

    cell_m: as wide as the zones need when None; cells grow when the floors would need too many.
    Raises PlanError when a plan has faults.
    """
    if not floors:
        raise PlanError("store", ["It has no floor."])
    gateway_ids = Counter(place.gateway_id for plan in floors for place in plan.gateways)
    for plan in floors:
        twice = sorted({p.gateway_id for p in plan.gateways if gateway_ids[p.gateway_id] > 1})
        faults = [*check_plan(plan), *(f"Gateway {one} is placed twice." for one in twice)]
        if faults:
            raise PlanError(plan.floor_id, faults)
    size_m = _needed_cell_m(floors) if cell_m is None else cell_m
    boxes = [ShapelyPolygon(plan.outline).bounds for plan in floors]
    while _rows(boxes, size_m) * _columns(boxes, size_m) > MAX_CELLS:
        size_m *= 1.02
    columns = _columns(boxes, size_m)
    parts = [
        _floor_grid(plan, box, columns, size_m) for plan, box in zip(floors, boxes, strict=True)
    ]
    place = np.flatnonzero(np.concatenate([part.walkable for part in parts]))
    floor = np.repeat(np.arange(len(parts)), [len(part.xy) for part in parts])[place]
    xy = np.concatenate([part.xy for part in parts])[place]
    return Grid(
        cell_m=size_m,
        xy=xy,
        floor=floor,
        zone_share=_shares([part.zone_share for part in parts])[place],
        joined=_joined(xy, floor, floors, connectors),
        rows=_rows(boxes, size_m),
        columns=columns,
        place=place,
        right=np.concatenate([part.right for part in parts]),
        down=np.concatenate([part.down for part in parts]),
    )


def _needed_cell_m(floors: Sequence[FloorPlan]) -> float:
    breadths_m = [
        _breadth_m(ShapelyPolygon(zone.polygon)) for plan in floors for zone in plan.zones
    ]
    return max(CELL_M, min(breadths_m, default=CELL_M) / CELLS_ACROSS_ZONE)


def _breadth_m(shape: ShapelyPolygon) -> float:
    corners = shapely.get_coordinates(shapely.oriented_envelope(shape))[:3]
    return float(np.hypot(*np.diff(corners, axis=0).T).min())


def _rows(boxes: Sequence[tuple[float, ...]], cell_m: float) -> int:
    return sum(math.ceil((y_max - y_min) / cell_m) for _, y_min, _, y_max in boxes)


def _columns(boxes: Sequence[tuple[float, ...]], cell_m: float) -> int:
    return max(math.ceil((x_max - x_min) / cell_m) for x_min, _, x_max, _ in boxes)


@dataclass(frozen=True, slots=True)
class _FloorGrid:
    xy: Floats
    walkable: Bools
    right: Bools
    down: Bools
    zone_share: Floats


def _floor_grid(plan: FloorPlan, box: tuple[float, ...], columns: int, cell_m: float) -> _FloorGrid:
    x_min, y_min, _, y_max = box
    rows = math.ceil((y_max - y_min) / cell_m)
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
    return _FloorGrid(
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


def _shares(shares: Sequence[Floats]) -> Floats:
    """Zones side by side, what is in no zone last; a cell is only in zones of its floor."""
    zones = sum(share.shape[1] - 1 for share in shares)
    whole = np.zeros((sum(map(len, shares)), zones + 1))
    row = column = 0
    for share in shares:
        here = share.shape[1] - 1
        whole[row : row + len(share), column : column + here] = share[:, :-1]
        whole[row : row + len(share), -1] = share[:, -1]
        row += len(share)
        column += here
    return whole


def _joined(
    xy: Floats, floor: Ints, floors: Sequence[FloorPlan], connectors: Sequence[Connector]
) -> Ints:
    """The pairs of cells at the ends of connectors."""
    index = {plan.floor_id: i for i, plan in enumerate(floors)}
    pairs = []
    for connector in connectors:
        cells = [
            _nearest(xy, floor, index[end.floor_id], (end.x_m, end.y_m))
            for end in connector.ends
            if end.floor_id in index
        ]
        pairs += [(a, b) for i, a in enumerate(cells) for b in cells[i + 1 :]]
    return np.array(sorted(set(pairs)), dtype=np.intp).reshape(-1, 2)


def _nearest(xy: Floats, floor: Ints, on: int, point: tuple[float, float]) -> int:
    """The cell of a floor nearest to a point."""
    here = np.flatnonzero(floor == on)
    return int(here[np.argmin(np.hypot(*(xy[here] - point).T))])
