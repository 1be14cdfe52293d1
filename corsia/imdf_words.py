"""What the categories of IMDF mean here, and ours in IMDF.

Source: OGC 20-094, Indoor Mapping Data Format 1.0.0, "Categories".
"""

from typing import Final

from beacons.floor import ZoneKind
from beacons.store_plan import ConnectorKind

VERSION: Final = "1.0.0"
# As "Extending IMDF" wants it. What it adds stands in the member `corsia` of properties, and in
# features of the type below, one for each gateway.
EXTENSION: Final = "imdf:extension:corsia:store-plan#1.0.0"
GATEWAY: Final = "corsia-gateway"

# Ours as a section; no two alike, so that the way back is clear even without the extension.
SECTION_OF: Final = {
    ZoneKind.AISLE: "retaildepartment",
    ZoneKind.PROMO: "exhibit",
    ZoneKind.ENTRANCE: "walkway",
    ZoneKind.SERVICE_DESK: "information",
    ZoneKind.CHECKOUT: "ticketing",
    ZoneKind.PICKUP: "servicearea",
    ZoneKind.QUIET: "seating",
    ZoneKind.PERIMETER: "retail",
}
# Sections of maps that others drew. A category that is in neither list becomes a quiet zone: where
# nobody knows what a place is for, nobody is spoken to.
KIND_OF: Final = {category: kind for kind, category in SECTION_OF.items()} | {
    "concessions": ZoneKind.PROMO,
    "dutyfree": ZoneKind.AISLE,
    "exhibition": ZoneKind.PROMO,
    "checkin": ZoneKind.SERVICE_DESK,
    "baggageclaim": ZoneKind.PICKUP,
}
UNIT_OF: Final = {
    ConnectorKind.STAIRS: "stairs",
    ConnectorKind.ESCALATOR: "escalator",
    ConnectorKind.LIFT: "elevator",
    ConnectorKind.RAMP: "ramp",
}
CONNECTOR_OF: Final = {category: kind for kind, category in UNIT_OF.items()} | {
    "steps": ConnectorKind.STAIRS,
}
# Units that are walls, voids, or rooms into which no shopper goes.
SOLID_UNITS: Final = frozenset(
    {
        "brick", "column", "concrete", "drywall", "glass", "structure", "wood",
        "opentobelow", "vegetation",
        "kitchen", "laboratory", "mailroom", "nonpublic", "office", "serverroom", "storage",
    }
)  # fmt: skip
# All of IMDF: features of other types are somebody's extension.
FEATURE_TYPES: Final = frozenset(
    {
        "address", "amenity", "anchor", "building", "detail", "fixture", "footprint", "geofence",
        "kiosk", "level", "occupant", "opening", "relationship", "section", "unit", "venue",
    }
)  # fmt: skip
