"""What of a plan radio will not manage: zones too short or out of reach, gateways badly spread."""

from collections.abc import Iterator
from itertools import combinations
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon as ShapelyPolygon

from beacons.floor import FloorPlan, Zone
from beacons.plan_finding import Finding, Rule, warning

# Fading of 6 dB is a factor of two in distance (DESIGN 5): at 4 m from a gateway that is 2 to 8 m,
# so along anything shorter than this the next zone explains what is heard as well.
MIN_ZONE_M: Final = 5.0
# -59 dBm at 1 m, an exponent of 2.5, and 10 dB for a body and a shelf: -98 dBm at 15 m, where a
# gateway decodes next to nothing.
REACH_M: Final = 15.0
# "Not covered": more of it than this is out of reach.
UNCOVERED_SHARE: Final = 0.5
# Nearer than this two gateways hear the same: fading moves a distance by more.
SAME_PLACE_M: Final = 1.0
# One gateway on a square of 12 m: nobody is further than 9 m from one, most people near three.
AREA_A_GATEWAY_M2: Final = 150.0
# Distances to three gateways, not in one line, meet in one point.
MIN_GATEWAYS: Final = 3
# Off the line by less than this, a gateway does not tell one side of it from the other.
LINE_M: Final = 1.0
# A floor that lies on one side of the line has no mirror image to be mistaken for.
MIRRORED_SHARE: Final = 0.2


def radio_findings(floor: FloorPlan, free: shapely.Geometry) -> Iterator[Finding]:
    """Warnings about one floor. free: its walkable part, not empty."""
    for zone in floor.zones:
        yield from _short(floor, zone)
    places = np.array([(place.x_m, place.y_m) for place in floor.gateways]).reshape(-1, 2)
    if not len(places):
        return
    reach = shapely.union_all(shapely.buffer(shapely.points(places), REACH_M))
    beyond = shapely.difference(free, reach)
    for zone in floor.zones:
        yield from _uncovered(floor, zone, free, beyond, places)
    yield from _same_place(floor, places)
    yield from _too_few(floor, free)
    yield from _in_line(floor, free, places)


def _short(floor: FloorPlan, zone: Zone) -> Iterator[Finding]:
    shape = ShapelyPolygon(zone.polygon)
    corners = shapely.get_coordinates(shapely.minimum_rotated_rectangle(shape))
    long_m = float(np.hypot(*np.diff(corners, axis=0).T).max())
    if long_m >= MIN_ZONE_M:
        return
    others = {
        other.zone_id: ShapelyPolygon(other.polygon).distance(shape)
        for other in floor.zones
        if other.zone_id != zone.zone_id
    }
    nearest = min(others, key=others.__getitem__, default=None)
    remedy = "Make it longer" + ("." if nearest is None else f", or one with {nearest}.")
    sentence = (
        f"Zone {zone.zone_id} is {long_m:.1f} m long: radio cannot tell zones under"
        f" {MIN_ZONE_M:g} m from what is beside them. {remedy}"
    )
    yield warning(Rule.SHORT, floor, f"zone {zone.zone_id}", sentence, zone.polygon)


def _uncovered(
    floor: FloorPlan,
    zone: Zone,
    free: shapely.Geometry,
    beyond: shapely.Geometry,
    places: NDArray[np.float64],
) -> Iterator[Finding]:
    """beyond: the part of `free` that no gateway reaches."""
    shape = ShapelyPolygon(zone.polygon)
    standing = shape.intersection(free)
    if standing.area <= 0.0:
        return
    share = shape.intersection(beyond).area / standing.area
    if share <= UNCOVERED_SHARE:
        return
    middle = standing.centroid
    away_m = np.hypot(*(places - (middle.x, middle.y)).T)
    nearest = floor.gateways[int(np.argmin(away_m))].gateway_id
    sentence = (
        f"No gateway covers zone {zone.zone_id}: {share:.0%} of it is further than {REACH_M:g} m"
        f" from any, and {nearest}, the nearest, hangs {away_m.min():.0f} m from its middle."
        " Hang one nearer."
    )
    yield warning(Rule.UNCOVERED, floor, f"zone {zone.zone_id}", sentence, zone.polygon)


def _same_place(floor: FloorPlan, places: NDArray[np.float64]) -> Iterator[Finding]:
    for one, other in combinations(range(len(places)), 2):
        apart_m = float(np.hypot(*(places[one] - places[other])))
        if apart_m < SAME_PLACE_M:
            names = floor.gateways[one].gateway_id, floor.gateways[other].gateway_id
            sentence = (
                f"Gateways {names[0]} and {names[1]} hang {apart_m:.1f} m apart, where both hear"
                " the same: the second adds nothing. Hang it elsewhere."
            )
            at = ((float(places[one][0]), float(places[one][1])),)
            yield warning(Rule.SAME_PLACE, floor, f"gateway {names[1]}", sentence, at)


def _too_few(floor: FloorPlan, free: shapely.Geometry) -> Iterator[Finding]:
    have = len(floor.gateways)
    area_m2 = float(shapely.area(free))
    wanted = max(MIN_GATEWAYS, int(np.ceil(area_m2 / AREA_A_GATEWAY_M2)))
    if have < wanted:
        sentence = (
            f"{have} gateway{'s' * (have > 1)} for {area_m2:.0f} m2 are too few: it takes"
            f" {MIN_GATEWAYS} or more, and one for every {AREA_A_GATEWAY_M2:g} m2, to tell one"
            f" place from another. Hang {wanted - have} more."
        )
        yield warning(Rule.TOO_FEW, floor, "floor", sentence)


def _in_line(
    floor: FloorPlan, free: shapely.Geometry, places: NDArray[np.float64]
) -> Iterator[Finding]:
    if len(places) < MIN_GATEWAYS:
        return
    middle = places.mean(axis=0)
    # Rows of the last factor: along the line that fits best, and across it.
    across = np.linalg.svd(places - middle)[2][1]
    off_m = float(np.abs((places - middle) @ across).max())
    if off_m >= LINE_M:
        return

    def mirrored(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        image: NDArray[np.float64] = xy - 2.0 * ((xy - middle) @ across)[:, None] * across
        return image

    twice = shapely.intersection(free, shapely.transform(free, mirrored))
    share = float(shapely.area(twice) / shapely.area(free))
    if share > MIRRORED_SHARE:
        sentence = (
            f"All {len(places)} gateways hang within {off_m:.1f} m of one line: places on its two"
            f" sides sound alike, and {share:.0%} of the floor has such a mirror"
            f" image on the floor. Move one at least {LINE_M:g} m off the line."
        )
        ends = _ends(places, middle, across)
        yield warning(Rule.IN_LINE, floor, "floor", sentence, ends)


def _ends(
    places: NDArray[np.float64], middle: NDArray[np.float64], across: NDArray[np.float64]
) -> tuple[tuple[float, float], ...]:
    """The two outermost places of a line."""
    along = (places - middle) @ np.array([across[1], -across[0]])
    first, last = places[np.argmin(along)], places[np.argmax(along)]
    return (float(first[0]), float(first[1])), (float(last[0]), float(last[1]))
