"""Plans as IMDF archives: ours there and back, others' as far as they go, bad ones in sentences."""

import io
import json
import re
import zipfile
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beacons.floor import ZoneKind
from beacons.store_plan import ConnectorKind, StorePlan
from corsia.gateway_list import read_gateways
from corsia.imdf_archive import MAX_FILES, MAX_TOTAL_BYTES, write_archive
from corsia.imdf_words import CONNECTOR_OF, EXTENSION, KIND_OF, SECTION_OF, UNIT_OF
from corsia.plan_files import PlanFileError, read_plan
from corsia.plan_given import Given
from corsia.plan_imdf import imdf_files
from corsia.plan_imdf_read import read_imdf
from tests.corsia.plan_strategies import store_plans

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
STORE = read_plan(Path(__file__).with_name("plan_two_floors.yaml")).stores[0]
SAID = Given(store_id="shop", tz="Europe/Rome")
MANIFEST = {"version": "1.0.0", "created": "2026-11-21T10:00:00", "language": "it"}
# One step is 0.08 m east and 0.11 m north, so that a floor of 1000 steps is 79 m by 111 m.
DEGREE = 1e-6


def area(x: float, y: float, width: float, depth: float) -> dict[str, Any]:
    ring = [(x, y), (x + width, y), (x + width, y + depth), (x, y + depth), (x, y)]
    return {
        "type": "Polygon",
        "coordinates": [[[9.0 + DEGREE * a, 45.0 + DEGREE * b] for a, b in ring]],
    }


def feature(kind: str, named: str, geometry: object, **properties: object) -> dict[str, Any]:
    return {
        "type": "Feature",
        "feature_type": kind,
        "id": named,
        "geometry": geometry,
        "properties": properties,
    }


def level(name: str, ordinal: int, geometry: object) -> dict[str, Any]:
    return feature("level", name, geometry, ordinal=ordinal, short_name={"it": name, "en": "Floor"})


def section(name: str, level_id: str, category: str, geometry: object) -> dict[str, Any]:
    return feature(
        "section", name, geometry, level_id=level_id, category=category, name={"it": name}
    )


def unit(
    name: str, level_id: str, category: str, geometry: object, **more: object
) -> dict[str, Any]:
    return feature("unit", name, geometry, level_id=level_id, category=category, **more)


# A map as a map maker draws one, without anything of ours.
FOREIGN = {
    "venue": [feature("venue", "v", None, name={"en": "Mall", "it": "Centro"})],
    "address": [feature("address", "a", None, country="IT")],
    "level": [
        level("Piano terra", 0, area(0, 0, 1000, 1000)),
        level("Primo piano", 1, area(0, 0, 1000, 500)),
        level("Garage", -1, area(0, 0, 1000, 1000)),
    ],
    "section": [
        section("Moda", "Piano terra", "retaildepartment", area(0, 0, 600, 600)),
        section("Cravatte", "Piano terra", "exhibit", area(100, 100, 200, 200)),
        section("Giochi", "Piano terra", "gambling", area(0, 700, 300, 300)),
        section("Scarpe", "Primo piano", "retail", area(0, 0, 600, 400)),
        section("Scarpe", "Primo piano", "retail", area(700, 0, 200, 400)),
    ],
    "unit": [
        unit("walk", "Piano terra", "walkway", area(0, 0, 1000, 1000)),
        unit("cashroom", "Piano terra", "nonpublic", area(900, 900, 50, 50)),
        unit("staff", "Piano terra", "room", area(900, 800, 50, 50), restriction="employeesonly"),
        unit("up-0", "Piano terra", "stairs", area(800, 100, 40, 40)),
        unit("up-1", "Primo piano", "stairs", area(810, 110, 40, 40)),
        unit("lift-0", "Piano terra", "elevator", area(700, 100, 40, 40)),
        unit("lift-1", "Primo piano", "elevator", area(950, 100, 40, 40)),
        unit("dead-end", "Piano terra", "ramp", area(0, 900, 40, 40)),
    ],
    "relationship": [
        feature(
            "relationship",
            "r",
            None,
            category="elevator",
            origin={"id": "lift-0", "feature_type": "unit"},
            intermediary=None,
            destination={"id": "lift-1", "feature_type": "unit"},
        )
    ],
    "fixture": [
        feature("fixture", "shelf", area(200, 400, 100, 20), level_id="Piano terra"),
        feature(
            "fixture",
            "counter",
            {
                "type": "MultiPolygon",
                "coordinates": [
                    area(400, 700, 20, 20)["coordinates"] + area(405, 705, 5, 5)["coordinates"],
                    area(500, 700, 20, 20)["coordinates"],
                ],
            },
            level_id="Piano terra",
        ),
    ],
    "amenity": [feature("amenity", "wc", {"type": "Point", "coordinates": [9, 45]})],
    "acme-shelf": [feature("acme-shelf", "1", None)],
}  # fmt: skip
GATEWAYS = (
    "gateway_id,floor_id,x_m,y_m,z_m\n"
    "g-1,piano-terra,10,10,3\ng-2,piano-terra,60,100,3\ng-3,primo-piano,30,20,3\n"
)


