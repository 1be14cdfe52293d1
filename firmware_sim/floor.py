"""A store as it is built: walls, shelves, zones and gateways in metres, read from TOML.

x runs along the front of the store, y from the front to the back, z up from the floor.
"""

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from itertools import combinations
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import shapely

Point = tuple[float, float]
Polygon = tuple[Point, ...]  # the corners in order; the last is not the first again

# Zones drawn by hand may overlap by a line's width, not by a place where a shopper could stand.
MAX_OVERLAP_M2: Final = 0.01


class ZoneKind(StrEnum):
    """What a zone is for; the marketing rules differ."""

    ENTRANCE = "entrance"
    PERIMETER = "perimeter"
    AISLE = "aisle"
    PROMO = "promo"
    SERVICE_DESK = "service_desk"
    CHECKOUT = "checkout"


@dataclass(frozen=True, slots=True)
class Zone:
    """A part of the floor that a campaign can name."""

    zone_id: str
    kind: ZoneKind
    name: str
    polygon: Polygon
    category: str | None  # what its shelves sell


@dataclass(frozen=True, slots=True)
class GatewayPlace:
    """Where a gateway hangs."""

    gateway_id: str
    x_m: float
    y_m: float
    z_m: float


@dataclass(frozen=True, slots=True)
class Floor:
    """One store's floor. Zones do not overlap; what lies in no zone is still walkable."""

    store_id: str
    name: str
    tz: str
    country: str  # ISO 3166-1 alpha-2
    size_m: tuple[float, float]  # along x, along y
    shelf_height_m: float
    walls: tuple[Polygon, ...]
    shelves: tuple[Polygon, ...]  # tall: they stop radio as well as people
    fixtures: tuple[Polygon, ...]  # islands, tills, counters: low, they stop people only
    zones: tuple[Zone, ...]
    gateways: tuple[GatewayPlace, ...]
    racetrack: tuple[Point, ...]  # the main way from the door along the perimeter to the tills
    tills: tuple[Point, ...]  # where a shopper stands to pay; the visit ends there

    @property
    def obstacles(self) -> tuple[Polygon, ...]:
        """Everything that nobody walks through."""
        return self.walls + self.shelves + self.fixtures


class FloorError(Exception):
    """A store file that describes no usable floor; the message says what to mend."""


