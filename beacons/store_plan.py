"""A store as a place: where it is, and its floors."""

from dataclasses import dataclass

from beacons.floor import FloorPlan, Zone


@dataclass(frozen=True, slots=True)
class StorePlan:
    """One store. tz: IANA name; country: ISO 3166-1 alpha-2."""

    store_id: str
    name: str
    tz: str
    country: str
    floors: tuple[FloorPlan, ...]

    def zone(self, zone_id: str) -> Zone | None:
        """The zone of that id, on whichever floor."""
        return next(
            (zone for floor in self.floors for zone in floor.zones if zone.zone_id == zone_id),
            None,
        )