def files_of(features: dict[str, list[Any]], manifest: object = MANIFEST) -> dict[str, bytes]:
    return {
        "manifest.json": json.dumps(manifest).encode(),
        **{
            f"{kind}.geojson": json.dumps({"type": "FeatureCollection", "features": some}).encode()
            for kind, some in features.items()
        },
    }


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "map.zip"


def the_store(path: Path, said: Given = SAID) -> StorePlan:
    (store,) = read_imdf(path, said)[0].sound().stores
    return store


def faults_of(path: Path, said: Given = SAID) -> list[str]:
    with pytest.raises(PlanFileError) as caught:
        read_imdf(path, said)[0].sound()
    return [str(fault) for fault in caught.value.faults]


@pytest.fixture
def listed(tmp_path: Path) -> Given:
    path = tmp_path / "gateways.csv"
    path.write_text(GATEWAYS)
    return replace(SAID, gateways=read_gateways(path))


def test_two_floors_go_there_and_back(archive: Path) -> None:
    write_archive(archive, imdf_files(STORE, NOW))
    assert the_store(archive, Given()) == STORE


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(store_plans())
def test_any_plan_in_millimetres_comes_back_exactly(archive: Path, store: StorePlan) -> None:
    write_archive(archive, imdf_files(store, NOW))
    assert the_store(archive, Given()) == store


def test_a_folder_is_an_archive_too(tmp_path: Path) -> None:
    for name, data in imdf_files(STORE, NOW).items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "notes.txt").write_text("not of the archive")
    assert the_store(tmp_path, Given()) == STORE


def test_an_archive_may_hold_its_files_in_a_folder_as_a_mac_packs_it(archive: Path) -> None:
    with zipfile.ZipFile(archive, "w") as packed:
        for name, data in imdf_files(STORE, NOW).items():
            packed.writestr(f"torino/{name}", data)
            packed.writestr(f"__MACOSX/torino/{name}", b"\0")
    assert the_store(archive, Given()) == STORE


def test_what_is_written_is_imdf_as_the_standard_wants_it() -> None:
    files = imdf_files(STORE, NOW)
    manifest = json.loads(files.pop("manifest.json"))
    assert (manifest["version"], manifest["created"]) == ("1.0.0", "2026-11-21T10:00:00Z")
    assert manifest["extensions"] == [EXTENSION]
    features = {one["id"]: one for data in files.values() for one in json.loads(data)["features"]}
    levels = {name for name, one in features.items() if one["feature_type"] == "level"}
    for name, data in files.items():
        for one in json.loads(data)["features"]:
            assert f"{one['feature_type']}.geojson" == name
            properties = one["properties"]
            assert properties.get("level_id", next(iter(levels))) in levels
            assert properties.get("address_id") in {None, *features}
            assert all(building in features for building in properties.get("building_ids", []))
    joint = next(one for one in features.values() if one["feature_type"] == "relationship")
    assert features[joint["properties"]["origin"]["id"]]["properties"]["category"] == "stairs"
    assert len(features) == sum(len(json.loads(data)["features"]) for data in files.values())


def test_the_same_plan_makes_the_same_bytes(archive: Path) -> None:
    write_archive(archive, imdf_files(STORE, NOW))
    first = archive.read_bytes()
    write_archive(archive, imdf_files(STORE, NOW))
    assert archive.read_bytes() == first


