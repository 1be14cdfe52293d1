"""The picture of a plan: it is SVG, shows what is there, and marks each finding once."""

import math
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

from hypothesis import given, settings

from beacons.floor import GatewayPlace, Zone, ZoneKind
from beacons.plan_lint import lint
from beacons.store_plan import StorePlan
from corsia.plan_files import read_plan
from corsia.plan_picture import plan_svg
from tests.corsia.plan_strategies import store_plans

STORE = read_plan(Path(__file__).with_name("plan_two_floors.yaml")).stores[0]
SVG = "{http://www.w3.org/2000/svg}"


def drawn(store: StorePlan) -> ET.Element:
    return ET.fromstring(plan_svg(store, lint(store)))


def texts(picture: ET.Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{SVG}text")]


def test_the_picture_shows_floors_from_the_top_down_with_zones_and_gateways() -> None:
    picture = drawn(STORE)
    said = texts(picture)
    assert said.index("Torino, Via Roma: upper (level 1)") < said.index(
        "Torino, Via Roma: ground (level 0)"
    )
    assert {"Shirts", "Shoes", "Fitting rooms", "stairs", "lift"} <= set(said)
    assert len(list(picture.iter(f"{SVG}path"))) == 6
    assert list(picture.iter(f"{SVG}circle")) == []


def test_each_finding_is_marked_with_its_number_and_sentence() -> None:
    ground = STORE.floors[0]
    crossing = ((6.0, 12.0), (10.0, 15.0), (10.0, 12.0), (6.0, 15.0))
    bad = replace(
        ground,
        zones=(*ground.zones, Zone("x", "A <b> & c", ZoneKind.PROMO, crossing)),
        gateways=(*ground.gateways, GatewayPlace("lost", math.nan, 0, 3)),
    )
    store = replace(STORE, floors=(bad, *STORE.floors[1:]))
    findings = lint(store)
    picture = drawn(store)
    said = texts(picture)
    assert len(findings) == 2
    for number, finding in enumerate(findings, start=1):
        assert str(number) in said
        assert finding.sentence in said
    # The crossing is one place on the floor; that a gateway is nowhere cannot be shown.
    (circle,) = picture.iter(f"{SVG}circle")
    assert circle.find(f"{SVG}title") is not None
    assert "A <b> & c (promo)" in [title.text for title in picture.iter(f"{SVG}title")]


def test_what_cannot_be_drawn_is_left_out() -> None:
    nowhere = replace(STORE.floors[0], outline=((0, 0), (math.nan, 1), (1, 1)), gateways=())
    assert "nan" not in ET.tostring(drawn(replace(STORE, floors=(nowhere,))), encoding="unicode")


def test_the_picture_in_the_documents_is_the_one_that_is_drawn_today() -> None:
    (store,) = read_plan(Path(__file__).with_name("plan_example.yaml")).stores
    picture = Path(__file__).parents[2] / "docs" / "store-plan.svg"
    # Redraw it with: corsia store lint tests/corsia/plan_example.yaml --svg docs/store-plan.svg
    assert picture.read_text() == plan_svg(store, lint(store))


@settings(deadline=None, max_examples=50)
@given(store_plans())
def test_any_plan_fits_its_picture(store: StorePlan) -> None:
    picture = drawn(store)
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    for ring in picture.iter(f"{SVG}polygon"):
        for corner in ring.attrib["points"].split():
            x, y = map(float, corner.split(","))
            assert -1 <= x <= width + 1
            assert -1 <= y <= height + 1
