"""Plans as GeoJSON: there and back to the millimetre, and sentences for files drawn by others."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacons.floor import ZoneKind
from beacons.store_plan import GeoAnchor, StorePlan
from corsia.plan_files import PlanFileError, file_bytes, read_plan
from corsia.plan_geojson import NoAnchorError, read_geojson, write_geojson
from corsia.plan_given import Given
from tests.corsia.plan_strategies import store_plans

STORE = read_plan(Path(__file__).with_name("plan_two_floors.yaml")).stores[0]
SAID = Given(store_id="shop", name="Shop", tz="Europe/Rome", country="IT")
BOW_TIE = [[[9, 45], [9.001, 45.001], [9.001, 45], [9, 45.001], [9, 45]]]
# A floor of about 79 m by 111 m, as a person would draw it over a map.
FLOOR = {
    "type": "Feature",
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[9.0, 45.0], [9.001, 45.0], [9.001, 45.001], [9.0, 45.001], [9.0, 45.0]]],
    },
    "properties": {"part": "floor", "floor_id": "ground"},
}
ZONE = {
    "type": "Feature",
    "id": "z",
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[9.0, 45.0], [9.0005, 45.0], [9.0005, 45.0005], [9.0, 45.0]]],
    },
    "properties": {"part": "zone", "zone_id": "shoes", "name": "Shoes", "kind": "aisle"},
}
GATEWAY = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [9.0005, 45.0005]},
    "properties": {"part": "gateway", "gateway_id": "g-1", "z_m": 3},
}


def drawn(*features: object, **members: object) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features, **members}).encode()


def changed(feature: dict[str, Any], **properties: object) -> dict[str, Any]:
    return {**feature, "properties": {**feature["properties"], **properties}}


def shaped(feature: dict[str, Any], kind: str, coordinates: object) -> dict[str, Any]:
    return {**feature, "geometry": {"type": kind, "coordinates": coordinates}}


def the_store(data: bytes, given: Given = SAID) -> StorePlan:
    (store,) = read_geojson(data, "shop.geojson", given)[0].sound().stores
    return store


def faults_of(data: bytes, given: Given = SAID) -> list[str]:
    with pytest.raises(PlanFileError) as caught:
        read_geojson(data, "shop.geojson", given)[0].sound()
    return [str(fault) for fault in caught.value.faults]


def test_two_floors_go_there_and_back() -> None:
    assert the_store(write_geojson(STORE), Given()) == STORE


@settings(deadline=None)
@given(store_plans())
def test_any_plan_in_millimetres_comes_back_exactly(store: StorePlan) -> None:
    assert the_store(write_geojson(store), Given()) == store


def test_what_is_written_is_geojson_as_the_standard_wants_it() -> None:
    written = json.loads(write_geojson(STORE))
    outline = written["features"][0]["geometry"]["coordinates"][0]
    # RFC 7946: longitude before latitude, closed, counterclockwise.
    assert outline[0] == outline[-1] == [7.6824, 45.0677]
    twice_area = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(outline))
    assert twice_area > 0
    assert len({feature["id"] for feature in written["features"]}) == len(written["features"])


def test_a_clockwise_plan_is_written_counterclockwise_and_keeps_its_first_corner() -> None:
    floor = STORE.floors[1]
    turned = replace(floor, outline=(floor.outline[0], *floor.outline[:0:-1]))
    again = the_store(write_geojson(replace(STORE, floors=(STORE.floors[0], turned))), Given())
    assert again == STORE


def test_a_map_drawn_by_hand_is_laid_with_its_corner_at_the_origin() -> None:
    store = the_store(drawn(FLOOR, ZONE, GATEWAY))
    (floor,) = store.floors
    assert floor.outline == ((0.0, 0.0), (78.847, 0.0), (78.847, 111.132), (0.0, 111.132))
    assert store.anchor == GeoAnchor(9.0, 45.0)
    assert floor.zones[0].kind is ZoneKind.AISLE
    assert floor.gateways[0].y_m == pytest.approx(55.566, abs=1e-3)


def test_what_is_given_goes_before_what_is_said_and_that_before_what_is_stored() -> None:
    said = drawn(FLOOR, GATEWAY, corsia={"name": "Said", "tz": "UTC"})
    anchor = GeoAnchor(8.999, 44.999, 12.0)
    stored = replace(STORE, name="Stored", tz="Europe/Oslo", country="NO", anchor=anchor)
    store = the_store(said, Given(store_id="torino-1", tz="Europe/Rome", stores=(stored,)))
    assert (store.name, store.tz, store.country) == ("Said", "Europe/Rome", "NO")
    assert store.anchor == anchor


def test_features_of_no_known_part_are_left_out_and_counted() -> None:
    tree = {"type": "Feature", "geometry": None, "properties": {"natural": "tree"}}
    examined, notes = read_geojson(drawn(FLOOR, GATEWAY, tree, tree), "f", SAID)
    assert examined.sound().stores
    assert notes == ["left out: features without a known part (2)"]


def test_a_plan_that_lies_nowhere_is_not_written() -> None:
    with pytest.raises(NoAnchorError, match="torino-1 does not say where on Earth"):
        write_geojson(replace(STORE, anchor=None))


def test_a_file_too_large_to_be_a_plan_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.geojson"
    with path.open("wb") as file:
        file.truncate(2**36)
    assert faults_of(file_bytes(path)) == ["shop.geojson: larger than 16 MiB"]


BAD = {
    "not JSON": (b"{", "shop.geojson: not JSON:"),
    "no object": (b"[]", "shop.geojson: not GeoJSON: it holds no object"),
    "not UTF-8": (b'{"a": "\xff"}', "shop.geojson: not JSON:"),
    "deep": (b"[" * 100_000, "shop.geojson: not GeoJSON: nested too deep"),
    "no collection": (b"{}", "not a GeoJSON FeatureCollection"),
    "no feature": (drawn(FLOOR, GATEWAY, 3), "feature 3: is no GeoJSON Feature"),
    "properties": (
        drawn(FLOOR, GATEWAY, {**ZONE, "properties": 3}),
        "feature 3: its properties and geometry must be objects",
    ),
    "no floor": (drawn(ZONE), "shop.geojson: has no floor: a Polygon with the property part"),
    "two of one id": (drawn(FLOOR, FLOOR, GATEWAY), "floor 2: the floor_id ground is used twice"),
    "another floor": (
        drawn(FLOOR, GATEWAY, changed(ZONE, floor_id="attic")),
        "zone z: its floor_id is attic; the floors that could be read are ground",
    ),
    "no polygon": (
        drawn(FLOOR, GATEWAY, shaped(ZONE, "Point", [9.0, 45.0])),
        "zone z: its geometry must be a Polygon or MultiPolygon, not Point",
    ),
    "nothing": (drawn(FLOOR, GATEWAY, {**ZONE, "geometry": None}), "zone z: it has no geometry"),
    "open ring": (
        drawn(FLOOR, GATEWAY, shaped(ZONE, "Polygon", [[[9, 45], [9.1, 45], [9, 45.1], [9, 46]]])),
        "zone z: a ring must end where it begins",
    ),
    "metres": (
        drawn(FLOOR, GATEWAY, shaped(ZONE, "Polygon", [[[0, 0], [500, 0], [0, 9], [0, 0]]])),
        "zone z: (500, 0) is no place on Earth: GeoJSON is in degrees, longitude first",
    ),
    "huge": (
        drawn(FLOOR, GATEWAY, shaped(ZONE, "Polygon", [[[0, 0], [10**400, 0], [0, 9], [0, 0]]])),
        "zone z: ",
    ),
    "words": (
        drawn(FLOOR, GATEWAY, shaped(ZONE, "Polygon", [[["9", 45]] * 4])),
        "zone z: a position is made of numbers",
    ),
    "hole": (
        drawn(
            FLOOR, GATEWAY, shaped(ZONE, "Polygon", ZONE["geometry"]["coordinates"] * 2)  # type: ignore[index]
        ),
        "zone z: must be one polygon without holes",
    ),
    "crossing": (
        drawn(
            FLOOR,
            GATEWAY,
            shaped(ZONE, "Polygon", BOW_TIE),
        ),
        "zone z, polygon: Zone shoes is not a simple polygon: it meets itself at (39.42, 55.57).",
    ),
    "kind": (drawn(FLOOR, GATEWAY, changed(ZONE, kind="shelf")), "zone z, kind: must be 'aisle',"),
    "id": (drawn(FLOOR, GATEWAY, changed(ZONE, zone_id="Sh oes")), "zone z, zone_id: an id has 1"),
    "id of a number": (drawn(FLOOR, GATEWAY, changed(ZONE, zone_id=3)), "zone_id: must be text"),
    "no name": (
        drawn(FLOOR, GATEWAY, {**ZONE, "properties": {"part": "zone", "zone_id": "a"}}),
        "zone z, name: is missing",
    ),
    "no gateway": (drawn(FLOOR), "floor 1: The floor has no gateway."),
    "height": (drawn(FLOOR, changed(GATEWAY, z_m=99)), "gateway 2: Gateway g-1 hangs 99 m high"),
    "far away": (
        drawn(FLOOR, shaped(GATEWAY, "Point", [10.0, 45.0])),
        "gateway 2: lies 79 km from the plan's origin, (9, 45)",
    ),
    "level": (drawn(changed(FLOOR, level="top"), GATEWAY), "floor 1, level: must be a whole"),
    "pole": (
        drawn(FLOOR, GATEWAY, corsia={"anchor": {"longitude_deg": 9, "latitude_deg": 90}}),
        "anchor.latitude_deg: must be at most 85",
    ),
    "anchor": (drawn(FLOOR, GATEWAY, corsia={"anchor": 3}), "anchor: must be a mapping"),
    "corsia": (drawn(FLOOR, GATEWAY, corsia=3), "corsia: must be an object"),
    "tz": (drawn(FLOOR, GATEWAY), "the store, tz: no such time zone"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "said"), BAD.values(), ids=BAD.keys())
def test_each_fault_of_a_file_names_its_feature(data: bytes, said: str) -> None:
    given = replace(SAID, tz="Europe/Roma") if "tz" in said else SAID
    faults = faults_of(data, given)
    assert any(said in fault for fault in faults), faults


def test_what_nobody_says_is_asked_for_with_its_option() -> None:
    assert faults_of(drawn(FLOOR, GATEWAY), Given(country="IT")) == [
        "shop.geojson: says no store_id: give it with --store ID",
        "shop.geojson: says no name: give it with --name 'Milano, Corso Como'",
        "shop.geojson: says no tz: give it with --tz Europe/Rome",
    ]
    # To look at a plan, neither is needed.
    assert the_store(drawn(FLOOR, GATEWAY), Given(assumed="My shop")).store_id == "my-shop"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
FEATURES = st.fixed_dictionaries(
    {
        "type": st.just("Feature"),
        "geometry": JSON
        | st.fixed_dictionaries(
            {"type": st.sampled_from(["Polygon", "Point", "MultiPolygon"]), "coordinates": JSON}
        ),
        "properties": JSON
        | st.fixed_dictionaries(
            {"part": st.sampled_from(["floor", "zone", "obstacle", "gateway", "connector"])},
            optional={"floor_id": JSON, "zone_id": JSON, "kind": JSON, "level": JSON},
        ),
    }
)


@settings(deadline=None)
@given(st.lists(FEATURES, max_size=4), JSON)
def test_no_json_breaks_the_reader(features: list[Any], said: Any) -> None:
    data = drawn(FLOOR, *features, corsia=said)
    assert faults_of(data)