def test_each_kind_has_a_category_of_its_own_and_back() -> None:
    assert {KIND_OF[SECTION_OF[kind]] for kind in ZoneKind} == set(ZoneKind)
    assert {CONNECTOR_OF[UNIT_OF[kind]] for kind in ConnectorKind} == set(ConnectorKind)


def test_the_document_tells_every_category_as_it_is_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "store-plans.md").read_text()
    rows = re.findall(
        r"^\| (`.+?) \| ([a-z ]+)(?:: .*)? \|$", page[page.index("section cat") :], re.MULTILINE
    )
    told = {
        category: ZoneKind(kind.strip().replace(" ", "_"))
        for categories, kind in rows
        for category in re.findall(r"`([a-z]+)`", categories)
    }
    assert told == KIND_OF


def test_without_the_extension_kinds_are_read_from_the_categories(archive: Path) -> None:
    files = imdf_files(STORE, NOW)
    sections = json.loads(files["section.geojson"])
    for one in sections["features"]:
        del one["properties"]["corsia"]
    write_archive(archive, files | {"section.geojson": json.dumps(sections).encode()})

    ground, upper = the_store(archive, Given()).floors

    assert [(zone.zone_id, zone.kind, zone.priority) for zone in ground.zones] == [
        ("entrance", ZoneKind.ENTRANCE, 0),
        ("shirts", ZoneKind.AISLE, 0),
        ("ties", ZoneKind.PROMO, 1),  # it lies in shirts
        ("tills", ZoneKind.CHECKOUT, 0),
    ]
    assert [zone.zone_id for zone in upper.zones] == ["shoes", "fitting-rooms"]


def test_a_map_drawn_by_others_becomes_a_plan(archive: Path, listed: Given) -> None:
    write_archive(archive, files_of(FOREIGN))

    examined, notes = read_imdf(archive, listed)

    (store,) = examined.sound().stores
    ground, upper = store.floors
    assert (store.name, store.country) == ("Centro", "IT")
    assert [(floor.floor_id, floor.level) for floor in store.floors] == [
        ("piano-terra", 0),
        ("primo-piano", 1),
    ]
    assert ground.outline[2] == pytest.approx((78.847, 111.132), abs=0.002)
    assert [(zone.zone_id, zone.kind, zone.priority) for zone in ground.zones] == [
        ("moda", ZoneKind.AISLE, 0),
        ("cravatte", ZoneKind.PROMO, 1),
        ("giochi", ZoneKind.QUIET, 0),
    ]
    assert [zone.zone_id for zone in upper.zones] == ["scarpe", "scarpe-2"]
    # The shelf, the two parts of the counter with its inside, the cash room, the staff's room.
    assert len(ground.obstacles) == 5
    assert [(way.connector_id, way.kind, len(way.ends)) for way in store.connectors] == [
        ("lift", ConnectorKind.LIFT, 2),
        ("stairs", ConnectorKind.STAIRS, 2),
    ]
    assert notes == [
        "left out: level Garage, which has no section",
        "zone giochi is quiet: nothing here answers to the category 'gambling'",
        "left out: stairs, lifts and the like that join no floors (1)",
        "left out: features of types that are not of IMDF (1)",
    ]


def test_a_map_without_gateways_says_so_for_each_floor(archive: Path) -> None:
    write_archive(archive, files_of(FOREIGN))
    said = faults_of(archive)
    assert said == [
        "map.zip: level Piano terra: The floor has no gateway.",
        "map.zip: level Primo piano: The floor has no gateway.",
    ]


