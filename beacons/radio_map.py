"""How loud a handset in each cell is expected to be at each gateway, and how far off that may be.

From gateway positions alone: the log-distance law, what each gateway hears louder than its fellows
(`beacons.calibration`) and the shelves in the way. A survey refines it (`beacons.survey_map`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import Polygon as ShapelyPolygon

from beacons.calibration import GatewayRadio
from beacons.floor import FloorPlan
from beacons.grid import Grid
from beacons.shelves import MAX_SHELF_LOSS_DB, SHELF_HEIGHT_M, SHELF_LOSS_DB

Floats = npt.NDArray[np.float64]

# A common handset at 1 m. What a handset differs from it is part of the filter's state.
POWER_AT_1M_DBM: Final = -60.0
# Free space; drawn shelves are paid for one by one. Where they are not drawn, shops give 2.5 to
# 3.2, but a law that is too steep makes the filter surely wrong and one too flat only less sure: of
# two recorded sites without drawn obstacles, one has 1.7 and loses a quarter of its accuracy with
# 2.7, the other has 3.1 and loses nothing with 2.0.
EXPONENT: Final = 2.0
# The hand, pocket or basket in which a handset is carried.
HANDSET_HEIGHT_M: Final = 1.1
# Nearer than this the law has no meaning: body and hand decide.
MIN_DISTANCE_M: Final = 1.0
# From floor to floor, and what one slab takes and each further one (ITU-R P.1238, offices).
STOREY_M: Final = 4.0
SLAB_LOSS_DB: Final = 15.0
FURTHER_SLAB_LOSS_DB: Final = 4.0

# What changes within centimetres or seconds at one place: fading, channels, noise. Of the spread of
# sightings about the best map of recorded walks (5.1 to 6.3 dB), the part that the next sighting
# does not share.
FAST_DB2: Final = 18.0
# What the law is wrong by at a place, for as long as somebody stands there. About 30 dB2 in
# recordings; less of that matters the more gateways differ by a known amount.
LAW_DB2: Final = 8.0
# Receivers in one recorded office differ by 3.2 dB.
GATEWAY_DB2: Final = 10.0


@dataclass(frozen=True, slots=True)
class RadioMap:
    """expected_dbm: at offset 0. slow_db2: variance of the map's own error, beside FAST_DB2.

    Shape (gateways, cells), gateways in the order of the plans. gateway_db2: the part of slow_db2
    that is the same for the gateway everywhere, (gateways,).
    """

    expected_dbm: Floats
    slow_db2: Floats
    gateway_db2: Floats


def map_from_positions(
    floors: Sequence[FloorPlan],
    grid: Grid,
    radios: Iterable[GatewayRadio] = (),
    shelf_loss_db: float = SHELF_LOSS_DB,
) -> RadioMap:
    """The map that needs nobody to measure anything.

    radios: what the gateways' calibration found, as far as there is one. shelf_loss_db: of each
    obstacle in the way; 0 when obstacles are only places where nobody walks.
    """
    known = {radio.gateway_id: radio for radio in radios if radio.links > 0}
    expected_dbm, slow_db2, gateway_db2 = [], [], []
    for floor, plan in enumerate(floors):
        places = np.array([(place.x_m, place.y_m, place.z_m) for place in plan.gateways])
        above = np.array([_storeys_above(floors, floor, other) for other in range(len(floors))])
        storeys = above[grid.floor]
        slabs = np.abs(storeys)
        shelves = shelf_loss_db > 0.0 and len(plan.obstacles) > 0
        distance_m = _distance_m(grid, places, storeys)
        dbm = POWER_AT_1M_DBM - 10 * EXPONENT * np.log10(distance_m)
        dbm -= np.where(slabs > 0, SLAB_LOSS_DB + FURTHER_SLAB_LOSS_DB * (slabs - 1), 0.0)
        here = np.flatnonzero(grid.floor == floor)
        if shelves:
            crossed = _shelves_between(plan, grid.xy[here], places)
            dbm[:, here] -= np.minimum(shelf_loss_db * crossed, MAX_SHELF_LOSS_DB)
        own = [known.get(place.gateway_id) for place in plan.gateways]
        offset_db = np.array([radio.offset_db if radio else 0.0 for radio in own])
        offset_db2 = np.array([radio.offset_se_db**2 if radio else GATEWAY_DB2 for radio in own])
        expected_dbm.append(dbm + offset_db[:, None])
        slow_db2.append(np.broadcast_to((LAW_DB2 + offset_db2)[:, None], dbm.shape))
        gateway_db2.append(offset_db2)
    return RadioMap(*map(np.concatenate, (expected_dbm, slow_db2, gateway_db2)))


def _storeys_above(floors: Sequence[FloorPlan], one: int, other: int) -> int:
    """How many storeys the other floor lies above this one; of one level, the later one does."""
    if one == other:
        return 0
    return floors[other].level - floors[one].level or (1 if other > one else -1)


def _distance_m(grid: Grid, places: Floats, storeys: npt.NDArray[np.intp]) -> Floats:
    """From each gateway to a handset in each cell, (gateways, cells)."""
    flat_m = np.hypot(
        places[:, None, 0] - grid.xy[None, :, 0], places[:, None, 1] - grid.xy[None, :, 1]
    )
    rise_m = places[:, 2:] - HANDSET_HEIGHT_M - STOREY_M * storeys[None, :]
    return np.maximum(np.hypot(flat_m, rise_m), MIN_DISTANCE_M)


def _shelves_between(plan: FloorPlan, xy: Floats, places: Floats) -> Floats:
    """How many obstacles a ray from each gateway to each cell passes below their tops."""
    above_m = places[:, 2] - HANDSET_HEIGHT_M
    # Of a ray that falls from the ceiling, only the part near the handset is below shelf tops.
    low_part = np.clip((SHELF_HEIGHT_M - HANDSET_HEIGHT_M) / np.maximum(above_m, 1e-6), 0.0, 1.0)
    low_part[above_m <= SHELF_HEIGHT_M - HANDSET_HEIGHT_M] = 1.0
    start = xy[None] + low_part[:, None, None] * (places[:, None, :2] - xy[None])
    ends = np.stack([np.broadcast_to(xy, start.shape), start], axis=2)
    rays = np.asarray(shapely.linestrings(ends))
    crossed = np.zeros(rays.shape)
    for polygon in plan.obstacles:
        shape = ShapelyPolygon(polygon)
        shapely.prepare(shape)
        crossed += shapely.intersects(shape, rays)
    return crossed
