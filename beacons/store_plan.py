"""A store as a place: where it is, its floors, and what leads from one to another."""

import enum
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import shapely
from shapely.geometry import Polygon as ShapelyPolygon

from beacons.floor import FloorPlan, Zone, is_sound


class ConnectorKind(enum.Enum):
    """How people get from one floor to another."""

    STAIRS = "stairs"
    ESCALATOR = "escalator"
    LIFT = "lift"
    RAMP = "ramp"


@dataclass(frozen=True, slots=True)
class ConnectorEnd:
    """Where a connector is entered and left on one floor."""

    floor_id: str
    x_m: float
    y_m: float


@dataclass(frozen=True, slots=True)
class Connector:
    """Stairs or the like; its ends are joined each with each, in both directions."""

    connector_id: str
    kind: ConnectorKind
    ends: tuple[ConnectorEnd, ...]


@dataclass(frozen=True, slots=True)
class GeoAnchor:
    """Where on Earth the plan lies: the place of its origin, and how it is turned.

    longitude_deg, latitude_deg: WGS 84; bearing_deg: where the plan's y axis points, clockwise
    from north. All floors of a store share it.
    """

    longitude_deg: float
    latitude_deg: float
    bearing_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class StorePlan:
    """One store. tz: IANA name; country: ISO 3166-1 alpha-2; anchor: None until somebody said."""

    store_id: str
    name: str
    tz: str
    country: str
    floors: tuple[FloorPlan, ...]
    connectors: tuple[Connector, ...] = ()
    anchor: GeoAnchor | None = None

    def zone(self, zone_id: str) -> Zone | None:
        """The zone of that id, on whichever floor."""
        return next(
            (zone for floor in self.floors for zone in floor.zones if zone.zone_id == zone_id),
            None,
        )

    def floor(self, floor_id: str) -> FloorPlan | None:
        """The floor of that id."""
        return next((floor for floor in self.floors if floor.floor_id == floor_id), None)


@dataclass(frozen=True, slots=True)
class ConnectorFault:
    """Why a connector cannot be used. end: which of its ends; None for the whole."""

    index: int
    end: int | None
    sentence: str


def connector_faults(store: StorePlan) -> Iterator[ConnectorFault]:
    """What is wrong with the connectors of a store, one sentence each."""
    floors = {floor.floor_id: floor for floor in store.floors}
    times = Counter(connector.connector_id for connector in store.connectors)
    for index, connector in enumerate(store.connectors):
        name = connector.connector_id
        if (often := times.pop(name, 0)) > 1:
            yield ConnectorFault(index, None, f"Connector id {name} is used {often} times.")
        joined = {end.floor_id for end in connector.ends}
        if len(joined) < 2 or len(joined) < len(connector.ends):
            joins = f"Connector {name} must have one end on each of two floors or more."
            yield ConnectorFault(index, None, joins)
        for number, end in enumerate(connector.ends):
            if end.floor_id not in floors:
                nowhere = f"Connector {name} leads to floor {end.floor_id}, which the store lacks."
                yield ConnectorFault(index, number, nowhere)
            elif not _is_on(floors[end.floor_id], end):
                outside = (
                    f"Connector {name} ends outside floor {end.floor_id},"
                    f" at ({end.x_m:g}, {end.y_m:g})."
                )
                yield ConnectorFault(index, number, outside)


def _is_on(floor: FloorPlan, end: ConnectorEnd) -> bool:
    """Whether an end lies on a floor; a floor whose outline is faulty is not held against it."""
    if not is_sound(floor.outline):
        return True
    return bool(ShapelyPolygon(floor.outline).intersects(shapely.Point(end.x_m, end.y_m)))
