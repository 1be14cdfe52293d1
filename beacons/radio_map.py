"""How loud a handset in each cell is expected to be at each gateway, and how far off that may be.

From gateway positions alone: the log-distance law and the shelves in the way. A survey can
replace the map; the filter needs only `RadioMap`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import Polygon as ShapelyPolygon

from beacons.floor import FloorPlan
from beacons.grid import Grid

Floats = npt.NDArray[np.float64]

# A common handset at 1 m. What a handset differs from it is part of the filter's state.
POWER_AT_1M_DBM: Final = -60.0
# Shops between shelves give 2.5 to 3.2. Too low an exponent is worse than too high a one: it makes
# the strongest gateway say little.
EXPONENT: Final = 2.7
# The hand, pocket or basket in which a handset is carried.
HANDSET_HEIGHT_M: Final = 1.1
# Nearer than this the law has no meaning: body and hand decide.
MIN_DISTANCE_M: Final = 1.0
# Supermarket gondolas are 1.4 to 2.2 m high; a ray that passes above is not weakened.
SHELF_HEIGHT_M: Final = 1.8
# Goods on one shelf: 2 to 6 dB, depending on what stands there. Beyond the second shelf, what
# arrives has come by way of the ceiling, whatever else is between.
SHELF_LOSS_DB: Final = 4.0
MAX_SHELF_LOSS_DB: Final = 10.0
# Spread of sightings about the fitted law in recordings of an office, a mall and a library: 5.7 to
# 7.2 dB.
SIGMA_DB: Final = 6.0


@dataclass(frozen=True, slots=True)
class RadioMap:
    """expected_dbm, sigma_db: shape (gateways, cells), gateways in the order of the plan."""

    expected_dbm: Floats
    sigma_db: Floats


def map_from_positions(
    plan: FloorPlan, grid: Grid, shelf_loss_db: float = SHELF_LOSS_DB
) -> RadioMap:
    """The map that needs nobody to measure anything."""
    places = np.array([(place.x_m, place.y_m, place.z_m) for place in plan.gateways])
    flat_m = np.hypot(
        places[:, None, 0] - grid.xy[None, :, 0], places[:, None, 1] - grid.xy[None, :, 1]
    )
    distance_m = np.maximum(np.hypot(flat_m, places[:, 2:] - HANDSET_HEIGHT_M), MIN_DISTANCE_M)
    expected_dbm = POWER_AT_1M_DBM - 10 * EXPONENT * np.log10(distance_m)
    if shelf_loss_db > 0.0 and plan.obstacles:
        loss_db = shelf_loss_db * _shelves_between(plan, grid, places)
        expected_dbm -= np.minimum(loss_db, MAX_SHELF_LOSS_DB)
    return RadioMap(expected_dbm, np.full_like(expected_dbm, SIGMA_DB))


def _shelves_between(plan: FloorPlan, grid: Grid, places: Floats) -> Floats:
    """How many obstacles a ray from each gateway to each cell passes below their tops."""
    above_m = places[:, 2] - HANDSET_HEIGHT_M
    # Of a ray that falls from the ceiling, only the part near the handset is below shelf tops.
    low_part = np.clip((SHELF_HEIGHT_M - HANDSET_HEIGHT_M) / np.maximum(above_m, 1e-6), 0.0, 1.0)
    low_part[above_m <= SHELF_HEIGHT_M - HANDSET_HEIGHT_M] = 1.0
    start = grid.xy[None] + low_part[:, None, None] * (places[:, None, :2] - grid.xy[None])
    ends = np.stack([np.broadcast_to(grid.xy, start.shape), start], axis=2)
    rays = np.asarray(shapely.linestrings(ends))
    crossed = np.zeros(rays.shape)
    for polygon in plan.obstacles:
        shape = ShapelyPolygon(polygon)
        shapely.prepare(shape)
        crossed += shapely.intersects(shape, rays)
    return crossed
