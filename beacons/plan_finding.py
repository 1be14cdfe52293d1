"""One thing found in a store's plan: how bad it is, where, and a sentence with its numbers."""

import enum
from dataclasses import dataclass

import shapely

from beacons.floor import FloorPlan, Polygon


class Severity(enum.Enum):
    """An error keeps a plan from being used; a warning says where it will disappoint."""

    ERROR = "error"
    WARNING = "warning"


class Rule(enum.Enum):
    """Which rule found it."""

    DRAWING = "drawing"
    IDS = "ids"
    CONNECTOR = "connector"
    NO_FLOOR = "no-floor"
    SLIVER = "sliver"
    HIDDEN = "hidden"
    UNREACHABLE = "unreachable"
    SHORT = "short"
    UNCOVERED = "uncovered"
    SAME_PLACE = "same-place"
    IN_LINE = "in-line"
    TOO_FEW = "too-few"
    SAME_CANARY = "same-canary"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found.

    floor_id: None for the store as a whole; about: `zone pasta`, `gateway gw-1`, `floor` ...
    mark: what to point at in a picture, in metres on the floor: the corners of a polygon, one
    corner for a place, none for the whole floor.
    """

    severity: Severity
    rule: Rule
    floor_id: str | None
    about: str
    sentence: str
    mark: Polygon = ()

    @property
    def is_error(self) -> bool:
        """Whether it keeps the plan from being used."""
        return self.severity is Severity.ERROR


def error(
    rule: Rule, floor: FloorPlan | None, about: str, sentence: str, mark: Polygon = ()
) -> Finding:
    """An error on a floor; floor None: in the store."""
    floor_id = None if floor is None else floor.floor_id
    return Finding(Severity.ERROR, rule, floor_id, about, sentence, mark)


def warning(
    rule: Rule, floor: FloorPlan | None, about: str, sentence: str, mark: Polygon = ()
) -> Finding:
    """A warning on a floor; floor None: in the store."""
    floor_id = None if floor is None else floor.floor_id
    return Finding(Severity.WARNING, rule, floor_id, about, sentence, mark)


def ring(shape: shapely.Geometry) -> Polygon:
    """The outer corners of a shape, or of the largest of its parts."""
    largest = max(shapely.get_parts(shape), key=shapely.area)
    corners = shapely.get_coordinates(shapely.get_exterior_ring(largest))
    return tuple((float(x), float(y)) for x, y in corners[:-1])