def load_floor(path: Path) -> Floor:
    """The floor in a TOML file. Raises FloorError, also when the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise FloorError(f"The store file {path} cannot be read: {e}.") from e
    return parse_floor(text, path.name)


def supermarket() -> Floor:
    """The supermarket that comes with Corsia: 30 x 20 m, six aisles, twelve gateways."""
    file = resources.files("firmware_sim") / "stores" / "supermarket.toml"
    return parse_floor(file.read_text(encoding="utf-8"), "supermarket.toml")


def parse_floor(text: str, source: str) -> Floor:
    """The floor in the text of a store file; `source` names it in errors. Raises FloorError."""
    try:
        file = msgspec.convert(tomllib.loads(text), _StoreFile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as e:
        raise FloorError(f"The store file {source} does not describe a store: {e}.") from e
    floor = Floor(
        store_id=file.store_id,
        name=file.name,
        tz=file.tz,
        country=file.country,
        size_m=file.size_m,
        shelf_height_m=file.shelf_height_m,
        walls=tuple(_polygon(area) for area in file.walls),
        shelves=tuple(_polygon(area) for area in file.shelves),
        fixtures=tuple(_polygon(area) for area in file.fixtures),
        zones=tuple(
            Zone(z.zone_id, z.kind, z.name, _polygon(z.area), z.category) for z in file.zones
        ),
        gateways=tuple(GatewayPlace(g.gateway_id, *g.at_m) for g in file.gateways),
        racetrack=tuple(file.racetrack),
        tills=tuple(file.tills),
    )
    fault = _fault(floor)
    if fault is not None:
        raise FloorError(f"The store file {source} cannot be used: {fault}.")
    return floor


# An area is written as a list of corners, or as one rectangle: the corner nearest to the
# origin and the one opposite.
class _Rectangle(msgspec.Struct, forbid_unknown_fields=True):
    rect: tuple[float, float, float, float]


_Area = list[Point] | _Rectangle


class _ZoneEntry(msgspec.Struct, forbid_unknown_fields=True):
    zone_id: str
    kind: ZoneKind
    name: str
    area: _Area
    category: str | None = None


class _GatewayEntry(msgspec.Struct, forbid_unknown_fields=True):
    gateway_id: str
    at_m: tuple[float, float, float]


class _StoreFile(msgspec.Struct, forbid_unknown_fields=True):
    store_id: str
    name: str
    tz: str
    country: str
    size_m: tuple[float, float]
    shelf_height_m: float
    racetrack: list[Point]
    tills: list[Point]
    zones: list[_ZoneEntry]
    gateways: list[_GatewayEntry]
    walls: list[_Area] = []
    shelves: list[_Area] = []
    fixtures: list[_Area] = []


def _polygon(area: _Area) -> Polygon:
    if isinstance(area, list):
        return tuple(area)
    x0, y0, x1, y1 = area.rect
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def _fault(floor: Floor) -> str | None:
    return (
        _fault_in_header(floor)
        or _fault_in_polygons(floor)
        or _fault_in_zones(floor)
        or _fault_in_gateways(floor)
        or _fault_in_ways(floor)
    )


def _fault_in_header(floor: Floor) -> str | None:
    if min(*floor.size_m, floor.shelf_height_m) <= 0:
        return "size_m and shelf_height_m must be positive"
    if len(floor.country) != 2 or not (floor.country.isascii() and floor.country.isupper()):
        return f"country is two capital letters such as IT, not '{floor.country}'"
    try:
        ZoneInfo(floor.tz)
    except (ZoneInfoNotFoundError, ValueError):
        return f"tz is a name such as Europe/Rome, not '{floor.tz}'"
    return None


def _fault_in_polygons(floor: Floor) -> str | None:
    named = [(f"zone '{zone.zone_id}'", zone.polygon) for zone in floor.zones]
    for label, polygons in (
        ("wall", floor.walls),
        ("shelf", floor.shelves),
        ("fixture", floor.fixtures),
    ):
        named += [(f"{label} {number}", polygon) for number, polygon in enumerate(polygons, 1)]
    for label, polygon in named:
        if len(polygon) < 3:
            return f"{label} needs at least three corners"
        if not all(_is_on(floor, corner) for corner in polygon):
            return f"{label} reaches beyond the floor"
        shape = shapely.Polygon(polygon)
        if not shape.is_valid or shape.area == 0:
            return f"{label} crosses itself or is empty"
    return None


def _fault_in_zones(floor: Floor) -> str | None:
    ids = [zone.zone_id for zone in floor.zones]
    repeated = {zone_id for zone_id in ids if ids.count(zone_id) > 1}
    if repeated:
        return f"zone '{min(repeated)}' is there twice"
    for kind in (ZoneKind.ENTRANCE, ZoneKind.CHECKOUT):
        if all(zone.kind is not kind for zone in floor.zones):
            return f"there is no zone of kind {kind}"
    for one, other in combinations(floor.zones, 2):
        shared = shapely.Polygon(one.polygon).intersection(shapely.Polygon(other.polygon))
        if shared.area > MAX_OVERLAP_M2:
            return f"zones '{one.zone_id}' and '{other.zone_id}' overlap"
    return None


def _fault_in_gateways(floor: Floor) -> str | None:
    ids = [gateway.gateway_id for gateway in floor.gateways]
    if not ids:
        return "there is no gateway"
    for gateway in floor.gateways:
        if ids.count(gateway.gateway_id) > 1:
            return f"gateway '{gateway.gateway_id}' is there twice"
        if not _is_on(floor, (gateway.x_m, gateway.y_m)) or gateway.z_m <= 0:
            return f"gateway '{gateway.gateway_id}' hangs outside the store"
    return None


def _fault_in_ways(floor: Floor) -> str | None:
    if len(floor.racetrack) < 2:
        return "the racetrack needs at least two points"
    if not floor.tills:
        return "there is no till"
    checkouts = [zone.polygon for zone in floor.zones if zone.kind is ZoneKind.CHECKOUT]
    for till in floor.tills:
        if not any(shapely.Polygon(each).covers(shapely.Point(till)) for each in checkouts):
            return f"the till at {till} stands in no checkout zone"
    if not all(_is_on(floor, point) for point in floor.racetrack):
        return "the racetrack leaves the store"
    way = shapely.LineString(floor.racetrack)
    if any(way.intersects(shapely.Polygon(polygon)) for polygon in floor.obstacles):
        return "the racetrack runs through a wall, a shelf or a fixture"
    return None


def _is_on(floor: Floor, point: Point) -> bool:
    return 0 <= point[0] <= floor.size_m[0] and 0 <= point[1] <= floor.size_m[1]
