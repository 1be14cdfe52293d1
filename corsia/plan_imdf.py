"""A store's plan as an IMDF archive (OGC 20-094): the files of one, by their names.

Floors become levels, obstacles fixtures, zones sections, connectors units with a relationship.
What IMDF has no word for (gateways, kinds and priorities of zones, our ids, where the plan's axes
lie) goes into the extension that the manifest names; other readers skip it.
"""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec
import shapely
from shapely.geometry import Polygon as ShapelyPolygon

from beacons.floor import FloorPlan, Zone, walkable
from beacons.geo_plane import GeoPlane
from beacons.store_plan import Connector, StorePlan
from corsia.geo_features import Json, area, collection, point, polygon
from corsia.imdf_archive import MANIFEST
from corsia.imdf_words import EXTENSION, GATEWAY, SECTION_OF, UNIT_OF, VERSION
from corsia.plan_geojson import NoAnchorError

# Names in a plan are in whatever language the shop speaks; IMDF wants one named.
LANGUAGE: Final = "en"
# Ids of features are UUIDs, the same for the same plan; this one is the seed, made once.
_SEED: Final = uuid.UUID("0f7f3a52-6f0c-4f3e-9d55-3b0f0f7f7c11")
# Half the side of the square that stands for stairs or a lift: the plan knows only the place.
_HALF_M: Final = 0.5


def imdf_files(store: StorePlan, now: datetime) -> dict[str, bytes]:
    """The files of the archive. now: when it is made. Raises NoAnchorError."""
    if store.anchor is None:
        raise NoAnchorError(store.store_id)
    features = _Writer(store, GeoPlane(store.anchor)).features()
    files = {MANIFEST: _manifest(now)}
    for kind, found in features.items():
        files[f"{kind}.geojson"] = msgspec.json.encode(collection(found, name=kind))
    return files


def _manifest(now: datetime) -> bytes:
    return msgspec.json.encode(
        {
            "version": VERSION,
            "created": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "generated_by": "Corsia",
            "language": LANGUAGE,
            "extensions": [EXTENSION],
        }
    )


