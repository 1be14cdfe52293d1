"""What shelves take from a path; between two ceilings, only what dips below their tops."""

from typing import Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import Polygon as ShapelyPolygon

from beacons.floor import FloorPlan

# Supermarket gondolas are 1.4 to 2.2 m high; a ray that passes above is not weakened.
SHELF_HEIGHT_M: Final = 1.8
# Goods on one shelf: 2 to 6 dB, depending on what stands there. Beyond the second shelf, what
# arrives has come by way of the ceiling, whatever else is between.
SHELF_LOSS_DB: Final = 4.0
MAX_SHELF_LOSS_DB: Final = 10.0


def blocked_db(floor: FloorPlan) -> npt.NDArray[np.float64]:
    """What shelves take from the path between each two gateways, (gateways, gateways), in dB."""
    places = np.array(
        [(place.x_m, place.y_m, place.z_m) for place in floor.gateways], dtype=np.float64
    ).reshape(-1, 3)
    count = len(places)
    lost_db = np.zeros((count, count))
    if not floor.obstacles:
        return lost_db
    shapes = [ShapelyPolygon(polygon) for polygon in floor.obstacles]
    for i in range(count):
        for j in range(i + 1, count):
            low = _low_part(places[i], places[j])
            if low is not None:
                crossed = int(np.count_nonzero(shapely.intersects(shapes, low)))
                lost_db[i, j] = lost_db[j, i] = min(crossed * SHELF_LOSS_DB, MAX_SHELF_LOSS_DB)
    return lost_db


def _low_part(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]
) -> shapely.LineString | None:
    """The stretch of the path that runs below the tops of shelves; None when there is none."""
    lower, upper = (one, other) if one[2] <= other[2] else (other, one)
    if lower[2] >= SHELF_HEIGHT_M:
        return None
    rise_m = upper[2] - lower[2]
    part = 1.0 if upper[2] <= SHELF_HEIGHT_M else (SHELF_HEIGHT_M - lower[2]) / rise_m
    end = lower + part * (upper - lower)
    return shapely.LineString([lower[:2], end[:2]])
