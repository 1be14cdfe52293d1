"""A floor of a store: its outline, what nobody can walk through, its zones and its gateways.

Everything is in metres in the plan of the floor. This module imports numpy and shapely, so only
the engine and the tools beside it may import it (a Pi has neither).
"""

import enum
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import Polygon as ShapelyPolygon
from shapely.validation import explain_validity

Polygon = tuple[tuple[float, float], ...]

# A plan drawn by hand misses a line by a few centimetres; a hundredth of a zone is such a miss.
OUTSIDE_SHARE: Final = 0.01
# Two zones of one priority that share more than this cannot both be the answer.
OVERLAP_SHARE: Final = 0.05
# Ceilings of shops are 2.5 to 12 m; outside 0 to 30 m the number was meant for another field.
MAX_HEIGHT_M: Final = 30.0
# A gateway further than this from the floor is in another building, or in feet.
GATEWAY_BEYOND_M: Final = 20.0


class ZoneKind(enum.Enum):
    """What a zone is for: it decides which offers suit it and where nothing is ever said."""

    AISLE = "aisle"
    PROMO = "promo"
    ENTRANCE = "entrance"
    SERVICE_DESK = "service_desk"
    CHECKOUT = "checkout"
    PICKUP = "pickup"
    QUIET = "quiet"
    PERIMETER = "perimeter"


@dataclass(frozen=True, slots=True)
class Zone:
    """A named part of the floor; where zones overlap, the higher priority is the answer."""

    zone_id: str
    name: str
    kind: ZoneKind
    polygon: Polygon
    priority: int = 0


@dataclass(frozen=True, slots=True)
class GatewayPlace:
    """Where a gateway hangs; z_m is its height above the floor."""

    gateway_id: str
    x_m: float
    y_m: float
    z_m: float


@dataclass(frozen=True, slots=True)
class FloorPlan:
    """One floor. Obstacles are shelves, walls and counters: not walkable, and radio passes badly.

    Zones may lie over obstacles: an aisle zone usually covers half of the shelves beside it.
    """

    floor_id: str
    outline: Polygon
    obstacles: tuple[Polygon, ...]
    zones: tuple[Zone, ...]
    gateways: tuple[GatewayPlace, ...]


class PlanError(Exception):
    """A plan that cannot be used; `faults` are sentences for the person who drew it."""

    def __init__(self, floor_id: str, faults: list[str]) -> None:
        super().__init__(f"floor {floor_id}: " + "; ".join(faults))
        self.faults = faults


def check_plan(plan: FloorPlan) -> list[str]:
    """What is wrong with a plan, one sentence each; empty when it can be used."""
    outline, fault = _shape(plan.outline)
    if outline is None:
        return [f"The outline {fault}."]
    faults = []
    for number, polygon in enumerate(plan.obstacles, start=1):
        if (fault := _shape(polygon)[1]) is not None:
            faults.append(f"Obstacle {number} {fault}.")
    faults += _zone_faults(plan, outline)
    faults += _gateway_faults(plan, outline)
    if not faults and shapely.is_empty(walkable(plan)):
        faults.append("The obstacles cover the whole floor: nobody can stand anywhere.")
    return faults


def walkable(plan: FloorPlan) -> shapely.Geometry:
    """Where a person can stand: the outline without the obstacles."""
    solid = shapely.union_all([ShapelyPolygon(polygon) for polygon in plan.obstacles])
    return shapely.difference(ShapelyPolygon(plan.outline), solid)


def zone_of(plan: FloorPlan, xy: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """For each point the index of its zone in `plan.zones`; -1 where there is none.

    xy: points in metres, shape (n, 2). A border belongs to the zones on both sides; among several
    zones the highest priority answers, and among equals the first of the plan.
    """
    points = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
    answer = np.full(len(points), -1, dtype=np.intp)
    if not plan.zones:
        return answer
    tree = shapely.STRtree([ShapelyPolygon(zone.polygon) for zone in plan.zones])
    finite = np.isfinite(points).all(axis=1)
    where = np.flatnonzero(finite)
    hits = tree.query(shapely.points(points[finite]), predicate="intersects")
    rank = np.array([(zone.priority, -index) for index, zone in enumerate(plan.zones)])
    # Weakest claims first, so that the strongest is written last.
    order = np.lexsort((rank[hits[1], 1], rank[hits[1], 0]))
    answer[where[hits[0][order]]] = hits[1][order]
    return answer


def _shape(polygon: Polygon) -> tuple[ShapelyPolygon | None, str | None]:
    """The shape of a polygon, or the end of a sentence that says why there is none."""
    if len(polygon) < 3:
        return None, "needs at least three corners"
    if not np.isfinite(np.asarray(polygon, dtype=np.float64)).all():
        return None, "has a corner that is not a number"
    shape = ShapelyPolygon(polygon)
    if not shape.is_valid:
        return None, f"is not a simple polygon ({explain_validity(shape)})"
    if shape.area <= 0.0:
        return None, "has no area"
    return shape, None


def _zone_faults(plan: FloorPlan, outline: ShapelyPolygon) -> Iterator[str]:
    for zone_id, times in Counter(zone.zone_id for zone in plan.zones).items():
        if not zone_id:
            yield "A zone has no id."
        elif times > 1:
            yield f"Zone id {zone_id} is used {times} times."
    shapes = []
    for zone in plan.zones:
        shape, fault = _shape(zone.polygon)
        if shape is None:
            yield f"Zone {zone.zone_id} {fault}."
            continue
        shapes.append((zone, shape))
        outside = 1.0 - shape.intersection(outline).area / shape.area
        if outside > OUTSIDE_SHARE:
            yield f"Zone {zone.zone_id} lies {outside:.0%} outside the floor."
    for index, (zone, shape) in enumerate(shapes):
        for other, other_shape in shapes[index + 1 :]:
            if other.priority != zone.priority:
                continue
            shared = shape.intersection(other_shape).area / min(shape.area, other_shape.area)
            if shared > OVERLAP_SHARE:
                yield (
                    f"Zones {zone.zone_id} and {other.zone_id} overlap by {shared:.0%}"
                    f" and have the same priority."
                )


def _gateway_faults(plan: FloorPlan, outline: ShapelyPolygon) -> Iterator[str]:
    if not plan.gateways:
        yield "The floor has no gateway."
    for gateway_id, times in Counter(place.gateway_id for place in plan.gateways).items():
        if not gateway_id:
            yield "A gateway has no id."
        elif times > 1:
            yield f"Gateway id {gateway_id} is used {times} times."
    for place in plan.gateways:
        if not np.isfinite([place.x_m, place.y_m, place.z_m]).all():
            yield f"Gateway {place.gateway_id} has a place that is not a number."
            continue
        away_m = outline.distance(shapely.Point(place.x_m, place.y_m))
        if away_m > GATEWAY_BEYOND_M:
            yield f"Gateway {place.gateway_id} hangs {away_m:.0f} m outside the floor."
        if not 0.0 <= place.z_m <= MAX_HEIGHT_M:
            yield (
                f"Gateway {place.gateway_id} hangs {place.z_m:g} m high;"
                f" 0 to {MAX_HEIGHT_M:g} m is possible."
            )
