"""A floor of a store: its outline, what nobody can walk through, its zones and its gateways.

Everything is in metres in the plan of the floor. This module imports numpy and shapely, so only
the engine and the tools beside it may import it (a Pi has neither).
"""

import enum
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import Polygon as ShapelyPolygon
from shapely.validation import explain_validity

Point = tuple[float, float]
Polygon = tuple[Point, ...]

# A plan drawn by hand misses a line by a few centimetres; a hundredth of a zone is such a miss.
OUTSIDE_SHARE: Final = 0.01
# Two zones of one priority that share more than this cannot both be the answer.
OVERLAP_SHARE: Final = 0.05
# Ceilings of shops are 2.5 to 12 m; outside 0 to 30 m the number was meant for another field.
MAX_HEIGHT_M: Final = 30.0
# A gateway further than this from the floor is in another building, or in feet.
GATEWAY_BEYOND_M: Final = 20.0
# How GEOS says where a ring crosses itself.
_CROSSING: Final = re.compile(r"\[(?P<x>\S+) (?P<y>\S+)\]")


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
    """A named part of the floor; where zones overlap, the higher priority is the answer.

    tags: what campaigns may ask for instead of the zone's id, such as "coffee".
    """

    zone_id: str
    name: str
    kind: ZoneKind
    polygon: Polygon
    priority: int = 0
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GatewayPlace:
    """Where a gateway hangs; z_m is its height above the floor."""

    gateway_id: str
    x_m: float
    y_m: float
    z_m: float

    @property
    def is_somewhere(self) -> bool:
        """Whether its place is made of numbers."""
        return bool(np.isfinite([self.x_m, self.y_m, self.z_m]).all())


@dataclass(frozen=True, slots=True)
class FloorPlan:
    """One floor. Obstacles are shelves, walls and counters: not walkable, and radio passes badly.

    Zones may lie over obstacles: an aisle zone usually covers half of the shelves beside it.
    level: which storey it is, as the ordinal of IMDF: 0 on the ground, 1 above it, -1 below.
    """

    floor_id: str
    outline: Polygon
    obstacles: tuple[Polygon, ...]
    zones: tuple[Zone, ...]
    gateways: tuple[GatewayPlace, ...]
    level: int = 0


class Part(enum.Enum):
    """What of a floor a sentence is about."""

    FLOOR = "floor"
    OUTLINE = "outline"
    OBSTACLE = "obstacle"
    ZONE = "zone"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class PlanFault:
    """One reason why a floor cannot be used.

    index: which obstacle, zone or gateway of the plan; None for the floor and its outline.
    at: where on the floor, when it is one place.
    """

    part: Part
    index: int | None
    sentence: str
    at: Point | None = None


class PlanError(Exception):
    """A plan that cannot be used; `faults` are sentences for the person who drew it."""

    def __init__(self, floor_id: str | None, faults: list[str]) -> None:
        """floor_id: None when it is not about one floor."""
        where = "" if floor_id is None else f"floor {floor_id}: "
        super().__init__(where + "; ".join(faults))
        self.faults = faults


def check_plan(plan: FloorPlan) -> list[str]:
    """What is wrong with a plan, one sentence each; empty when it can be used."""
    return [fault.sentence for fault in plan_faults(plan)]


def plan_faults(plan: FloorPlan) -> list[PlanFault]:
    """What is wrong with a plan, with what it is about; empty when it can be used."""
    outline = _shape(plan.outline)
    if isinstance(outline, _Wrong):
        return [_fault(Part.OUTLINE, None, "The outline", outline)]
    faults = []
    for index, polygon in enumerate(plan.obstacles):
        if isinstance(shape := _shape(polygon), _Wrong):
            faults.append(_fault(Part.OBSTACLE, index, f"Obstacle {index + 1}", shape))
    faults += _zone_faults(plan, outline)
    faults += _gateway_faults(plan, outline)
    if not faults and shapely.is_empty(walkable(plan)):
        everywhere = "The obstacles cover the whole floor: nobody can stand anywhere."
        faults.append(PlanFault(Part.FLOOR, None, everywhere))
    return faults


def is_sound(polygon: Polygon) -> bool:
    """Whether the corners make a simple polygon with an area."""
    return not isinstance(_shape(polygon), _Wrong)


def walkable(plan: FloorPlan) -> shapely.Geometry:
    """Where a person can stand: the outline without the obstacles."""
    solid = shapely.union_all([ShapelyPolygon(polygon) for polygon in plan.obstacles])
    return shapely.difference(ShapelyPolygon(plan.outline), solid)


