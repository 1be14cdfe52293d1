"""Features of GeoJSON (RFC 7946): read with bounds, each fault naming its feature; and written."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import shapely

from beacons.floor import Point, Polygon
from beacons.geo_plane import GeoPlane
from corsia.yaml_lines import MAX_BYTES, Fault

# A mall has a few thousand.
MAX_FEATURES: Final = 20_000
# The most of one drawing; a round column drawn by CAD has 64.
MAX_CORNERS: Final = 5_000
# A tenth of a millimetre on the ground.
DECIMALS: Final = 9
# Surveys and drawings are good to a centimetre; rounding makes a second trip change nothing.
MM: Final = 3

Json = dict[str, Any]


class FeatureError(Exception):
    """A feature, or a file of them, that cannot be read."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Ring:
    """One part of an area in degrees of longitude and latitude: its edge and its holes."""

    edge: tuple[Point, ...]
    holes: tuple[tuple[Point, ...], ...]


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature: file and id as people find it, its properties, its geometry as it was written."""

    file: str
    feature_id: str
    kind: str
    properties: Json
    geometry: Json | None
    extension: Json

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        return f"{self.kind} {self.feature_id}".strip()

    def wrong(self, what: str) -> FeatureError:
        """The error that says what is wrong with it."""
        return FeatureError(Fault(self.file, None, self.name, what))

    def text(self, key: str) -> str | None:
        """A property that is text, when there is one."""
        value = self.properties.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(f"{key} must be text")
        return value

    def word(self, key: str) -> str:
        """A property that is text; empty when it is not, or not there."""
        value = self.properties.get(key)
        return value if isinstance(value, str) else ""

    def areas(self) -> list[Ring]:
        """The parts of its polygon or multipolygon. Raises FeatureError."""
        kind, coordinates = self._coordinates()
        match kind:
            case "Polygon":
                return [self._area(coordinates)]
            case "MultiPolygon" if isinstance(coordinates, list) and coordinates:
                return [self._area(part) for part in coordinates]
            case _:
                raise self.wrong(f"its geometry must be a Polygon or MultiPolygon, not {kind}")

    def point(self) -> Point:
        """The place of a point, or one inside an area. Raises FeatureError."""
        kind, coordinates = self._coordinates()
        if kind == "Point":
            return self._position(coordinates)
        inside = shapely.Polygon(self.areas()[0].edge).representative_point()
        return inside.x, inside.y

    def display_point(self) -> Point | None:
        """The place that its `display_point` names, when it does. Raises FeatureError."""
        named = self.properties.get("display_point")
        if not isinstance(named, dict) or named.get("type") != "Point":
            return None
        return self._position(named.get("coordinates"))

    def _coordinates(self) -> tuple[str, object]:
        if self.geometry is None:
            raise self.wrong("it has no geometry")
        return str(self.geometry.get("type")), self.geometry.get("coordinates")

    def _area(self, rings: object) -> Ring:
        if not isinstance(rings, list) or not rings:
            raise self.wrong("its polygon has no ring")
        edge, *holes = [self._ring(ring) for ring in rings]
        return Ring(edge, tuple(holes))

    def _ring(self, positions: object) -> tuple[Point, ...]:
        if not isinstance(positions, list) or len(positions) < 4:
            raise self.wrong("a ring needs at least 4 positions, the last as the first")
        if len(positions) > MAX_CORNERS:
            raise self.wrong(f"a ring has {len(positions)} positions; {MAX_CORNERS} are possible")
        corners = tuple(map(self._position, positions))
        if corners[0] != corners[-1]:
            raise self.wrong("a ring must end where it begins")
        return corners[:-1]

    def _position(self, position: object) -> Point:
        if not isinstance(position, list) or not 2 <= len(position) <= 3:
            raise self.wrong("a position is [longitude, latitude]")
        for value in position:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise self.wrong("a position is made of numbers")
        longitude, latitude = position[:2]
        if not (abs(longitude) <= 180 and abs(latitude) <= 90):
            # Integers of JSON have no bound, and some cannot be printed.
            shown = ", ".join(f"{n:g}" if abs(n) < 1e9 else "..." for n in (longitude, latitude))
            raise self.wrong(
                f"({shown}) is no place on Earth: GeoJSON is in degrees, longitude first"
            )
        return float(longitude), float(latitude)


def read_json(file: str, data: bytes) -> Json:
    """The JSON object in a file's bytes. Raises FeatureError."""
    if len(data) > MAX_BYTES:
        raise FeatureError(Fault(file, None, "", f"larger than {MAX_BYTES // 2**20} MiB"))
    try:
        value = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FeatureError(Fault(file, None, "", f"not JSON: {error}")) from error
    except RecursionError as error:
        raise FeatureError(Fault(file, None, "", "not GeoJSON: nested too deep")) from error
    if not isinstance(value, dict):
        raise FeatureError(Fault(file, None, "", "not GeoJSON: it holds no object"))
    return value


