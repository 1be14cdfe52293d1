"""Store files: what the packaged supermarket holds, and what is refused, in which words."""

from itertools import combinations, pairwise
from pathlib import Path

import pytest
import shapely

from firmware_sim.floor import (
    Floor,
    FloorError,
    GatewayPlace,
    Zone,
    ZoneKind,
    load_floor,
    parse_floor,
    supermarket,
)

SMALL = """
store_id = "small"
name = "Small"
tz = "Europe/Rome"
country = "IT"
size_m = [8.0, 6.0]
shelf_height_m = 1.8
racetrack = [[7.0, 1.0], [7.0, 5.0], [1.0, 5.0], [1.0, 1.5]]
tills = [[1.0, 0.5]]
shelves = [{ rect = [3.0, 2.0, 5.0, 3.0] }]

[[zones]]
zone_id = "door"
kind = "entrance"
name = "Door"
area = { rect = [6.0, 0.0, 8.0, 2.0] }

[[zones]]
zone_id = "pay"
kind = "checkout"
name = "Pay"
area = [[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0]]

[[zones]]
zone_id = "bread"
kind = "perimeter"
name = "Bread"
category = "bread"
area = { rect = [2.0, 3.0, 8.0, 6.0] }

[[gateways]]
gateway_id = "gw-1"
at_m = [4.0, 3.0, 3.0]
"""


def test_a_store_file_becomes_a_floor_in_metres() -> None:
    floor = parse_floor(SMALL, "small.toml")

    assert floor.size_m == (8.0, 6.0)
    assert floor.shelves == (((3.0, 2.0), (5.0, 2.0), (5.0, 3.0), (3.0, 3.0)),)
    assert floor.obstacles == floor.shelves
    assert floor.gateways == (GatewayPlace("gw-1", 4.0, 3.0, 3.0),)
    corners = ((0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0))
    assert floor.zones[1] == Zone("pay", ZoneKind.CHECKOUT, "Pay", corners, None)
    assert floor.zones[2].category == "bread"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('store_id = "small"', "", "`store_id`"),
        ('store_id = "small"', "store_id = ", "does not describe a store"),
        ('name = "Small"', 'name = "Small"\nnmae = "x"', "`nmae`"),
        ("size_m = [8.0, 6.0]", "size_m = [8.0]", "$.size_m"),
        ("size_m = [8.0, 6.0]", "size_m = [0.0, 6.0]", "must be positive"),
        ('"IT"', '"Italy"', "country is two capital letters"),
        ("Europe/Rome", "Europe/Room", "tz is a name such as Europe/Rome"),
        ("Europe/Rome", "../../etc/passwd", "tz is a name such as Europe/Rome"),
        ('kind = "entrance"', 'kind = "bakery"', "'bakery' - at `$.zones[0].kind`"),
        ('kind = "entrance"', 'kind = "promo"', "no zone of kind entrance"),
        ('zone_id = "bread"', 'zone_id = "pay"', "zone 'pay' is there twice"),
        ("[2.0, 3.0, 8.0, 6.0]", "[2.0, 1.0, 8.0, 6.0]", "zones 'door' and 'bread' overlap"),
        ("[2.0, 3.0, 8.0, 6.0]", "[2.0, 3.0, 8.5, 6.0]", "zone 'bread' reaches beyond"),
        ("[3.0, 2.0, 5.0, 3.0]", "[3.0, 2.0, 3.0, 3.0]", "shelf 1 crosses itself or is empty"),
        ("[3.0, 2.0, 5.0, 3.0]", "[3.0, 2.0, 7.5, 3.0]", "racetrack runs through"),
        ("[[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0]]", "[[0.0, 0.0]]", "three corners"),
        ("[2.0, 1.0], [0.0, 1.0]]", "[0.0, 1.0], [2.0, 1.0]]", "zone 'pay' crosses itself"),
        ("at_m = [4.0, 3.0, 3.0]", "at_m = [4.0, 9.0, 3.0]", "'gw-1' hangs outside"),
        ("at_m = [4.0, 3.0, 3.0]", "at_m = [4.0, nan, 3.0]", "'gw-1' hangs outside"),
        ("tills = [[1.0, 0.5]]", "tills = []", "no till"),
        ("tills = [[1.0, 0.5]]", "tills = [[1.0, 1.5]]", "stands in no checkout zone"),
    ],
)
def test_a_store_file_that_describes_no_usable_floor_is_refused_in_a_sentence(
    old: str, new: str, complaint: str
) -> None:
    assert old in SMALL

    with pytest.raises(FloorError) as refused:
        parse_floor(SMALL.replace(old, new, 1), "small.toml")

    assert complaint in str(refused.value)
    assert str(refused.value).startswith("The store file small.toml ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FloorError, match=r"nowhere\.toml cannot be read"):
        load_floor(tmp_path / "nowhere.toml")


def test_a_store_file_is_read_from_disk(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(SMALL, encoding="utf-8")

    assert load_floor(path) == parse_floor(SMALL, "small.toml")


@pytest.fixture(scope="module")
def market() -> Floor:
    return supermarket()


def test_the_supermarket_is_the_one_of_the_brochure(market: Floor) -> None:
    aisles = [zone for zone in market.zones if zone.kind is ZoneKind.AISLE]
    left_edges = sorted(min(x for x, _ in zone.polygon) for zone in aisles)
    boxes = [shapely.Polygon(zone.polygon).bounds for zone in aisles]

    assert market.size_m == (30.0, 20.0)
    assert {zone.kind for zone in market.zones} == set(ZoneKind)
    assert [right - left for left, right in pairwise(left_edges)] == ([3.0] * 5)
    assert {y1 - y0 for _, y0, _, y1 in boxes} == {12.0}
    assert len(market.gateways) == 12
    assert all(3.0 <= gateway.z_m <= 4.0 for gateway in market.gateways)


def test_what_a_supermarket_zone_sells_names_the_zone(market: Floor) -> None:
    categories = [zone.category for zone in market.zones if zone.category is not None]

    assert len(categories) == len(set(categories))
    assert all(zone.category for zone in market.zones if zone.kind is ZoneKind.AISLE)


def test_zones_of_the_supermarket_leave_hardly_any_floor_uncovered(market: Floor) -> None:
    zones = [shapely.Polygon(zone.polygon) for zone in market.zones]
    solid = shapely.union_all([shapely.Polygon(each) for each in market.obstacles])
    walkable = shapely.box(0, 0, *market.size_m).difference(solid)

    covered = shapely.union_all(zones).intersection(walkable).area / walkable.area

    assert covered > 0.95
    assert max(one.intersection(two).area for one, two in combinations(zones, 2)) == 0
