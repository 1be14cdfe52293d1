"""A store's plan as the engine uses it: its presence model, its zones, the time on its wall."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from beacons.dwell import DwellCurve, dwell_curves
from beacons.floor import PlanError, Zone, ZoneKind
from beacons.presence import PresenceModel
from beacons.store_plan import StorePlan
from offers.situation import ZoneRole

# Where people pay, ask or only pass, nobody is messaged (DESIGN 7).
QUIET_KINDS: Final = frozenset(
    {ZoneKind.CHECKOUT, ZoneKind.ENTRANCE, ZoneKind.QUIET, ZoneKind.SERVICE_DESK, ZoneKind.PICKUP}
)


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """One store, ready to work with. It has one floor."""

    store: StorePlan
    model: PresenceModel
    zones: dict[str, Zone]
    tz: ZoneInfo
    control_salt: str
    # As assumed of each kind of zone, until `engine.dwell` has read the store's own stays.
    dwell: dict[str, DwellCurve]

    @property
    def gateway_ids(self) -> frozenset[str]:
        """Every gateway of the store."""
        return frozenset(
            place.gateway_id for floor in self.store.floors for place in floor.gateways
        )

    def role(self, zone_id: str) -> ZoneRole:
        """What the zone means for messages."""
        kind = self.zones[zone_id].kind
        return ZoneRole.QUIET if kind in QUIET_KINDS else ZoneRole.SELLING

    def residual_dwell_s(self, zone_id: str, elapsed_s: float) -> float:
        """How much longer a shopper stays who has been in the zone for `elapsed_s`."""
        return float(self.dwell[zone_id].residual_s(elapsed_s))

    def still_here_p(self, zone_id: str, elapsed_s: float, in_s: float) -> float:
        """The probability that a shopper who has been in the zone still is `in_s` from now."""
        return float(self.dwell[zone_id].survival(in_s, elapsed_s))

    def local(self, at: datetime) -> datetime:
        """The store's own time."""
        return at.astimezone(self.tz)


def engine_plan(store: StorePlan, control_salt: str) -> EnginePlan:
    """The plan ready for work. Raises PlanError when it has faults, or not just one floor."""
    if len(store.floors) != 1:
        raise PlanError("-", [f"the store has {len(store.floors)} floors, one is supported"])
    floor = store.floors[0]
    try:
        tz = ZoneInfo(store.tz)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise PlanError(floor.floor_id, [f"this machine knows no time zone {store.tz}"]) from error
    return EnginePlan(
        store=store,
        model=PresenceModel(floor),
        zones={zone.zone_id: zone for zone in floor.zones},
        tz=tz,
        control_salt=control_salt,
        dwell=dwell_curves(floor.zones, ()),
    )