def narrowed(area: shapely.Geometry, by_m: float) -> shapely.Geometry:
    """What of an area is at least so far from its edge; corners stay corners."""
    # GEOS divides by the breadth of a hairline; the result is right, and numpy would warn.
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return shapely.buffer(area, -by_m, join_style="mitre")


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


@dataclass(frozen=True, slots=True)
class _Wrong:
    """Why corners make no shape: the end of a sentence, and where when it is one place."""

    end: str
    at: Point | None = None


def _shape(polygon: Polygon) -> ShapelyPolygon | _Wrong:
    """The shape of a polygon, or why there is none."""
    if len(polygon) < 3:
        return _Wrong("needs at least three corners")
    if not np.isfinite(np.asarray(polygon, dtype=np.float64)).all():
        return _Wrong("has a corner that is not a number")
    shape = ShapelyPolygon(polygon)
    if not shape.is_valid:
        return _crossing(explain_validity(shape))
    if shape.area <= 0.0:
        return _Wrong("has no area")
    return shape


def _crossing(explained: str) -> _Wrong:
    if (place := _CROSSING.search(explained)) is None:
        return _Wrong(f"is not a simple polygon ({explained})")
    at = float(place["x"]), float(place["y"])
    return _Wrong(f"is not a simple polygon: it meets itself at ({at[0]:.2f}, {at[1]:.2f})", at)


def _fault(part: Part, index: int | None, subject: str, wrong: _Wrong) -> PlanFault:
    return PlanFault(part, index, f"{subject} {wrong.end}.", wrong.at)


def _zone_faults(plan: FloorPlan, outline: ShapelyPolygon) -> Iterator[PlanFault]:
    times = Counter(zone.zone_id for zone in plan.zones)
    shapes = []
    for index, zone in enumerate(plan.zones):
        if not zone.zone_id:
            yield PlanFault(Part.ZONE, index, "A zone has no id.")
        elif (often := times.pop(zone.zone_id, 0)) > 1:
            yield PlanFault(Part.ZONE, index, f"Zone id {zone.zone_id} is used {often} times.")
        if isinstance(shape := _shape(zone.polygon), _Wrong):
            yield _fault(Part.ZONE, index, f"Zone {zone.zone_id}", shape)
            continue
        shapes.append((index, zone, shape))
        outside = 1.0 - shape.intersection(outline).area / shape.area
        if outside > OUTSIDE_SHARE:
            far = f"Zone {zone.zone_id} lies {outside:.0%} outside the floor."
            yield PlanFault(Part.ZONE, index, far)
    for number, (index, zone, shape) in enumerate(shapes):
        for _, other, other_shape in shapes[number + 1 :]:
            if other.priority != zone.priority:
                continue
            shared = shape.intersection(other_shape)
            share = shared.area / min(shape.area, other_shape.area)
            if share > OVERLAP_SHARE:
                middle = shared.representative_point()
                yield PlanFault(
                    Part.ZONE,
                    index,
                    f"Zones {zone.zone_id} and {other.zone_id} overlap by {share:.0%}"
                    f" and have the same priority.",
                    (middle.x, middle.y),
                )


def _gateway_faults(plan: FloorPlan, outline: ShapelyPolygon) -> Iterator[PlanFault]:
    if not plan.gateways:
        yield PlanFault(Part.FLOOR, None, "The floor has no gateway.")
    times = Counter(place.gateway_id for place in plan.gateways)
    for index, place in enumerate(plan.gateways):
        if not place.gateway_id:
            yield PlanFault(Part.GATEWAY, index, "A gateway has no id.")
        elif (often := times.pop(place.gateway_id, 0)) > 1:
            again = f"Gateway id {place.gateway_id} is used {often} times."
            yield PlanFault(Part.GATEWAY, index, again)
        if not place.is_somewhere:
            nowhere = f"Gateway {place.gateway_id} has a place that is not a number."
            yield PlanFault(Part.GATEWAY, index, nowhere)
            continue
        away_m = outline.distance(shapely.Point(place.x_m, place.y_m))
        if away_m > GATEWAY_BEYOND_M:
            far = f"Gateway {place.gateway_id} hangs {away_m:.0f} m outside the floor."
            yield PlanFault(Part.GATEWAY, index, far, (place.x_m, place.y_m))
        if not 0.0 <= place.z_m <= MAX_HEIGHT_M:
            yield PlanFault(
                Part.GATEWAY,
                index,
                f"Gateway {place.gateway_id} hangs {place.z_m:g} m high;"
                f" 0 to {MAX_HEIGHT_M:g} m is possible.",
                (place.x_m, place.y_m),
            )
