"""Stores for Hypothesis: sound by construction, in whole millimetres, somewhere on Earth."""

from hypothesis import strategies as st

from beacons.floor import FloorPlan, GatewayPlace, Polygon, Zone, ZoneKind
from beacons.store_plan import Connector, ConnectorEnd, ConnectorKind, GeoAnchor, StorePlan

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20
)
MILLIMETRES = st.integers(-500_000, 500_000)


def box(x: int, y: int, width: int, depth: int) -> Polygon:
    """A rectangle, all in millimetres, counterclockwise from its lower left corner."""
    ring = (x, y), (x + width, y), (x + width, y + depth), (x, y + depth)
    return tuple((east / 1000, north / 1000) for east, north in ring)


@st.composite
def floor_plans(draw: st.DrawFn, floor_id: str, gateways: int = 2) -> FloorPlan:
    """A floor of strips with a shelf in its middle; zones of any kind and priority."""
    x, y = draw(MILLIMETRES), draw(MILLIMETRES)
    side = draw(st.integers(2_000, 200_000))
    zones = tuple(
        Zone(
            f"{floor_id}-z{n}",
            draw(NAMES),
            draw(st.sampled_from(ZoneKind)),
            box(x, y + n * side // 4, side, side // 4),
            draw(st.integers(-5, 5)),
            draw(st.frozensets(st.sampled_from(["coffee", "two words", "#1"]))),
        )
        for n in range(draw(st.integers(0, 3)))
    )
    places = tuple(
        GatewayPlace(
            f"{floor_id}-g{n}",
            (x + draw(st.integers(0, side))) / 1000,
            (y + draw(st.integers(0, side))) / 1000,
            draw(st.integers(0, 30_000)) / 1000,
        )
        for n in range(gateways)
    )
    shelf = box(x + side // 3, y + side // 3, side // 3, side // 3)
    level = draw(st.integers(-9, 99).map(lambda n: min(n, 50)))
    return FloorPlan(floor_id, box(x, y, side, side), (shelf,), zones, places, level)


@st.composite
def store_plans(draw: st.DrawFn) -> StorePlan:
    """A store of one to three floors with an anchor; connectors join all floors."""
    names = ["ground", "upper", "cellar"][: draw(st.integers(1, 3))]
    floors = tuple(draw(floor_plans(name)) for name in names)
    ends = tuple(ConnectorEnd(floor.floor_id, *floor.outline[0]) for floor in floors)
    count = draw(st.integers(0, 3)) if len(floors) > 1 else 0
    connectors = tuple(
        Connector(f"way-{n}", draw(st.sampled_from(ConnectorKind)), ends) for n in range(count)
    )
    anchor = GeoAnchor(
        draw(st.floats(-180, 180)), draw(st.floats(-80, 80)), draw(st.floats(-360, 360))
    )
    return StorePlan("shop", draw(NAMES), "Europe/Rome", "IT", floors, connectors, anchor)