def test_floors_of_a_new_map_keep_the_gateways_that_are_stored(archive: Path) -> None:
    bare = replace(STORE, floors=tuple(replace(floor, gateways=()) for floor in STORE.floors))
    write_archive(archive, imdf_files(bare, NOW))
    assert any("has no gateway" in fault for fault in faults_of(archive, Given()))

    examined, notes = read_imdf(archive, Given(stores=(STORE,)))

    assert examined.sound().stores == (STORE,)
    assert notes == [
        "floor ground keeps its 3 gateways, as they are stored",
        "floor upper keeps its 3 gateways, as they are stored",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("g.csv", "gateway_id,floor_id,z_m\n", "g.csv: its first line must name gateway_id"),
        ("g.csv", "", "g.csv: its first line must name gateway_id"),
        ("g.json", "{}", "g.json: not a GeoJSON FeatureCollection"),
        (
            "g.csv",
            GATEWAYS.replace("primo-piano", "attico"),
            "g.csv line 4: its floor_id is attico; the floors of the plan are piano-terra,",
        ),
        ("g.csv", GATEWAYS.replace("60", "sixty"), "g.csv line 3, x_m: must be a number"),
        ("g.csv", GATEWAYS.replace("g-2", "G 2"), "g.csv line 3, gateway_id: an id has 1"),
        ("g.csv", GATEWAYS.replace("g-2", "g-1"), "g.csv line 3, gateway_id: g-1 is used twice"),
        (
            "g.csv",
            "gateway_id,floor_id,z_m,longitude_deg,latitude_deg\ng-1,piano-terra,3,9.1\n",
            "g.csv line 2: has no longitude and latitude",
        ),
        (
            "g.csv",
            "gateway_id,floor_id,z_m,longitude_deg,latitude_deg\ng-1,piano-terra,3,9.1,nan\n",
            "g.csv line 2: is no place on Earth",
        ),
    ],
)
def test_a_faulty_list_of_gateways_names_its_line(
    archive: Path, name: str, text: str, said: str
) -> None:
    write_archive(archive, files_of(FOREIGN))
    path = archive.with_name(name)
    path.write_text(text)
    with pytest.raises(PlanFileError) as caught:
        read_imdf(archive, replace(SAID, gateways=read_gateways(path)))[0].sound()
    assert any(said in str(fault) for fault in caught.value.faults), caught.value.faults


def test_gateways_may_be_listed_in_degrees(archive: Path) -> None:
    write_archive(archive, files_of(FOREIGN))
    text = "gateway_id,floor_id,z_m,longitude_deg,latitude_deg\n"
    text += "g-1,piano-terra,3,9.0005,45.0005\ng-2,primo-piano,3,9.0005,45.0002\n"
    table = archive.with_name("g.csv")
    table.write_text(text)
    points = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [9.0005, latitude]},
            "properties": {"part": "gateway", "gateway_id": name, "floor_id": floor, "z_m": 3},
        }
        for name, floor, latitude in (
            ("g-1", "piano-terra", 45.0005), ("g-2", "primo-piano", 45.0002),
        )
    ]  # fmt: skip
    drawing = archive.with_name("g.geojson")
    drawing.write_text(json.dumps({"type": "FeatureCollection", "features": points}))

    from_table, from_drawing = (
        the_store(archive, replace(SAID, gateways=read_gateways(path))) for path in (table, drawing)
    )

    assert from_table == from_drawing
    place = from_table.floors[0].gateways[0]
    assert (place.x_m, place.y_m) == pytest.approx((39.423, 55.566), abs=0.002)


def without(kind: str) -> dict[str, list[Any]]:
    return {name: some for name, some in FOREIGN.items() if name != kind}


def with_(kind: str, *features: object) -> dict[str, bytes]:
    return files_of(FOREIGN | {kind: [*FOREIGN[kind], *features]})


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "map.zip: holds no manifest.json: it is no IMDF archive"),
        (files_of({}, {"version": "2.0.0"}), "manifest.json: its IMDF version is '2.0.0'"),
        (files_of({}, []), "manifest.json: not GeoJSON: it holds no object"),
        (files_of(without("level")), "map.zip: holds no level: it has no floor"),
        (
            with_("section", section("Bar", "Attico", "retail", area(0, 0, 9, 9))),
            "section.geojson: section Bar: its level_id is Attico, and there is no such level",
        ),
        (
            with_("section", section("Bar", "Piano terra", "retail", None)),
            "section.geojson: section Bar: it has no geometry",
        ),
        (
            with_("fixture", feature("fixture", "x", {"type": "Point"}, level_id="Piano terra")),
            "fixture.geojson: fixture x: its geometry must be a Polygon or MultiPolygon, not Point",
        ),
        (
            with_("section", section("Bar", "Piano terra", "retail", area(900, 0, 500, 100))),
            "map.zip: section Bar, polygon: Zone bar lies 80% outside the floor.",
        ),
        (
            with_("level", level("Torre", 2, {"type": "Polygon", "coordinates": 3})),
            "level.geojson: level Torre: its polygon has no ring",
        ),
        (
            with_("unit", unit("u", "Piano terra", "storage", area(0, 0, 1, 1), restriction=3)),
            "unit.geojson: unit u: restriction must be text",
        ),
        (
            with_("unit", {**unit("u", "Piano terra", "storage", None), "properties": [1]}),
            "unit.geojson: feature 9: its properties and geometry must be objects, or null",
        ),
    ],
)  # fmt: skip
def test_each_fault_names_file_and_feature(
    archive: Path, listed: Given, files: dict[str, bytes], said: str
) -> None:
    write_archive(archive, files)
    assert any(said in fault for fault in faults_of(archive, listed)), faults_of(archive, listed)


