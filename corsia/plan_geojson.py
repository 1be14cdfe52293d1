"""A store's plan as one GeoJSON file, out and in: floors, obstacles, zones, gateways, connectors.

Each feature says in its property `part` what it is, and on which floor. The store itself stands in
the member `corsia` of the FeatureCollection. docs/store-plans.md describes the form.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from beacons.floor import FloorPlan, Point
from beacons.geo_plane import GeoPlane, anchor_around
from beacons.store_plan import GeoAnchor, StorePlan
from corsia.geo_features import (
    Feature,
    FeatureError,
    Json,
    collection,
    features_of,
    point,
    polygon,
    read_json,
)
from corsia.plan_draft import PlanDraft, read_anchor
from corsia.plan_files import Examined, PlanFileError
from corsia.plan_given import Given
from corsia.yaml_lines import Fault

VERSION: Final = "1"
PARTS: Final = ("floor", "obstacle", "zone", "gateway", "connector")


class NoAnchorError(Exception):
    """A plan that lies nowhere on Earth."""

    def __init__(self, store_id: str) -> None:
        super().__init__(
            f"the plan of {store_id} does not say where on Earth it lies: give --anchor"
            " LONGITUDE,LATITUDE,BEARING of its origin (bearing: where its y axis points,"
            " clockwise from north)"
        )


def write_geojson(store: StorePlan) -> bytes:
    """The plan as GeoJSON. Raises NoAnchorError."""
    if store.anchor is None:
        raise NoAnchorError(store.store_id)
    plane = GeoPlane(store.anchor)
    about = {
        "version": VERSION,
        "store_id": store.store_id,
        "name": store.name,
        "tz": store.tz,
        "country": store.country,
        "anchor": msgspec.to_builtins(store.anchor),
    }
    features = [feature for floor in store.floors for feature in _floor(plane, floor)]
    features += [
        _feature(
            f"connector:{connector.connector_id}:{end.floor_id}",
            point(plane, end.x_m, end.y_m),
            part="connector",
            floor_id=end.floor_id,
            connector_id=connector.connector_id,
            kind=connector.kind.value,
        )
        for connector in store.connectors
        for end in connector.ends
    ]
    written = msgspec.json.encode(collection(features, corsia=about))
    return msgspec.json.format(written, indent=1) + b"\n"


def read_geojson(data: bytes, file: str, given: Given) -> tuple[Examined, list[str]]:
    """What the file holds, with its faults; and notes on what was left out.

    Raises PlanFileError when it is no GeoJSON, or lies nowhere.
    """
    faults: list[Fault] = []
    try:
        whole = read_json(file, data)
        features = features_of(file, whole, "part", faults)
        said = whole.get("corsia", {})
        anchor = _anchor(file, said, given, features)
    except FeatureError as error:
        raise PlanFileError([error.fault]) from error
    draft = PlanDraft(file, anchor, faults)
    _draw(draft, features)
    unknown = sum(feature.kind not in PARTS for feature in features)
    notes = [f"left out: features without a known part ({unknown})"] if unknown else []
    notes += draft.hang(given.gateways, given.stored(said))
    return draft.examined(given.store_facts(file, said, faults)), notes


def _floor(plane: GeoPlane, floor: FloorPlan) -> Iterator[Json]:
    here = {"floor_id": floor.floor_id}
    outline = polygon(plane, floor.outline)
    yield _feature(f"floor:{floor.floor_id}", outline, part="floor", **here, level=floor.level)
    for number, obstacle in enumerate(floor.obstacles, start=1):
        name = f"obstacle:{floor.floor_id}:{number}"
        yield _feature(name, polygon(plane, obstacle), part="obstacle", **here)
    for zone in floor.zones:
        facts = {"zone_id": zone.zone_id, "name": zone.name, "kind": zone.kind.value}
        more = {"priority": zone.priority, "tags": sorted(zone.tags)}
        shape = polygon(plane, zone.polygon)
        yield _feature(f"zone:{zone.zone_id}", shape, part="zone", **here, **facts, **more)
    for place in floor.gateways:
        at = point(plane, place.x_m, place.y_m)
        facts = {"gateway_id": place.gateway_id}
        yield _feature(
            f"gateway:{place.gateway_id}", at, part="gateway", **here, **facts, z_m=place.z_m
        )


def _feature(feature_id: str, geometry: Json, **properties: object) -> Json:
    return {"type": "Feature", "id": feature_id, "geometry": geometry, "properties": properties}


def _anchor(file: str, said: object, given: Given, features: list[Feature]) -> GeoAnchor:
    """Where the plan lies: as given, as the file says, as stored, or around its floors."""
    if not isinstance(said, dict):
        raise FeatureError(Fault(file, None, "corsia", "must be an object"))
    if given.anchor is not None:
        return given.anchor
    if (anchor := said.get("anchor")) is not None:
        return read_anchor(file, anchor)
    if (stored := given.stored(said)) is not None and stored.anchor is not None:
        return stored.anchor
    floors = [feature for feature in features if feature.kind == "floor"]
    if not floors:
        what = "has no floor: a Polygon with the property part = floor"
        raise FeatureError(Fault(file, None, "", what))
    return anchor_around([corner for floor in floors for corner in floor.areas()[0].edge])


def _draw(draft: PlanDraft, features: list[Feature]) -> None:
    """Every feature in its place; those that have none are faults."""
    for feature in sorted(features, key=lambda feature: feature.kind != "floor"):
        try:
            match feature.kind:
                case "floor":
                    name = feature.text("floor_id") or feature.feature_id
                    draft.floor(feature, name, feature.properties.get("level", 0), _edge(feature))
                case "obstacle":
                    draft.obstacle(feature, _floor_of(feature, draft), _edge(feature))
                case "zone":
                    facts = _some(feature, "zone_id", "name", "kind", "priority", "tags")
                    draft.zone(feature, _floor_of(feature, draft), facts, _edge(feature))
                case "gateway":
                    facts = _some(feature, "gateway_id", "z_m")
                    draft.gateway(feature, _floor_of(feature, draft), facts, feature.point())
                case "connector":
                    name = feature.text("connector_id") or feature.feature_id
                    floor_id = feature.text("floor_id") or ""
                    kind = feature.properties.get("kind")
                    draft.connector_end(feature, floor_id, name, kind, feature.point())
        except FeatureError as error:
            draft.faults.append(error.fault)


def _floor_of(feature: Feature, draft: PlanDraft) -> str:
    """The floor that a feature is on; it need not say so where there is only one."""
    name = feature.text("floor_id")
    if name is None and len(draft.floor_ids) == 1:
        return draft.floor_ids[0]
    if name not in draft.floor_ids:
        known = ", ".join(draft.floor_ids) or "none"
        raise feature.wrong(f"its floor_id is {name}; the floors that could be read are {known}")
    return name


def _edge(feature: Feature) -> tuple[Point, ...]:
    areas = feature.areas()
    if len(areas) > 1 or areas[0].holes:
        raise feature.wrong(
            "must be one polygon without holes: draw a hole as an obstacle, parts as features"
        )
    return areas[0].edge


def _some(feature: Feature, *keys: str) -> Json:
    """Those of the properties that are there; what is missing is said by the form."""
    return {key: feature.properties[key] for key in keys if key in feature.properties}
