"""The form of a plan file: what each key may hold, and how it becomes a core value."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, FiniteFloat

from beacons.floor import FloorPlan, GatewayPlace, Zone, ZoneKind
from beacons.store_plan import Connector, ConnectorEnd, ConnectorKind, GeoAnchor, StorePlan
from corsia.plan_campaigns import BenefitPart, CampaignPart, CreativePart, HoursPart, LimitsPart
from corsia.plan_fields import (
    MAX_LATITUDE_DEG,
    MAX_LEVEL,
    Country,
    Id,
    Line,
    Metres,
    Part,
    Ring,
    Tags,
    Tz,
)


class ZonePart(Part):
    zone_id: Id
    name: Line
    kind: ZoneKind
    polygon: Ring
    priority: Annotated[int, Field(ge=-1_000, le=1_000)] = 0
    tags: Tags = ()

    def value(self) -> Zone:
        return Zone(
            self.zone_id, self.name, self.kind, self.polygon, self.priority, frozenset(self.tags)
        )


class GatewayPart(Part):
    gateway_id: Id
    x_m: Metres
    y_m: Metres
    z_m: Metres

    def value(self) -> GatewayPlace:
        return GatewayPlace(self.gateway_id, self.x_m, self.y_m, self.z_m)


class FloorPart(Part):
    floor_id: Id
    level: Annotated[int, Field(ge=-MAX_LEVEL, le=MAX_LEVEL)] = 0
    outline: Ring
    obstacles: tuple[Ring, ...] = ()
    zones: tuple[ZonePart, ...] = ()
    gateways: tuple[GatewayPart, ...] = ()

    def value(self) -> FloorPlan:
        return FloorPlan(
            self.floor_id,
            self.outline,
            self.obstacles,
            tuple(zone.value() for zone in self.zones),
            tuple(gateway.value() for gateway in self.gateways),
            self.level,
        )


class ConnectorEndPart(Part):
    floor_id: Id
    x_m: Metres
    y_m: Metres

    def value(self) -> ConnectorEnd:
        return ConnectorEnd(self.floor_id, self.x_m, self.y_m)


class ConnectorPart(Part):
    connector_id: Id
    kind: ConnectorKind
    ends: tuple[ConnectorEndPart, ...]

    def value(self) -> Connector:
        ends = tuple(end.value() for end in self.ends)
        return Connector(self.connector_id, self.kind, ends)


class AnchorPart(Part):
    longitude_deg: Annotated[FiniteFloat, Field(ge=-180, le=180)]
    latitude_deg: Annotated[FiniteFloat, Field(ge=-MAX_LATITUDE_DEG, le=MAX_LATITUDE_DEG)]
    bearing_deg: Annotated[FiniteFloat, Field(ge=-360, le=360)] = 0.0

    def value(self) -> GeoAnchor:
        return GeoAnchor(self.longitude_deg, self.latitude_deg, self.bearing_deg)


class StorePart(Part):
    store_id: Id
    name: Line
    tz: Tz
    country: Country
    anchor: AnchorPart | None = None
    floors: tuple[FloorPart, ...] = ()
    connectors: tuple[ConnectorPart, ...] = ()

    def value(self) -> StorePlan:
        return StorePlan(
            self.store_id,
            self.name,
            self.tz,
            self.country,
            tuple(floor.value() for floor in self.floors),
            tuple(connector.value() for connector in self.connectors),
            None if self.anchor is None else self.anchor.value(),
        )


class FilePart(Part):
    """The document. Stores and campaigns are checked one by one, so one hides no other's faults."""

    version: Literal["1"] = "1"
    stores: tuple[Any, ...] = ()
    campaigns: tuple[Any, ...] = ()


# The mapping that stands under each list, for saying which keys it knows.
PARTS: Final[dict[str, type[Part]]] = {
    "stores": StorePart,
    "floors": FloorPart,
    "zones": ZonePart,
    "gateways": GatewayPart,
    "connectors": ConnectorPart,
    "ends": ConnectorEndPart,
    "anchor": AnchorPart,
    "campaigns": CampaignPart,
    "hours": HoursPart,
    "creatives": CreativePart,
    "benefit": BenefitPart,
    "limits": LimitsPart,
}
