"""What is wrong or weak in a store's plan, in sentences, before radio shows it.

Errors keep a plan from being used; warnings say where it will disappoint. Each rule is a small
function over one floor; what needs gateways and distances is in beacons.plan_radio_lint.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import shapely
from shapely.geometry import Polygon as ShapelyPolygon

from beacons import canary
from beacons.floor import (
    FloorPlan,
    Part,
    PlanFault,
    Zone,
    ZoneKind,
    is_sound,
    narrowed,
    plan_faults,
    walkable,
)
from beacons.plan_finding import Finding, Rule, error, ring, warning
from beacons.plan_radio_lint import radio_findings
from beacons.store_plan import StorePlan, connector_faults

# Assumed: narrower than the room a person with a basket takes up, it is crossed, never stood in;
# it also has no cell of the presence grid (0.75 m) to itself.
SLIVER_M: Final = 1.0
# "Most": a zone with a narrow tail is still a zone.
SLIVER_SHARE: Final = 0.5
# Of a zone with less free floor than one person takes up with a trolley, nobody is ever in it.
MIN_FREE_M2: Final = 1.0
# A trolley is 0.6 m wide, a person 0.5 m: a gap narrower than this is no way.
GAP_M: Final = 0.5
# The leftover of a zone whose rest belongs to zones of higher priority.
HIDDEN_SHARE: Final = 0.95


def lint(store: StorePlan) -> list[Finding]:
    """Everything that is wrong or weak in the plan: errors first, then floor by floor."""
    found = [*_store_errors(store), *_connector_findings(store), *_canary_findings(store)]
    for floor in store.floors:
        faults = plan_faults(floor)
        found += [_error(floor, fault) for fault in faults]
        if any(fault.part is Part.OUTLINE for fault in faults):
            continue
        found += _floor_warnings(store, _sound_parts(floor))
    return sorted(found, key=lambda finding: not finding.is_error)


def _sound_parts(floor: FloorPlan) -> FloorPlan:
    """The floor with those obstacles, zones and gateways only that can be drawn."""
    return replace(
        floor,
        obstacles=tuple(polygon for polygon in floor.obstacles if is_sound(polygon)),
        zones=tuple(zone for zone in floor.zones if is_sound(zone.polygon)),
        gateways=tuple(place for place in floor.gateways if place.is_somewhere),
    )


def _error(floor: FloorPlan, fault: PlanFault) -> Finding:
    at = () if fault.at is None else (fault.at,)
    match fault.part, fault.index:
        case Part.ZONE, int(index):
            zone = floor.zones[index]
            return error(
                Rule.DRAWING, floor, f"zone {zone.zone_id}", fault.sentence, at or zone.polygon
            )
        case Part.GATEWAY, int(index):
            about = f"gateway {floor.gateways[index].gateway_id}"
            return error(Rule.DRAWING, floor, about, fault.sentence, at)
        case Part.OBSTACLE, int(index):
            about = f"obstacle {index + 1}"
            return error(Rule.DRAWING, floor, about, fault.sentence, at or floor.obstacles[index])
        case _:
            return error(Rule.DRAWING, floor, fault.part.value, fault.sentence, at)


def _store_errors(store: StorePlan) -> Iterator[Finding]:
    if not store.floors:
        yield error(Rule.IDS, None, "store", "The store has no floor.")
    everywhere = (
        ("floor", [(floor.floor_id, floor) for floor in store.floors]),
        ("zone", [(zone.zone_id, floor) for floor in store.floors for zone in floor.zones]),
        (
            "gateway",
            [(place.gateway_id, floor) for floor in store.floors for place in floor.gateways],
        ),
    )
    for what, used in everywhere:
        floors: dict[str, list[str]] = {}
        for name, floor in used:
            floors.setdefault(name, []).append(floor.floor_id)
        for name, where in floors.items():
            # Twice on one floor is a fault of that floor.
            if len(where) > 1 and (what == "floor" or len(set(where)) > 1):
                again = f"{what.title()} id {name} is used {len(where)} times in the store."
                yield error(Rule.IDS, None, f"{what} {name}", again)


def _connector_findings(store: StorePlan) -> Iterator[Finding]:
    for fault in connector_faults(store):
        connector = store.connectors[fault.index]
        about = f"connector {connector.connector_id}"
        if fault.end is None:
            yield error(Rule.CONNECTOR, None, about, fault.sentence)
            continue
        end = connector.ends[fault.end]
        at = ((end.x_m, end.y_m),)
        yield error(Rule.CONNECTOR, store.floor(end.floor_id), about, fault.sentence, at)
    led_to = {end.floor_id for connector in store.connectors for end in connector.ends}
    for floor in store.floors:
        if len(store.floors) > 1 and floor.floor_id not in led_to:
            sentence = (
                f"No connector leads to floor {floor.floor_id}: to presence, nobody ever comes or"
                " goes there from another floor. Draw the stairs, lifts, escalators and ramps."
            )
            yield warning(Rule.UNREACHABLE, floor, "floor", sentence)


def _canary_findings(store: StorePlan) -> Iterator[Finding]:
    ids = {place.gateway_id for floor in store.floors for place in floor.gateways}
    for sentence in canary.clashes(ids):
        yield warning(Rule.SAME_CANARY, None, "gateways", sentence)


def _floor_warnings(store: StorePlan, floor: FloorPlan) -> Iterator[Finding]:
    free = walkable(floor)
    if shapely.is_empty(free):
        return
    for zone in floor.zones:
        yield from _zone_warnings(floor, zone, free)
    yield from _in_obstacles(store, floor, free)
    yield from _unreachable(store, floor, free)
    yield from radio_findings(floor, free)


def _zone_warnings(floor: FloorPlan, zone: Zone, free: shapely.Geometry) -> Iterator[Finding]:
    shape = ShapelyPolygon(zone.polygon)
    about = f"zone {zone.zone_id}"
    standing_m2 = shape.intersection(free).area
    if standing_m2 < MIN_FREE_M2:
        sentence = (
            f"Nobody can stand in zone {zone.zone_id}: obstacles and the outline leave"
            f" {standing_m2:.1f} of its {shape.area:.1f} m2 free."
            " Draw it over the way in front of the shelf."
        )
        yield warning(Rule.NO_FLOOR, floor, about, sentence, zone.polygon)
    # Opening: what a disc of this width cannot sweep over is narrower than it.
    swept = shape.buffer(-SLIVER_M / 2).buffer(SLIVER_M / 2)
    narrow = 1.0 - swept.intersection(shape).area / shape.area
    if narrow > SLIVER_SHARE:
        sentence = (
            f"Zone {zone.zone_id} is a sliver: {narrow:.0%} of it is narrower than {SLIVER_M:g} m,"
            " too narrow to be found standing in. Draw it wider, or make it part of a neighbour."
        )
        yield warning(Rule.SLIVER, floor, about, sentence, zone.polygon)
    above = [
        ShapelyPolygon(other.polygon) for other in floor.zones if other.priority > zone.priority
    ]
    hidden = shape.intersection(shapely.union_all(above)).area / shape.area
    if hidden > HIDDEN_SHARE:
        sentence = (
            f"Zone {zone.zone_id} can never be the answer: zones of higher priority cover"
            f" {hidden:.0%} of it. Give it a higher priority than {zone.priority}, or take it out."
        )
        yield warning(Rule.HIDDEN, floor, about, sentence, zone.polygon)


def _in_obstacles(store: StorePlan, floor: FloorPlan, free: shapely.Geometry) -> Iterator[Finding]:
    outline = ShapelyPolygon(floor.outline)
    for connector in store.connectors:
        for end in connector.ends:
            if end.floor_id != floor.floor_id or not math.isfinite(end.x_m + end.y_m):
                continue
            place = shapely.Point(end.x_m, end.y_m)
            # One outside the floor is an error of its own.
            if not outline.intersects(place) or place.distance(free) <= GAP_M:
                continue
            sentence = (
                f"Connector {connector.connector_id} ends in an obstacle on floor"
                f" {floor.floor_id}, at ({end.x_m:g}, {end.y_m:g}). Move it to where people step"
                " off, or take the obstacle away."
            )
            about = f"connector {connector.connector_id}"
            yield warning(Rule.CONNECTOR, floor, about, sentence, ((end.x_m, end.y_m),))


def _unreachable(store: StorePlan, floor: FloorPlan, free: shapely.Geometry) -> Iterator[Finding]:
    """Parts of the floor without a way to where people come in.

    They come in through entrance zones and connectors; on a floor that has neither, into the
    largest part.
    """
    ways = narrowed(free, GAP_M / 2)
    parts = [part for part in shapely.get_parts(ways) if not shapely.is_empty(part)]
    doors = [ShapelyPolygon(zone.polygon) for zone in floor.zones if zone.kind is ZoneKind.ENTRANCE]
    doors += [
        shapely.Point(end.x_m, end.y_m).buffer(GAP_M)
        for connector in store.connectors
        for end in connector.ends
        if end.floor_id == floor.floor_id
    ]
    if len(parts) < 2:
        return
    inside = [part for part in parts if any(part.intersects(door) for door in doors)]
    reached = inside or [max(parts, key=shapely.area)]
    for part in parts:
        whole = part.buffer(GAP_M / 2, join_style="mitre")
        if whole.area < MIN_FREE_M2 or any(part is one for one in reached):
            continue
        at = part.representative_point()
        sentence = (
            f"{whole.area:.0f} m2 of the floor around ({at.x:.1f}, {at.y:.1f}) are closed in:"
            f" no way there is {GAP_M:g} m wide. Leave a gap in the obstacles, or fill the part"
            " with one."
        )
        yield warning(Rule.UNREACHABLE, floor, "floor", sentence, ring(whole))


def is_clean(findings: Iterable[Finding], *, strict: bool = False) -> bool:
    """Whether there is no error; with `strict`, no warning either."""
    return not any(finding.is_error or strict for finding in findings)
