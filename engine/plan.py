"""A store's plan as the engine uses it: its presence model, its zones, the time on its wall."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from beacons.floor import PlanError, Zone, ZoneKind
from beacons.presence import PresenceModel
from beacons.store_plan import StorePlan
from offers.situation import ZoneRole

# Where people pay, ask or only pass, nobody is messaged (DESIGN 7).
QUIET_KINDS: Final = frozenset(
    {ZoneKind.CHECKOUT, ZoneKind.ENTRANCE, ZoneKind.QUIET, ZoneKind.SERVICE_DESK, ZoneKind.PICKUP}
)
# Assumed until the store's own visits say better: how much longer a shopper who has stopped in a
# zone of this kind stays, in seconds. Stops are short and heavy-tailed (Larson, Bradlow, Fader
# 2005), so that what is left does not shrink as the stay goes on.
RESIDUAL_DWELL_S: Final = {ZoneKind.AISLE: 25.0, ZoneKind.PROMO: 15.0, ZoneKind.PERIMETER: 15.0}
RESIDUAL_DWELL_ELSEWHERE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """One store, ready to work with. It has one floor."""

    store: StorePlan
    model: PresenceModel
    zones: dict[str, Zone]
    tz: ZoneInfo
    control_salt: str

    def role(self, zone_id: str) -> ZoneRole:
        """What the zone means for messages."""
        kind = self.zones[zone_id].kind
        return ZoneRole.QUIET if kind in QUIET_KINDS else ZoneRole.SELLING

    def residual_dwell_s(self, zone_id: str) -> float:
        """How much longer a shopper is expected to stay in the zone."""
        return RESIDUAL_DWELL_S.get(self.zones[zone_id].kind, RESIDUAL_DWELL_ELSEWHERE_S)

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
    )
