"""A small shop with a wall in it, and what the filter's tests say of handsets there."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from beacons.cell_filter import OFFSET_DB2, OFFSET_MEAN_DB, Belief, Looks, advance
from beacons.filter_tables import Tables, build_tables, relative_db
from beacons.floor import FloorPlan, GatewayPlace, Polygon, Zone, ZoneKind
from beacons.grid import Grid, build_grid
from beacons.radio_map import RadioMap, map_from_positions

PLACES: Final = ((1.0, 1.0), (8.0, 1.0), (1.0, 5.0), (8.0, 5.0))


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def floor(places: Sequence[tuple[float, float]] = PLACES, *, floor_id: str = "f") -> FloorPlan:
    """A shop of 9 by 6 m; a wall from its upper edge leaves a passage of 1.5 m below."""
    return FloorPlan(
        floor_id=floor_id,
        outline=rectangle(0, 0, 9, 6),
        obstacles=(rectangle(3.75, 1.5, 5.25, 6),),
        zones=(Zone(f"{floor_id}-left", "Left", ZoneKind.AISLE, rectangle(0, 0, 4.5, 6)),),
        gateways=tuple(
            GatewayPlace(f"{floor_id}{i}", x, y, 3.0) for i, (x, y) in enumerate(places)
        ),
        level=0 if floor_id == "f" else 1,
    )


def tables_of(plan: FloorPlan) -> tuple[Grid, RadioMap, Tables]:
    grid = build_grid([plan])
    radio = map_from_positions([plan], grid)
    return grid, radio, build_tables(grid, radio)


GRID, RADIO, TABLES = tables_of(floor())
EVERYBODY: Final = TABLES.everybody
# With this instead of an audience, who hears says nothing.
DEAF: Final = np.zeros_like(EVERYBODY)


def unknown(tables: Tables = TABLES, handsets: int = 1) -> Belief:
    """A new handset's belief."""
    p = np.repeat(tables.where[None], handsets, axis=0)
    offset_db2 = np.full(handsets, OFFSET_DB2, dtype=np.float32)
    return Belief(p, np.full_like(p, OFFSET_MEAN_DB), offset_db2)


def certain(tables: Tables, cell: int, offset_db: float = 0.0) -> Belief:
    p = np.zeros((1, tables.cells), dtype=np.float32)
    p[0, cell] = 1.0
    return Belief(p, np.full_like(p, offset_db), np.ones(1, dtype=np.float32))


def copied(belief: Belief) -> Belief:
    return Belief(belief.p.copy(), belief.offset_db.copy(), belief.offset_db2.copy())


def looks(heard: dict[int, float], tables: Tables = TABLES, precision: float = 0.02) -> Looks:
    """One handset, level by gateway."""
    level = np.zeros((1, len(tables.slow_db2)), dtype=np.float32)
    worth = np.zeros_like(level)
    for gateway, level_dbm in heard.items():
        level[0, gateway] = relative_db(np.array([level_dbm]))[0]
        worth[0, gateway] = precision
    return Looks(level, worth)


def settled(tables: Tables, cell: int, ticks: int = 20, offset_db: float = -6.0) -> Belief:
    """Somebody who stood there, heard exactly as the map says."""
    heard = {
        gateway: float(level) - 75.0 + offset_db
        for gateway, level in enumerate(tables.reach.expected_db[:, cell])
    }
    belief = unknown(tables)
    for _ in range(ticks):
        belief, _, _ = advance(tables, belief, looks(heard, tables), tables.everybody)
    return belief


def nearest(grid: Grid, x: float, y: float) -> int:
    """The cell nearest to a place on the first floor."""
    away = np.hypot(grid.xy[:, 0] - x, grid.xy[:, 1] - y)
    return int(np.argmin(np.where(grid.floor == 0, away, np.inf)))


def distance(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Total variation: the probability that lies elsewhere."""
    return float(0.5 * np.abs(np.asarray(one) - np.asarray(other)).sum())


def mean_offset_db(belief: Belief) -> float:
    """Of the first handset."""
    return float(belief.p[0] @ belief.offset_db[0])