def features_of(file: str, collection: Json, kind_key: str, faults: list[Fault]) -> list[Feature]:
    """The features of a FeatureCollection; those without form are left out, as faults.

    kind_key: the member or property that says what a feature is. Raises FeatureError when it is
    no FeatureCollection.
    """
    features = collection.get("features")
    if collection.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise FeatureError(Fault(file, None, "", "not a GeoJSON FeatureCollection"))
    if len(features) > MAX_FEATURES:
        what = f"holds {len(features)} features; {MAX_FEATURES} are possible"
        raise FeatureError(Fault(file, None, "", what))
    found = []
    for number, feature in enumerate(features, start=1):
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            faults.append(Fault(file, None, f"feature {number}", "is no GeoJSON Feature"))
            continue
        properties = feature.get("properties") or {}
        geometry = feature.get("geometry")
        extension = properties.get("corsia", {}) if isinstance(properties, dict) else {}
        if (
            not isinstance(properties, dict)
            or not isinstance(extension, dict)
            or not (geometry is None or isinstance(geometry, dict))
        ):
            what = "its properties and geometry must be objects, or null"
            faults.append(Fault(file, None, f"feature {number}", what))
            continue
        kind = feature.get(kind_key, properties.get(kind_key, ""))
        found.append(
            Feature(
                file, str(feature.get("id", number)), str(kind), properties, geometry, extension
            )
        )
    return found


def corners(plane: GeoPlane, edge: npt.ArrayLike) -> Polygon:
    """A ring in degrees as corners in the plan, to the millimetre."""
    metres = np.round(plane.metres(edge), MM) + 0.0  # no negative zero
    return tuple((float(x), float(y)) for x, y in metres)


def collection(features: Iterable[Json], **members: object) -> Json:
    """A FeatureCollection."""
    return {"type": "FeatureCollection", **members, "features": list(features)}


def polygon(plane: GeoPlane, ring: Polygon) -> Json:
    """A polygon of the plan as a geometry: closed, counterclockwise (RFC 7946, 3.1.6)."""
    return {"type": "Polygon", "coordinates": [_closed(plane, ring, counterclockwise=True)]}


def area(plane: GeoPlane, shape: shapely.Geometry) -> Json:
    """Any area of the plan, with its holes, as a geometry."""
    parts = [
        [
            _closed(plane, shapely.get_coordinates(part.exterior)[:-1], counterclockwise=True),
            *(
                _closed(plane, shapely.get_coordinates(hole)[:-1], counterclockwise=False)
                for hole in part.interiors
            ),
        ]
        for part in shapely.get_parts(shape)
        if isinstance(part, shapely.Polygon)
    ]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def point(plane: GeoPlane, x_m: float, y_m: float) -> Json:
    """A place of the plan as a geometry."""
    return {"type": "Point", "coordinates": _rounded(plane, [(x_m, y_m)])[0]}


def _closed(plane: GeoPlane, ring: Any, *, counterclockwise: bool) -> list[list[float]]:
    xy = np.asarray(ring, dtype=np.float64)
    if shapely.is_ccw(shapely.linearrings(xy)) != counterclockwise:
        # The first corner stays the first.
        xy = np.concatenate([xy[:1], xy[:0:-1]])
    return _rounded(plane, np.concatenate([xy, xy[:1]]))


def _rounded(plane: GeoPlane, xy: Any) -> list[list[float]]:
    rows: list[list[float]] = np.round(plane.degrees(xy), DECIMALS).tolist()
    return rows