class _Writer:
    def __init__(self, store: StorePlan, plane: GeoPlane) -> None:
        self._store = store
        self._plane = plane

    def features(self) -> dict[str, list[Json]]:
        """The features of each type."""
        floors = self._store.floors
        return {
            "address": [self._address()],
            "venue": [self._venue()],
            "building": [self._building()],
            "footprint": [self._footprint()],
            "level": [self._level(floor) for floor in floors],
            "unit": [
                *(self._walkway(floor) for floor in floors),
                *(unit for connector in self._store.connectors for unit in self._ways(connector)),
            ],
            "fixture": [fixture for floor in floors for fixture in self._fixtures(floor)],
            "section": [self._section(floor, zone) for floor in floors for zone in floor.zones],
            "relationship": [self._joint(connector) for connector in self._store.connectors],
            GATEWAY: [gateway for floor in floors for gateway in self._gateways(floor)],
        }

    def _id(self, *names: object) -> str:
        return str(uuid.uuid5(_SEED, "/".join(map(str, (self._store.store_id, *names)))))

    def _feature(
        self, kind: str, names: tuple[object, ...], geometry: Json | None, properties: Json
    ) -> Json:
        return {
            "id": self._id(kind, *names),
            "type": "Feature",
            "feature_type": kind,
            "geometry": geometry,
            "properties": properties,
        }

    def _label(self, text: str) -> Json:
        return {LANGUAGE: text}

    def _display(self, shape: shapely.Geometry) -> Json:
        inside = shapely.point_on_surface(shape)
        return point(self._plane, inside.x, inside.y)

    def _outlines(self) -> shapely.Geometry:
        return shapely.union_all([ShapelyPolygon(floor.outline) for floor in self._store.floors])

    def _address(self) -> Json:
        # The plan knows the country only; street and town are what it is called by.
        facts = {
            "address": self._store.name, "unit": None, "locality": self._store.name,
            "province": None, "country": self._store.country, "postal_code": None,
            "postal_code_ext": None, "postal_code_vanity": None,
        }  # fmt: skip
        return self._feature("address", (), None, facts)

    def _venue(self) -> Json:
        store = self._store
        facts = {
            "category": "retailstore", "restriction": None, "name": self._label(store.name),
            "alt_name": None, "hours": None, "website": None, "phone": None,
            "display_point": self._display(self._outlines()), "address_id": self._id("address"),
            "corsia": {
                "store_id": store.store_id, "name": store.name, "tz": store.tz,
                "country": store.country, "anchor": msgspec.to_builtins(store.anchor),
            },
        }  # fmt: skip
        return self._feature("venue", (), area(self._plane, self._outlines()), facts)

    def _building(self) -> Json:
        facts = {
            "category": "unspecified", "restriction": None, "name": self._label(self._store.name),
            "alt_name": None, "display_point": self._display(self._outlines()),
            "address_id": self._id("address"),
        }  # fmt: skip
        return self._feature("building", (), None, facts)

    def _footprint(self) -> Json:
        facts = {"category": "ground", "name": None, "building_ids": [self._id("building")]}
        return self._feature("footprint", (), area(self._plane, self._outlines()), facts)

    def _level(self, floor: FloorPlan) -> Json:
        facts = {
            "category": "unspecified", "restriction": None, "outdoor": False,
            "ordinal": floor.level, "name": self._label(floor.floor_id),
            "short_name": self._label(floor.floor_id),
            "display_point": self._display(ShapelyPolygon(floor.outline)), "address_id": None,
            "building_ids": [self._id("building")], "corsia": {"floor_id": floor.floor_id},
        }  # fmt: skip
        outline = polygon(self._plane, floor.outline)
        return self._feature("level", (floor.floor_id,), outline, facts)

    def _unit(self, floor_id: str, category: str, shape: shapely.Geometry) -> Json:
        return {
            "category": category, "restriction": None, "accessibility": None, "name": None,
            "alt_name": None, "level_id": self._id("level", floor_id),
            "display_point": self._display(shape),
        }  # fmt: skip

    def _walkway(self, floor: FloorPlan) -> Json:
        free = walkable(floor)
        facts = self._unit(floor.floor_id, "walkway", free)
        return self._feature("unit", ("walkway", floor.floor_id), area(self._plane, free), facts)

    def _ways(self, connector: Connector) -> Iterator[Json]:
        for end in connector.ends:
            shape = shapely.box(
                end.x_m - _HALF_M, end.y_m - _HALF_M, end.x_m + _HALF_M, end.y_m + _HALF_M
            )
            facts = self._unit(end.floor_id, UNIT_OF[connector.kind], shape)
            facts["display_point"] = point(self._plane, end.x_m, end.y_m)
            facts["corsia"] = {"connector_id": connector.connector_id}
            names = (connector.connector_id, end.floor_id)
            yield self._feature("unit", names, area(self._plane, shape), facts)

    def _joint(self, connector: Connector) -> Json:
        first, *between, last = [
            {"id": self._id("unit", connector.connector_id, end.floor_id), "feature_type": "unit"}
            for end in connector.ends
        ]
        facts = {
            "category": UNIT_OF[connector.kind], "direction": "undirected", "origin": first,
            "intermediary": between or None, "destination": last, "hours": None,
        }  # fmt: skip
        return self._feature("relationship", (connector.connector_id,), None, facts)

    def _fixtures(self, floor: FloorPlan) -> Iterator[Json]:
        for number, obstacle in enumerate(floor.obstacles):
            facts = {
                "category": "obstruction", "name": None, "alt_name": None, "anchor_id": None,
                "level_id": self._id("level", floor.floor_id),
                "display_point": self._display(ShapelyPolygon(obstacle)),
            }  # fmt: skip
            shape = polygon(self._plane, obstacle)
            yield self._feature("fixture", (floor.floor_id, number), shape, facts)

    def _section(self, floor: FloorPlan, zone: Zone) -> Json:
        facts = {
            "category": SECTION_OF[zone.kind], "restriction": None, "accessibility": None,
            "name": self._label(zone.name), "alt_name": None,
            "display_point": self._display(ShapelyPolygon(zone.polygon)),
            "level_id": self._id("level", floor.floor_id), "address_id": None,
            "correlation_id": None, "parents": None,
            "corsia": {
                "zone_id": zone.zone_id, "kind": zone.kind.value, "priority": zone.priority,
                "tags": sorted(zone.tags),
            },
        }  # fmt: skip
        return self._feature("section", (zone.zone_id,), polygon(self._plane, zone.polygon), facts)

    def _gateways(self, floor: FloorPlan) -> Iterator[Json]:
        for place in floor.gateways:
            facts: Json = {
                "level_id": self._id("level", floor.floor_id),
                "corsia": {"gateway_id": place.gateway_id, "z_m": place.z_m},
            }
            at = point(self._plane, place.x_m, place.y_m)
            yield self._feature(GATEWAY, (place.gateway_id,), at, facts)