def packed(*entries: tuple[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return data.getvalue()


BOMB = packed(("manifest.json", b"{}"), ("unit.geojson", b" " * (17 * 2**20)))
MANY = packed(*((f"{n}.txt", b"") for n in range(MAX_FILES + 1)))
LARGE = packed(*((f"{name}.geojson", b" " * (15 * 2**20)) for name in ("a", "b", "c", "d", "e")))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is no zip archive that can be read"),
        (b"PK\x03\x04" + b"x" * 40, "is no zip archive that can be read"),
        (BOMB, "unit.geojson is larger than 16 MiB"),
        (LARGE, f"holds more than {MAX_TOTAL_BYTES // 2**20} MiB"),
        (MANY, f"holds {MAX_FILES + 1} files; {MAX_FILES} are possible"),
        (packed(("../level.geojson", b"{}")), "names a file outside itself: '../level.geojson'"),
        (
            packed(("/etc/level.geojson", b"{}")),
            "names a file outside itself: '/etc/level.geojson'",
        ),
        (packed(("a\\..\\level.geojson", b"{}")), "names a file outside itself"),
        (packed(("a/unit.geojson", b"{}"), ("b/unit.geojson", b"{}")), "holds unit.geojson twice"),
    ],
    ids=["empty", "cut", "bomb", "large", "many", "parent", "absolute", "backslash", "twice"],
)
def test_archives_that_want_to_harm_are_refused(archive: Path, data: bytes, said: str) -> None:
    archive.write_bytes(data)
    assert said in "\n".join(faults_of(archive))


def test_an_archive_too_large_to_be_one_is_not_opened(archive: Path) -> None:
    with archive.open("wb") as file:
        file.truncate(MAX_TOTAL_BYTES + 1)
    assert faults_of(archive) == ["map.zip: is larger than 64 MiB"]


def test_an_encrypted_archive_is_refused(archive: Path) -> None:
    data = bytearray(packed(("manifest.json", json.dumps(MANIFEST).encode())))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    archive.write_bytes(bytes(data))
    assert "manifest.json is encrypted" in "\n".join(faults_of(archive))


def test_a_file_that_is_not_there_says_so(archive: Path) -> None:
    assert faults_of(archive) == ["map.zip: cannot be read: No such file or directory"]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


OURS = ("floor_id", "zone_id", "kind", "priority", "connector_id", "gateway_id", "z_m", "anchor")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_value_in_an_archive_breaks_the_reader(
    archive: Path, listed: Given, data: st.DataObject
) -> None:
    features = json.loads(json.dumps(FOREIGN))
    one = data.draw(st.sampled_from(features[data.draw(st.sampled_from(sorted(features)))]))
    extension = st.dictionaries(st.sampled_from(OURS), JSON) | JSON
    one["properties"]["corsia"] = data.draw(extension)
    where = data.draw(st.sampled_from([one, one["properties"]]))
    where[data.draw(st.sampled_from(sorted(where)))] = data.draw(JSON)
    write_archive(archive, files_of(features))

    with suppress(PlanFileError):
        examined, notes = read_imdf(archive, listed)
        assert all(map(str, (*examined.form, *examined.drawing, *notes)))
