"""Lint of a store's plan: each weakness has its sentence with numbers, and a good plan has none."""

import math
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from beacons.floor import FloorPlan, GatewayPlace, Polygon, Zone, ZoneKind
from beacons.plan_finding import Finding, Rule, Severity
from beacons.plan_lint import is_clean, lint
from beacons.store_plan import Connector, ConnectorEnd, ConnectorKind, StorePlan


def box(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def aisle(zone_id: str, polygon: Polygon, priority: int = 0) -> Zone:
    return Zone(zone_id, zone_id.title(), ZoneKind.AISLE, polygon, priority)


def hung(*places: tuple[float, float]) -> tuple[GatewayPlace, ...]:
    return tuple(GatewayPlace(f"g{n}", x, y, 3.0) for n, (x, y) in enumerate(places, start=1))


GOOD = FloorPlan(
    floor_id="ground",
    outline=box(0, 0, 20, 12),
    obstacles=(box(4, 5.5, 16, 6.5),),
    zones=(aisle("left", box(0, 0, 20, 5.5)), aisle("right", box(0, 6.5, 20, 12))),
    gateways=hung((2, 2), (10, 10), (18, 2)),
)
UPPER = replace(
    GOOD,
    floor_id="upper",
    level=1,
    zones=(aisle("shoes", box(0, 0, 20, 5.5)),),
    gateways=tuple(replace(place, gateway_id=f"{place.gateway_id}-up") for place in GOOD.gateways),
)
STAIRS = Connector(
    "stairs", ConnectorKind.STAIRS, (ConnectorEnd("ground", 2, 6), ConnectorEnd("upper", 2, 6))
)
BOW_TIE: Polygon = ((0, 0), (8, 8), (8, 0), (0, 8))


def store(*floors: FloorPlan, connectors: tuple[Connector, ...] = ()) -> StorePlan:
    return StorePlan("shop", "Shop", "Europe/Rome", "IT", floors, connectors)


def the(rule: Rule, findings: list[Finding]) -> Finding:
    found = [finding for finding in findings if finding.rule is rule]
    assert len(found) == 1, findings
    return found[0]


def test_a_good_plan_has_nothing_to_say() -> None:
    assert lint(store(GOOD)) == []
    assert lint(store(GOOD, UPPER, connectors=(STAIRS,))) == []


@pytest.mark.parametrize(
    ("floor", "rule", "about", "says"),
    [
        (
            replace(GOOD, zones=(*GOOD.zones, aisle("edge", box(3, 0, 10, 0.6), 1))),
            Rule.SLIVER,
            "zone edge",
            "Zone edge is a sliver: 100% of it is narrower than 1 m,",
        ),
        (
            replace(GOOD, zones=(*GOOD.zones, aisle("bin", box(3, 0, 6.2, 3), 1))),
            Rule.SHORT,
            "zone bin",
            "under 5 m from what is beside them. Make it longer, or one with left.",
        ),
        (
            replace(GOOD, zones=(*GOOD.zones, aisle("shelf", box(4, 5.5, 16, 6.5)))),
            Rule.NO_FLOOR,
            "zone shelf",
            "Nobody can stand in zone shelf: obstacles and the outline leave 0.0 of its 12.0 m2",
        ),
        (
            replace(GOOD, zones=(*GOOD.zones, aisle("all", box(0, 0, 20, 12), 1))),
            Rule.HIDDEN,
            "zone left",
            "Zone left can never be the answer: zones of higher priority cover 100% of it.",
        ),
        (
            replace(GOOD, obstacles=(box(14, 0, 14.5, 4), box(14, 4, 20, 4.5))),
            Rule.UNREACHABLE,
            "floor",
            "22 m2 of the floor around (17.2, 2.0) are closed in: no way there is 0.5 m wide.",
        ),
        (
            replace(GOOD, obstacles=(box(14, 0, 14.5, 4), box(14, 4, 19.6, 4.5))),
            Rule.UNREACHABLE,
            "floor",
            "closed in: no way there is 0.5 m wide.",
        ),
        (
            replace(GOOD, gateways=hung((2, 2), (2, 2.4), (10, 10), (18, 2))),
            Rule.SAME_PLACE,
            "gateway g2",
            "Gateways g1 and g2 hang 0.4 m apart",
        ),
        (
            replace(GOOD, gateways=hung((2, 6), (10, 6.5), (18, 6))),
            Rule.IN_LINE,
            "floor",
            "All 3 gateways hang within 0.3 m of one line",
        ),
        (
            replace(GOOD, gateways=hung((2, 2), (18, 10))),
            Rule.TOO_FEW,
            "floor",
            "2 gateways for 228 m2 are too few: it takes 3 or more, and one for every 150 m2,",
        ),
    ],
    ids=lambda value: value.value if isinstance(value, Rule) else "",
)
def test_each_weakness_has_its_sentence(
    floor: FloorPlan, rule: Rule, about: str, says: str
) -> None:
    finding = the(rule, [one for one in lint(store(floor)) if one.about == about])
    assert says in finding.sentence
    assert finding.severity is Severity.WARNING
    assert finding.floor_id == "ground"


def test_a_zone_out_of_reach_names_the_nearest_gateway_and_its_distance() -> None:
    long = replace(
        GOOD,
        outline=box(0, 0, 60, 12),
        zones=(*GOOD.zones, aisle("far", box(45, 0, 60, 12))),
        gateways=hung((2, 2), (10, 10), (18, 2), (6, 9), (14, 9)),
    )
    finding = the(Rule.UNCOVERED, lint(store(long)))
    assert "No gateway covers zone far: 100% of it is further than 15 m from any, and g3, the" in (
        finding.sentence
    )
    assert "hangs 35 m from its middle" in finding.sentence
    assert finding.mark == long.zones[-1].polygon


def test_gateways_along_a_wall_have_no_mirror_image() -> None:
    along_wall = replace(GOOD, gateways=hung((2, 0.2), (10, 0.2), (18, 0.2)))
    assert all(finding.rule is not Rule.IN_LINE for finding in lint(store(along_wall)))


def test_a_way_as_wide_as_a_person_leads_in() -> None:
    gap = replace(GOOD, obstacles=(box(14, 0, 14.5, 4), box(14, 4, 19.2, 4.5)))
    assert all(finding.rule is not Rule.UNREACHABLE for finding in lint(store(gap)))


def test_what_is_reached_is_where_the_entrance_is() -> None:
    walled = replace(
        GOOD,
        obstacles=(box(6, 0, 6.5, 12),),
        zones=(Zone("door", "Door", ZoneKind.ENTRANCE, box(0, 0, 6, 6)),),
    )
    finding = the(Rule.UNREACHABLE, lint(store(walled)))
    assert "162 m2 of the floor" in finding.sentence
    # The smaller part is the one that is closed in when nobody says where people come in.
    finding = the(Rule.UNREACHABLE, lint(store(replace(walled, zones=()))))
    assert "72 m2 of the floor" in finding.sentence


@pytest.mark.parametrize(
    ("floor", "about", "says", "mark"),
    [
        (
            replace(GOOD, zones=(aisle("tie", BOW_TIE),)),
            "zone tie",
            "Zone tie is not a simple polygon: it meets itself at (4.00, 4.00).",
            ((4.0, 4.0),),
        ),
        (
            replace(GOOD, obstacles=(BOW_TIE,)),
            "obstacle 1",
            "Obstacle 1 is not a simple polygon: it meets itself at (4.00, 4.00).",
            ((4.0, 4.0),),
        ),
        (replace(GOOD, outline=BOW_TIE), "outline", "The outline is not a simple", ((4.0, 4.0),)),
        (
            replace(GOOD, zones=(aisle("out", box(10, 0, 30, 5)),)),
            "zone out",
            "Zone out lies 50% outside the floor.",
            box(10, 0, 30, 5),
        ),
        (
            replace(GOOD, zones=(*GOOD.zones, aisle("twin", box(0, 0, 10, 5)))),
            "zone left",
            "Zones left and twin overlap by 100% and have the same priority.",
            ((5.0, 2.5),),
        ),
        (replace(GOOD, gateways=()), "floor", "The floor has no gateway.", ()),
        (
            replace(GOOD, gateways=hung((1, 1), (2, 9), (math.nan, 3), (18, 2))),
            "gateway g3",
            "Gateway g3 has a place that is not a number.",
            (),
        ),
    ],
)
def test_what_cannot_be_used_is_an_error_with_its_place(
    floor: FloorPlan, about: str, says: str, mark: Polygon
) -> None:
    first = lint(store(floor))[0]
    assert (first.severity, first.about, first.mark) == (Severity.ERROR, about, mark)
    assert first.sentence.startswith(says)


def test_ids_used_on_two_floors_are_errors() -> None:
    twice = replace(GOOD, floor_id="upper")
    said = {one.sentence for one in lint(store(GOOD, twice, connectors=(STAIRS,)))}
    assert "Zone id left is used 2 times in the store." in said
    assert "Gateway id g1 is used 2 times in the store." in said
    assert any(one.about == "floor ground" for one in lint(store(GOOD, GOOD)))
    assert [one.sentence for one in lint(store())] == ["The store has no floor."]


def test_connectors_are_judged_with_the_floors_they_join() -> None:
    attic = replace(STAIRS, ends=(STAIRS.ends[0], ConnectorEnd("attic", 2, 6)))
    outside = replace(STAIRS, ends=(STAIRS.ends[0], ConnectorEnd("upper", -5, 6)))
    said = [one.sentence for one in lint(store(GOOD, UPPER, connectors=(attic,)))]
    assert "Connector stairs leads to floor attic, which the store lacks." in said
    finding = lint(store(GOOD, UPPER, connectors=(outside,)))[0]
    assert finding.sentence == "Connector stairs ends outside floor upper, at (-5, 6)."
    assert (finding.floor_id, finding.mark) == ("upper", ((-5, 6),))
    assert len(lint(store(GOOD, UPPER, connectors=(outside,)))) == 1
    shelved = replace(STAIRS, ends=(ConnectorEnd("ground", 10, 6.7), STAIRS.ends[1]))
    thick = replace(GOOD, obstacles=(box(4, 5.5, 16, 8),))
    finding = the(Rule.CONNECTOR, lint(store(thick, UPPER, connectors=(shelved,))))
    assert finding.severity is Severity.WARNING
    assert "Connector stairs ends in an obstacle on floor ground, at (10, 6.7)." in finding.sentence
    unled = lint(store(GOOD, UPPER))
    assert [one.floor_id for one in unled if one.rule is Rule.UNREACHABLE] == ["ground", "upper"]


def test_gateways_that_would_transmit_the_same_canary_are_named() -> None:
    # Their hashes begin alike: the first such pair of "gw-" and a number.
    alike = ("gw-155597", "gw-31907", "gw-01")
    places = zip(alike, GOOD.gateways, strict=True)
    floor = replace(GOOD, gateways=tuple(replace(place, gateway_id=name) for name, place in places))

    finding = the(Rule.SAME_CANARY, lint(store(floor)))

    assert finding.severity is Severity.WARNING
    assert finding.floor_id is None
    assert finding.sentence.startswith("Gateways gw-155597 and gw-31907 would transmit")


def test_errors_come_first_and_strict_counts_warnings() -> None:
    weak = replace(GOOD, zones=(*GOOD.zones, aisle("bin", box(3, 0, 6.2, 3), 1)))
    found = lint(store(weak, replace(UPPER, gateways=()), connectors=(STAIRS,)))
    assert [one.is_error for one in found] == sorted((one.is_error for one in found), reverse=True)
    assert not is_clean(found)
    assert is_clean(lint(store(weak)))
    assert not is_clean(lint(store(weak)), strict=True)


COORDINATES = st.floats(-30, 30) | st.integers(-5, 5).map(float)
POLYGONS = st.lists(st.tuples(COORDINATES, COORDINATES), max_size=6).map(tuple)
# Two sides of an outline that lie a hair's breadth apart.
HAIRLINE: Polygon = ((-1, 0), (0, 1), (0, 1e-200), (1, 0), (0, 0))


@settings(deadline=None)
@example(HAIRLINE, [], [], [])
@given(
    POLYGONS | st.just(GOOD.outline),
    st.lists(POLYGONS, max_size=3),
    st.lists(POLYGONS, max_size=3),
    st.lists(st.tuples(COORDINATES, COORDINATES), max_size=4),
)
def test_no_drawing_breaks_the_lint(
    outline: Polygon,
    obstacles: list[Polygon],
    zones: list[Polygon],
    places: list[tuple[float, float]],
) -> None:
    floor = FloorPlan(
        "ground",
        outline,
        tuple(obstacles),
        tuple(aisle(f"z{n}", polygon, n % 2) for n, polygon in enumerate(zones)),
        hung(*places),
    )
    for finding in lint(store(floor, GOOD, connectors=(STAIRS,))):
        assert finding.sentence.endswith(".")
        assert "nan" not in finding.sentence
        assert all(map(math.isfinite, (value for corner in finding.mark for value in corner)))
